/** Latency against throughput, drawn in a terminal. */
import type { Paint } from './paint.ts'
import { pad } from './table.ts'

export interface LatencyPoint {
  perSecond: number
  latencyMs: number
  /** What stands beside it. */
  label?: string
  isHere?: boolean
}

const WIDTH = 60
const HEIGHT = 12
const AXIS = 9

/** Answers a second to the right, 99th percentile upwards on a logarithmic line, and the objective as a line across. Empty without points. */
export function latencyPlot(points: readonly LatencyPoint[], objectiveMs: number, paint: Paint): string[] {
  if (points.length === 0) return []
  const most = Math.max(...points.map(({ perSecond }) => perSecond))
  const times = [objectiveMs, ...points.map(({ latencyMs }) => latencyMs)].map(Math.log)
  const [low, high] = [Math.min(...times) - 0.2, Math.max(...times) + 0.2]
  const column = (perSecond: number) => Math.round((perSecond / most) * (WIDTH - 1))
  const line = (ms: number) => Math.round(((high - Math.log(ms)) / (high - low)) * (HEIGHT - 1))
  const cells = Array.from({ length: HEIGHT }, (_, y) =>
    new Array<string>(WIDTH).fill(y === line(objectiveMs) ? paint.dim('┄') : ' '),
  )
  for (const point of [...points].sort((a, b) => Number(a.isHere ?? false) - Number(b.isHere ?? false)))
    put(cells[line(point.latencyMs)], column(point.perSecond), point, paint)
  const scale = new Map([0, HEIGHT - 1].map((y) => [y, Math.exp(high - (y / (HEIGHT - 1)) * (high - low))]))
  scale.set(line(objectiveMs), objectiveMs)
  return [
    paint.dim(`  ${pad('p99', AXIS - 3, true)}`),
    ...cells.map((row, y) => {
      const ms = scale.get(y)
      return `  ${paint.dim(pad(ms === undefined ? '' : msText(ms), AXIS - 3, true))} ${paint.dim('│')}${row.join('').trimEnd()}`
    }),
    paint.dim(`  ${' '.repeat(AXIS - 2)}└${'─'.repeat(WIDTH)}`),
    paint.dim(
      `  ${' '.repeat(AXIS - 1)}0${pad(`${Math.round(most).toLocaleString('en')} answers a second`, WIDTH - 1, true)}`,
    ),
  ]
}

function put(row: string[], x: number, { label = '', isHere = false }: LatencyPoint, paint: Paint): void {
  row[x] = isHere ? paint.accent('◆') : '●'
  const text = [...label]
  const from = x + 2 + text.length <= WIDTH ? x + 2 : x - 1 - text.length
  text.forEach((sign, i) => {
    if (from + i >= 0 && from + i < WIDTH) row[from + i] = isHere ? paint.accent(sign) : sign
  })
}

const msText = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
