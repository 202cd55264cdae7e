/** Trials of a search in the order they were begun: each a dot, hollow where it was stopped, and the best so far as a line. */
import { useElementSize } from '@mantine/hooks'
import type { Search } from '../api/types.ts'
import { metric, plain } from '../format/numbers.ts'
import { extent, linear, linePath, ticks } from './scale.ts'

const HEIGHT = 220
/** Before the page has been laid out. */
const WIDTH_PX = 640
const PAD = { left: 52, right: 12, top: 12, bottom: 26 }

interface Props {
  search: Search
  metricName: string
}

export function Trials({ search, metricName }: Props) {
  const { trials, best } = search
  const { ref, width: measured } = useElementSize<HTMLDivElement>()
  const width = measured || WIDTH_PX
  const domain = extent([...trials.map((t) => t.value), ...trials.map((t) => t.bestSoFar)], 0.08)
  if (domain === null) return <p className="note">No trial could be measured.</p>
  const x = linear([0, Math.max(1, trials.length - 1)], [PAD.left + 6, width - PAD.right - 6])
  const y = linear(domain, [HEIGHT - PAD.bottom, PAD.top])
  const line = linePath(
    trials.map(({ number, bestSoFar }) => (bestSoFar === null ? null : { x: x(number), y: y(bestSoFar) })),
  )
  const chosen = trials.find(({ number }) => number === best)
  return (
    <div ref={ref}>
      <svg
        className="trials"
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        aria-label={`${trials.length} trials by ${metricName}; the best has ${metric(chosen?.value)}`}
      >
        {ticks(domain, 4).map((tick) => (
          <g key={tick}>
            <line x1={PAD.left} x2={width - PAD.right} y1={y(tick)} y2={y(tick)} className="grid" />
            <text x={PAD.left - 8} y={y(tick) + 4} textAnchor="end" className="t-muted">
              {plain(tick)}
            </text>
          </g>
        ))}
        {ticks([1, Math.max(2, trials.length)], 8)
          .filter((tick) => Number.isInteger(tick) && tick <= trials.length)
          .map((tick) => (
            <text key={tick} x={x(tick - 1)} y={HEIGHT - 8} textAnchor="middle" className="t-muted">
              {tick}
            </text>
          ))}
        <path d={line} fill="none" stroke="var(--accent-line)" strokeWidth="1.5" />
        {trials.map(
          ({ number, value, state }) =>
            value !== null && (
              <circle
                key={number}
                cx={x(number)}
                cy={y(value)}
                r={number === best ? 6 : 4}
                fill={state === 'done' ? 'var(--accent)' : 'var(--raised)'}
                stroke="var(--accent)"
                strokeWidth="1.5"
              >
                <title>{`trial ${number + 1}: ${metric(value)}${state === 'done' ? '' : ', stopped early'}`}</title>
              </circle>
            ),
        )}
      </svg>
    </div>
  )
}
