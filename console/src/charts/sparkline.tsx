/** Quality by window in the width of a word: the expected band behind it, the last window as a dot, a failing one as a diamond. */
import type { Band, QualityPoint } from '../api/types.ts'
import { metric } from '../format/numbers.ts'
import { extent, linear, linePath } from './scale.ts'

interface SparklineProps {
  points: readonly QualityPoint[]
  expected: Band | null
  name: string
  /** One scale for all rows of the same metric. */
  domain?: [number, number]
  width?: number
  height?: number
}

export function qualityExtent(
  points: readonly QualityPoint[],
  expected: Band | null,
): [number, number] | null {
  return extent([...points.map((p) => p.value), expected?.low, expected?.high], 0.08)
}

export function Sparkline({ points, expected, name, domain, width = 132, height = 28 }: SparklineProps) {
  const span = domain ?? qualityExtent(points, expected)
  if (span === null || points.length === 0) return <span className="muted small">no window yet</span>
  const x = linear([0, Math.max(1, points.length - 1)], [4, width - 5])
  const y = linear(span, [height - 4, 4])
  const placed = points.map((point, i) =>
    point.value === null ? null : { x: x(i), y: y(point.value), verdict: point.verdict },
  )
  const last = placed.findLast((point) => point !== null)
  return (
    <svg
      className="sparkline"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={words(points, expected, name)}
    >
      {expected && (
        <rect
          x="0"
          width={width}
          y={y(expected.high)}
          height={Math.max(1, y(expected.low) - y(expected.high))}
          fill="var(--band)"
          rx="2"
        />
      )}
      {expected && (
        <line
          x1="0"
          x2={width}
          y1={y(expected.value)}
          y2={y(expected.value)}
          stroke="var(--accent-line)"
          strokeDasharray="2 3"
        />
      )}
      <path
        d={linePath(placed)}
        fill="none"
        stroke="var(--ink-2)"
        strokeWidth="1.300"
        strokeLinejoin="round"
      />
      {placed.map((point) =>
        point?.verdict === 'fail' ? (
          <path key={point.x} d={diamond(point.x, point.y, 3.4)} fill="var(--warn)" />
        ) : null,
      )}
      {last && last.verdict !== 'fail' && <circle cx={last.x} cy={last.y} r="2.600" fill="var(--accent)" />}
    </svg>
  )
}

export const diamond = (x: number, y: number, r: number) => `M${x} ${y - r}l${r} ${r}l${-r} ${r}l${-r} ${-r}z`

function words(points: readonly QualityPoint[], expected: Band | null, name: string): string {
  const last = points.findLast((point) => point.value !== null)
  const band = expected ? `, expected ${metric(expected.low)} to ${metric(expected.high)}` : ''
  return `${name} ${metric(last?.value)}${band}, over ${points.length} windows`
}
