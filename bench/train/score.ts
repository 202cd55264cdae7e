/** Scoring of 100 trees of 63 leaves: one row and a batch, beside LightGBM, ONNX Runtime, lleaves and treelite on the same model. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportLightGbmText } from '../../dist/model/export/lightgbm-text.js'
import { exportOnnx } from '../../dist/model/export/onnx.js'
import { compileScorer } from '../../dist/model/score.js'
import { trainGbdt } from '../../dist/train/gbdt/train.js'
import { type HiggsLike, higgsLike, N_FEATURES } from '../data/higgs-like.ts'
import { cpuPerCall } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const ROWS = 20_000
const SHAPE = { trees: 100, leaves: 63, learningRate: 0.1, bins: 255 }
const LIBRARIES: { library: string; environment?: string }[] = [
  { library: 'lightgbm' },
  { library: 'onnxruntime' },
  { library: 'lleaves', environment: 'lleaves' },
  { library: 'treelite' },
]
/** Asked: microseconds of a row alone and in a batch, seconds to build; how many times LightGBM and ONNX Runtime alone; the share of lleaves in a batch. */
const GOALS = { singleUs: 2, batchUs: 1.2, buildS: 0.1, timesAlone: 4, ofLleaves: 2 }

interface Figures {
  build: number
  batch: number
  single: number
}

const section: Section = async ({ peers }) => {
  const data = higgsLike({ trainRows: 100_000, testRows: ROWS })
  const model = trainModel(data)
  const own = measure(model, data)
  tell('score: one row', own.single * 1e6, 'µs of CPU', GOALS.singleUs)
  tell('score: a row of a batch', own.batch * 1e6, 'µs of CPU', GOALS.batchUs)
  tell('score: from model to first score', own.build, 's of CPU', GOALS.buildS)
  if (peers) await besidePeers(model, data, own)
}
export default section

type Model = ReturnType<typeof trainModel>

function trainModel({ train }: HiggsLike) {
  const columns = train.columns.map((column) => Float64Array.from(column))
  const data = { nRows: train.nRows, columns, categorical: columns.map(() => false), target: train.target }
  return trainGbdt(data, SHAPE).model
}

function measure(model: Model, { test }: HiggsLike): Figures {
  const matrix = new Float64Array(ROWS * N_FEATURES)
  test.columns.forEach((column, j) => {
    for (let i = 0; i < ROWS; i++) matrix[i * N_FEATURES + j] = column[i]
  })
  const rows = Array.from({ length: ROWS }, (_, i) => matrix.slice(i * N_FEATURES, (i + 1) * N_FEATURES))
  const out = new Float64Array(ROWS)
  const begun = process.cpuUsage()
  const scorer = compileScorer(model)
  scorer.rawRow(rows[0])
  const { user, system } = process.cpuUsage(begun)
  return {
    build: (user + system) / 1e6,
    batch: cpuPerCall(() => scorer.rawBatch(matrix, ROWS, out), { calls: 1, rounds: 9 }) / ROWS,
    single:
      cpuPerCall(
        () => {
          for (const row of rows) scorer.rawRow(row)
        },
        { calls: 1, rounds: 9 },
      ) / ROWS,
  }
}

function tell(metric: string, value: number, unit: string, goal: number): void {
  report({ bench: BENCH, metric, value, unit, goal, met: value <= goal })
}

async function besidePeers(model: Model, data: HiggsLike, own: Figures): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-score-'))
  const [text, onnx] = [join(folder, 'model.txt'), join(folder, 'model.onnx')]
  writeFileSync(text, exportLightGbmText(model))
  writeFileSync(onnx, exportOnnx(model))
  try {
    for (const { library, environment } of LIBRARIES) {
      const asked = { library, model: text, onnx, folder: data.folder, rows: ROWS }
      const theirs = await measured(asked, environment)
      if (theirs === null) continue
      const alone = library === 'lightgbm' || library === 'onnxruntime'
      const times = theirs.single / own.single
      report({
        ...{ bench: BENCH, metric: 'score: one row', value: own.single * 1e6, unit: 'µs of CPU' },
        ...{ peer: library, peerValue: rounded(theirs.single * 1e6), ratio: rounded(times) },
        ...(alone ? { goal: GOALS.timesAlone, met: times >= GOALS.timesAlone } : {}),
      })
      report({
        ...{ bench: BENCH, metric: 'score: a row of a batch', value: own.batch * 1e6, unit: 'µs of CPU' },
        ...{
          peer: library,
          peerValue: rounded(theirs.batch * 1e6),
          ratio: rounded(theirs.batch / own.batch),
        },
        ...(library === 'lleaves'
          ? { goal: GOALS.ofLleaves, met: own.batch <= GOALS.ofLleaves * theirs.batch }
          : {}),
        note: `they build in ${rounded(theirs.build)} s, we in ${rounded(own.build)}`,
      })
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** `null`, with the reason on standard error, where a library does not run here. */
async function measured(
  asked: { library: string; [name: string]: unknown },
  environment: string | undefined,
): Promise<Figures | null> {
  try {
    return (await peer<Figures>('scoring', asked, { environment }))[0]
  } catch (error) {
    console.error(`  ${asked.library} is left out: ${(error as Error).message.split('\n').at(-1)}`)
    return null
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
