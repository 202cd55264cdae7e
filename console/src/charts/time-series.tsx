/**
 * A metric over time with uPlot: the line, its interval as a band, the range expected from training, and a mark where a version began.
 * Loaded only by screens that draw time. Drag to look closer, double click to see all.
 */
import 'uplot/dist/uPlot.min.css'
import { useComputedColorScheme } from '@mantine/core'
import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import type { Band, Verdict } from '../api/types.ts'
import { count, metric } from '../format/numbers.ts'
import { DAY, day, dayMonth, exact, windowDays } from '../format/times.ts'

export interface SeriesPoint {
  fromAt: number
  toAt: number
  value: number | null
  interval?: [number, number]
  n: number
  verdict: Verdict
  version?: number
}

interface TimeSeriesProps {
  label: string
  points: readonly SeriesPoint[]
  expected: Band | null
  height?: number
  write?: (value: number) => string
}

export default function TimeSeries(props: TimeSeriesProps) {
  const host = useRef<HTMLDivElement>(null)
  const tip = useRef<HTMLDivElement>(null)
  const scheme = useComputedColorScheme('light')
  const { points, expected, height = 240, label } = props
  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the page when the scheme changes
  useEffect(() => {
    const node = host.current
    if (node === null || points.length === 0) return
    const plot = new uPlot(optionsFor(props, node.clientWidth, tip.current!), dataOf(points), node)
    const resize = new ResizeObserver(() => plot.setSize({ width: node.clientWidth, height }))
    resize.observe(node)
    return () => {
      resize.disconnect()
      plot.destroy()
    }
  }, [points, expected, height, label, scheme])
  return (
    <div className="series" style={{ height }}>
      <div
        ref={host}
        role="img"
        aria-label={`${label} over ${points.length} windows; the same as a table by the button above`}
      />
      <div ref={tip} className="tip" hidden />
    </div>
  )
}

function dataOf(points: readonly SeriesPoint[]): uPlot.AlignedData {
  const mid = points.map((p) => (p.fromAt + p.toAt) / 2000)
  return [
    mid,
    points.map((p) => p.interval?.[1] ?? p.value),
    points.map((p) => p.interval?.[0] ?? p.value),
    points.map((p) => p.value),
  ]
}

/** Days as `5 Apr`, with the year where it begins; times of day when the window is that short. */
function dayNames(seconds: number[]): string[] {
  const step = (seconds[1] ?? 0) - (seconds[0] ?? 0)
  return seconds.map((s, i) => {
    if (step > 0 && step * 1000 < DAY) return exact(s * 1000).slice(11, 16)
    return i === 0 ? day(s * 1000) : dayMonth(s * 1000)
  })
}

interface Inks {
  ink: string
  soft: string
  line: string
  accent: string
  interval: string
  band: string
  warn: string
  bg: string
  font: string
}

function inksOf(): Inks {
  const style = getComputedStyle(document.documentElement)
  const of = (name: string) => style.getPropertyValue(name).trim()
  return {
    ink: of('--ink-2'),
    soft: of('--ink-3'),
    line: of('--line'),
    accent: of('--accent'),
    interval: of('--interval'),
    band: of('--band'),
    warn: of('--warn'),
    bg: of('--raised'),
    font: `12px ${of('--sans')}`,
  }
}

