/** Who answered the traffic: shares by version over time, stacked to one. By time, or one equal stretch for each change. */
import { useMemo } from 'react'
import type { ModelPage } from '../api/types.ts'
import { weight } from '../format/numbers.ts'
import { clock, DAY, dayMonth } from '../format/times.ts'
import { linear, type RiverBand, riverBands, ticks } from './scale.ts'

const W = 1000
const H = 168
const PLOT = { top: 6, bottom: 140 }

interface RiverProps {
  releases: ModelPage['releases']
  by: 'time' | 'change'
  until: number
}

export function River({ releases, by, until }: RiverProps) {
  const changes = useMemo(
    () => releases.map((r) => ({ at: r.at, routes: r.release.routes })).sort((a, b) => a.at - b.at),
    [releases],
  )
  const first = changes[0]?.at ?? 0
  const last = Math.max(until, first + 1)
  const bands = riverBands(changes, last)
  const x =
    by === 'time'
      ? linear([first, last], [0, W])
      : byChange(
          changes.map((c) => c.at),
          last,
        )
  const y = linear([0, 1], [PLOT.bottom, PLOT.top])
  return (
    <svg
      className="river"
      viewBox={`0 0 ${W} ${H}`}
      role="img"
      aria-label={riverWords(bands)}
      preserveAspectRatio="none"
    >
      {bands.map((band, i) => (
        <g key={band.version}>
          {band.blocks.map((block) => (
            <rect
              key={block.fromAt}
              x={x(block.fromAt)}
              width={Math.max(0.6, x(block.toAt) - x(block.fromAt))}
              y={y(block.high)}
              height={y(block.low) - y(block.high)}
              className="river-block"
              fillOpacity={recency(bands.length - 1 - i, bands.length)}
            >
              <title>{`v${band.version}: ${weight(block.high - block.low)} from ${clock(block.fromAt)}`}</title>
            </rect>
          ))}
        </g>
      ))}
      {changes.map((change) => (
        <line
          key={change.at}
          x1={x(change.at)}
          x2={x(change.at)}
          y1={PLOT.bottom}
          y2={PLOT.bottom + 5}
          stroke="var(--line-strong)"
        />
      ))}
    </svg>
  )
}

/** Versions that fade by even steps; those before them alternate. */
const FADES = 6

/** Newest versions are strongest; older ones fade, in steps that stay apart. */
function recency(age: number, of: number): number {
  const steps = Math.min(of, FADES) - 1
  if (age > steps) return (age - steps) % 2 === 0 ? 0.14 : 0.07
  return steps === 0 ? 0.6 : 0.92 - (0.78 * age) / steps
}

/** Names over the river as HTML, so that they keep their shape while the drawing stretches. */
export function RiverNames({ releases, by, until }: RiverProps) {
  const changes = releases.map((r) => ({ at: r.at, routes: r.release.routes })).sort((a, b) => a.at - b.at)
  const first = changes[0]?.at ?? 0
  const last = Math.max(until, first + 1)
  const x =
    by === 'time'
      ? linear([first, last], [0, 100])
      : byChange(
          changes.map((c) => c.at),
          last,
          100,
        )
  const marks = by === 'time' ? ticks([first, last], 4) : changes.map((c) => c.at)
  const spaced = marks.filter((at, i) => i === 0 || x(at) - x(marks[i - 1]!) > 9 || by === 'time')
  const named = spaced
    .map((at) => ({ at, name: last - first > 3 * DAY ? dayMonth(at) : clock(at).slice(0, 5) }))
    .filter(({ name }, i, all) => name !== all[i - 1]?.name)
  return (
    <div className="river-names" aria-hidden="true">
      {riverBands(changes, last).map((band) => {
        const block = widest(band, x)
        const room = x(block.toAt) - x(block.fromAt)
        if (room < 4 || block.high - block.low < 0.16) return null
        return (
          <span
            key={band.version}
            className="river-name"
            style={{
              left: `${x(block.fromAt) + room / 2}%`,
              top: `${(1 - (block.low + block.high) / 2) * 100}%`,
            }}
          >
            v{band.version}
          </span>
        )
      })}
      {named.map(({ at, name }) => (
        <span key={at} className="river-tick" style={{ left: `${x(at)}%` }}>
          {name}
        </span>
      ))}
    </div>
  )
}

function widest(band: RiverBand, x: (at: number) => number) {
  const area = (b: RiverBand['blocks'][number]) => (x(b.toAt) - x(b.fromAt)) * (b.high - b.low)
  return band.blocks.reduce((best, block) => (area(block) > area(best) ? block : best))
}

/** Equal stretches: the i-th change stands at i / n. Between two changes it is linear. */
function byChange(times: readonly number[], last: number, width = W): (at: number) => number {
  const knots = [...times, last]
  return (at) => {
    const i = Math.max(
      0,
      knots.findLastIndex((knot) => knot <= at),
    )
    const next = knots[i + 1]
    const part = next === undefined || next === knots[i] ? 0 : (at - knots[i]!) / (next - knots[i]!)
    return ((i + part) / (knots.length - 1)) * width
  }
}

function riverWords(bands: readonly RiverBand[]): string {
  const now = bands.flatMap((b) => b.blocks.slice(-1).map((block) => ({ version: b.version, block })))
  const end = Math.max(...now.map((n) => n.block.toAt), 0)
  const answering = now
    .filter((n) => n.block.toAt === end)
    .map((n) => `version ${n.version} ${weight(n.block.high - n.block.low)}`)
  return `Traffic by version over time; now ${answering.join(', ')}`
}

/** Where the axis ends: a little after the last change, so that a long quiet time does not press the changes together. */
export function riverEnd(times: readonly number[], now: number): number {
  const first = Math.min(...times)
  const last = Math.max(...times)
  return Math.min(now, last + Math.max(60_000, (last - first) * 0.12))
}
