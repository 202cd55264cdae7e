/** What a fit made, ready to be measured and kept: a model of this package, or a network for ONNX Runtime. */
import type { GraphReading, ModelFormat } from '../core/records.ts'
import { meanAbsContributions } from '../model/explain.ts'
import { encodeModel } from '../model/format.ts'
import { formOf } from '../model/forms/registry.ts'
import type { MatrixSlice } from '../model/matrix.ts'
import { type Graph, predictColumns } from '../model/predict.ts'
import { matrixOf } from '../model/ready.ts'
import { sampledShapley } from '../model/sampled-shapley.ts'
import type { LearnedGraph } from './learner.ts'

export interface Made {
  /** What the store keeps. */
  bytes: Uint8Array
  format: ModelFormat
  reading?: GraphReading
  /** Calibrated outputs of rows. */
  outputs(columns: Float64Array[], n: number): Float64Array | Promise<Float64Array>
  /** Mean absolute contribution of each feature over rows `[nFeatures]`, and a sentence where it is no exact one; nothing where it would take too long. */
  importance(slice: MatrixSlice): Promise<{ means?: Float64Array; note?: string }>
}

/** Rows that the global importance is averaged over. */
const IMPORTANCE_ROWS = 200

/** A model of this package. `own` is what is kept: of a member of a family, its own trees alone. */
export function madeModel(whole: Graph, own: Graph = whole): Made {
  return {
    bytes: encodeModel(own.model, own.calibration),
    format: formOf(own.model).format,
    outputs: (columns, n) => predictColumns(whole, columns, n),
    importance: async (slice) => {
      const rows = spreadRows(slice, Math.min(IMPORTANCE_ROWS, slice.nRows))
      return { means: meanAbsContributions(whole.model, rows.columns, rows.nRows) }
    },
  }
}

/** Rows scored for the importance of a network at most, and the least that is worth it. */
const SAMPLED_SCORES_MAX = 200_000
const SAMPLED_ROWS_MIN = 10
const BACKGROUND_ROWS = 4

/** A network. Its importance is sampled, by a number of scored rows and not by the clock, so that it is the same everywhere. */
export function madeGraph({ graph, reading, nOutputs, outputs }: LearnedGraph): Made {
  return {
    bytes: graph,
    format: 'onnx',
    reading,
    outputs,
    importance: async (slice) => {
      const nFeatures = slice.columns.length
      const perRow = 2 * nFeatures * BACKGROUND_ROWS * nOutputs
      const nRows = Math.min(IMPORTANCE_ROWS, slice.nRows, Math.floor(SAMPLED_SCORES_MAX / perRow))
      if (nRows < Math.min(SAMPLED_ROWS_MIN, slice.nRows))
        return { note: `the importance of ${nFeatures} features was not sampled: it would take too long` }
      const rows = spreadRows(slice, nRows)
      return {
        means: await sampledMeans(rows, { nFeatures, nOutputs, outputs }),
        note: `importance is sampled over ${nRows} rows, on the scale of outputs`,
      }
    },
  }
}

interface Spread {
  nRows: number
  columns: Float64Array[]
}

function spreadRows({ columns, nRows }: MatrixSlice, n: number): Spread {
  const rows = Int32Array.from({ length: n }, (_, k) => Math.floor((k * nRows) / n))
  return { nRows: n, columns: columns.map((column) => Float64Array.from(rows, (i) => column[i])) }
}

async function sampledMeans(
  { columns, nRows }: Spread,
  { nFeatures, nOutputs, outputs }: Pick<LearnedGraph, 'nOutputs' | 'outputs'> & { nFeatures: number },
): Promise<Float64Array> {
  const sums = new Float64Array(nFeatures)
  for (let i = 0; i < nRows; i++) {
    const x = matrixOf(columns, i, 1, nFeatures)
    for (let k = 0; k < nOutputs; k++) {
      const score = async (rows: Float64Array, n: number) => {
        const all = await outputs(rows, n)
        return Float64Array.from({ length: n }, (_, row) => all[row * nOutputs + k])
      }
      const background = { rows: columns, n: nRows }
      const options = { background, rounds: 1, backgroundMax: BACKGROUND_ROWS, seed: i + 1 }
      const { contributions } = await sampledShapley(score, x, options)
      contributions.forEach((c, j) => {
        sums[j] += Math.abs(c)
      })
    }
  }
  return sums.map((sum) => sum / (nRows * nOutputs))
}
