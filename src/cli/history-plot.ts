/** The course of a metric, drawn in a terminal. */
import type { Paint } from './paint.ts'
import { pad } from './table.ts'

const BARS = '▁▂▃▄▅▆▇█'
const SPARK_MAX = 40
const PLOT = 44

/** A bar a value, the least the lowest; the newest 40. */
export function sparkline(values: readonly number[]): string {
  const shown = values.slice(-SPARK_MAX)
  const low = Math.min(...shown)
  const span = Math.max(...shown) - low
  return shown.map((x) => BARS[span === 0 ? 3 : Math.round(((x - low) / span) * (BARS.length - 1))]).join('')
}

export interface PlotPoint {
  label: string
  shown: string
  value: number
  state: string
  isUnusual: boolean
  judgement: { interval: [number, number] | null }
}

/** A line a point: a dot at its value on the line of what was usual then. Intervals that reach far beyond all values are cut at the edge. */
export function historyPlot(points: readonly PlotPoint[], paint: Paint): string[] {
  if (points.length === 0) return []
  const values = points.map((point) => point.value)
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const room = (most - least || Math.abs(most) || 1) * 0.25
  const [low, high] = [least - room, most + room]
  const cell = (x: number) =>
    Math.max(0, Math.min(PLOT - 1, Math.round(((x - low) / (high - low)) * (PLOT - 1))))
  const widths = {
    label: Math.max(...points.map((p) => p.label.length)),
    shown: Math.max(...points.map((p) => p.shown.length)),
  }
  return points.map((point) => {
    const line = lineOf(point, cell, paint)
    const note = point.isUnusual
      ? paint.bad('unusual')
      : point.state === 'usual'
        ? ''
        : paint.dim(point.state)
    return `  ${pad(point.label, widths.label)}  ${pad(point.shown, widths.shown, true)}  ${line}  ${note}`.trimEnd()
  })
}

function lineOf(
  { value, isUnusual, judgement: { interval } }: PlotPoint,
  cell: (x: number) => number,
  paint: Paint,
): string {
  const cells = new Array<string>(PLOT).fill(' ')
  if (interval) for (let i = cell(interval[0]); i <= cell(interval[1]); i++) cells[i] = paint.dim('─')
  cells[cell(value)] = isUnusual ? paint.bad('●') : '●'
  return cells.join('')
}
