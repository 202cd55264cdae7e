/** Gains of measures as rows of dots: right of 0 is better. */
import type { ModelBehaviour } from '../api/types.ts'
import { metricTitle } from '../format/names.ts'
import type { DotRow } from './dot-rows.tsx'

/** Measures without a gain are left out. */
export function gainRows(
  metrics: readonly Pick<ModelBehaviour['metrics'][number], 'metric' | 'gain' | 'isShare'>[],
): DotRow[] {
  return metrics.flatMap(({ metric, gain, isShare }) =>
    gain
      ? [
          {
            label: metricTitle(metric),
            note: isShare ? 'share of the error' : undefined,
            value: gain.value,
            interval: gain.interval,
            n: gain.n,
          },
        ]
      : [],
  )
}
