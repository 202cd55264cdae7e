/** Simple letter case: each code point by itself, one for one, as Unicode's UnicodeData.txt maps it and as DuckDB does. */

/** Letters whose full capital is several characters but which have one simple capital. */
const SIMPLE_UPPER: Record<string, string> = { ß: 'ẞ', ᾳ: 'ᾼ', ῃ: 'ῌ', ῳ: 'ῼ' }
const SIMPLE_LOWER: Record<string, string> = { İ: 'i' }

for (const row of [0x1f80, 0x1f90, 0x1fa0]) {
  for (let i = 0; i < 8; i++) SIMPLE_UPPER[String.fromCodePoint(row + i)] = String.fromCodePoint(row + i + 8)
}

const isAscii = (s: string): boolean => /^[\0-\x7f]*$/.test(s)

/** Capital letters. Cost: O(length); fast for ASCII. */
export function toUpper(s: string): string {
  return isAscii(s) ? s.toUpperCase() : mapPoints(s, upperPoint)
}

/** Small letters. Cost: O(length); fast for ASCII. */
export function toLower(s: string): string {
  return isAscii(s) ? s.toLowerCase() : mapPoints(s, lowerPoint)
}

function mapPoints(s: string, map: (point: string) => string): string {
  let out = ''
  for (const point of s) out += map(point)
  return out
}

/** Letters that got their other case in Unicode 16 or 17, `[first, last]`: JavaScript knows them, DuckDB's tables end at 15, so both leave them. */
const TOO_NEW = [
  [0x19b, 0x19b],
  [0x264, 0x264],
  [0x1c89, 0x1c8a],
  [0xa7cb, 0xa7cf],
  [0xa7d2, 0xa7d5],
  [0xa7da, 0xa7dc],
  [0x10d50, 0x10d85],
  [0x16ea0, 0x16ed3],
] as const

const isTooNew = (point: string): boolean => {
  const code = point.codePointAt(0)!
  return TOO_NEW.some(([first, last]) => code >= first && code <= last)
}

function upperPoint(point: string): string {
  if (isTooNew(point)) return point
  const mapped = point.toUpperCase()
  return SIMPLE_UPPER[point] ?? (isOnePoint(mapped) ? mapped : point)
}

function lowerPoint(point: string): string {
  if (isTooNew(point)) return point
  const mapped = point.toLowerCase()
  return SIMPLE_LOWER[point] ?? (isOnePoint(mapped) ? mapped : point)
}

const isOnePoint = (s: string): boolean => s.length === (s.codePointAt(0)! > 0xffff ? 2 : 1)
