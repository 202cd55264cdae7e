/** Where something long stands: one moving line on a terminal, a line now and then in a log, nothing for scripts. */
import type { ProgressFeed } from '../loop/progress.ts'
import { duration, remaining } from './durations.ts'
import type { Paint } from './paint.ts'
import { cut } from './table.ts'

/** Nothing is shown of what takes less. */
const QUIET_MS = 1_000
const REDRAW_MS = 100
/** How often a log that is not a terminal gets a line. */
const LOG_EVERY_MS = 10_000
/** Share done before an estimate is worth saying. */
const ESTIMATE_FROM = 0.03

export interface MeterOptions {
  stream: { isTTY?: boolean; columns?: number; write(text: string): unknown }
  paint: Paint
  /** Writes nothing, e.g. where standard error is read by a program. */
  silent: boolean
  now?: () => number
}

export class Meter {
  readonly #options: MeterOptions
  readonly #now: () => number
  #title = ''
  #begunAt = 0
  #shownAt = 0
  #isShown = false
  #steps = { step: 0, of: 0 }
  /** Listeners of a console, when one is served. */
  feed: ProgressFeed | undefined

  constructor(options: MeterOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  /** How many steps are to come, for the console's banner. */
  expect(steps: number): void {
    this.#steps = { step: 0, of: steps }
  }

  begin(title: string): void {
    this.#title = title
    this.#begunAt = this.#now()
    this.#shownAt = 0
    this.#steps.step++
    this.#publish(0, '')
  }

  /** `done` from 0 to 1. */
  readonly update = (done: number, note: string): void => {
    this.#publish(done, note)
    const now = this.#now()
    const spent = now - this.#begunAt
    if (this.#options.silent || spent < QUIET_MS) return
    if (this.#options.stream.isTTY) this.#redraw(now, done, note)
    else this.#log(now, done, note)
  }

  /** Clears the moving line and says how long it took in milliseconds. */
  end(): number {
    this.clear()
    this.#publish(1, '')
    return this.#now() - this.#begunAt
  }

  /** No more of the expected steps come: some of them had nothing to do. */
  finish(): void {
    this.#steps.of = this.#steps.step
    this.#publish(1, '')
  }

  clear(): void {
    if (this.#isShown) this.#options.stream.write('\r\x1b[2K')
    this.#isShown = false
  }

  #redraw(now: number, done: number, note: string): void {
    if (now - this.#shownAt < REDRAW_MS) return
    this.#shownAt = now
    const { stream, paint } = this.#options
    const head = `  ${bar(done)} ${this.#title}`
    const tail = [`${Math.floor(done * 100)} %`, this.#left(now, done), note].filter(Boolean).join('  ')
    const width = (stream.columns ?? 80) - 1
    const room = width - head.length - 2
    this.#isShown = true
    stream.write(`\r\x1b[2K${head}  ${paint.dim(cut(tail, Math.max(0, room)))}`)
  }

  #log(now: number, done: number, note: string): void {
    if (this.#shownAt !== 0 && now - this.#shownAt < LOG_EVERY_MS) return
    this.#shownAt = now
    const left = this.#left(now, done)
    const parts = [`${this.#title}: ${Math.floor(done * 100)} %`, duration(now - this.#begunAt), left, note]
    this.#options.stream.write(`${parts.filter(Boolean).join(', ')}\n`)
  }

  #left(now: number, done: number): string {
    const eta = etaMs(now - this.#begunAt, done)
    return eta === null ? '' : remaining(eta)
  }

  #publish(done: number, note: string): void {
    const { step, of } = this.#steps
    const eta = etaMs(this.#now() - this.#begunAt, done)
    this.feed?.publish({ step, steps: Math.max(step, of), title: this.#title, note, done, etaMs: eta })
  }
}

/** Milliseconds to go at the pace so far; null before there is a pace. */
export function etaMs(spentMs: number, done: number): number | null {
  return done < ESTIMATE_FROM ? null : (spentMs * (1 - Math.min(1, done))) / Math.min(1, done)
}

const CELLS = 12

function bar(done: number): string {
  const full = Math.round(Math.min(1, Math.max(0, done)) * CELLS)
  return '━'.repeat(full) + '─'.repeat(CELLS - full)
}
