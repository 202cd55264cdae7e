/** A measured value as a door: the number, and behind it interval, rows and source. Never a bare figure without its n. */
import type { Measured } from '../api/types.ts'
import { count, interval, metric } from '../format/numbers.ts'
import { Door, type Facts } from './door.tsx'

interface MeasuredProps {
  name: string
  of: Measured | null | undefined
  from?: Facts['rows']
  to?: Facts['to']
  write?: (value: number) => string
  /** Show interval and n beside it, not only behind it. */
  wide?: boolean
}

export function MeasuredValue({ name, of, from = [], to, write = metric, wide }: MeasuredProps) {
  if (!of) return <span className="muted">–</span>
  const rows: Facts['rows'] = [['value', String(of.value)]]
  if (of.interval) rows.push(['interval', interval(of.interval, write)])
  rows.push(['rows', count(of.n)], ...from)
  return (
    <span className="measured">
      <Door facts={{ title: name, rows, to }}>{write(of.value)}</Door>
      {wide && (
        <span className="small muted nowrap">
          {of.interval ? `${interval(of.interval, write)} · ` : ''}n {count(of.n)}
        </span>
      )}
    </span>
  )
}
