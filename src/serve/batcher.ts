/**
 * Rows of concurrent requests scored together: whatever comes until the event loop turns is one batch. No delay is added: a lone request
 * goes at the next turn. Worth it where a call has a fixed cost (a worker's round trip); models that score on this thread do without.
 */
import { MillraceError } from '../core/errors.ts'

export interface BatcherOptions {
  /** Name of the model in errors. */
  model: string
  /** Columns of a row. */
  width: number
  /** Rows of one batch. */
  batchRowsMax: number
  /** Rows that wait or are being scored, before MR_SERVE_BUSY. */
  queueRowsMax: number
}

interface Waiting {
  matrix: Float64Array
  nRows: number
  resolve: (outputs: Float64Array) => void
  reject: (error: unknown) => void
}

/** Scores row-major matrices through `run`, which sees at most `batchRowsMax` rows a call (a larger request goes in pieces). */
export class Batcher {
  readonly #run: (matrix: Float64Array, nRows: number) => Promise<Float64Array>
  readonly #options: BatcherOptions
  #waiting: Waiting[] = []
  #rows = 0

  constructor(run: (matrix: Float64Array, nRows: number) => Promise<Float64Array>, options: BatcherOptions) {
    this.#run = run
    this.#options = options
  }

  /** Outputs of one request's rows, in order, as many a row as `run` gives. Errors: MR_SERVE_BUSY at once when the queue is full; those of `run`. */
  async score(matrix: Float64Array, nRows: number): Promise<Float64Array> {
    const { queueRowsMax, model } = this.#options
    if (this.#rows + nRows > queueRowsMax) {
      const data = { what: `the queue of model "${model}" (rows)`, max: queueRowsMax, retryAfterS: 1 }
      throw new MillraceError('MR_SERVE_BUSY', data)
    }
    this.#rows += nRows
    try {
      return await new Promise<Float64Array>((resolve, reject) => {
        if (this.#waiting.length === 0) setImmediate(() => this.#flush())
        this.#waiting.push({ matrix, nRows, resolve, reject })
      })
    } finally {
      this.#rows -= nRows
    }
  }

  #flush(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (let begin = 0; begin < waiting.length; ) {
      let end = begin
      let nRows = 0
      do nRows += waiting[end++].nRows
      while (end < waiting.length && nRows + waiting[end].nRows <= this.#options.batchRowsMax)
      void this.#answer(waiting.slice(begin, end), nRows)
      begin = end
    }
  }

  async #answer(batch: Waiting[], nRows: number): Promise<void> {
    try {
      const outputs = await this.#inPieces(batch.length === 1 ? batch[0].matrix : joined(batch), nRows)
      const width = outputs.length / nRows
      let row = 0
      for (const { nRows: own, resolve } of batch) {
        resolve(outputs.slice(row * width, (row + own) * width))
        row += own
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  async #inPieces(matrix: Float64Array, nRows: number): Promise<Float64Array> {
    const { batchRowsMax, width } = this.#options
    if (nRows <= batchRowsMax) return await this.#run(matrix, nRows)
    let outputs = new Float64Array(0)
    for (let row = 0; row < nRows; row += batchRowsMax) {
      const end = Math.min(nRows, row + batchRowsMax)
      const piece = await this.#run(matrix.slice(row * width, end * width), end - row)
      const each = piece.length / (end - row)
      if (row === 0) outputs = new Float64Array(nRows * each)
      outputs.set(piece, row * each)
    }
    return outputs
  }
}

function joined(batch: readonly Waiting[]): Float64Array {
  const whole = new Float64Array(batch.reduce((sum, { matrix }) => sum + matrix.length, 0))
  let at = 0
  for (const { matrix } of batch) {
    whole.set(matrix, at)
    at += matrix.length
  }
  return whole
}
