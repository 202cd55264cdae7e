/** The logs of predictions and outcomes read as one, in the order of time, from a place that is kept between reads. */
import {
  decodeBlocks,
  type LogBlock,
  OUTCOMES_STREAM,
  type OutcomeBlock,
  PREDICTIONS_STREAM,
  type PredictionBlock,
} from '../core/log-blocks.ts'
import type { LogSpan } from '../core/records.ts'
import type { Log, LogPosition } from '../store/ports.ts'

/** Places in both logs; an absent one is the beginning. */
export interface LogPlace {
  predictions?: LogPosition
  outcomes?: LogPosition
}

/**
 * Reading both in step matters: all predictions first would make weeks of outcomes look lost before they are read, whenever much is read at once.
 * Between two reads everything that was durable has been yielded; within one, `place` is that of the batch that holds the block in hand.
 */
export class LogReader {
  readonly #predictions: Side<PredictionBlock>
  readonly #outcomes: Side<OutcomeBlock>

  /** `skip`: blocks on each side to pass over first. */
  constructor(log: Log, from: LogPlace, skip = { predictions: 0, outcomes: 0 }) {
    this.#predictions = new Side(log, PREDICTIONS_STREAM, 'predictions', from.predictions, skip.predictions)
    this.#outcomes = new Side(log, OUTCOMES_STREAM, 'outcomes', from.outcomes, skip.outcomes)
  }

  get place(): LogPlace {
    return { predictions: this.#predictions.position, outcomes: this.#outcomes.position }
  }

  /** Where the next block of each side lies, to the record. */
  get cursor(): LogCursor {
    return { predictions: this.#predictions.cursor, outcomes: this.#outcomes.cursor }
  }

  /** As `read`, but of each side only so many blocks. */
  async *readSome(blocks: { predictions: number; outcomes: number }): AsyncGenerator<LogBlock> {
    this.#predictions.limit = blocks.predictions
    this.#outcomes.limit = blocks.outcomes
    yield* this.read()
    this.#predictions.limit = Number.POSITIVE_INFINITY
    this.#outcomes.limit = Number.POSITIVE_INFINITY
  }

  /** What is new. The end of the outcomes is fixed first, so that their predictions are not beyond the end of this read. */
  async *read(): AsyncGenerator<LogBlock> {
    try {
      this.#outcomes.begin()
      let outcome = await this.#outcomes.peek()
      this.#predictions.begin()
      let prediction = await this.#predictions.peek()
      while (prediction || outcome) {
        if (prediction && (!outcome || prediction.at <= outcome.at)) {
          yield prediction
          this.#predictions.shift()
          prediction = await this.#predictions.peek()
        } else if (outcome) {
          yield outcome
          this.#outcomes.shift()
          outcome = await this.#outcomes.peek()
        }
      }
    } finally {
      await this.#outcomes.end()
      await this.#predictions.end()
    }
  }
}

/** A place in a stream to the record: `skip` blocks after a position, and how many blocks were read until there. */
export interface RecordPlace extends Pick<LogSpan, 'after' | 'skip'> {
  count: number
}

export interface LogCursor {
  predictions: RecordPlace
  outcomes: RecordPlace
}

class Side<B extends LogBlock> {
  readonly #log: Log
  readonly #stream: string
  readonly #kind: B['kind']
  #batches: AsyncIterator<{ records: string[]; next: LogPosition }> | undefined
  #blocks: B[] = []
  #i = 0
  /** Where the batch in hand begins and ends. */
  #from: LogPosition | undefined
  #next: LogPosition | undefined
  #skip: number
  #count = 0
  /** Blocks that may still be read. */
  limit = Number.POSITIVE_INFINITY

  constructor(log: Log, stream: string, kind: B['kind'], from: LogPosition | undefined, skip: number) {
    this.#skip = skip
    this.#log = log
    this.#stream = stream
    this.#kind = kind
    this.#next = from
  }

  get position(): LogPosition | undefined {
    return this.#i < this.#blocks.length ? this.#from : this.#next
  }

  get cursor(): RecordPlace {
    const inHand = this.#i < this.#blocks.length
    const after = inHand ? this.#from : this.#next
    return { ...(after && { after }), skip: inHand ? this.#i : this.#skip, count: this.#count }
  }

  begin(): void {
    this.#batches = this.#log.read(this.#stream, this.#next)[Symbol.asyncIterator]()
  }

  /** Lets go of the file that is being read; what is in hand stays. */
  async end(): Promise<void> {
    await this.#batches?.return?.()
    this.#batches = undefined
  }

  async peek(): Promise<B | undefined> {
    if (this.limit <= 0) return undefined
    while (this.#i >= this.#blocks.length) {
      const batch = await this.#batches?.next()
      if (!batch || batch.done) return undefined
      this.#from = this.#next
      this.#next = batch.value.next
      this.#blocks = decodeBlocks(batch.value.records).filter(
        (block): block is B => block.kind === this.#kind,
      )
      this.#i = Math.min(this.#skip, this.#blocks.length)
      this.#skip -= this.#i
    }
    return this.#blocks[this.#i]
  }

  shift(): void {
    this.#count++
    this.limit--
    this.#i++
  }
}

/** The place before all others: on each side the smallest position, the beginning where any is absent. */
export function earliest(places: LogPlace[]): LogPlace {
  return {
    predictions: smallest(places.map((p) => p.predictions)),
    outcomes: smallest(places.map((p) => p.outcomes)),
  }
}

function smallest(positions: (LogPosition | undefined)[]): LogPosition | undefined {
  return positions.reduce((a, b) => {
    if (!a || !b) return undefined
    return b.segment < a.segment || (b.segment === a.segment && b.offset < a.offset) ? b : a
  })
}
