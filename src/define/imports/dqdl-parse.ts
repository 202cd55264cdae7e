/** DQDL text as a tree: rules with their parameters, conditions, thresholds and where clauses, joined by `and` and `or`. */
import { excerpt, MillraceError } from '../../core/errors.ts'

export type DqdlNode = { op: 'and' | 'or'; of: DqdlNode[] } | DqdlRule

export interface DqdlRule {
  op: 'rule'
  type: string
  params: string[]
  condition?: DqdlCondition
  threshold?: DqdlCondition
  where?: string
  /** As it stands in the file. */
  text: string
}

export type DqdlOperator = '=' | '!=' | '>' | '>=' | '<' | '<=' | 'between' | 'in' | 'matches'

export interface DqdlCondition {
  operator: DqdlOperator
  isNot: boolean
  values: DqdlValue[]
}

/** A span of time is in milliseconds; `now` is the import, and so many milliseconds beside it. */
export type DqdlValue =
  | { kind: 'number'; value: number }
  | { kind: 'text'; value: string }
  | { kind: 'span'; ms: number }
  | { kind: 'now'; shiftMs: number }
  | { kind: 'keyword'; value: 'NULL' | 'EMPTY' | 'WHITESPACES_ONLY' }
  | { kind: 'dynamic'; text: string }

interface Token {
  kind: 'text' | 'number' | 'word' | 'sign' | 'end'
  value: string
  begin: number
  end: number // exclusive
}

const TEXT_CHARS_MAX = 1_000_000
const DEPTH_MAX = 64
const UNIT_MS: Record<string, number> = {
  minutes: 60_000,
  minute: 60_000,
  hours: 3_600_000,
  hour: 3_600_000,
  days: 86_400_000,
  day: 86_400_000,
  weeks: 7 * 86_400_000,
  week: 7 * 86_400_000,
}

/**
 * The rules of a document, `Rules = [ … ]` with or without sections before and after, which are passed over. Errors: MR_DEFINE_IMPORT with the line where reading
 * stopped and what was expected. Source: the reference of AWS Glue's Data Quality Definition Language and the grammar of `awslabs/dqdl`.
 */
export function parseDqdl(text: string): DqdlNode[] {
  return new DqdlParser(text).document()
}

class DqdlParser {
  private readonly text: string
  private readonly tokens: Token[]
  private at = 0
  private depth = 0

  constructor(text: string) {
    this.text = text
    if (text.length > TEXT_CHARS_MAX) throw fault(text, TEXT_CHARS_MAX, 'a shorter text')
    this.tokens = tokensOf(text)
  }

  document(): DqdlNode[] {
    while (this.token.value !== 'Rules') this.section()
    this.take('Rules')
    this.take('=')
    const rules = this.list(() => this.composite())
    while (this.token.kind !== 'end') this.section()
    return rules
  }

  /** `Metadata = { … }`, `Analyzers = [ … ]`: known by its name and passed over. */
  private section(): void {
    if (this.token.kind !== 'word') throw this.fault('Rules = [ … ]')
    this.at++
    if (this.isKind('text')) this.at++
    this.take('=')
    if (!['[', '{'].includes(this.token.value)) this.at++
    else this.bracketed()
  }

  private bracketed(): void {
    let open = 0
    do {
      if (this.token.kind === 'end') throw this.fault('a closing bracket')
      if (this.token.kind === 'sign' && '[{('.includes(this.token.value)) open++
      if (this.token.kind === 'sign' && ']})'.includes(this.token.value)) open--
      this.at++
    } while (open > 0)
  }

  private list<T>(item: () => T): T[] {
    this.take('[')
    const items: T[] = []
    while (!this.has(']')) {
      items.push(item())
      if (!this.has(']')) this.take(',')
    }
    this.take(']')
    return items
  }

  private composite(): DqdlNode {
    const first = this.operand()
    const joined = this.joining()
    if (joined === undefined) return first
    const of = [first]
    while (this.joining() !== undefined) {
      if (this.joining() !== joined) throw this.fault(`brackets around what "and" and "or" join`)
      this.at++
      of.push(this.operand())
    }
    return { op: joined, of }
  }

