/** What a batcher does and why, as numbers and in words: for `/batching`, the console, and `millrace bench serve`. */
import type { BatchControl } from './batch-control.ts'
import type { CostCurve } from './cost-curve.ts'

/** A batch of a size: what its call takes, and what calls of it one after the other answer. */
export interface BatchSize {
  rows: number
  callMs: number
  rowsPerSecond: number
  /** Of a request that comes while a call is under way: the rest of that one, and its own. */
  latencyMs: number
}

export interface BatchingReport {
  /** Stated: 99 of 100 requests that are taken are answered within it. Null: none is. */
  objectiveMs: number | null
  /** Whether batches are as stated, and not found. */
  isStatic: boolean
  /** Rows of a batch at most, as found or stated, and rows that it may never have more of. */
  batchRows: number
  rowsMax: number
  delayMs: number
  /** Calls at once. */
  threads: number
  /** How many times what is expected answers are planned to take, of what they lately took. */
  planTimes: number
  requests: { answered: number; over: number; refused: number }
  /** Where it is now: what is asked for and what is answered, and how long that takes. */
  here: {
    offeredRowsPerSecond: number
    answeredRowsPerSecond: number
    latencyMsP50: number | null
    latencyMsP99: number | null
  }
  /** What calls cost by their rows: a line, or the sizes themselves where it has steps. Null while no call was seen. */
  cost: { isLine: boolean; fixedMs: number; perRowMs: number; sizes: { rows: number; ms: number }[] } | null
  /** Sizes from one row up to the most, in doubling steps, and the one that is used. */
  sizes: BatchSize[]
  /** Rows a second with batches as they are used. Null while no call was seen. */
  capacityRowsPerSecond: number | null
  words: string[]
}

export function batchingReport(control: BatchControl, nowMs: number): BatchingReport {
  const { settings, cost, requests } = control
  const batchRows = control.batchRows()
  const [latencyMsP50, latencyMsP99] = control.latencies.quantiles([0.5, 0.99], nowMs)
  const sizes = cost.isKnown ? batchSizes(cost, settings.concurrency, [batchRows, settings.rowsMax]) : []
  const numbers = {
    objectiveMs: settings.latencyMs ?? null,
    isStatic: settings.isStatic === true,
    batchRows,
    rowsMax: settings.rowsMax,
    delayMs: control.delayMs,
    threads: settings.concurrency,
    planTimes: control.times,
    requests: { ...requests },
    here: {
      offeredRowsPerSecond: control.offered.perSecond(nowMs),
      answeredRowsPerSecond: control.answered.perSecond(nowMs),
      latencyMsP50,
      latencyMsP99,
    },
    cost: cost.isKnown ? { isLine: cost.isLine, ...cost.line(), sizes: [...cost.points()] } : null,
    sizes,
    capacityRowsPerSecond: sizes.find(({ rows }) => rows === batchRows)?.rowsPerSecond ?? null,
  }
  return { ...numbers, words: batchingWords(numbers) }
}

/** One row, each doubling up to the most, and the given sizes. Cost: a few dozen look-ups of the curve. */
export function batchSizes(cost: CostCurve, threads: number, given: readonly number[]): BatchSize[] {
  const most = Math.max(...given)
  const doubling = Array.from({ length: Math.ceil(Math.log2(most)) }, (_, i) => 2 ** i)
  const rows = [...new Set([1, ...doubling, ...given])].sort((a, b) => a - b)
  return rows.map((n) => sizeOf(n, cost.costMs(n), threads))
}

export function sizeOf(rows: number, callMs: number, threads: number): BatchSize {
  return {
    rows,
    callMs,
    rowsPerSecond: (1000 * threads * rows) / callMs,
    latencyMs: callMs * (1 + 1 / threads),
  }
}

/** The plain arithmetic with the model's own numbers, what is done about it, and where it stands. */
function batchingWords(report: Omit<BatchingReport, 'words'>): string[] {
  const { cost, sizes, batchRows, threads } = report
  if (!cost) return ['No call was seen yet: the first is made with one request.']
  const one = sizes[0]
  const used = sizes.find(({ rows }) => rows === batchRows) ?? one
  return [arithmeticWords(one, used, threads), whyWords(report, used), ...hereWords(report, used)]
}

/** What one row at a time comes to, and so many. */
export function arithmeticWords(one: BatchSize, many: BatchSize, threads = 1): string {
  const onThreads = threads === 1 ? '' : ` on ${threads} threads`
  const alone = `One row at a time takes ${ms(one.callMs)}: ${count(one.rowsPerSecond)} rows a second${onThreads}.`
  if (many.rows === 1) return alone
  return `${alone} ${count(many.rows)} at a time take ${ms(many.callMs)}: ${count(many.rowsPerSecond)} rows a second, each of which waits longer.`
}

function whyWords(
  { isStatic, objectiveMs, delayMs, rowsMax, batchRows }: Omit<BatchingReport, 'words'>,
  used: BatchSize,
): string {
  if (isStatic)
    return `Batches are as stated: up to ${count(rowsMax)} rows, after a delay of at most ${ms(delayMs)}.`
  if (objectiveMs === null)
    return `No latency is stated, so that whatever comes during a call is the next one, up to ${count(batchRows)} rows.`
  const room =
    used.latencyMs <= objectiveMs
      ? `which keeps ${ms(objectiveMs)} for a request that waits for a call and then its own`
      : `though a request that waits for a call and then its own may take ${ms(used.latencyMs)}, over the ${ms(objectiveMs)} stated`
  return `Whatever comes during a call is the next one, up to ${count(batchRows)} rows, ${room}; nothing waits while a thread is free.`
}

function hereWords(
  { here, objectiveMs, requests }: Omit<BatchingReport, 'words'>,
  used: BatchSize,
): string[] {
  const { offeredRowsPerSecond: offered, answeredRowsPerSecond: answered, latencyMsP99 } = here
  if (latencyMsP99 === null) return []
  const share = Math.round((100 * answered) / used.rowsPerSecond)
  const now = `Now ${count(offered)} rows a second come and ${count(answered)} are answered, ${share} % of what is possible, 99 of 100 within ${ms(latencyMsP99)}.`
  if (objectiveMs === null) return [now]
  const taken = requests.answered
  const over = taken === 0 ? 0 : (100 * requests.over) / taken
  return [
    now,
    `Of ${count(taken)} answers ${over.toFixed(2)} % took longer than ${ms(objectiveMs)}; ${count(requests.refused)} requests were refused at once.`,
  ]
}

const count = (x: number): string =>
  x < 10 && x % 1 !== 0 ? x.toFixed(1) : Math.round(x).toLocaleString('en')
const ms = (x: number): string =>
  `${x < 1 ? Number(x.toPrecision(2)) : x < 100 ? Number(x.toFixed(1)) : Math.round(x)} ms`
