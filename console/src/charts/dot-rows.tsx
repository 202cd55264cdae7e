/** Values with intervals as dots on one shared axis, one row each: lengths compare, labels stand beside them. */
import { useElementSize } from '@mantine/hooks'
import { count, interval, metric } from '../format/numbers.ts'
import { extent, linear, ticks } from './scale.ts'

export interface DotRow {
  label: string
  note?: string
  value: number
  interval?: [number, number]
  n?: number
  strong?: boolean
}

interface DotRowsProps {
  rows: DotRow[]
  /** A value to compare with, and its name. */
  against?: { value: number; label: string }
  write?: (value: number) => string
  domain?: [number, number]
  /** Room for long labels, where the window has it. */
  wide?: boolean
}

/** Room that the name of a tick needs. */
const TICK_PX = 52

/** The ticks whose names have room: all, every second or every fourth. */
function spaced(marks: readonly number[], px: (tick: number) => number): number[] {
  const gap = marks.length < 2 ? TICK_PX : px(marks[1]!) - px(marks[0]!)
  const every = [1, 2, 4].find((n) => gap * n >= TICK_PX) ?? marks.length
  return marks.filter((_, i) => i % every === 0)
}

export function DotRows({ rows, against, write = metric, domain, wide }: DotRowsProps) {
  const span = domain ??
    extent([...rows.flatMap((r) => [r.value, ...(r.interval ?? [])]), against?.value], 0.08) ?? [0, 1]
  const at = linear(span, [0, 100])
  const { ref, width } = useElementSize<HTMLSpanElement>()
  const marks = spaced(ticks(span, 4), (tick) => (at(tick) / 100) * width)
  return (
    <div className={wide ? 'dots dots-wide' : 'dots'}>
      <div className="dot-row dot-axis" aria-hidden="true">
        <span />
        <span className="dot-lane" ref={ref}>
          {marks.map((tick) => (
            <span key={tick} className="dot-tick" style={{ left: `${at(tick)}%` }}>
              {write(tick)}
            </span>
          ))}
          {against && (
            <span className="dot-against-name" style={{ left: `${at(against.value)}%` }}>
              {against.label} {write(against.value)}
            </span>
          )}
        </span>
        <span />
      </div>
      {rows.map((row) => (
        <div key={row.label} className={row.strong ? 'dot-row dot-strong' : 'dot-row'}>
          <span className="dot-label">
            {row.label}
            {row.note && <span className="small muted"> {row.note}</span>}
          </span>
          <span className="dot-lane" aria-hidden="true">
            {marks.map((tick) => (
              <i key={tick} className="dot-grid" style={{ left: `${at(tick)}%` }} />
            ))}
            {against && <i className="dot-against" style={{ left: `${at(against.value)}%` }} />}
            {row.interval && (
              <i
                className="dot-range"
                style={{
                  left: `${at(row.interval[0])}%`,
                  width: `${at(row.interval[1]) - at(row.interval[0])}%`,
                }}
              />
            )}
            <i className="dot" style={{ left: `${at(row.value)}%` }} />
          </span>
          <span className="num">
            {write(row.value)}
            {row.n !== undefined && (
              <span className="sr">
                {' '}
                {row.interval ? interval(row.interval, write) : ''}, n {count(row.n)}
              </span>
            )}
          </span>
        </div>
      ))}
    </div>
  )
}
