/** Rows of concurrent requests to a released graph, scored together: matrices and numbers around what puts tensors together. */
import { TensorBatcher } from './models/tensor-batcher.ts'

export interface BatcherOptions {
  /** Name of the model in errors. */
  model: string
  /** Columns of a row. */
  width: number
  /** Rows of one batch. */
  batchRowsMax: number
  /** Rows that wait, before MR_SERVE_BUSY. */
  queueRowsMax: number
}

type Run = (matrix: Float64Array, nRows: number) => Promise<Float64Array>

/** Names of the one input and the one output. */
const [ROWS, NUMBERS] = ['rows', 'numbers']

/** Scores row-major matrices through `run`, which sees at most `batchRowsMax` rows a call (a larger request goes in pieces), and one call at a time. */
export class Batcher {
  readonly #options: BatcherOptions
  readonly #tensors: TensorBatcher

  constructor(run: Run, options: BatcherOptions) {
    const { model, batchRowsMax: rowsMax, queueRowsMax } = options
    this.#options = options
    this.#tensors = new TensorBatcher({
      model,
      rowsMax,
      queueRowsMax,
      hasRows: true,
      concurrency: 1,
      run: async ({ [ROWS]: { dims, data } }) => {
        const [nRows] = dims
        const numbers = await run(data as Float64Array, nRows)
        return { [NUMBERS]: { type: 'float64', dims: [nRows, numbers.length / nRows], data: numbers } }
      },
    })
  }

  /** Outputs of one request's rows, in order, as many a row as `run` gives. Errors: MR_SERVE_BUSY at once when the queue is full; those of `run`. */
  async score(matrix: Float64Array, nRows: number): Promise<Float64Array> {
    const { batchRowsMax, width } = this.#options
    if (nRows <= batchRowsMax) return await this.#piece(matrix, nRows)
    const pieces: Float64Array[] = []
    for (let row = 0; row < nRows; row += batchRowsMax) {
      const end = Math.min(nRows, row + batchRowsMax)
      pieces.push(await this.#piece(matrix.subarray(row * width, end * width), end - row))
    }
    return inOne(pieces)
  }

  async #piece(data: Float64Array, rows: number): Promise<Float64Array> {
    const feeds = { [ROWS]: { type: 'float64', dims: [rows, this.#options.width], data } }
    const { outputs } = await this.#tensors.infer({ feeds, rows })
    return outputs[NUMBERS].data as Float64Array
  }
}

function inOne(pieces: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
