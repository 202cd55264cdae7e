/** A row of a graph that ONNX Runtime scores, explained within a budget of time: by samples, and by gradients where its features are numbers. */
import { performance } from 'node:perf_hooks'
import type { Digest } from '../core/records.ts'
import type { ExplanationMethod } from '../model/explain-rows.ts'
import { type IntegratedGradients, integratedGradients } from '../model/integrated-gradients.ts'
import { type ReadyModel, readyModel } from '../model/ready.ts'
import type { ScoreRows } from '../model/sampled-shapley.ts'
import { explainSampled } from '../serve/sampled-explanations.ts'
import type { Store } from '../store/ports.ts'

export const GRAPH_EXPLAIN_LIMITS = {
  sampledMs: 1_500,
  gradientsMs: 1_500,
  stepsMax: 512,
} as const

/** Steps are doubled until contributions miss at most this share of what they are to add up to. */
const COMPLETE = 0.01
const STEPS_FIRST = 16
/** Graphs count in 32 bits: differences over less than this share of a feature's way are rounding. */
const REACH = 5e-3

export interface GraphWay extends ExplanationMethod {
  base: number
  contributions: Float64Array
  residual: number
  /** What time did not allow, or why the figures are not to be leant on; absent when there is nothing to say. */
  fallback?: string
}

/** Opens a graph for as long as `use` runs. Errors: those of `readyModel`. */
export async function withGraph<T>(
  store: Store,
  digest: Digest,
  use: (ready: ReadyModel) => Promise<T>,
): Promise<T> {
  const { openOnnx } = await import('../engine/infer/onnx.ts')
  const infer = await openOnnx({ workers: 1 })
  try {
    const ready = await readyModel({ store, infer: async () => infer }, digest)
    try {
      return await use(ready)
    } finally {
      ready.close()
    }
  } finally {
    await infer.close()
  }
}

export interface GraphRow {
  x: Float64Array
  output: number
  background: { rows: Float64Array; n: number }
  featureNames: readonly string[]
  /** Whether every feature is a number: gradients of categories mean nothing. */
  numbers: boolean
}

/** Both ways that apply, the sampled first. Never much longer than the two budgets together. */
export async function explainGraphRow(ready: ReadyModel, row: GraphRow): Promise<GraphWay[]> {
  const { nOutputs } = ready
  const score: ScoreRows = async (matrix, n) => {
    const all = await ready.outputs(matrix, n)
    return nOutputs === 1 ? all : Float64Array.from({ length: n }, (_, i) => all[i * nOutputs + row.output])
  }
  const sampled = await explainSampled(row.x, {
    score: async (matrix, n) => await ready.outputs(matrix, n),
    width: nOutputs,
    output: row.output,
    featureNames: row.featureNames,
    background: row.background,
    budgetMs: GRAPH_EXPLAIN_LIMITS.sampledMs,
  })
  const { base, method, exact, background, residual, fallback } = sampled
  const contributions = Float64Array.from(sampled.contributions, (c) => c.contribution)
  const ways: GraphWay[] = [{ method, exact, background, base, contributions, residual, fallback }]
  const gradients = row.numbers && row.x.every(Number.isFinite) ? await byGradients(score, row) : null
  return gradients ? [...ways, gradients] : ways
}

async function byGradients(score: ScoreRows, { x, background }: GraphRow): Promise<GraphWay> {
  const baseline = meansOf(background, x.length)
  const begun = performance.now()
  let steps = STEPS_FIRST
  let spentMs = 0
  let found: IntegratedGradients
  for (;;) {
    const from = performance.now()
    found = await integratedGradients(score, x, { baseline, steps, reach: REACH })
    spentMs = performance.now() - from
    const leftMs = GRAPH_EXPLAIN_LIMITS.gradientsMs - (performance.now() - begun)
    if (missed(found) <= COMPLETE || 2 * steps > GRAPH_EXPLAIN_LIMITS.stepsMax || leftMs < 2 * spentMs) break
    steps *= 2
  }
  const { base, contributions, residual } = found
  const share = missed(found)
  return {
    ...{ method: 'integrated-gradients' as const, exact: false, base, contributions, residual },
    ...(share > COMPLETE
      ? {
          fallback: `${Math.round(share * 100)} % of the way from the mean row is missed after ${steps} steps`,
        }
      : {}),
  }
}

/** Share of the way from base to score that contributions leave out. */
function missed({ base, raw, residual }: IntegratedGradients): number {
  return Math.abs(residual) / Math.max(Math.abs(raw - base), 1e-6)
}

/** Mean of what is known of each feature. */
function meansOf({ rows, n }: GraphRow['background'], width: number): Float64Array {
  return Float64Array.from({ length: width }, (_, j) => {
    let sum = 0
    let known = 0
    for (let i = 0; i < n; i++) {
      const v = rows[i * width + j]
      if (!Number.isFinite(v)) continue
      sum += v
      known++
    }
    return known > 0 ? sum / known : 0
  })
}
