import { excerpt, MillraceError } from '../core/errors.ts'

/** A length of time: a number with its unit, such as `'5ms'`, `'30s'`, `'15m'`, `'1h'`, `'7d'`, `'2w'`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w'}`

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/**
 * Milliseconds of a duration. `place` names where it stands, for the message.
 * Errors: MR_DEFINE_DURATION for anything but a non-negative decimal number and one of the units ms, s, m, h, d, w.
 */
export function durationMs(text: string, place: string): number {
  const m = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(String(text))
  if (m === null) throw new MillraceError('MR_DEFINE_DURATION', { place, got: excerpt(String(text)) })
  return Number(m[1]) * UNIT_MS[m[2] as keyof typeof UNIT_MS]
}
