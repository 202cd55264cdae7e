/**
 * Regular expressions that mean the same in RE2 (DuckDB) and in ECMAScript: literals, `.`, classes, `\d \w \s` and their negations (ASCII),
 * `\b \B`, `^ $` (ends of the text), groups `( )` and `(?: )`, `|`, and the counts `* + ? {n} {n,} {n,m}`, lazy or not.
 * Each is parsed once and printed in the form both engines read alike; anything else is refused with MR_EXPR_REGEX.
 */
import { MillraceError } from '../core/errors.ts'
import { EXPR_LIMITS } from './ast.ts'

/** RE2 refuses more repetitions than this, nested ones multiplied. */
const REPEAT_MAX = 1000

/** A test for "the pattern occurs in the text". Errors: MR_EXPR_REGEX. */
export function compilePattern(pattern: string): (text: string) => boolean {
  const regex = new RegExp(duckPattern(pattern), 'u')
  return (text) => regex.test(text)
}

/** The pattern that finds just this text. */
export function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

/** The pattern in the form that RE2 and ECMAScript (flag `u`) read alike. */
export function duckPattern(pattern: string): string {
  return new PatternReader(pattern).read()
}

/**
 * Whether a pattern can be found nowhere but from end to end of a text: `^` and `$` around one branch. The engine judges those once for each entry of a dictionary.
 * Errors: MR_EXPR_REGEX.
 */
export function isWholePattern(pattern: string): boolean {
  const reader = new PatternReader(pattern)
  const text = reader.read()
  return reader.branches === 1 && text.startsWith('^') && /(?<!\\)(?:\\\\)*\$$/.test(text)
}

const CLASSES: Record<string, string> = { d: '0-9', w: '0-9A-Za-z_', s: '\\x09-\\x0d\\x20' }
const CONTROLS: Record<string, string> = { t: '\\x09', n: '\\x0a', v: '\\x0b', f: '\\x0c', r: '\\x0d' }
const SPECIAL = new Set('\\^$.*+?()[]{}|/')
const SPECIAL_IN_CLASS = new Set('\\^-[]')

class PatternReader {
  private readonly points: string[]
  private at = 0
  /** Alternatives outside all groups. */
  branches = 1
  private readonly pattern: string

  constructor(pattern: string) {
    this.pattern = pattern
    this.points = [...pattern]
    if (this.points.length > EXPR_LIMITS.patternCharsMax) {
      this.at = EXPR_LIMITS.patternCharsMax
      this.refuse(`it is longer than ${EXPR_LIMITS.patternCharsMax} characters`)
    }
  }

  read(): string {
    const out = this.alternatives()
    this.branches = out.branches
    if (this.at < this.points.length) this.refuse('a closing ")" has no opening one')
    return out.text
  }

  private refuse(why: string): never {
    throw new MillraceError('MR_EXPR_REGEX', { pattern: this.pattern, at: this.at + 1, why })
  }

  private get next(): string | undefined {
    return this.points[this.at]
  }

  private alternatives(): { text: string; repeats: number; branches: number } {
    let text = ''
    let repeats = 1
    for (let branches = 1; ; branches++) {
      const branch = this.sequence()
      text += branch.text
      repeats = Math.max(repeats, branch.repeats)
      if (this.next !== '|') return { text, repeats, branches }
      this.at++
      text += '|'
    }
  }

  private sequence(): { text: string; repeats: number } {
    let text = ''
    let repeats = 1
    while (this.next !== undefined && this.next !== '|' && this.next !== ')') {
      const atom = this.atom()
      const count = atom.counted ? this.count() : undefined
      if (count === undefined) text += atom.text
      else text += atom.text + count.text
      const total = atom.repeats * (count?.max ?? 1)
      if (total > REPEAT_MAX) this.refuse(`it repeats more than ${REPEAT_MAX} times`)
      repeats = Math.max(repeats, total)
    }
    return { text, repeats }
  }

  private atom(): { text: string; counted: boolean; repeats: number } {
    const point = this.points[this.at++]!
    const plain = (text: string, counted = true) => ({ text, counted, repeats: 1 })
    switch (point) {
      case '(':
        return this.group()
      case '[':
        return plain(this.charClass())
      case '.':
        return plain('[^\\x0a]')
      case '^':
      case '$':
        return plain(point, false)
      case '\\':
        return this.escape()
      case '*':
      case '+':
      case '?':
      case '{':
        this.at--
        return this.refuse(`"${point}" has nothing to repeat`)
      case '}':
      case ']':
        this.at--
        return this.refuse(`write "\\${point}" for the character itself`)
      default:
        return plain(escaped(point, SPECIAL))
    }
  }

  private group(): { text: string; counted: boolean; repeats: number } {
    if (this.next === '?') {
      if (this.points[this.at + 1] !== ':')
        this.refuse('only plain groups ( ) and (?: ) mean the same everywhere')
      this.at += 2
    }
    const inner = this.alternatives()
    if (this.next !== ')') this.refuse('a group is not closed')
    this.at++
    return { text: `(?:${inner.text})`, counted: true, repeats: inner.repeats }
  }

