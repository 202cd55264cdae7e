/** Exact contributions of 2,000 rows, path dependent and against a background, beside LightGBM, shap and FastTreeSHAP on the same model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { contributionsOf, explainRow } from '../../dist/model/explain.js'
import { exportLightGbmText } from '../../dist/model/export/lightgbm-text.js'
import { trainGbdt } from '../../dist/train/gbdt/train.js'
import { type HiggsLike, higgsLike, N_FEATURES } from '../data/higgs-like.ts'
import { cpuPerCall } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const ROWS = 2_000
/** Rows explained against a background by both sides, and the background. */
const SEE_ROWS = 200
const BACKGROUNDS = [100, 2_000]
/** Without a limit of depth, paths test more features than tables are made for. */
const SHAPES = [
  { trees: 100, leaves: 31, maxDepth: 64, goalS: 0.2, peerRows: ROWS },
  { trees: 500, leaves: 255, maxDepth: 8, goalS: 4, peerRows: ROWS },
  { trees: 500, leaves: 255, maxDepth: 64, goalS: 12, peerRows: SEE_ROWS },
]
/** Seconds for one row of the smallest model, with what is kept for it. */
const ONE_ROW_S = 0.2e-3
const LIBRARIES = [
  { library: 'lightgbm' },
  { library: 'shap' },
  { library: 'fasttreeshap', environment: 'numpy1' },
]
const DIFFERENCE_MAX = 1e-9
const TIMES_SHAP = 5

const section: Section = async ({ peers }) => {
  const data = higgsLike({ trainRows: 100_000, testRows: 20_000 })
  const columns = data.test.columns.map((column) => Float64Array.from(column))
  for (const shape of SHAPES) await explainShape(data, columns, shape, peers)
}
export default section

type Shape = (typeof SHAPES)[number]
type Model = ReturnType<typeof trainModel>

function trainModel({ train }: HiggsLike, { trees, leaves, maxDepth }: Shape) {
  const columns = train.columns.map((column) => Float64Array.from(column))
  const data = { nRows: train.nRows, columns, categorical: columns.map(() => false), target: train.target }
  return trainGbdt(data, { trees, leaves, maxDepth, learningRate: 0.1, bins: 255 }).model
}

async function explainShape(
  data: HiggsLike,
  columns: Float64Array[],
  shape: Shape,
  peers: boolean,
): Promise<void> {
  const model = trainModel(data, shape)
  const named = `shap: ${shape.trees} × ${shape.leaves}${shape.maxDepth < 64 ? ` depth ${shape.maxDepth}` : ''}`
  const path = cpuPerCall(() => contributionsOf(model, columns, ROWS), { calls: 1, rounds: 3 })
  report({
    bench: BENCH,
    metric: `${named}, ${ROWS} rows`,
    value: path,
    unit: 's of CPU',
    goal: shape.goalS,
    met: path <= shape.goalS,
  })
  const [first] = oneByOne(columns, 1)
  explainRow(model, first)
  const few = oneByOne(columns, SEE_ROWS)
  const one =
    cpuPerCall(
      () => {
        for (const row of few) explainRow(model, row)
      },
      { calls: 1, rounds: 3 },
    ) / SEE_ROWS
  report({
    ...{ bench: BENCH, metric: `${named}, one row`, value: one * 1e3, unit: 'ms of CPU' },
    ...(shape === SHAPES[0] ? { goal: ONE_ROW_S * 1e3, met: one <= ONE_ROW_S } : {}),
  })
  const against = BACKGROUNDS.map((n) => {
    const background = { rows: columns, n }
    return cpuPerCall(() => contributionsOf(model, columns, SEE_ROWS, background), { calls: 1, rounds: 3 })
  })
  report({
    bench: BENCH,
    metric: `${named}, ${SEE_ROWS} rows against ${BACKGROUNDS[1]}`,
    value: against[1],
    unit: 's of CPU',
    note: `against ${BACKGROUNDS[0]}: ${rounded(against[0])} s`,
  })
  if (peers)
    await besidePeers(data, model, columns, { named, path, against: against[0], rows: shape.peerRows })
}

async function besidePeers(
  data: HiggsLike,
  model: Model,
  columns: Float64Array[],
  { named, path, against, rows }: { named: string; path: number; against: number; rows: number },
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-shap-'))
  const text = join(folder, 'model.txt')
  writeFileSync(text, exportLightGbmText(model))
  const own = contributionsOf(model, columns, SEE_ROWS)
  const asked = {
    model: text,
    folder: data.folder,
    rows,
    background: BACKGROUNDS[0],
    seeRows: SEE_ROWS,
  }
  try {
    for (const { library, environment } of LIBRARIES) {
      const theirs = await measured({ library, ...asked }, environment)
      if (theirs === null) continue
      const theirPath = (theirs.path * ROWS) / rows
      const worst = Math.max(
        ...theirs.first.map((row, i) =>
          Math.max(...row.map((v, j) => Math.abs(v - own[i * N_FEATURES + j]))),
        ),
      )
      report({
        ...{ bench: BENCH, metric: `${named}, ${ROWS} rows`, value: path, unit: 's of CPU' },
        ...{ peer: library, peerValue: rounded(theirPath), ratio: rounded(theirPath / path) },
        ...(rows < ROWS ? { note: `theirs of ${rows} rows, times ${ROWS / rows}` } : {}),
      })
      report({
        ...{ bench: BENCH, metric: `${named}, largest difference to ${library}`, value: worst, unit: '' },
        ...{ goal: DIFFERENCE_MAX, met: worst <= DIFFERENCE_MAX, note: worst.toExponential(1) },
      })
      if (theirs.interventional !== undefined)
        report({
          ...{ bench: BENCH, metric: `${named}, ${SEE_ROWS} rows against ${BACKGROUNDS[0]}`, value: against },
          ...{ unit: 's of CPU', peer: library, peerValue: rounded(theirs.interventional) },
          ...{ ratio: rounded(theirs.interventional / against), goal: TIMES_SHAP },
          met: theirs.interventional >= TIMES_SHAP * against,
        })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** `null`, with the reason on standard error, where a library does not run here. */
async function measured(asked: object, environment: string | undefined) {
  try {
    const [figures] = await peer<{ path: number; interventional?: number; first: number[][] }>(
      'shapley',
      asked,
      { environment },
    )
    return figures
  } catch (error) {
    console.error(`  ${(asked as { library: string }).library} is left out: ${(error as Error).message}`)
    return null
  }
}

function oneByOne(columns: Float64Array[], n: number): Float64Array[] {
  return Array.from({ length: n }, (_, i) => Float64Array.from(columns, (column) => column[i]))
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
