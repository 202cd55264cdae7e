/** How far answers moved: a histogram about zero, what went down on its left and what went up on its right. */
import type { Histogram } from '../api/types.ts'
import { brief, count, share } from '../format/numbers.ts'

const W = 720
const H = 150
const BASE = 120
const TOP = 8

/** Heights are by the square root, so that the few rows that moved far are seen beside the many that hardly did. */
export function Moves({
  histogram,
  rows,
}: {
  histogram: Extract<Histogram, { kind: 'numeric' }>
  rows: number
}) {
  const { edges, counts } = histogram
  const [low, high] = [edges[0]!, edges.at(-1)!]
  const x = (value: number) => ((value - low) / (high - low)) * W
  const top = Math.sqrt(Math.max(...counts, 1))
  const zero = x(Math.max(low, 0))
  const ends = low < 0 ? [low, low / 2, 0, high / 2, high] : [0, high / 2, high]
  return (
    <div className="moves">
      <svg
        viewBox={`0 0 ${W} ${H}`}
        role="img"
        aria-label={`How far the answers of ${count(rows)} rows moved`}
      >
        <title>How far answers moved</title>
        {counts.map((n, i) => {
          const [from, to] = [edges[i]!, edges[i + 1]!]
          const tall = n === 0 ? 0 : Math.max(1.5, (Math.sqrt(n) / top) * (BASE - TOP))
          const middle = (from + to) / 2
          const tone = from < 0 && to > 0 ? 'moves-none' : middle < 0 ? 'moves-down' : 'moves-up'
          return (
            <rect
              key={from}
              className={tone}
              x={x(from) + 0.75}
              width={Math.max(1, x(to) - x(from) - 1.5)}
              y={BASE - tall}
              height={tall}
            >
              <title>{`${binText(edges, i)}: ${count(n)} rows, ${share(n / rows)}`}</title>
            </rect>
          )
        })}
        <line x1="0" x2={W} y1={BASE + 0.5} y2={BASE + 0.5} stroke="var(--line-strong)" />
        <line x1={zero} x2={zero} y1={TOP} y2={BASE + 5} stroke="var(--ink-3)" strokeDasharray="2 3" />
      </svg>
      <div className="moves-axis" aria-hidden="true">
        {ends.map((end) => (
          <span key={end} style={{ left: `${(x(end) / W) * 100}%` }}>
            {end > 0 ? '+' : ''}
            {brief(end, 2)}
          </span>
        ))}
      </div>
    </div>
  )
}

/** The bins at both ends hold what lies beyond. */
export function binText(edges: readonly number[], i: number): string {
  const isFirst = i === 0 && edges[0]! < 0
  const isLast = i === edges.length - 2
  if (isFirst) return `below ${brief(edges[1])}`
  return isLast ? `above ${brief(edges[i])}` : `${brief(edges[i])} to ${brief(edges[i + 1])}`
}
