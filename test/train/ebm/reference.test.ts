import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { mix32 } from '../../../src/core/rng.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { AdditiveTables } from '../../../src/model/tables/tables.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { type EbmData, trainEbm } from '../../../src/train/ebm/train.ts'

interface Measured {
  auc: number
  pairs: [number, number][]
}

const REFERENCE = JSON.parse(
  readFileSync(new URL('../../reference/ebm/ebm.json', import.meta.url), 'utf8'),
) as { n: number; d: number; train: number; features: Measured; pairs: Measured; adult: Measured }

/** The rows that test/reference/ebm/make.py makes. */
function referenceRows(from: number, to: number): EbmData {
  const { d } = REFERENCE
  const share = (i: number) => mix32(i) / 2 ** 32
  const nRows = to - from
  const columns = Array.from({ length: d }, (_, j) =>
    Float64Array.from({ length: nRows }, (_, i) => {
      const u = share((from + i) * d + j + 1)
      if (j === 5) return Math.floor(10 * u)
      return j === 4 && share(from + i + 20_000_000) < 0.1 ? Number.NaN : 3.4 * u - 1.7
    }),
  )
  const target = Float64Array.from({ length: nRows }, (_, i) => {
    const x = columns.map((column) => column[i])
    const smooth = Math.sin(2 * x[0]) + x[1] * x[2] + 0.5 * x[3] ** 2 - 0.5
    const z = smooth + (Number.isNaN(x[4]) ? 1 : x[4]) + (x[5] % 3 === 0 ? 1 : -0.5)
    return share(from + i + 10_000_000) < 1 / (1 + Math.exp(-z)) ? 1 : 0
  })
  return { nRows, columns, categorical: columns.map(() => false), target }
}

function aucOf(model: AdditiveTables, { columns, nRows, target }: EbmData): number {
  const out = new Float64Array(nRows)
  compileScorer(model).rawBatch(columns, nRows, out)
  return auc(out, target)
}

test.each(['features', 'pairs'] as const)('ranks as well as interpret: tables of %s', (kind) => {
  const train = referenceRows(0, REFERENCE.train)
  const later = referenceRows(REFERENCE.train, REFERENCE.n)
  const { model, pairs } = trainEbm(train, { interactions: kind === 'pairs' ? 3 : 0 })
  expect(aucOf(model, later)).toBeGreaterThan(REFERENCE[kind].auc - 0.002)
  if (kind === 'features') return
  expect(pairs[0]).toEqual([1, 2])
  expect(REFERENCE.pairs.pairs).toContainEqual([1, 2])
})

const folder = new URL('../../../../shared/data/adult/', import.meta.url)

test('ranks census incomes as well as interpret', () => {
  if (!existsSync(folder)) {
    console.warn('SKIPPED: census incomes (adult): the folder ../shared/data is absent')
    return
  }
  const isCategory = [1, 3, 5, 6, 7, 8, 9, 13]
  const codes = Array.from({ length: 14 }, () => new Map<string, number>())
  const read = (name: string): EbmData => {
    const lines = gunzipSync(readFileSync(new URL(name, folder)))
      .toString()
      .split('\n')
    const rows = lines
      .map((line) => line.split(',').map((cell) => cell.trim()))
      .filter((row) => row.length === 15 && /^\d/.test(row[0]))
    const cell = (text: string, j: number) => {
      if (text === '?') return Number.NaN
      if (!isCategory.includes(j)) return Number(text)
      if (!codes[j].has(text)) codes[j].set(text, codes[j].size)
      return codes[j].get(text)!
    }
    return {
      nRows: rows.length,
      columns: codes.map((_, j) => Float64Array.from(rows, (row) => cell(row[j], j))),
      categorical: codes.map((_, j) => isCategory.includes(j)),
      target: Float64Array.from(rows, (row) => (row[14].startsWith('>50K') ? 1 : 0)),
    }
  }
  const { model } = trainEbm(read('adult-train.csv.gz'), { bags: 4 })
  expect(aucOf(model, read('adult-test.csv.gz'))).toBeGreaterThan(REFERENCE.adult.auc - 0.002)
}, 120_000)
