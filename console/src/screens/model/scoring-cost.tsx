/** Latency against throughput of scoring: what requests of more rows bring and cost, and where this model is now. */
import { useElementSize } from '@mantine/hooks'
import type { ModelPage } from '../../api/types.ts'
import { linear } from '../../charts/scale.ts'
import { count, latency, perSecond } from '../../format/numbers.ts'
import { Figure } from '../../parts/figure.tsx'

type Speed = ModelPage['speed']
type Cost = NonNullable<Speed['scoring']>

const H = 280
const PAD = { left: 56, right: 28, top: 24, bottom: 44 }

export function ScoringCost({ cost, speed }: { cost: Cost; speed: Speed }) {
  const here = hereOf(speed)
  const table = () => ({
    columns: ['rows at a time', 'ms', 'rows/s'],
    rows: cost.sizes.map(({ rows, callMs, rowsPerSecond }) => [rows, callMs, Math.round(rowsPerSecond)]),
  })
  return (
    <Figure
      title="Latency against throughput, this model"
      note={`${cost.words} Scoring on one thread, as learned from what it was asked; both scales are logarithmic.${here ? ' What answers take beyond scoring, the wait for the log first of all, is how far you are above the line.' : ''}`}
      table={table}
    >
      <CostDrawing cost={cost} here={here} />
    </Figure>
  )
}

function hereOf({ latencyMs, rowsPerSecond }: Speed): Here | null {
  return latencyMs && rowsPerSecond > 0 ? { rowsPerSecond, ms: latencyMs.p99 } : null
}

interface Here {
  rowsPerSecond: number
  ms: number
}

/** Drawn at the width it has, so that its words keep their size. */
function CostDrawing({ cost, here }: { cost: Cost; here: Here | null }) {
  const { ref, width } = useElementSize<HTMLDivElement>()
  return (
    <div ref={ref} style={{ height: H }}>
      {width > 0 && <Drawing sizes={cost.sizes} here={here} W={width} />}
    </div>
  )
}

function Drawing({ sizes, here, W }: { sizes: Cost['sizes']; here: Here | null; W: number }) {
  const xs = decades([...sizes.map((s) => s.rowsPerSecond), ...(here ? [here.rowsPerSecond] : [])])
  const ys = decades([...sizes.map((s) => s.callMs), ...(here ? [here.ms] : [])])
  const x = logScale(xs, [PAD.left, W - PAD.right])
  const y = logScale(ys, [H - PAD.bottom, PAD.top])
  const path = sizes.map((s, i) => `${i === 0 ? 'M' : 'L'}${x(s.rowsPerSecond)} ${y(s.callMs)}`).join('')
  const every = Math.max(1, Math.ceil(xs.length / Math.max(2, Math.floor(W / 90))))
  return (
    <svg className="load" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={spoken(sizes, here)}>
      {ys.map((ms) => (
        <g key={ms}>
          <line x1={PAD.left} x2={W - PAD.right} y1={y(ms)} y2={y(ms)} className="grid" />
          <text x={PAD.left - 8} y={y(ms) + 4} textAnchor="end" className="t-muted">
            {latency(ms)}
          </text>
        </g>
      ))}
      {xs.map((rows, i) =>
        i % every === 0 ? (
          <text key={rows} x={x(rows)} y={H - PAD.bottom + 18} textAnchor="middle" className="t-muted">
            {perSecond(rows)}
          </text>
        ) : null,
      )}
      <text x={W - PAD.right} y={H - 6} textAnchor="end" className="t-soft">
        rows a second →
      </text>
      <text x={PAD.left} y={12} className="t-soft">
        ↑ each waits
      </text>
      <path d={path} fill="none" stroke="var(--reference)" strokeWidth="1.5" />
      {sizes.map(({ rows, callMs, rowsPerSecond }, i) => (
        <g key={rows}>
          <circle cx={x(rowsPerSecond)} cy={y(callMs)} r="3.5" fill="var(--reference)" />
          {isNamed(i, sizes.length) && (
            <text x={x(rowsPerSecond)} y={y(callMs) - 10} textAnchor="end" className="t-soft t-halo">
              {rows === 1 ? 'one at a time' : `${count(rows)} at a time`}
            </text>
          )}
        </g>
      ))}
      {here && <HereMark at={[x(here.rowsPerSecond), y(here.ms)]} W={W} />}
    </svg>
  )
}

function HereMark({ at: [cx, cy], W }: { at: [number, number]; W: number }) {
  const isRight = cx > W - 140
  return (
    <>
      <circle cx={cx} cy={cy} r="5.5" fill="var(--accent)" />
      <text
        x={isRight ? cx - 10 : cx + 10}
        y={cy + 4}
        textAnchor={isRight ? 'end' : 'start'}
        className="t-accent t-halo"
      >
        you are here
      </text>
    </>
  )
}

/** The first, the last, and one between: more names would lie on one another. */
const isNamed = (i: number, n: number): boolean =>
  i === 0 || i === n - 1 || (n > 4 && i === Math.floor(n / 2))

/** Powers of ten that hold all values, at least two. */
function decades(values: number[]): number[] {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  return Array.from({ length: high - low + 1 }, (_, i) => Number((10 ** (low + i)).toPrecision(6)))
}

function logScale(domain: number[], range: [number, number]): (value: number) => number {
  const scale = linear([Math.log10(domain[0]), Math.log10(domain[domain.length - 1])], range)
  return (value) => scale(Math.log10(value))
}

function spoken(sizes: Cost['sizes'], here: Here | null): string {
  const most = sizes[sizes.length - 1]
  const can = `${count(most.rows)} at a time: ${perSecond(most.rowsPerSecond)} rows in ${latency(most.callMs)}`
  return here ? `${can}. Now ${perSecond(here.rowsPerSecond)} rows at p99 ${latency(here.ms)}` : can
}
