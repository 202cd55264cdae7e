/** Small drawings of a report: distributions and verdicts over versions, as SVG that says in words what it shows. */
import type { Histogram, Verdict } from '../../core/records.ts'
import { type Html, html } from './html.ts'
import { count, figure, minute, shareText } from './words.ts'

const WIDTH = 240
const HEIGHT = 56
const GAP = 1

type Numeric = Extract<Histogram, { kind: 'numeric' }>
type Categories = Extract<Histogram, { kind: 'category' }>

/** How far beyond the inner bins a drawing goes, as a share of their span: longer tails are cut. */
const TAIL = 0.25

/** Bars whose area is the rows of a bin, over the values themselves; each names its bin. Tails that would squeeze all else are cut, and the ends say so. */
export function histogramBars(name: string, { edges, counts }: Numeric): Html {
  const { low, high } = drawnRange(edges)
  const x = (value: number) => (WIDTH * (Math.min(high, Math.max(low, value)) - low)) / (high - low)
  const densities = counts.map((n, i) => n / Math.max(edges[i + 1]! - edges[i]!, (high - low) / 1000))
  const most = Math.max(Number.MIN_VALUE, ...densities)
  const bars = counts.map((n, i) => {
    const [from, to] = [x(edges[i]!), x(edges[i + 1]!)]
    const height = n === 0 ? 0 : Math.max(1, (densities[i]! / most) * (HEIGHT - 2))
    const width = Math.max(0.75, to - from - (to - from > 4 * GAP ? GAP : 0))
    return html`<rect class="bar" x="${round(from)}" y="${round(HEIGHT - height - 1)}" width="${round(width)}" height="${round(height)}"><title>${figure(edges[i]!)} to ${figure(edges[i + 1]!)}: ${count(n)} rows</title></rect>`
  })
  const [first, last] = [edges[0]!, edges.at(-1)!]
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Distribution of ${name} from ${figure(first)} to ${figure(last)}"><line class="axis" x1="0" x2="${WIDTH}" y1="${HEIGHT - 0.5}" y2="${HEIGHT - 0.5}"/>${bars}</svg><div class="ends"><span>${low > first ? '… ' : ''}${figure(low)}</span><span>${figure(high)}${high < last ? ' …' : ''}</span></div>`
}

function drawnRange(edges: readonly number[]): { low: number; high: number } {
  const [first, last] = [edges[0]!, edges.at(-1)!]
  const [inner, outer] = [edges[1] ?? first, edges.at(-2) ?? last]
  const room = TAIL * Math.max(outer - inner, 0) || last - first || 1
  const low = Math.max(first, inner - room)
  const high = Math.min(last, outer + room)
  return high > low ? { low, high } : { low, high: low + 1 }
}

const TOPS = 5

/** The most frequent values, each with its share behind it. */
export function topValues(name: string, { categories, counts, other, nulls }: Categories): Html {
  const filled = counts.reduce((sum, n) => sum + n, 0) + other
  const order = counts.map((_, i) => i).sort((a, b) => counts[b]! - counts[a]! || a - b)
  const shown = order.slice(0, TOPS).filter((i) => counts[i]! > 0)
  const rest = filled - shown.reduce((sum, i) => sum + counts[i]!, 0)
  const line = (label: Html | string, n: number) =>
    html`<li><i class="fill" style="width:${round((100 * n) / Math.max(1, filled + nulls))}%"></i><span>${label}</span><span>${shareText(n / Math.max(1, filled + nulls))}</span></li>`
  return html`<ul class="tops" aria-label="Most frequent values of ${name}">${shown.map((i) => line(html`<bdi>${categories[i]}</bdi>`, counts[i]!))}${rest > 0 && line(html`<em class="missing">others</em>`, rest)}</ul>`
}

const SHAPES: Record<Verdict, Html> = {
  pass: html`<circle cx="5" cy="5" r="4" fill="currentColor"/>`,
  fail: html`<path d="M1 1h8v8h-8z" fill="currentColor"/>`,
  inconclusive: html`<circle cx="5" cy="5" r="3.5" fill="none" stroke="currentColor" stroke-width="1.5"/>`,
  error: html`<path d="M5 0.5L9.5 9h-9z" fill="currentColor"/>`,
}

/** A verdict as shape and word. */
export const verdictMark = (verdict: Verdict): Html =>
  html`<span class="verdict ${verdict}"><svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">${SHAPES[verdict]}</svg>${verdict}</span>`

/** Verdicts of one check over versions, oldest first. */
export function verdictDots(
  check: string,
  verdicts: readonly { at: number; verdict: Verdict; value: number | null }[],
): Html {
  const shown = verdicts.slice(-20)
  const dots = shown.map(
    ({ at, verdict, value }, i) =>
      html`<g class="${verdict}" transform="translate(${i * 12} 0)"><title>${minute(at)}: ${verdict}${value === null ? '' : `, ${figure(value)}`}</title>${SHAPES[verdict]}</g>`,
  )
  const bad = shown.filter(({ verdict }) => verdict !== 'pass').length
  return html`<svg width="${Math.max(10, shown.length * 12 - 2)}" height="10" role="img" aria-label="${check} over ${shown.length} versions: ${bad === 0 ? 'passes in all' : `does not pass in ${bad}`}">${dots}</svg>`
}

const round = (x: number): number => Math.round(x * 100) / 100
