/** A length of time: calendar months, or milliseconds. */
export type Span = { months: number } | { ms: number }

/** `times` spans later; calendar months end on the month's last day where it has no such day. */
export function shift(at: number, span: Span, times: number): number {
  if ('ms' in span) return at + span.ms * times
  const date = new Date(at)
  const day = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + span.months * times + 1, 0)
  date.setUTCDate(Math.min(day, date.getUTCDate()))
  return date.getTime()
}
