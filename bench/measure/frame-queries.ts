/** What frames and peers are asked alike: bench/peers/frames.py has the same by the same names. Groups in any order, as Polars gives them. */
import { count, type Frame, mean, median, quantile, std, sum } from '../../dist/frame/index.js'

// biome-ignore lint/suspicious/noExplicitAny: a frame of whatever columns
type AnyFrame = Frame<any>

export const QUERIES: Record<string, (rows: AnyFrame, small: AnyFrame) => AnyFrame> = {
  q1: (rows) => rows.groupBy('id1').agg({ v1: sum('v1') }, { sort: false }),
  q3: (rows) => rows.groupBy('id3').agg({ v1: sum('v1'), v3: mean('v3') }, { sort: false }),
  q5: (rows) => rows.groupBy('id6').agg({ v1: sum('v1'), v2: sum('v2'), v3: sum('v3') }, { sort: false }),
  median: (rows) => rows.groupBy('id4', 'id5').agg({ median: median('v3'), std: std('v3') }, { sort: false }),
  quantile: (rows) =>
    rows.agg({ q0: quantile('v3', 0.1), q1: quantile('v3', 0.5), q2: quantile('v3', 0.99) }),
  join: (rows, small) =>
    rows.join(small.select('id6', 'w'), { on: 'id6' }).agg({ n: count(), v1: sum('v1'), w: sum('w') }),
  'join text': (rows, small) =>
    rows
      .join(small.select('id3', 'label', 'w'), { on: 'id3' })
      .groupBy('label')
      .agg({ v3: sum('v3'), w: mean('w') }, { sort: false }),
}
