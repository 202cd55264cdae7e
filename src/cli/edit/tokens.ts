/** The few tokens of TypeScript that finding a place in a config takes: names, texts, signs. Comments, templates and regular expressions are passed over. */

export interface Token {
  kind: 'name' | 'text' | 'sign' | 'other'
  /** Of a text its value, else what stands there. */
  value: string
  begin: number
  end: number // exclusive
}

/** Stops at what it cannot read; what comes before is right. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < source.length) {
    const next = skipped(source, at)
    if (next > at) {
      at = next
      continue
    }
    const token = tokenAt(source, at, tokens.at(-1))
    tokens.push(token)
    at = token.end
  }
  return tokens
}

/** After blanks and comments. */
function skipped(source: string, at: number): number {
  if (/\s/.test(source[at]!)) return at + 1
  if (source.startsWith('//', at)) return endOr(source.indexOf('\n', at), source.length)
  if (source.startsWith('/*', at)) return endOr(source.indexOf('*/', at), source.length - 2) + 2
  return at
}

const endOr = (at: number, fallback: number): number => (at < 0 ? fallback : at)

function tokenAt(source: string, begin: number, before: Token | undefined): Token {
  const sign = source[begin]!
  if (sign === "'" || sign === '"') return textAt(source, begin)
  if (sign === '`') return { kind: 'other', value: '`', begin, end: templateEnd(source, begin) }
  if (sign === '/' && mayBeRegex(before))
    return { kind: 'other', value: '/', begin, end: regexEnd(source, begin) }
  const name = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy
  name.lastIndex = begin
  const found = name.exec(source)
  if (found) return { kind: 'name', value: found[0], begin, end: begin + found[0].length }
  const number = /[0-9][\w.]*/y
  number.lastIndex = begin
  const digits = number.exec(source)
  if (digits) return { kind: 'other', value: digits[0], begin, end: begin + digits[0].length }
  return { kind: 'sign', value: sign, begin, end: begin + 1 }
}

/** A slash divides after a value and begins a pattern elsewhere. */
function mayBeRegex(before: Token | undefined): boolean {
  if (!before) return true
  return before.kind === 'sign' ? ![')', ']', '}'].includes(before.value) : false
}

function textAt(source: string, begin: number): Token {
  let end = begin + 1
  while (end < source.length && source[end] !== source[begin]) end += source[end] === '\\' ? 2 : 1
  end = Math.min(end + 1, source.length)
  const inner = source.slice(begin + 1, end - 1)
  return { kind: 'text', value: inner.replaceAll(/\\(.)/gs, '$1'), begin, end }
}

function templateEnd(source: string, begin: number): number {
  let at = begin + 1
  while (at < source.length && source[at] !== '`') {
    if (source[at] === '\\') at += 2
    else if (source.startsWith('${', at)) at = braceEnd(source, at + 1)
    else at++
  }
  return Math.min(at + 1, source.length)
}

function braceEnd(source: string, begin: number): number {
  const inner = tokensOf(source.slice(begin))
  const close = closing(inner, 0)
  return close === undefined ? source.length : begin + inner[close]!.end
}

function regexEnd(source: string, begin: number): number {
  let [at, inClass] = [begin + 1, false]
  while (at < source.length && source[at] !== '\n' && (inClass || source[at] !== '/')) {
    if (source[at] === '\\') at++
    else if (source[at] === '[') inClass = true
    else if (source[at] === ']') inClass = false
    at++
  }
  return Math.min(at + 1, source.length)
}

const PAIRS: Record<string, string> = { '(': ')', '[': ']', '{': '}' }

/** Place of the token that closes the bracket at `open`. */
export function closing(tokens: readonly Token[], open: number): number | undefined {
  const waiting: string[] = []
  for (let i = open; i < tokens.length; i++) {
    const { kind, value } = tokens[i]!
    if (kind !== 'sign') continue
    if (value in PAIRS) waiting.push(PAIRS[value]!)
    else if (value === waiting.at(-1)) {
      waiting.pop()
      if (waiting.length === 0) return i
    }
  }
  return undefined
}
