/** What a second model gains on the rows of a first one, and whether that can be told from noise. */
import type { Verdict } from '../../core/records.ts'
import { type Metric, worsening } from '../measure.ts'

export interface Gain {
  /** How much better the second is, above 0 whichever way the metric runs, with its 95 % interval over the rows; absent where it cannot be told. */
  gain?: { value: number; interval: [number, number]; n: number }
  /** The gain is a share of the first one's error instead of a difference. */
  isShare: boolean
  /** `pass` is better, `fail` worse. */
  verdict: Verdict
}

const SHARES = new Set(['rmse', 'mae'])

/** Outputs of both as `Metric` takes them. Cost: that of `worsening`. */
export function gainOf(
  metric: Metric,
  first: Float64Array,
  second: Float64Array,
  targets: Float64Array,
  groups?: Int32Array,
): Gain {
  const worse = worsening(metric, first, second, targets, groups)
  const gain = worse && {
    value: turned(worse.value),
    interval: [turned(worse.interval[1]), turned(worse.interval[0])] as [number, number],
    n: worse.n,
  }
  const isTold = gain !== undefined && [gain.value, ...gain.interval].every(Number.isFinite)
  return {
    ...(isTold && { gain }),
    isShare: SHARES.has(metric.name),
    verdict: isTold ? verdictOf(gain.interval) : 'inconclusive',
  }
}

const turned = (x: number): number => (x === 0 ? 0 : -x)

function verdictOf([low, high]: [number, number]): Verdict {
  if (low > 0) return 'pass'
  return high < 0 ? 'fail' : 'inconclusive'
}
