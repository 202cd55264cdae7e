/**
 * Orders two strings by code point, as UTF-8 bytes order: negative, zero or positive.
 *
 * ECMAScript's `<` orders by UTF-16 unit, which puts astral characters before U+E000. Cost: O(common prefix).
 */
export function compareText(a: string, b: string): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const l = a.charCodeAt(i)
    const r = b.charCodeAt(i)
    if (l !== r) return codePointRank(l) - codePointRank(r)
  }
  return a.length - b.length
}

/** Units of surrogate pairs rank above all others, because the characters they spell do. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

/** Whether any unit is half of a surrogate pair; without one, units are code points. */
function hasAstral(s: string): boolean {
  for (let i = 0; i < s.length; i++) {
    const unit = s.charCodeAt(i)
    if (unit >= 0xd800 && unit < 0xe000) return true
  }
  return false
}

/** Whether no half of a surrogate pair stands alone, so that the text has a UTF-8 form. */
export const isWellFormed = (s: string): boolean => !/\p{Surrogate}/u.test(s)

/** The text with lone halves of surrogate pairs replaced by U+FFFD, as UTF-8 encoders do. */
export const wellFormed = (s: string): string => s.replace(/\p{Surrogate}/gu, '\ufffd')

/** Number of code points. Cost: O(length). */
export function lengthOf(s: string): number {
  let n = s.length
  for (let i = 1; i < s.length; i++) if (isPair(s, i)) n--
  return n
}

/** Code points `[start, end)`. */
export function sliceOf(s: string, start: number, end: number): string {
  return hasAstral(s) ? [...s].slice(start, end).join('') : s.slice(start, end)
}

function isPair(s: string, low: number): boolean {
  const unit = s.charCodeAt(low)
  if (unit < 0xdc00 || unit > 0xdfff) return false
  const before = s.charCodeAt(low - 1)
  return before >= 0xd800 && before < 0xdc00
}

/**
 * A number as text, one form for both compilers: whole numbers below 1e16 as digits, else the shortest digits that read back the same,
 * with an exponent (`1e+16`, `1e-5`) below 1e-4 and from 1e16 on; `inf`, `-inf`; -0 as `0`.
 */
export function numberText(v: number): string {
  if (Number.isInteger(v) && Math.abs(v) < 1e16) return String(v === 0 ? 0 : v)
  if (!Number.isFinite(v)) return v > 0 ? 'inf' : '-inf'
  const size = Math.abs(v)
  if (size >= 1e16) return v.toExponential()
  return size < 1e-4 ? v.toExponential() : String(v)
}

/** `numberText` in DuckDB for a DOUBLE piece `{0}`. */
export const NUMBER_TEXT_SQL =
  "regexp_replace(regexp_replace(CAST({0} + 0.0::DOUBLE AS VARCHAR), '\\.0$', ''), 'e([+-])0([0-9])', 'e\\1\\2')"