  private joining(): 'and' | 'or' | undefined {
    const word = this.token.kind === 'word' ? this.token.value.toLowerCase() : ''
    return word === 'and' || word === 'or' ? word : undefined
  }

  private operand(): DqdlNode {
    if (!this.has('(')) return this.rule()
    if (++this.depth > DEPTH_MAX) throw this.fault(`at most ${DEPTH_MAX} brackets`)
    this.take('(')
    const inner = this.composite()
    this.take(')')
    this.depth--
    return inner
  }

  private rule(): DqdlRule {
    const begin = this.token.begin
    if (this.token.kind !== 'word') throw this.fault('a type of rule, such as IsComplete')
    const type = this.next().value
    const rule: DqdlRule = { op: 'rule', type, params: [], text: '' }
    while (this.isKind('text')) rule.params.push(this.next().value)
    if (this.isCondition()) rule.condition = this.condition()
    this.clauses(rule)
    rule.text = this.text.slice(begin, this.tokens[this.at - 1]!.end).replaceAll(/\s+/g, ' ')
    return rule
  }

  /** `with threshold`, `where` and `tag`, in any order. */
  private clauses(rule: DqdlRule): void {
    for (;;) {
      if (this.word('where')) rule.where = this.textAfter('where')
      else if (this.word('with')) {
        this.at++
        if (this.word('threshold')) {
          this.at++
          rule.threshold = this.condition()
        } else this.tag()
      } else if (this.word('tag')) this.tag()
      else return
    }
  }

  /** `tags "name" = "value"`: of no meaning for the verdict. */
  private tag(): void {
    while (this.token.kind === 'word' || this.token.kind === 'text' || this.has('=')) this.at++
  }

  private textAfter(word: string): string {
    this.take(word)
    if (!this.isKind('text')) throw this.fault('a condition in double quotes')
    return this.next().value
  }

  private isCondition(): boolean {
    const { kind, value } = this.token
    return kind === 'sign'
      ? COMPARISONS.includes(value)
      : kind === 'word' && CONDITION_WORDS.includes(value.toLowerCase())
  }

  private condition(): DqdlCondition {
    let isNot = false
    if (this.word('not')) {
      isNot = true
      this.at++
    }
    const word = this.token.value.toLowerCase()
    if (this.token.kind === 'sign' && COMPARISONS.includes(word)) {
      this.at++
      return { operator: word as DqdlOperator, isNot, values: [this.value()] }
    }
    if (this.token.kind !== 'word' || !CONDITION_WORDS.includes(word))
      throw this.fault('=, >, <, between, in or matches')
    this.at++
    if (word === 'between') {
      const low = this.value()
      this.take('and')
      return { operator: 'between', isNot, values: [low, this.value()] }
    }
    return {
      operator: word as DqdlOperator,
      isNot,
      values: word === 'in' ? this.list(() => this.value()) : [this.value()],
    }
  }

  private value(): DqdlValue {
    const { kind, value, begin } = this.token
    if (kind === 'text') {
      this.at++
      return { kind: 'text', value }
    }
    if (kind === 'number' || this.has('-')) return this.number()
    if (this.has('(')) return this.shiftedNow(begin)
    if (kind === 'word') return this.wordValue()
    throw this.fault('a number, a text in double quotes, or a span such as 24 hours')
  }

  private number(): DqdlValue {
    const sign = this.has('-') ? -1 : 1
    if (sign < 0) this.at++
    if (this.token.kind !== 'number') throw this.fault('a number')
    const value = sign * Number(this.next().value)
    const unit = this.isKind('word') ? UNIT_MS[this.token.value.toLowerCase()] : undefined
    if (unit === undefined) return { kind: 'number', value }
    this.at++
    return { kind: 'span', ms: value * unit }
  }

