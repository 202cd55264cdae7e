/** What a feature adds to the raw score, as steps over its values, with the deviation over trainings as a band and where the training rows lie below. */
import type { ShapeSlot } from '../api/types.ts'
import { metric, plain, signed } from '../format/numbers.ts'
import { linear, ticks } from './scale.ts'
import { type Step, stepsOf } from './shape-steps.ts'

const [WIDTH, HEIGHT] = [320, 168]
const PAD = { left: 46, right: 10, top: 8, bottom: 24 }
/** Height of the tallest bar of rows. */
const ROWS_PX = 18

interface Props {
  name: string
  slots: readonly ShapeSlot[]
  /** One scale for all features of a model. */
  domain: [number, number]
}

export function ShapeLine({ name, slots, domain }: Props) {
  const steps = stepsOf(slots)
  if (steps.length === 0) return <p className="note">The same for every value.</p>
  const reach: [number, number] = [steps[0]!.left, steps[steps.length - 1]!.right]
  const x = linear(reach, [PAD.left, WIDTH - PAD.right])
  const y = linear(domain, [HEIGHT - PAD.bottom - ROWS_PX, PAD.top])
  const most = Math.max(...steps.map(({ share }) => share), Number.MIN_VALUE)
  const edge = (of: (step: Step) => number) =>
    steps.map((s, i) => `${i === 0 ? 'M' : 'L'}${x(s.left)} ${y(of(s))}H${x(s.right)}`).join('')
  const band = `${edge((s) => s.value + s.deviation)}${steps
    .toReversed()
    .map((s) => `L${x(s.right)} ${y(s.value - s.deviation)}H${x(s.left)}`)
    .join('')}Z`
  return (
    <svg
      className="shape-line"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={wordsFor(name, steps)}
    >
      {ticks(domain, 4).map((tick) => (
        <g key={tick}>
          <line x1={PAD.left} x2={WIDTH - PAD.right} y1={y(tick)} y2={y(tick)} className="grid" />
          <text x={PAD.left - 6} y={y(tick) + 4} textAnchor="end" className="t-muted">
            {plain(tick)}
          </text>
        </g>
      ))}
      {steps.map((s) => (
        <rect
          key={s.left}
          x={x(s.left)}
          width={Math.max(0.5, x(s.right) - x(s.left))}
          y={HEIGHT - PAD.bottom - (ROWS_PX * s.share) / most}
          height={(ROWS_PX * s.share) / most}
          fill="var(--line)"
        />
      ))}
      <line
        x1={PAD.left}
        x2={WIDTH - PAD.right}
        y1={y(0)}
        y2={y(0)}
        stroke="var(--faint)"
        strokeDasharray="4 4"
      />
      <path d={band} fill="var(--band)" />
      <path d={edge((s) => s.value)} fill="none" stroke="var(--accent)" strokeWidth="1.5" />
      {ticks(reach, 4).map((tick) => (
        <text key={tick} x={x(tick)} y={HEIGHT - 8} textAnchor="middle" className="t-muted">
          {plain(tick)}
        </text>
      ))}
    </svg>
  )
}

function wordsFor(name: string, steps: readonly Step[]): string {
  const [first, last] = [steps[0]!, steps[steps.length - 1]!]
  return `${name}: adds ${signed(first.value)} at ${metric(first.left)} and ${signed(last.value)} at ${metric(last.right)}; all steps by the button above`
}
