/** What waits in the log of a stream to become a version: counted as it is added, and counted anew when some of it was sealed. */
import type { LogPosition, Store } from '../../store/ports.ts'
import { batchesIn } from './log-batches.ts'

interface Waiting {
  /** Where it ends in the log. */
  end: LogPosition
  rows: number
  bytes: number
  at: number
}

const isAfter = (a: LogPosition, b: LogPosition): boolean =>
  a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset)

/** Appends of this time are counted as one. */
const TOGETHER_MS = 100

export class Backlog {
  rows = 0
  bytes = 0
  #waiting: Waiting[] = []

  /** When the oldest of it was added; null when nothing waits. */
  get since(): number | null {
    return this.#waiting[0]?.at ?? null
  }

  add(one: Waiting): void {
    this.rows += one.rows
    this.bytes += one.bytes
    const last = this.#waiting.at(-1)
    if (last && one.at - last.at < TOGETHER_MS && isAfter(one.end, last.end)) {
      last.end = one.end
      last.rows += one.rows
      last.bytes += one.bytes
    } else this.#waiting.push(one)
  }

  /** Counts what the log has after `sealed`, and of what was added here only what came later than that look. */
  async recount(store: Store, stream: string, sealed: LogPosition | null): Promise<void> {
    const found: Waiting[] = []
    let end = sealed
    for await (const { batches, next } of batchesIn(store, stream, sealed)) {
      for (const { head, lines } of batches)
        found.push({
          end: next,
          rows: head.rows,
          bytes: lines.reduce((n, line) => n + line.length, 0),
          at: head.at,
        })
      end = next
    }
    const later = this.#waiting.filter((one) => end === null || isAfter(one.end, end))
    this.#waiting = []
    this.rows = 0
    this.bytes = 0
    for (const one of [...found, ...later]) this.add(one)
  }
}
