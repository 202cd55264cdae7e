/**
 * Expressions as a person types them into a command or a filter: what `format` prints, and what SQL has taught people to write.
 *
 * `delay > 120 and origin = 'ATL'`, `not carrier in ('AA', 'UA')`, `` `hours per week` between 1 and 99 ``, `hour(date) is null`, `upper(state) = "NY"`.
 * Texts stand in single or double quotes (doubled, or behind a backslash, inside), columns bare or in backticks, instants as ISO 8601.
 */
import { excerpt, MillraceError } from '../core/errors.ts'
import { EXPR_LIMITS, type ExprNode } from './ast.ts'
import { parseIso } from './calendar.ts'

type Kind = 'number' | 'text' | 'time' | 'column' | 'word' | 'sign' | 'end'

interface Token {
  kind: Kind
  text: string
  /** From 0, in the text that was given. */
  at: number
}

/** Characters that are read at all. */
const CHARS_MAX = 4_000

const TOKENS: readonly (readonly [Kind, RegExp])[] = [
  ['time', /\d{4}-\d{2}-\d{2}(?:T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})?)?(?![\w-])/y],
  ['number', /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?!\w)/y],
  ['text', /'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"/y],
  ['column', /`[^`]+`/y],
  ['word', /[\p{L}_][\p{L}\p{N}_]*/uy],
  ['sign', /<>|!=|<=|>=|==|&&|\|\||[-+*/%<>=(),!]/y],
]

const COMPARED: Readonly<Record<string, string>> = {
  '=': 'eq',
  '==': 'eq',
  '<>': 'ne',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
}
const SUMS: Readonly<Record<string, string>> = { '+': 'add', '-': 'sub' }
const PRODUCTS: Readonly<Record<string, string>> = { '*': 'mul', '/': 'div', '%': 'mod' }
const LITERALS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null }

/**
 * The tree of a typed expression. Names of columns and functions are looked at when it is compiled.
 * Errors: MR_EXPR_SYNTAX with the place, MR_EXPR_SIZE. Cost: O(characters).
 */
export function parseExpr(text: string): ExprNode {
  if (text.length > CHARS_MAX) throw new MillraceError('MR_EXPR_SIZE', { what: 'characters', max: CHARS_MAX })
  return new Parser(text).whole()
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at]!)) {
      at++
      continue
    }
    const token = tokenAt(text, at)
    tokens.push(token)
    at += token.text.length
  }
  return [...tokens, { kind: 'end', text: '', at: text.length }]
}

function tokenAt(text: string, at: number): Token {
  for (const [kind, pattern] of TOKENS) {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found) return { kind, text: found[0], at }
  }
  throw fault(text, at, 'a column, a value or a sign such as =, <, ( or ,')
}

function fault(text: string, at: number, expected: string): MillraceError {
  const rest = text.slice(at)
  return new MillraceError('MR_EXPR_SYNTAX', {
    text: excerpt(text, 120),
    at: at + 1,
    expected,
    got: rest === '' ? 'the end' : excerpt(rest, 24),
  })
}

const call = (fn: string, ...args: ExprNode[]): ExprNode => ({ op: 'call', fn, args })
const unquoted = (text: string): string =>
  text
    .slice(1, -1)
    .replaceAll(text[0]! + text[0]!, text[0]!)
    .replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_, code: string | undefined, sign: string) =>
      code === undefined ? (ESCAPES[sign] ?? sign) : String.fromCharCode(Number.parseInt(code, 16)),
    )
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }

class Parser {
  private readonly text: string
  private readonly tokens: Token[]
  private next = 0
  private depth = 0

  constructor(text: string) {
    this.text = text
    this.tokens = tokensOf(text)
  }

  whole(): ExprNode {
    const node = this.or()
    if (this.token.kind !== 'end') throw this.fault('the end, or "and"')
    return node
  }

  private get token(): Token {
    return this.tokens[this.next]!
  }

  private fault(expected: string): MillraceError {
    return fault(this.text, this.token.at, expected)
  }

  /** Whether the next token is this word or sign; words whatever their case. Takes it when it is. */
  private takes(...texts: string[]): boolean {
    const { kind, text } = this.token
    if ((kind !== 'word' && kind !== 'sign') || !texts.includes(text.toLowerCase())) return false
    this.next++
    return true
  }

  private needs(text: string): void {
    if (!this.takes(text)) throw this.fault(`"${text}"`)
  }

  private or(): ExprNode {
    if (++this.depth > EXPR_LIMITS.depthMax)
      throw new MillraceError('MR_EXPR_SIZE', { what: 'levels of nesting', max: EXPR_LIMITS.depthMax })
    let node = this.and()
    while (this.takes('or', '||')) node = call('or', node, this.and())
    this.depth--
    return node
  }

  private and(): ExprNode {
    let node = this.not()
    while (this.takes('and', '&&')) node = call('and', node, this.not())
    return node
  }

  private not(): ExprNode {
    let turns = 0
    while (!this.isCall() && this.takes('not', '!')) turns++
    let node = this.comparison()
    for (; turns > 0; turns--) node = call('not', node)
    return node
  }

  /** `not(x)` is a call like any other. */
  private isCall(): boolean {
    return (
      this.token.kind === 'word' && this.tokens[this.next + 1]?.text === '(' && !isKeyword(this.token.text)
    )
  }

  private comparison(): ExprNode {
    const left = this.sum()
    const fn = this.token.kind === 'sign' ? COMPARED[this.token.text] : undefined
    if (fn !== undefined) {
      this.next++
      return call(fn, left, this.sum())
    }
    if (this.takes('is')) return this.missing(left)
    const isNot = this.takes('not')
    const found = this.listed(left)
    if (found) return isNot ? call('not', found) : found
    if (isNot) throw this.fault('"in" or "between"')
    return left
  }

  private missing(left: ExprNode): ExprNode {
    const isNot = this.takes('not')
    if (!this.takes('null', 'missing')) throw this.fault('"null"')
    return call(isNot ? 'notNull' : 'isNull', left)
  }

  private listed(left: ExprNode): ExprNode | undefined {
    if (this.takes('in')) {
      this.needs('(')
      return call('isIn', left, ...this.list())
    }
    if (!this.takes('between')) return undefined
    const low = this.sum()
    this.needs('and')
    return call('between', left, low, this.sum())
  }

  /** What stands up to `)`, with commas. */
  private list(): ExprNode[] {
    const items: ExprNode[] = []
    if (this.takes(')')) return items
    do items.push(this.or())
    while (this.takes(','))
    this.needs(')')
    return items
  }

  private sum(): ExprNode {
    return this.joined(SUMS, () => this.product())
  }

  private product(): ExprNode {
    return this.joined(PRODUCTS, () => this.unary())
  }

  private joined(signs: Readonly<Record<string, string>>, piece: () => ExprNode): ExprNode {
    let node = piece()
    for (;;) {
      const fn = this.token.kind === 'sign' ? signs[this.token.text] : undefined
      if (fn === undefined) return node
      this.next++
      node = call(fn, node, piece())
    }
  }

  private unary(): ExprNode {
    let turns = 0
    while (this.takes('-')) turns++
    let node = this.primary()
    for (; turns > 0; turns--)
      node =
        node.op === 'lit' && typeof node.value === 'number' && node.type === undefined
          ? { op: 'lit', value: -node.value }
          : call('neg', node)
    return node
  }

  private primary(): ExprNode {
    const token = this.token
    if (this.takes('(')) {
      const node = this.or()
      this.needs(')')
      return node
    }
    this.next++
    switch (token.kind) {
      case 'number':
        return { op: 'lit', value: Number(token.text) }
      case 'text':
        return { op: 'lit', value: unquoted(token.text) }
      case 'column':
        return { op: 'col', name: token.text.slice(1, -1) }
      case 'time':
        return this.instant(token)
      case 'word':
        return this.word(token)
      default:
        this.next--
        throw this.fault('a column or a value')
    }
  }

  private instant(token: Token): ExprNode {
    const value = parseIso(token.text)
    if (value === null)
      throw fault(this.text, token.at, 'an instant such as 2001-06-15 or 2001-06-15T12:00:00Z')
    return { op: 'lit', value, type: 'time' }
  }

  private word({ text, at }: Token): ExprNode {
    const word = text.toLowerCase()
    if (word === 'when') return this.branches()
    // A function in capitals is written as SQL would; the language's own names are small.
    if (this.takes('(')) return call(text === text.toUpperCase() ? word : text, ...this.list())
    if (Object.hasOwn(LITERALS, word)) return { op: 'lit', value: LITERALS[word]! }
    if (isKeyword(text)) throw fault(this.text, at, 'a column or a value')
    return { op: 'col', name: text }
  }

  private branches(): ExprNode {
    const args: ExprNode[] = []
    do {
      args.push(this.or())
      this.needs('then')
      args.push(this.or())
    } while (this.takes('when'))
    if (this.takes('otherwise', 'else')) args.push(this.or())
    return call('case', ...args)
  }
}

const KEYWORDS = new Set(['and', 'or', 'in', 'is', 'between', 'then', 'otherwise', 'else', 'when'])
const isKeyword = (word: string): boolean => KEYWORDS.has(word.toLowerCase())
