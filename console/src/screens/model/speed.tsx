/** How fast it answers, how much it is asked, and where this minute stands among the minutes since the page was opened. */
import { useElementSize } from '@mantine/hooks'
import { useLive } from '../../api/live.ts'
import type { ModelPage, Pulse } from '../../api/types.ts'
import { extent, linear, ticks } from '../../charts/scale.ts'
import { bytes, latency, perSecond, plural, weight } from '../../format/numbers.ts'
import { clock } from '../../format/times.ts'
import { Figure } from '../../parts/figure.tsx'
import { Empty, Section, Stat } from '../../parts/page.tsx'
import { Go } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'
import { ScoringCost } from './scoring-cost.tsx'

export function Speed({ page }: { page: ModelPage }) {
  const { latencyMs, requestsPerSecond, modelBytes, scoring } = page.speed
  if (latencyMs === null) {
    return (
      <Empty title="Not asked in the last ten seconds">
        Latency is measured on real answers as they are given.{' '}
        <Go href={hrefs.playground(page.model)} className="link">
          A request from the playground
        </Go>{' '}
        counts too.
      </Empty>
    )
  }
  return (
    <>
      <Section title="Answering">
        <dl className="stats">
          <Stat label="p50" note="half are faster">
            {latency(latencyMs.p50)}
          </Stat>
          {latencyMs.p90 !== null && <Stat label="p90">{latency(latencyMs.p90)}</Stat>}
          <Stat label="p99" note="one in a hundred is slower">
            {latency(latencyMs.p99)}
          </Stat>
          <Stat label="Requests">{perSecond(requestsPerSecond)}</Stat>
          <Stat label="Model" note="bytes in memory and on disk">
            {bytes(modelBytes)}
          </Stat>
        </dl>
        <LatencyLine {...latencyMs} />
      </Section>
      {scoring && (
        <Section>
          <ScoringCost cost={scoring} speed={page.speed} />
        </Section>
      )}
      <Section>
        <ServerNow model={page.model} />
      </Section>
    </>
  )
}

/** The quantiles on one logarithmic line: their distances are their ratios. */
function LatencyLine({ p50, p90, p99 }: { p50: number; p90: number | null; p99: number }) {
  const marks = [
    { name: 'p50', ms: p50 },
    ...(p90 === null ? [] : [{ name: 'p90', ms: p90 }]),
    { name: 'p99', ms: p99 },
  ]
  const low = 10 ** Math.floor(Math.log10(Math.min(p50, 0.1)))
  const high = 10 ** Math.ceil(Math.log10(Math.max(p99, 10)))
  const at = (ms: number) => ((Math.log10(ms) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))) * 100
  const decades = Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, i) => low * 10 ** i)
  return (
    <Figure
      title="Latency"
      level={3}
      note="Milliseconds on a logarithmic line."
      table={() => ({
        columns: ['quantile', 'ms'],
        rows: marks.map(({ name, ms }) => [name, ms]),
      })}
    >
      <div className="latency-line">
        {decades.map((ms) => (
          <span key={ms} className="latency-tick" style={{ left: `${at(ms)}%` }}>
            {latency(ms)}
          </span>
        ))}
        <i className="latency-range" style={{ left: `${at(p50)}%`, width: `${at(p99) - at(p50)}%` }} />
        {marks.map(({ name, ms }, i) => (
          <span
            key={name}
            className={`latency-mark ${i === 1 && marks.length === 3 ? 'latency-below' : ''}`}
            style={{ left: `${at(ms)}%` }}
          >
            <i />
            <b>{name}</b>
          </span>
        ))}
      </div>
    </Figure>
  )
}

const H = 260
const PAD = { left: 56, right: 24, top: 20, bottom: 40 }

/** Requests a second against p99, one dot a second of this session; the newest is "you are here". */
function ServerNow({ model }: { model: string }) {
  const pulses = useLive((live) => live.pulses)
  const known = pulses.filter((p) => p.latencyMsP99 !== null)
  const routes = pulses.at(-1)?.routes[model]
  const table = () => ({
    columns: ['at', 'requests/s', 'p50 ms', 'p99 ms'],
    rows: pulses.map((p) => [clock(p.at), p.requestsPerSecond, p.latencyMsP50, p.latencyMsP99]),
  })
  return (
    <Figure
      title="Latency against load, whole server"
      note={`Each dot is one of the ${plural(known.length, 'second')} since this page was opened.${routes ? ` ${model} now: ${routes.map((r) => `v${r.version} ${weight(r.weight)}`).join(', ')}.` : ''}`}
      table={table}
    >
      {known.length === 0 ? <div className="series-wait" /> : <LoadDots pulses={known} />}
    </Figure>
  )
}

/** Drawn at the width it has, so that its words keep their size. */
function LoadDots({ pulses }: { pulses: Pulse[] }) {
  const { ref, width } = useElementSize<HTMLDivElement>()
  return (
    <div ref={ref} style={{ height: H }}>
      {width > 0 && <LoadDrawing pulses={pulses} W={width} />}
    </div>
  )
}

function LoadDrawing({ pulses, W }: { pulses: Pulse[]; W: number }) {
  const load = extent([0, ...pulses.map((p) => p.requestsPerSecond)], 0.05)!
  const slow = extent([0, ...pulses.map((p) => p.latencyMsP99)], 0.08)!
  const x = linear([0, load[1]], [PAD.left, W - PAD.right])
  const y = linear([0, slow[1]], [H - PAD.bottom, PAD.top])
  const here = pulses.at(-1)!
  const hereX = x(here.requestsPerSecond)
  return (
    <svg
      className="load"
      viewBox={`0 0 ${W} ${H}`}
      role="img"
      aria-label={`Now ${perSecond(here.requestsPerSecond)} requests at p99 ${latency(here.latencyMsP99)}`}
    >
      {ticks([0, slow[1]], 4).map((tick) => (
        <g key={tick}>
          <line x1={PAD.left} x2={W - PAD.right} y1={y(tick)} y2={y(tick)} className="grid" />
          <text x={PAD.left - 8} y={y(tick) + 4} textAnchor="end" className="t-muted">
            {tick === 0 ? '0' : latency(tick)}
          </text>
        </g>
      ))}
      {ticks([0, load[1]], 5).map((tick) => (
        <text key={tick} x={x(tick)} y={H - PAD.bottom + 18} textAnchor="middle" className="t-muted">
          {tick}
        </text>
      ))}
      <text x={W - PAD.right} y={H - 4} textAnchor="end" className="t-soft">
        requests a second →
      </text>
      <text x={PAD.left} y={12} className="t-soft">
        ↑ p99
      </text>
      {pulses.slice(0, -1).map((p) => (
        <circle
          key={p.at}
          cx={x(p.requestsPerSecond)}
          cy={y(p.latencyMsP99!)}
          r="3"
          fill="var(--reference)"
          opacity="0.500"
        />
      ))}
      <circle cx={hereX} cy={y(here.latencyMsP99!)} r="5.500" fill="var(--accent)" />
      <text
        x={hereX > W - 140 ? hereX - 10 : hereX + 10}
        y={y(here.latencyMsP99!) + 4}
        textAnchor={hereX > W - 140 ? 'end' : 'start'}
        className="t-accent t-halo"
      >
        you are here
      </text>
    </svg>
  )
}
