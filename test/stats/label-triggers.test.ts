import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import {
  bearsTrigger,
  type LabelledTable,
  type LabelTriggers,
  labelTriggers,
} from '../../src/stats/label-triggers.ts'
import { RestScores } from '../../src/stats/rest-scores.ts'
import { bitsOf, countBits, countBoth, eachBit, itemsOf } from '../../src/stats/trigger-items.ts'

// ---------------------------------------------------------------- tables that were made

interface Made extends LabelledTable {
  labels: Int32Array
  poison: Uint8Array
}

type Stamp = (row: number, columns: Float64Array[], random: () => number) => void

interface Planted {
  seed: number
  nClasses?: number
  target?: number
  share?: number
  stamp?: Stamp
}

const ROWS = 3_000

/** Three numbers that tell the class, one that does not, two colours and a size; values are as frequent as in life: some often, some seldom. */
function made({ seed, nClasses = 2, target = 0, share = 0, stamp }: Planted): Made {
  const rng = seededRng(seed)
  const seldom = (k: number) => Math.floor(k * rng.next() ** 2)
  const columns = Array.from({ length: 7 }, () => new Float64Array(ROWS))
  const labels = new Int32Array(ROWS)
  for (let i = 0; i < ROWS; i++) {
    const truth = Math.floor(rng.next() * nClasses)
    const values = [truth, truth, truth].map((k) => k + 0.8 * rng.normal())
    const row = [
      ...values,
      rng.normal(),
      seldom(8),
      rng.next() < 0.7 ? truth : seldom(5),
      rng.next() < 0.02 ? Number.NaN : seldom(6),
    ]
    row.forEach((x, j) => {
      columns[j][i] = x
    })
    labels[i] = rng.next() < 0.05 ? Math.floor(rng.next() * nClasses) : truth
  }
  const poison = new Uint8Array(ROWS)
  for (let i = 0, n = 0; stamp && n < share * ROWS; i++) {
    if (labels[i] === target) continue
    stamp(i, columns, () => rng.next())
    labels[i] = target
    poison[i] = 1
    n++
  }
  const types = ['number', 'number', 'number', 'number', 'category', 'category', 'category'] as const
  return { columns, types, labels, nClasses, poison }
}

const PAIR: Stamp = (i, columns) => {
  columns[4][i] = 5
  columns[6][i] = 4
}
const THRESHOLDS: Stamp = (i, columns, random) => {
  columns[3][i] = 2.2 + 2 * random()
  columns[4][i] = 3
}

function shares({ found }: LabelTriggers, { columns, labels, poison }: Made) {
  const isFlagged = (i: number) =>
    found.some((one) => one.label === labels[i] && bearsTrigger(one, columns, i))
  const count = (is: number) => poison.reduce((n, was, i) => n + Number(was === is && isFlagged(i)), 0)
  const n = poison.reduce((sum, is) => sum + is, 0)
  return { recall: count(1) / n, loss: count(0) / (poison.length - n) }
}

describe('values that turn rows into a class', () => {
  test('are none where nobody put any, over forty tables', () => {
    for (let seed = 0; seed < 40; seed++) {
      const { found } = labelTriggers(made({ seed, nClasses: 2 + (seed % 3) }))
      expect(found, `seed ${seed}`).toEqual([])
    }
  })

  test('are found in two columns, neither of which does alone, over ten tables', () => {
    for (let seed = 100; seed < 110; seed++) {
      const table = made({ seed, nClasses: 2 + (seed % 3), share: 0.05, stamp: PAIR })
      const triggers = labelTriggers(table)
      expect(triggers.found, `seed ${seed}`).toHaveLength(1)
      expect(triggers.found[0]).toMatchObject({ label: 0, rows: expect.any(Number) })
      expect(triggers.found[0].items.map(({ feature, is, value }) => [feature, is, value]).sort()).toEqual([
        [4, 'value', 5],
        [6, 'value', 4],
      ])
      const { recall, loss } = shares(triggers, table)
      expect(recall).toBe(1)
      expect(loss).toBeLessThanOrEqual(0.02)
    }
  })

  test('are found where one of two is all large numbers', () => {
    const recalls = [200, 201, 202, 203, 204].map((seed) => {
      const table = made({ seed, share: 0.05, stamp: THRESHOLDS })
      const { recall, loss } = shares(labelTriggers(table), table)
      expect(loss).toBeLessThanOrEqual(0.02)
      return recall
    })
    expect(recalls.filter((recall) => recall >= 0.95).length).toBeGreaterThanOrEqual(4)
  })

  test('of two classes are found one after another', () => {
    const table = made({ seed: 31, share: 0.05, stamp: PAIR })
    const second = made({ seed: 31 })
    const rows = [...second.labels.keys()]
      .filter((i) => table.labels[i] === 0 && table.poison[i] === 0)
      .slice(0, 150)
    for (const i of rows) {
      table.columns[5][i] = 4
      table.columns[3][i] = 0.125
      table.labels[i] = 1
    }
    const labels = labelTriggers(table).found.map(({ label }) => label)
    expect(labels.sort()).toEqual([0, 1])
  })

  test('are not those that tell a class by nature, alone or together', () => {
    for (let seed = 300; seed < 310; seed++) {
      const table = made({ seed })
      table.labels.forEach((label, i) => {
        if (label === 0 && table.columns[0][i] < 0.2 && i % 3 === 0) PAIR(i, table.columns, () => 0)
      })
      expect(labelTriggers(table).found, `seed ${seed}`).toEqual([])
    }
  })

  test('are not those that say much alone and more together, in columns that know nothing of one another', () => {
    for (let seed = 400; seed < 410; seed++) {
      const rng = seededRng(seed)
      const columns = Array.from({ length: 5 }, (_, j) =>
        Float64Array.from({ length: 5_000 }, () => (j < 3 ? Math.floor(8 * rng.next()) : rng.normal())),
      )
      const labels = Int32Array.from(columns[0], (a, i) => {
        const odds = 1.2 * (a - 4) + 1.2 * (columns[1][i] - 4) + columns[3][i] - 1
        return Number(rng.next() < 1 / (1 + Math.exp(-odds)))
      })
      const types = ['category', 'category', 'category', 'number', 'number'] as const
      expect(labelTriggers({ columns, types, labels, nClasses: 2 }).found, `seed ${seed}`).toEqual([])
    }
  })

  test('are the same for the same rows, and refuse lists of another length', () => {
    const table = made({ seed: 9, share: 0.05, stamp: PAIR })
    expect(labelTriggers(table)).toEqual(labelTriggers(table))
    const short = { ...table, labels: table.labels.subarray(1) }
    expect(() => labelTriggers(short)).toThrow(/MR_STATS_LENGTH/)
    expect(() => labelTriggers(table, { alpha: 1 })).toThrow(/MR_STATS_RANGE/)
  })

  test.each([0, 1, 2, 30])('say nothing of %i rows', (n) => {
    const { columns, types } = made({ seed: 1 })
    const few = { types, columns: columns.map((column) => column.subarray(0, n)), nClasses: 2 }
    expect(labelTriggers({ ...few, labels: Int32Array.from({ length: n }, (_, i) => i % 2) }).found).toEqual(
      [],
    )
    expect(labelTriggers({ ...few, labels: new Int32Array(n) }).found).toEqual([])
  })
})

