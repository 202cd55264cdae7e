/** Explainable boosting machines: CPU seconds and AUC on 15,000 rows of 20 features, beside interpret. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRng } from '../../dist/core/rng.js'
import { compileScorer } from '../../dist/model/score.js'
import { auc } from '../../dist/stats/metrics.js'
import { trainEbm } from '../../dist/train/ebm/train.js'
import { spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const ROWS = 25_000
const TRAIN = 15_000
const FEATURES = 20
const CPU_MAX = 10
const AUC_WITHIN = 0.002
const INTERACTIONS = 10
const BAGS = 8

function world(): { columns: Float64Array[]; target: Float64Array } {
  const rng = seededRng(3)
  const columns = Array.from({ length: FEATURES }, (_, j) =>
    Float64Array.from({ length: ROWS }, () => {
      const x = j < 15 ? rng.normal() : rng.nextInt(10)
      return rng.next() < 0.03 ? Number.NaN : x
    }),
  )
  const target = Float64Array.from({ length: ROWS }, (_, i) => {
    const x = columns.map((column) => (Number.isNaN(column[i]) ? 0.3 : column[i]))
    const alone =
      Math.sin(2 * x[0]) + 0.5 * x[3] ** 2 + 0.6 * Math.abs(x[4]) + 0.3 * (x[5] + x[6] + x[7] + x[8])
    const together = 0.8 * x[1] * x[2] + (x[0] > 0.5 && x[16] > 4 ? 0.5 : 0) + 0.4 * (x[15] % 3)
    return rng.next() < 1 / (1 + Math.exp(1.4 - alone - together)) ? 1 : 0
  })
  return { columns, target }
}

const section: Section = async ({ peers }) => {
  const { columns, target } = world()
  const rows = (from: number, to: number) => columns.map((column) => column.slice(from, to))
  const data = {
    nRows: TRAIN,
    columns: rows(0, TRAIN),
    categorical: columns.map(() => false),
    target: target.slice(0, TRAIN),
  }
  const { cpu, result } = await spentOn(() => trainEbm(data, { interactions: INTERACTIONS, bags: BAGS }))
  const out = new Float64Array(ROWS - TRAIN)
  compileScorer(result.model).rawBatch(rows(TRAIN, ROWS), out.length, out)
  const ours = auc(out, target.slice(TRAIN))
  report({
    bench: BENCH,
    metric: `EBM, ${TRAIN} × ${FEATURES}, ${INTERACTIONS} pairs, ${BAGS} bags`,
    value: cpu,
    unit: 's CPU',
    goal: CPU_MAX,
    met: cpu <= CPU_MAX,
  })
  if (!peers) return report({ bench: BENCH, metric: 'EBM, AUC on later rows', value: ours, unit: '' })
  const folder = mkdtempSync(join(tmpdir(), 'bench-ebm-'))
  try {
    const file = join(folder, 'rows.f64')
    writeFileSync(file, Buffer.concat([...columns, target].map((column) => Buffer.from(column.buffer))))
    const args = {
      file,
      rows: ROWS,
      train: TRAIN,
      features: FEATURES,
      interactions: INTERACTIONS,
      bags: BAGS,
    }
    const [theirs] = await peer<{ cpu: number; auc: number }>('ebm', args)
    report({
      bench: BENCH,
      metric: 'EBM, AUC on later rows',
      value: ours,
      unit: '',
      peer: 'interpret',
      peerValue: Number(theirs.auc.toFixed(4)),
      goal: Number((theirs.auc - AUC_WITHIN).toFixed(4)),
      met: ours >= theirs.auc - AUC_WITHIN,
      note: `theirs ${theirs.cpu.toFixed(1)} s CPU`,
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
export default section
