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

function upperPoint(point: string): string {
  const mapped = point.toUpperCase()
  return SIMPLE_UPPER[point] ?? (isOnePoint(mapped) ? mapped : point)
}

function lowerPoint(point: string): string {
  const mapped = point.toLowerCase()
  return SIMPLE_LOWER[point] ?? (isOnePoint(mapped) ? mapped : point)
}

const isOnePoint = (s: string): boolean => s.length === (s.codePointAt(0)! > 0xffff ? 2 : 1)