  /** After a backslash outside a class. */
  private escape(): { text: string; counted: boolean; repeats: number } {
    const point = this.points[this.at] ?? this.refuse('it ends in a backslash')
    const lower = point.toLowerCase()
    if (Object.hasOwn(CLASSES, lower)) {
      this.at++
      return { text: `[${point === lower ? '' : '^'}${CLASSES[lower]}]`, counted: true, repeats: 1 }
    }
    if (lower === 'b') {
      this.at++
      return { text: `\\${point}`, counted: false, repeats: 1 }
    }
    return { text: escaped(this.escapedPoint(), SPECIAL), counted: true, repeats: 1 }
  }

  /** The character that an escape spells. */
  private escapedPoint(): string {
    const point = this.points[this.at] ?? this.refuse('it ends in a backslash')
    this.at++
    if (Object.hasOwn(CONTROLS, point)) return CONTROL_POINTS[point]!
    if (point === 'x') return this.hex(2)
    if (point === 'u') return this.next === '{' ? this.bracedHex() : this.hex(4)
    if (/[^0-9A-Za-z]/.test(point)) return point
    this.at--
    return this.refuse(`"\\${point}" does not mean the same everywhere`)
  }

  private hex(digits: number): string {
    const body = this.points.slice(this.at, this.at + digits).join('')
    if (!/^[0-9a-fA-F]+$/.test(body) || body.length !== digits)
      this.refuse(`${digits} hexadecimal digits are expected`)
    this.at += digits
    return this.point(Number.parseInt(body, 16))
  }

  private bracedHex(): string {
    const end = this.points.indexOf('}', this.at)
    const body = this.points.slice(this.at + 1, end).join('')
    if (end < 0 || !/^[0-9a-fA-F]{1,6}$/.test(body)) this.refuse('\\u{…} takes one to six hexadecimal digits')
    this.at = end + 1
    return this.point(Number.parseInt(body, 16))
  }

  private point(code: number): string {
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) this.refuse('that is not a character')
    return String.fromCodePoint(code)
  }

  /** After "[". */
  private charClass(): string {
    let text = '['
    if (this.next === '^') {
      this.at++
      text += '^'
    }
    if (this.next === ']') this.refuse('an empty class does not mean the same everywhere')
    while (this.next !== ']') text += this.classItem()
    this.at++
    return `${text}]`
  }

  private classItem(): string {
    const set = this.classSet()
    if (set !== undefined) return set
    const low = this.classPoint()
    if (this.next !== '-' || this.points[this.at + 1] === ']') return escaped(low, SPECIAL_IN_CLASS)
    this.at++
    const high = this.classPoint()
    if (high.codePointAt(0)! < low.codePointAt(0)!) this.refuse('a range runs backwards')
    return `${escaped(low, SPECIAL_IN_CLASS)}-${escaped(high, SPECIAL_IN_CLASS)}`
  }

  private classSet(): string | undefined {
    if (this.next !== '\\') return undefined
    const name = this.points[this.at + 1] ?? ''
    if (/[DWS]/.test(name)) this.refuse(`"\\${name}" inside a class does not mean the same everywhere`)
    if (!Object.hasOwn(CLASSES, name)) return undefined
    this.at += 2
    if (this.points[this.at] === '-' && this.points[this.at + 1] !== ']')
      this.refuse('a range cannot start at a class')
    return CLASSES[name]
  }

  private classPoint(): string {
    const point = this.points[this.at] ?? this.refuse('a class is not closed')
    this.at++
    if (point === '[') this.refuse('write "\\[" inside a class')
    return point === '\\' ? this.escapedPoint() : point
  }

  private count(): { text: string; max: number } | undefined {
    const counted = this.bareCount()
    if (counted === undefined) return undefined
    if (this.next === '?') {
      this.at++
      counted.text += '?'
    }
    if (this.next !== undefined && '*+?{'.includes(this.next)) this.refuse('a count follows a count')
    return counted
  }

  private bareCount(): { text: string; max: number } | undefined {
    const point = this.next
    if (point === '*' || point === '+' || point === '?') {
      this.at++
      return { text: point, max: 1 }
    }
    if (point !== '{') return undefined
    const end = this.points.indexOf('}', this.at)
    const body = this.points.slice(this.at, end + 1).join('')
    const m = /^\{(\d+)(?:(,)(\d*))?\}$/.exec(body)
    if (m === null) return this.refuse('a count is written {n}, {n,} or {n,m}')
    const [min, max] = [Number(m[1]), Number(m[3] || m[1])]
    if (max < min) this.refuse('a count runs backwards')
    if (max > REPEAT_MAX) this.refuse(`it repeats more than ${REPEAT_MAX} times`)
    this.at = end + 1
    return { text: body, max: Math.max(max, 1) }
  }
}

const CONTROL_POINTS: Record<string, string> = { t: '\t', n: '\n', v: '\v', f: '\f', r: '\r' }

function escaped(point: string, special: ReadonlySet<string>): string {
  const control = Object.keys(CONTROL_POINTS).find((name) => CONTROL_POINTS[name] === point)
  if (control !== undefined) return CONTROLS[control]!
  return special.has(point) ? `\\${point}` : point
}
