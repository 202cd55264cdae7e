/** The batcher itself on a clock of its own: requests come by chance, and a model takes as long as it is told to. Nothing waits for the machine. */

import { isMillraceError } from '../../../src/core/errors.ts'
import { seededRng } from '../../../src/core/rng.ts'
import {
  type BatcherOptions,
  type BatchTime,
  TensorBatcher,
} from '../../../src/serve/models/tensor-batcher.ts'
import type { Tensors } from '../../../src/serve/models/tensor-model.ts'

/** Things that happen at their time, in the order of it. */
export class SimulatedTime implements BatchTime {
  #nowMs = 0
  #order = 0
  #events: { atMs: number; order: number; work: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  soon(work: () => void): void {
    this.after(0, work)
  }

  after(ms: number, work: () => void): () => void {
    const event = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, work }
    this.#push(event)
    return () => {
      event.work = () => undefined
    }
  }

  /** Runs until nothing is to come, or until a time. What promises do at a time is done before the next. */
  async run(untilMs = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.#events.length > 0 && this.#events[0].atMs <= untilMs) {
      const { atMs, work } = this.#pop()
      this.#nowMs = atMs
      work()
      for (let i = 0; i < 8; i++) await undefined
    }
  }

  #before(i: number, j: number): boolean {
    const [a, b] = [this.#events[i], this.#events[j]]
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
  }

  #swap(i: number, j: number): void {
    ;[this.#events[i], this.#events[j]] = [this.#events[j], this.#events[i]]
  }

  #push(event: { atMs: number; order: number; work: () => void }): void {
    let i = this.#events.push(event) - 1
    while (i > 0 && this.#before(i, (i - 1) >> 1)) {
      this.#swap(i, (i - 1) >> 1)
      i = (i - 1) >> 1
    }
  }

  #pop(): { atMs: number; work: () => void } {
    const first = this.#events[0]
    const last = this.#events.pop()
    if (last && this.#events.length > 0) {
      this.#events[0] = last
      for (let i = 0; ; ) {
        const [left, right] = [2 * i + 1, 2 * i + 2]
        const least = right < this.#events.length && this.#before(right, left) ? right : left
        if (left >= this.#events.length || this.#before(i, least)) break
        this.#swap(i, least)
        i = least
      }
    }
    return first
  }
}

export interface Scenario extends Partial<BatcherOptions> {
  /** Milliseconds of a call of so many rows, at a time; `chance` is uniform in [0, 1). */
  costMs: (rows: number, atMs: number, chance: () => number) => number
  /** Requests a second at a time. */
  rate: (atMs: number) => number
  /** Rows of a request. Default 1. */
  rows?: (chance: () => number) => number
  seconds: number
  /** What is measured: requests that come from this second on. Default 0. */
  fromSecond?: number
  seed?: number
}

export interface Simulated {
  /** Requests a second: asked, answered within the objective, and answered at all. */
  offered: number
  goodput: number
  answered: number
  refused: number
  /** Share of the answered that was over the objective. */
  over: number
  msP50: number
  msP99: number
  batches: number
  meanBatch: number
  /** Thread-milliseconds of calls a request. */
  callMs: number
  batcher: TensorBatcher
}

export async function simulate(scenario: Scenario): Promise<Simulated> {
  const { costMs, rate, rows = () => 1, seconds, fromSecond = 0, seed = 1, ...rest } = scenario
  const time = new SimulatedTime()
  const chance = seededRng(seed).next
  const seen = { calls: 0, rows: 0, callMs: 0, offered: 0, refused: 0 }
  const latencies: number[] = []
  const run = ({ x }: Tensors): Promise<Tensors> =>
    new Promise((resolve) => {
      const own = x.dims[0]
      const ms = costMs(own, time.nowMs(), chance)
      if (time.nowMs() >= fromSecond * 1000) {
        seen.calls++
        seen.rows += own
        seen.callMs += ms
      }
      time.after(ms, () => resolve({ y: x }))
    })
  const options = { model: 'm', hasRows: true, rowsMax: 256, queueRowsMax: 100_000, concurrency: 1 }
  const batcher = new TensorBatcher({ ...options, ...rest, run, time })
  const { latencyMs = Number.POSITIVE_INFINITY } = rest
  const ask = () => {
    const own = rows(chance)
    const sinceMs = time.nowMs()
    const counts = sinceMs >= fromSecond * 1000
    if (counts) seen.offered++
    const data = new Float32Array(own)
    try {
      void batcher.infer({ feeds: { x: { type: 'float32', dims: [own, 1], data } }, rows: own }).then(() => {
        if (counts) latencies.push(time.nowMs() - sinceMs)
      })
    } catch (error) {
      if (!isMillraceError(error)) throw error
      if (counts) seen.refused++
    }
  }
  // arrivals of a rate that changes: those of the highest rate, thinned
  const most = Math.max(...Array.from({ length: seconds * 100 }, (_, i) => rate(i * 10)))
  const next = () => {
    const gapMs = (-Math.log(1 - chance()) / most) * 1000
    time.after(gapMs, () => {
      if (time.nowMs() >= seconds * 1000) return
      next()
      if (chance() * most < rate(time.nowMs())) ask()
    })
  }
  next()
  await time.run()
  latencies.sort((a, b) => a - b)
  const measuredS = seconds - fromSecond
  const good = latencies.filter((ms) => ms <= latencyMs).length
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? 0
  return {
    offered: seen.offered / measuredS,
    goodput: good / measuredS,
    answered: latencies.length / measuredS,
    refused: seen.refused / measuredS,
    over: latencies.length === 0 ? 0 : 1 - good / latencies.length,
    msP50: at(0.5),
    msP99: at(0.99),
    batches: seen.calls / measuredS,
    meanBatch: seen.calls === 0 ? 0 : seen.rows / seen.calls,
    callMs: latencies.length === 0 ? 0 : seen.callMs / latencies.length,
    batcher,
  }
}
