/** Numbers as people read them: grouped, with their unit, and no more digits than they carry. */

const grouped = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 0 })
/** Stands for a value that is not known; never for zero. */
export const NONE = '–'
const NARROW = '\u202f'
const MINUS = '\u2212'

const known = (value: number | null | undefined): value is number =>
  typeof value === 'number' && Number.isFinite(value)
const signless = (text: string) => text.replace('-', MINUS)

export const count = (n: number | null | undefined): string => (known(n) ? signless(grouped.format(n)) : NONE)

/** 1,234 stays; from ten thousand on: 12.3 k, 3.00 M, 1.20 G. */
export function compact(n: number | null | undefined): string {
  if (!known(n)) return NONE
  const size = Math.abs(n)
  if (size < 10_000) return count(n)
  const [unit, of] = size < 999_500 ? ['k', 1e3] : size < 999_500_000 ? ['M', 1e6] : (['G', 1e9] as const)
  return signless(`${digits(n / Number(of), 3)}${NARROW}${unit}`)
}

/** `places` significant digits, zeros kept: 3 of 0.5 is 0.500. */
export function digits(n: number, places: number): string {
  if (n === 0) return '0'
  const rounded = Number(n.toPrecision(places))
  const whole = Math.floor(Math.log10(Math.abs(rounded))) + 1
  return rounded.toFixed(Math.min(20, Math.max(0, places - whole)))
}

/** A share of 0 to 1 in per cent, one decimal; two below one per cent. */
export function share(value: number | null | undefined, places?: number): string {
  if (!known(value)) return NONE
  const percent = value * 100
  const fixed = places ?? (percent !== 0 && Math.abs(percent) < 1 ? 2 : 1)
  return `${signless(percent.toFixed(fixed))}${NARROW}%`
}

/** A weight of traffic: whole per cents when they are whole. */
export function weight(value: number): string {
  const percent = Math.round(value * 1000) / 10
  return `${Number.isInteger(percent) ? percent : percent.toFixed(1)}${NARROW}%`
}

/**
 * A metric of a model: whole numbers as they are, three decimals below ten, else four significant digits.
 * What three decimals would round to 0 or 1 keeps the two digits that tell it apart: 0.00042, 0.99987.
 */
export function metric(value: number | null | undefined): string {
  if (!known(value)) return NONE
  if (Number.isInteger(value)) return Math.abs(value) < 10_000 ? signless(String(value)) : compact(value)
  const size = Math.abs(value)
  if (size >= 10) return signless(size < 1e4 ? digits(value, 4) : compact(value))
  const gap = Math.min(size, Math.abs(1 - size))
  const places = gap >= 0.0005 ? 3 : Math.min(8, 1 - Math.floor(Math.log10(gap)))
  return signless(value.toFixed(places))
}

/** A population stability index: three decimals, because below that it is noise. */
export const psi = (value: number | null | undefined): string => (known(value) ? value.toFixed(3) : NONE)

export function interval(
  range: readonly [number, number] | undefined,
  write: (v: number) => string = metric,
): string {
  return range === undefined ? '' : `${write(range[0])} to ${write(range[1])}`
}

export function signed(value: number | null | undefined, write: (v: number) => string = metric): string {
  if (!known(value)) return NONE
  return value > 0 ? `+${write(value)}` : write(value)
}

/** Any value of a row: numbers with at most six significant digits, words as they are, null as a dash. */
export function plain(value: unknown): string {
  if (value === null || value === undefined || value === '') return NONE
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return String(value)
    return Number.isInteger(value)
      ? Math.abs(value) < 10_000
        ? String(value)
        : count(value)
      : String(Number(value.toPrecision(6)))
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A value of a feature or an end of an axis: as `plain`, with at most `places` significant digits of what is no whole number. */
export function brief(value: unknown, places = 3): string {
  return typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)
    ? signless(
        String(Number(value.toPrecision(Math.max(places, Math.ceil(Math.log10(Math.abs(value) + 1)))))),
      )
    : plain(value)
}

/** Decimal bytes, as disks and networks count. */
export function bytes(n: number | null | undefined): string {
  if (!known(n)) return NONE
  if (n < 1000) return `${n}${NARROW}B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  const step = Math.min(units.length, Math.floor(Math.log10(n) / 3))
  return `${digits(n / 1000 ** step, 3)}${NARROW}${units[step - 1]}`
}

/** A latency: microseconds, milliseconds or seconds, three significant digits at most. */
export function latency(ms: number | null | undefined): string {
  if (!known(ms)) return NONE
  if (ms < 1) return `${Math.round(ms * 1000)}${NARROW}µs`
  return ms < 1000
    ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}${NARROW}ms`
    : `${(ms / 1000).toFixed(1)}${NARROW}s`
}

export function perSecond(n: number | null | undefined): string {
  if (!known(n)) return NONE
  return `${n >= 10_000 ? compact(n) : n < 10 && n > 0 ? n.toFixed(1) : count(n)}/s`
}

export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`

/** The first eight digits of a digest, as people name it. */
export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 8)