  /** `(now() - 3 days)`, and expressions over what came before, such as `(avg(last(3)) - 2)`. */
  private shiftedNow(begin: number): DqdlValue {
    if (this.tokens[this.at + 1]?.value.toLowerCase() !== 'now') {
      this.bracketed()
      return this.dynamic(begin)
    }
    this.take('(')
    this.at++
    this.take('(')
    this.take(')')
    const sign = this.next().value === '-' ? -1 : 1
    const span = this.value()
    this.take(')')
    if (span.kind !== 'span') throw this.fault('a span such as 3 days')
    return { kind: 'now', shiftMs: sign * span.ms }
  }

  private wordValue(): DqdlValue {
    const { value, begin } = this.next()
    const upper = value.toUpperCase()
    if (upper === 'NULL' || upper === 'EMPTY' || upper === 'WHITESPACES_ONLY')
      return { kind: 'keyword', value: upper }
    if (!this.has('(')) return { kind: 'text', value }
    this.bracketed()
    if (value.toLowerCase() === 'now') return { kind: 'now', shiftMs: 0 }
    return this.dynamic(begin)
  }

  /** What is worked out from earlier runs: `avg(last(10)) * 0.9`. */
  private dynamic(begin: number): DqdlValue {
    while (this.token.kind === 'sign' && '+-*/'.includes(this.token.value)) {
      this.at++
      this.value()
    }
    return { kind: 'dynamic', text: this.text.slice(begin, this.tokens[this.at - 1]!.end) }
  }

  private get token(): Token {
    return this.tokens[this.at]!
  }

  private isKind(kind: Token['kind']): boolean {
    return this.token.kind === kind
  }

  private next(): Token {
    const token = this.token
    if (token.kind !== 'end') this.at++
    return token
  }

  private has(sign: string): boolean {
    return this.token.kind === 'sign' && this.token.value === sign
  }

  private word(word: string): boolean {
    return this.token.kind === 'word' && this.token.value.toLowerCase() === word
  }

  private take(value: string): void {
    if (this.token.kind === 'text' || this.token.value.toLowerCase() !== value.toLowerCase())
      throw this.fault(`"${value}"`)
    this.at++
  }

  private fault(expected: string): MillraceError {
    return fault(this.text, this.token.begin, expected)
  }
}

const COMPARISONS = ['=', '!=', '>', '>=', '<', '<=']
const CONDITION_WORDS = ['between', 'in', 'matches', 'not']

function fault(text: string, at: number, expected: string): MillraceError {
  const line = text.slice(0, at).split('\n').length
  const got = text.slice(at).trim() === '' ? 'the end' : `"${excerpt(text.slice(at).split('\n')[0]!, 32)}"`
  return new MillraceError('MR_DEFINE_IMPORT', {
    what: 'a DQDL ruleset',
    why: `line ${line} should go on with ${expected}, got ${got}`,
  })
}

const TOKEN =
  /\s+|#[^\n]*|("(?:[^"\\]|\\.)*")|(\d+(?:\.\d+)?(?![\w.]))|([A-Za-z_][\w.]*)|(!=|>=|<=|[=<>()[\]{},:+\-*/])/gy

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    TOKEN.lastIndex = at
    const found = TOKEN.exec(text)
    if (!found) throw fault(text, at, 'a rule')
    const [whole, quoted, number, word, sign] = found
    const end = at + whole.length
    if (quoted !== undefined) tokens.push({ kind: 'text', value: unescaped(quoted), begin: at, end })
    else if (number !== undefined) tokens.push({ kind: 'number', value: number, begin: at, end })
    else if (word !== undefined) tokens.push({ kind: 'word', value: word, begin: at, end })
    else if (sign !== undefined) tokens.push({ kind: 'sign', value: sign, begin: at, end })
    at = end
  }
  return [...tokens, { kind: 'end', value: '', begin: text.length, end: text.length }]
}

/** Only a quote and a backslash are escaped; a pattern keeps its other backslashes. */
const unescaped = (quoted: string): string => quoted.slice(1, -1).replaceAll(/\\(["\\])/g, '$1')
