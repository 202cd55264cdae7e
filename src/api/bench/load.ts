/** Requests sent at their time, whatever became of those before (open loop, Poisson): a server that is slow does not make its own load less. Latency counts from that time. */
import type { Rng } from '../../core/clock.ts'
import { LatencyHistogram } from '../../serve/latency-histogram.ts'

export interface LoadOptions {
  /** Requests a second. */
  rate: number
  seconds: number
  /** Sends one request and gives its HTTP status. */
  send: () => Promise<number>
  rng: Rng
  /** Requests under way at most; what would be more counts as failed. Default 4,096. */
  underWayMax?: number
  signal?: AbortSignal
  /** Time beyond which an answer is of no use. */
  latencyMs?: number
}

export interface Load {
  /** Requests a second: asked for, answered, answered in time, refused (429 and 503), and failed. */
  offered: number
  answered: number
  goodput: number
  refused: number
  failed: number
  /** Milliseconds from its time to its answer, of those answered. Null where none was. */
  latencyMs: { p50: number; p90: number; p99: number } | null
  /** Of those refused. */
  refusalMs: { p50: number; p99: number } | null
  /** How late the generator itself was, 99 of 100: what it cannot keep up with it does not measure. */
  lateMsP99: number
}

const UNDER_WAY_MAX = 4_096
const REFUSALS = new Set([429, 503])

export async function openLoop(options: LoadOptions): Promise<Load> {
  const { rate, seconds, send, rng, underWayMax = UNDER_WAY_MAX, signal } = options
  const { latencyMs: inTimeMs = Number.POSITIVE_INFINITY } = options
  const seen = { offered: 0, answered: 0, good: 0, refused: 0, failed: 0 }
  const [answers, refusals, late] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()]
  const underWay = new Set<Promise<void>>()
  const begunMs = performance.now()
  const one = async (dueMs: number): Promise<void> => {
    const status = await send().catch(() => 0)
    const ms = performance.now() - dueMs
    if (status === 200) {
      seen.answered++
      if (ms <= inTimeMs) seen.good++
      answers.add(ms)
    } else if (REFUSALS.has(status)) {
      seen.refused++
      refusals.add(ms)
    } else seen.failed++
  }
  let dueMs = 0
  for (;;) {
    dueMs += (-Math.log(1 - rng.next()) / rate) * 1000
    if (dueMs >= seconds * 1000 || signal?.aborted) break
    await untilMs(begunMs + dueMs)
    late.add(performance.now() - begunMs - dueMs)
    seen.offered++
    if (underWay.size >= underWayMax) {
      seen.failed++
      continue
    }
    const asked: Promise<void> = one(begunMs + dueMs).finally(() => underWay.delete(asked))
    underWay.add(asked)
  }
  await Promise.all(underWay)
  const perSecond = (n: number) => n / seconds
  return {
    offered: perSecond(seen.offered),
    answered: perSecond(seen.answered),
    goodput: perSecond(seen.good),
    refused: perSecond(seen.refused),
    failed: perSecond(seen.failed),
    latencyMs: quantiles(answers, (q) => ({ p50: q(0.5), p90: q(0.9), p99: q(0.99) })),
    refusalMs: quantiles(refusals, (q) => ({ p50: q(0.5), p99: q(0.99) })),
    lateMsP99: late.quantileMs(0.99) ?? 0,
  }
}

function quantiles<R>(histogram: LatencyHistogram, of: (quantile: (share: number) => number) => R): R | null {
  return histogram.total === 0 ? null : of((share) => histogram.quantileMs(share) as number)
}

/** Timers of Node are whole milliseconds: the last one is waited for turn by turn of the event loop. */
async function untilMs(atMs: number): Promise<void> {
  for (;;) {
    const leftMs = atMs - performance.now()
    if (leftMs <= 0) return
    await new Promise<void>((resolve) => {
      if (leftMs > 1.5) setTimeout(resolve, leftMs - 1)
      else setImmediate(resolve)
    })
  }
}