function optionsFor(props: TimeSeriesProps, width: number, tip: HTMLElement): uPlot.Options {
  const inks = inksOf()
  const write = props.write ?? metric
  const axis = { stroke: inks.soft, font: inks.font, ticks: { stroke: inks.line, size: 4, width: 1 } }
  return {
    width,
    height: props.height ?? 240,
    padding: [20, 12, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    legend: { show: false },
    cursor: { points: { show: false }, drag: { x: true, y: false }, y: false },
    scales: { y: { range: (_u, low, high) => rangeOf(low, high, props.expected) } },
    axes: [
      { ...axis, grid: { show: false }, space: 72, values: (_u, values) => dayNames(values) },
      { ...axis, grid: { stroke: inks.line, width: 1 }, size: 56, values: (_u, values) => values.map(write) },
    ],
    series: [
      {},
      { stroke: 'transparent', points: { show: false } },
      { stroke: 'transparent', points: { show: false } },
      { stroke: inks.accent, width: 1.75, points: { show: false } },
    ],
    bands: [{ series: [1, 2], fill: inks.interval }],
    hooks: {
      drawAxes: [(u) => drawExpected(u, props.expected, inks)],
      draw: [(u) => drawMarks(u, props.points, inks)],
      setCursor: [(u) => showTip(u, props, tip, write)],
    },
  }
}

function rangeOf(low: number | null, high: number | null, expected: Band | null): [number, number] {
  const from = Math.min(low ?? 0, expected?.low ?? Number.POSITIVE_INFINITY)
  const to = Math.max(high ?? 1, expected?.high ?? Number.NEGATIVE_INFINITY)
  const room = (to - from) * 0.1 || Math.abs(to) * 0.1 || 0.1
  return [from - room, to + room]
}

function drawExpected(u: uPlot, expected: Band | null, inks: Inks): void {
  if (expected === null) return
  const { ctx, bbox } = u
  const y = (value: number) => u.valToPos(value, 'y', true)
  ctx.save()
  ctx.fillStyle = inks.band
  ctx.fillRect(bbox.left, y(expected.high), bbox.width, y(expected.low) - y(expected.high))
  ctx.strokeStyle = inks.soft
  ctx.setLineDash([3 * devicePixelRatio, 4 * devicePixelRatio])
  ctx.beginPath()
  ctx.moveTo(bbox.left, y(expected.value))
  ctx.lineTo(bbox.left + bbox.width, y(expected.value))
  ctx.stroke()
  nameExpected(u, expected, inks)
  ctx.restore()
}

/** The stripe's name, at the end where the line is further from it. */
function nameExpected(u: uPlot, expected: Band, inks: Inks): void {
  const { ctx, bbox } = u
  const y = u.valToPos(expected.high, 'y', true)
  const gap = (values: (number | null | undefined)[]) => {
    const known = values.flatMap((v) => (v == null ? [] : [u.valToPos(v, 'y', true) - y]))
    const crosses = known.some((d) => d > 0) && known.some((d) => d < 0)
    return crosses ? 0 : Math.min(...known.map(Math.abs))
  }
  const values = u.data[3] ?? []
  const near = Math.max(1, Math.ceil((values.length * 150) / (bbox.width / devicePixelRatio)))
  const left = gap([...values].slice(0, near)) > gap([...values].slice(-near))
  ctx.fillStyle = inks.soft
  ctx.font = scaled(inks.font)
  ctx.textAlign = left ? 'left' : 'right'
  ctx.textBaseline = 'bottom'
  const x = left ? bbox.left + 6 * devicePixelRatio : bbox.left + bbox.width - 4 * devicePixelRatio
  ctx.fillText('expected from training', x, y - 2 * devicePixelRatio)
}

const scaled = (font: string) => font.replace('12px', `${Math.round(11 * devicePixelRatio)}px`)

function drawMarks(u: uPlot, points: readonly SeriesPoint[], inks: Inks): void {
  const { ctx, bbox } = u
  const px = devicePixelRatio
  ctx.save()
  let version: number | undefined
  let labelEnd = Number.NEGATIVE_INFINITY
  points.forEach((point, i) => {
    const x = u.valToPos(u.data[0]![i]!, 'x', true)
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return
    if (point.version !== undefined && point.version !== version) {
      const start = Math.max(bbox.left, u.valToPos(point.fromAt / 1000, 'x', true))
      labelEnd = versionMark(u, start, `v${point.version}`, labelEnd, inks)
      version = point.version
    }
    if (point.value !== null) dot(ctx, x, u.valToPos(point.value, 'y', true), point.verdict, px, inks)
  })
  ctx.restore()
}

function versionMark(u: uPlot, x: number, name: string, labelEnd: number, inks: Inks): number {
  const { ctx, bbox } = u
  const px = devicePixelRatio
  ctx.strokeStyle = inks.soft
  ctx.lineWidth = px
  ctx.globalAlpha = 0.5
  ctx.beginPath()
  ctx.moveTo(x, bbox.top - 4 * px)
  ctx.lineTo(x, bbox.top + bbox.height)
  ctx.stroke()
  ctx.globalAlpha = 1
  if (x < labelEnd) return labelEnd
  ctx.fillStyle = inks.ink
  ctx.font = scaled(inks.font)
  ctx.textAlign = 'left'
  ctx.textBaseline = 'bottom'
  ctx.fillText(name, x + 3 * px, bbox.top - 4 * px)
  return x + ctx.measureText(name).width + 8 * px
}

/** Pass a dot, fail a diamond, anything uncertain an open ring. */
function dot(
  ctx: CanvasRenderingContext2D,
  x: number,
  y: number,
  verdict: Verdict,
  px: number,
  inks: Inks,
): void {
  const r = (verdict === 'fail' ? 5 : 3.2) * px
  ctx.beginPath()
  if (verdict === 'fail') {
    ctx.moveTo(x, y - r)
    ctx.lineTo(x + r, y)
    ctx.lineTo(x, y + r)
    ctx.lineTo(x - r, y)
    ctx.closePath()
  } else {
    ctx.arc(x, y, r, 0, Math.PI * 2)
  }
  ctx.lineWidth = 1.5 * px
  ctx.strokeStyle = verdict === 'fail' ? inks.warn : inks.accent
  ctx.fillStyle = verdict === 'pass' ? inks.accent : verdict === 'fail' ? inks.warn : inks.bg
  ctx.fill()
  ctx.stroke()
}

function showTip(u: uPlot, props: TimeSeriesProps, tip: HTMLElement, write: (v: number) => string): void {
  const i = u.cursor.idx
  const point = i === null || i === undefined ? undefined : props.points[i]
  tip.hidden = point === undefined || (u.cursor.left ?? -1) < 0
  if (point === undefined || tip.hidden) return
  const lines = [
    windowDays(point.fromAt, point.toAt),
    `${props.label} ${point.value === null ? 'not known' : write(point.value)}`,
    point.interval ? `${write(point.interval[0])} to ${write(point.interval[1])}` : '',
    `n ${count(point.n)} · ${point.verdict}${point.version === undefined ? '' : ` · held against v${point.version}`}`,
  ]
  tip.replaceChildren(
    ...lines
      .filter(Boolean)
      .map((line) => Object.assign(document.createElement('div'), { textContent: line })),
  )
  const x = u.valToPos(u.data[0]![i!]!, 'x') + u.bbox.left / devicePixelRatio
  const wide = tip.offsetWidth
  tip.style.transform = `translate(${Math.max(0, Math.min(x + 12, u.width - wide))}px, 24px)`
  if (x + 12 + wide > u.width) tip.style.transform = `translate(${Math.max(0, x - wide - 12)}px, 24px)`
}
