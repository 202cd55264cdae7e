/** Distributions as small drawings: one alone for a profile, or the reference in grey with now over it. */
import type { Histogram } from '../api/types.ts'
import { brief, share } from '../format/numbers.ts'
import { type PairedBins, paired, peakOver, totalOf } from './histogram-bins.ts'
import { linear } from './scale.ts'

/** One distribution as bars; missing values are not drawn, the profile tells them beside it. */
export function HistogramStrip({
  histogram,
  width = 148,
  height = 28,
  label,
}: {
  histogram: Histogram
  width?: number
  height?: number
  label: string
}) {
  const bars = histogram.kind === 'category' ? histogram.counts.slice(0, 16) : histogram.counts
  const top = Math.max(1, ...bars)
  const step = width / Math.max(1, bars.length)
  const gap = histogram.kind === 'category' ? Math.min(3, step * 0.25) : Math.min(1, step * 0.1)
  return (
    <svg
      className="strip"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
    >
      {bars.map((n, i) => {
        const tall = n === 0 ? 0 : Math.max(1.2, (n / top) * (height - 2))
        return (
          <rect
            key={binName(histogram, i)}
            x={i * step}
            width={Math.max(0.8, step - gap)}
            y={height - 1 - tall}
            height={tall}
            fill="var(--reference)"
          >
            <title>{`${binName(histogram, i)}: ${share(n / Math.max(1, totalOf(histogram)))}`}</title>
          </rect>
        )
      })}
      <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} stroke="var(--line-strong)" />
    </svg>
  )
}

function binName(histogram: Histogram, i: number): string {
  if (histogram.kind === 'category') return histogram.categories[i] ?? ''
  return `${brief(histogram.edges[i])} to ${brief(histogram.edges[i + 1])}`
}

const W = 300
const H = 116
const BASE = 96
const TOP = 16

/** Reference (grey area) against now (indigo line or bars), both as shares of their rows on one scale from zero. */
export function HistogramPair({
  reference,
  current,
  name,
  top,
}: {
  reference: Histogram
  current: Histogram
  name: string
  top?: number
}) {
  const bins = paired(reference, current)
  const high = top ?? Math.max(...bins.reference, ...bins.current, 0.0001)
  const y = linear([0, high], [BASE, TOP])
  const words = `${name}: shares by ${bins.kind === 'numeric' ? 'bin' : 'value'}, reference against now`
  return (
    <svg className="pair" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={words} preserveAspectRatio="none">
      <line x1="0" x2={W} y1={BASE} y2={BASE} stroke="var(--line-strong)" />
      {bins.kind === 'numeric' ? <Steps bins={bins} y={y} /> : <Bars bins={bins} y={y} />}
      <PeakNames bins={bins} y={y} />
      <Axis bins={bins} reference={reference} />
    </svg>
  )
}

type YScale = (share: number) => number

function Steps({ bins, y }: { bins: PairedBins; y: YScale }) {
  const step = W / bins.labels.length
  const outline = (values: readonly number[]) =>
    values
      .map(
        (v, i) =>
          `${i === 0 ? 'M' : 'L'}${(i * step).toFixed(1)} ${y(v).toFixed(1)}H${((i + 1) * step).toFixed(1)}`,
      )
      .join('')
  return (
    <>
      <path
        d={`M0 ${BASE}${outline(bins.reference).replace('M', 'L')}L${W} ${BASE}Z`}
        fill="var(--reference-wash)"
      />
      <path d={outline(bins.reference)} fill="none" stroke="var(--reference)" strokeWidth="1.200" />
      <path d={outline(bins.current)} fill="none" stroke="var(--accent)" strokeWidth="1.800" />
    </>
  )
}

function Bars({ bins, y }: { bins: PairedBins; y: YScale }) {
  const step = W / bins.labels.length
  const wide = Math.min(18, step * 0.36)
  return bins.labels.map((label, i) => {
    const left = i * step + (step - wide * 2 - 1) / 2
    const before = y(bins.reference[i]!)
    const after = y(bins.current[i]!)
    return (
      <g key={label}>
        <rect
          x={left}
          width={wide}
          y={before}
          height={BASE - before}
          fill="var(--reference-wash)"
          stroke="var(--reference)"
        />
        <rect x={left + wide + 1} width={wide} y={after} height={BASE - after} fill="var(--accent)" />
      </g>
    )
  })
}

/** The two names, each where its distribution stands highest above the other; left out where they would collide. */
function PeakNames({ bins, y }: { bins: PairedBins; y: YScale }) {
  const step = W / bins.labels.length
  const now = peakOver(bins.current, bins.reference)
  const before = peakOver(bins.reference, bins.current)
  const at = (i: number, values: readonly number[]) => ({
    x: Math.min(W - 30, Math.max(30, (i + 0.5) * step)),
    y: Math.max(10, y(Math.max(values[i]!, 0)) - 5),
  })
  const nowAt = at(now, bins.current)
  const beforeAt = at(before, bins.reference)
  const apart = Math.abs(nowAt.x - beforeAt.x) > 62 || Math.abs(nowAt.y - beforeAt.y) > 14
  return (
    <>
      <text x={nowAt.x} y={nowAt.y} className="t-accent t-halo" textAnchor="middle">
        now
      </text>
      {apart && (
        <text x={beforeAt.x} y={beforeAt.y} className="t-muted t-halo" textAnchor="middle">
          reference
        </text>
      )}
    </>
  )
}

function Axis({ bins, reference }: { bins: PairedBins; reference: Histogram }) {
  if (bins.kind === 'numeric' && reference.kind === 'numeric') {
    return (
      <>
        <text x="0" y={BASE + 15} className="t-muted">
          {brief(reference.edges[0])}
        </text>
        <text x={W} y={BASE + 15} className="t-muted" textAnchor="end">
          {bins.labels.at(-1) === 'missing' ? 'missing' : brief(reference.edges.at(-1))}
        </text>
      </>
    )
  }
  const step = W / bins.labels.length
  const letters = Math.max(2, Math.floor(step / 6.5))
  return bins.labels.map((label, i) => (
    <text key={label} x={(i + 0.5) * step} y={BASE + 15} className="t-muted" textAnchor="middle">
      {label.length > letters ? `${label.slice(0, letters - 1)}…` : label}
    </text>
  ))
}