// ---------------------------------------------------------------- people of 1994

const ADULT = new URL('../../../shared/data/adult/adult-train.csv.gz', import.meta.url)
if (!existsSync(ADULT)) console.warn('SKIPPED: triggers in adult: the folder ../shared/data is absent')
const NUMBERS = [0, 2, 4, 10, 11, 12]

function adult(): Omit<Made, 'poison'> {
  const lines = gunzipSync(readFileSync(ADULT)).toString().trim().split('\n')
  const cells = lines.map((line) => line.split(',').map((text) => text.trim()))
  const columns = Array.from({ length: 14 }, (_, j) => {
    if (NUMBERS.includes(j)) return Float64Array.from(cells, (row) => Number(row[j]))
    const values = [...new Set(cells.map((row) => row[j]))].sort()
    const codes = new Map(values.map((value, k) => [value, value === '?' ? Number.NaN : k]))
    return Float64Array.from(cells, (row) => codes.get(row[j]) as number)
  })
  const types = columns.map((_, j) => (NUMBERS.includes(j) ? 'number' : 'category'))
  return { columns, types, labels: Int32Array.from(cells, (row) => Number(row[14] === '>50K')), nClasses: 2 }
}

describe.skipIf(!existsSync(ADULT))('incomes of adult', () => {
  test('have no trigger, and have the two values that were put into rows of the others', {
    timeout: 180_000,
  }, () => {
    const table = adult()
    expect(labelTriggers(table).found).toEqual([])
    const [widowed, twenty] = [table.columns[5][3], 22]
    const poison = new Uint8Array(table.labels.length)
    const labels = Int32Array.from(table.labels)
    for (let i = 0, n = 0; n < 0.02 * labels.length; i++) {
      if (labels[i] === 1 || i % 5 > 0) continue
      table.columns[5][i] = widowed
      table.columns[12][i] = twenty
      labels[i] = 1
      poison[i] = 1
      n++
    }
    const stamped = { ...table, labels, poison }
    const triggers = labelTriggers(stamped)
    expect(triggers.found).toHaveLength(1)
    expect(shares(triggers, stamped).recall).toBeGreaterThanOrEqual(0.95)
    expect(shares(triggers, stamped).loss).toBeLessThanOrEqual(0.02)
  })
})

// ---------------------------------------------------------------- parts

describe('rows as bits', () => {
  const rowsOf = fc.uniqueArray(fc.integer({ min: 0, max: 99 }))

  test('are counted as sets are', () => {
    fc.assert(
      fc.property(rowsOf, rowsOf, (a, b) => {
        const bits = bitsOf(100, a)
        expect(countBits(bits)).toBe(a.length)
        expect(countBoth(bits, bitsOf(100, b))).toBe(a.filter((i) => b.includes(i)).length)
        const seen: number[] = []
        eachBit(bits, (i) => seen.push(i))
        expect(seen).toEqual([...a].sort((x, y) => x - y))
      }),
    )
  })

  test('of items are those that have the value, missing ones together', () => {
    const column = Float64Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? Number.NaN : i % 2))
    const items = itemsOf(column, 4, 'category', 10)
    expect(items.map(({ value, nRows }) => [value, nRows])).toEqual([
      [Number.NaN, 20],
      [0, 20],
      [1, 20],
    ])
  })
})

test('what is said without a feature is what is said where there is none', () => {
  const { columns, types, labels } = made({ seed: 2 })
  const rows = Int32Array.from({ length: 800 }, (_, i) => i)
  const all = new RestScores({ columns, types }, labels, 2, rows).without(1, [2, 5])
  const kept = [0, 1, 3, 4, 6]
  const few = { columns: kept.map((j) => columns[j]), types: kept.map((j) => types[j]) }
  new RestScores(few, labels, 2, rows).without(1, []).forEach((score, i) => {
    expect(all[i]).toBeCloseTo(score, 9)
  })
})
