/** Lines of `/metrics`: the Prometheus text format 0.0.4, and OpenMetrics 1.0, which can show a trace beside a bucket. */
import { BOUNDS_S, type SecondsHistogram } from './metrics-series.ts'

export type MetricsFormat = 'prometheus' | 'openmetrics'

export const CONTENT_TYPES: Record<MetricsFormat, string> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** What a scraper says it reads decides. */
export function formatOf(accept: string | undefined): MetricsFormat {
  return accept?.includes('application/openmetrics-text') ? 'openmetrics' : 'prometheus'
}

/** What stands above a metric. OpenMetrics names a counter without its ending. */
export function head(name: string, type: string, help: string, format: MetricsFormat): string[] {
  const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name
  return [`# HELP ${family} ${help}`, `# TYPE ${family} ${type}`]
}

export function labels(pairs: Record<string, string>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))
}

export interface HistogramLines {
  name: string
  label: string
  format: MetricsFormat
  /** Units a second; 1,000 where a peer counts in milliseconds. Default 1. */
  scale?: number
}

export function histogramLines(
  { counts, exemplars, sumS, total }: SecondsHistogram,
  { name, label, format, scale = 1 }: HistogramLines,
): string[] {
  const lines: string[] = []
  const ends = endsOf(scale, format)
  let cumulative = 0
  counts.forEach((count, b) => {
    cumulative += count
    const end = ends[b]
    const example = format === 'openmetrics' ? exemplarText(exemplars[b], scale) : ''
    lines.push(`${name}_bucket{${label},le="${end}"} ${cumulative}${example}`)
  })
  lines.push(`${name}_sum{${label}} ${sumS * scale}`, `${name}_count{${label}} ${total}`)
  return lines
}

const knownEnds = new Map<string, string[]>()

/** Ends of all buckets as texts, made once for a format and a unit. */
function endsOf(scale: number, format: MetricsFormat): string[] {
  const key = `${format} ${scale}`
  const known = knownEnds.get(key) ?? [...BOUNDS_S.map((end) => endText(end * scale, format)), '+Inf']
  knownEnds.set(key, known)
  return known
}

/** OpenMetrics writes ends as floats: `1.0`, where Prometheus has `1`. */
function endText(end: number, format: MetricsFormat): string {
  const rounded = Number(end.toPrecision(12))
  return format === 'openmetrics' && Number.isInteger(rounded) ? rounded.toFixed(1) : String(rounded)
}

function exemplarText(exemplar: SecondsHistogram['exemplars'][number], scale: number): string {
  if (!exemplar) return ''
  return ` # {trace_id="${exemplar.traceId}"} ${exemplar.seconds * scale} ${exemplar.at / 1000}`
}
