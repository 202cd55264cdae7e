/** Live numbers of serving over the last ten seconds, for the console's pulse. */
import { LatencyHistogram } from './latency-histogram.ts'
import { CostCurve } from './models/cost-curve.ts'

const SLOTS = 10
const SLOT_MS = 1000
/** Series (a model and version) that keep slots of their own; the least recently used goes first. */
const SERIES_MAX = 256

export interface LiveNumbers {
  requestsPerSecond: number
  predictionsPerSecond: number
  latencyMsP50: number | null
  latencyMsP99: number | null
}

interface Slot {
  second: number
  requests: number
  predictions: number
  latency: LatencyHistogram
}

class Series {
  readonly #slots: Slot[] = Array.from({ length: SLOTS }, () => ({
    second: -1,
    requests: 0,
    predictions: 0,
    latency: new LatencyHistogram(),
  }))

  slot(second: number): Slot {
    const slot = this.#slots[second % SLOTS]
    if (slot.second !== second) Object.assign(slot, { second, requests: 0, predictions: 0 }).latency.clear()
    return slot
  }

  live(second: number): Slot[] {
    return this.#slots.filter((slot) => slot.second > second - SLOTS && slot.second <= second)
  }
}

/**
 * Requests, predictions and latencies of the last ten seconds, in all and by model and version. The current second counts as the part of it
 * that has passed, so that rates are right after a second of traffic as well as in its steady state.
 */
export class ServeStats {
  readonly #now: () => number
  readonly #begunMs: number
  readonly #all = new Series()
  readonly #byName = new Map<string, Series>()
  readonly #costs = new Map<string, CostCurve>()

  /** `now` is a clock that only goes forward, in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#begunMs = now()
  }

  /** Counts an answered request of `rows` rows. */
  record(model: string, version: number, rows: number, latencyMs: number): void {
    const second = Math.floor(this.#now() / SLOT_MS)
    for (const series of [this.#all, this.#series(`${model}@v${version}`)]) {
      const slot = series.slot(second)
      slot.requests++
      slot.predictions += rows
      slot.latency.add(latencyMs)
    }
  }

  /** Learns what scoring so many rows at a time takes. */
  scored(model: string, rows: number, ms: number): void {
    let curve = this.#costs.get(model)
    if (!curve) {
      curve = new CostCurve()
      this.#costs.set(model, curve)
      if (this.#costs.size > SERIES_MAX) this.#costs.delete(this.#costs.keys().next().value as string)
    }
    curve.add(rows, ms, this.#now())
  }

  /** What scoring of a model costs by rows; undefined while it was not asked. */
  cost(model: string): CostCurve | undefined {
    return this.#costs.get(model)
  }

  total(): LiveNumbers {
    return this.#numbers(this.#all)
  }

  /** Numbers of one version of a model; zeros when it was not asked lately. */
  of(model: string, version: number): LiveNumbers {
    const series = this.#byName.get(`${model}@v${version}`)
    return this.#numbers(series ?? new Series())
  }

  /** Numbers of every version of a model that was asked in this window, by version. */
  versions(model: string): Map<number, LiveNumbers> {
    const prefix = `${model}@v`
    const found = [...this.#byName].filter(([name]) => name.startsWith(prefix))
    return new Map(found.map(([name, series]) => [Number(name.slice(prefix.length)), this.#numbers(series)]))
  }

  #numbers(series: Series): LiveNumbers {
    const now = this.#now()
    const slots = series.live(Math.floor(now / SLOT_MS))
    const seconds = this.#windowS(now)
    const latency = new LatencyHistogram()
    for (const slot of slots) latency.merge(slot.latency)
    return {
      requestsPerSecond: slots.reduce((sum, slot) => sum + slot.requests, 0) / seconds,
      predictionsPerSecond: slots.reduce((sum, slot) => sum + slot.predictions, 0) / seconds,
      latencyMsP50: latency.quantileMs(0.5),
      latencyMsP99: latency.quantileMs(0.99),
    }
  }

  #windowS(now: number): number {
    const full = SLOTS - 1 + (now % SLOT_MS) / SLOT_MS
    return Math.max(1, Math.min(full, (now - this.#begunMs) / 1000))
  }

  #series(name: string): Series {
    const series = this.#byName.get(name) ?? new Series()
    this.#byName.delete(name)
    this.#byName.set(name, series)
    if (this.#byName.size > SERIES_MAX) this.#byName.delete(this.#byName.keys().next().value as string)
    return series
  }
}
