/** What the model says against what happens: on the diagonal it can be believed. Dots grow with n; whiskers are 95 % intervals. */
import type { ModelPage } from '../api/types.ts'
import { count, share } from '../format/numbers.ts'
import { extent, linear, ticks, wilson } from './scale.ts'

type Points = ModelPage['calibration']

const SIZE = 340
const PAD = { left: 44, right: 22, top: 12, bottom: 36 }

interface Props {
  points: Points
  /** Whether what is said is a probability. */
  binary: boolean
  /** What the two axes are: what the model says, and what happens. */
  words?: [says: string, happens: string]
}

export function Calibration({ points, binary, words = ['the model says', 'it happens'] }: Props) {
  const reach = extent(
    points.flatMap((p) => [p.meanPredicted, p.meanActual]),
    0.1,
  )
  if (reach === null)
    return <p className="note">No calibration yet: it needs answered predictions with outcomes.</p>
  const domain: [number, number] = [binary ? 0 : reach[0], binary ? Math.min(1, reach[1]) : reach[1]]
  const x = linear(domain, [PAD.left, SIZE - PAD.right])
  const y = linear(domain, [SIZE - PAD.bottom, PAD.top])
  const most = Math.max(...points.map((p) => p.n), 1)
  const write = (v: number) => (binary ? share(v, 0) : String(v))
  return (
    <svg className="calibration" viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={wordsFor(points)}>
      {ticks(domain, 5).map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={PAD.top} y2={SIZE - PAD.bottom} className="grid" />
          <line x1={PAD.left} x2={SIZE - PAD.right} y1={y(tick)} y2={y(tick)} className="grid" />
          <text x={x(tick)} y={SIZE - PAD.bottom + 16} textAnchor="middle" className="t-muted">
            {write(tick)}
          </text>
          <text x={PAD.left - 8} y={y(tick) + 4} textAnchor="end" className="t-muted">
            {write(tick)}
          </text>
        </g>
      ))}
      <line
        x1={x(domain[0])}
        y1={y(domain[0])}
        x2={x(domain[1])}
        y2={y(domain[1])}
        stroke="var(--faint)"
        strokeDasharray="4 4"
      />
      <path
        d={points.map((p, i) => `${i === 0 ? 'M' : 'L'}${x(p.meanPredicted)} ${y(p.meanActual)}`).join('')}
        fill="none"
        stroke="var(--accent-line)"
        strokeWidth="1.500"
      />
      {points.map((p) => {
        const [low, high] = binary ? wilson(p.meanActual, p.n) : [p.meanActual, p.meanActual]
        return (
          <g key={p.meanPredicted}>
            <line
              x1={x(p.meanPredicted)}
              x2={x(p.meanPredicted)}
              y1={y(low)}
              y2={y(Math.min(domain[1], high))}
              stroke="var(--accent)"
              strokeWidth="1.500"
            />
            <circle
              cx={x(p.meanPredicted)}
              cy={y(p.meanActual)}
              r={2.5 + 4 * Math.sqrt(p.n / most)}
              fill="var(--accent)"
            >
              <title>{`says ${write(p.meanPredicted)}, happens ${write(p.meanActual)}, n ${count(p.n)}`}</title>
            </circle>
          </g>
        )
      })}
      <text x={SIZE - PAD.right} y={SIZE - 4} textAnchor="end" className="t-soft">
        {words[0]} →
      </text>
      <text x={PAD.left + 6} y={PAD.top + 10} className="t-soft">
        ↑ {words[1]}
      </text>
    </svg>
  )
}

function wordsFor(points: Points): string {
  return `Calibration in ${points.length} bins: ${points.map((p) => `says ${share(p.meanPredicted, 0)}, happens ${share(p.meanActual, 0)}`).join('; ')}`
}
