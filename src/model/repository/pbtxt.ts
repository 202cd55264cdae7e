/** Protocol Buffers as text, as Triton's `config.pbtxt` has them: any message, without its schema. */
import type { MillraceError } from '../../core/errors.ts'
import { configError } from './config-file.ts'

export type TextValue = string | number | boolean | TextMessage
/** Values of each field in the order they came; a field that is not repeated has one. */
export interface TextMessage {
  [field: string]: TextValue[]
}

const DEPTH_MAX = 32

/** Errors: MR_REPOSITORY_CONFIG with the line. Cost: one pass over the text. */
export function parseTextMessage(text: string, file: string): TextMessage {
  const tokens = new Tokens(text, file)
  return message(tokens, undefined, 0)
}

function message(tokens: Tokens, end: string | undefined, depth: number): TextMessage {
  if (depth > DEPTH_MAX) throw tokens.refuse(`at most ${DEPTH_MAX} messages within one another`)
  const fields: TextMessage = Object.create(null) as TextMessage
  for (;;) {
    const token = tokens.next()
    if (token === undefined ? end === undefined : token.kind === 'sign' && token.text === end) return fields
    if (token?.kind !== 'word')
      throw tokens.refuse(end === undefined ? 'the name of a field' : `a field or ${end}`)
    const name = token.text
    fields[name] ??= []
    fields[name].push(...valuesOf(tokens, depth))
    tokens.skip(',') || tokens.skip(';')
  }
}

const CLOSING: Record<string, string> = { '{': '}', '<': '>' }

function valuesOf(tokens: Tokens, depth: number): TextValue[] {
  const hasColon = tokens.skip(':')
  if (!tokens.skip('[')) return [value(tokens, depth, hasColon)]
  const values: TextValue[] = []
  while (!tokens.skip(']')) {
    values.push(value(tokens, depth, true))
    if (!tokens.skip(',') && !tokens.at(']')) throw tokens.refuse(', or ]')
  }
  return values
}

function value(tokens: Tokens, depth: number, mayBeScalar: boolean): TextValue {
  const token = tokens.next()
  const closing = token?.kind === 'sign' ? CLOSING[token.text] : undefined
  if (closing !== undefined) return message(tokens, closing, depth + 1)
  if (token === undefined || token.kind === 'sign' || !mayBeScalar) throw tokens.refuse('a value')
  if (token.kind === 'text') {
    let text = token.text
    for (let more = tokens.nextText(); more !== undefined; more = tokens.nextText()) text += more
    return text
  }
  return token.kind === 'number' ? Number(token.text) : wordValue(token.text)
}

const WORDS: Record<string, boolean | number> = {
  true: true,
  True: true,
  t: true,
  false: false,
  False: false,
  f: false,
  inf: Number.POSITIVE_INFINITY,
  nan: Number.NaN,
}

const wordValue = (word: string): TextValue => (Object.hasOwn(WORDS, word) ? WORDS[word] : word)

interface Token {
  kind: 'word' | 'number' | 'text' | 'sign'
  text: string
}

const BLANK = /(?:[\s]|#[^\n]*)+/y
const WORD = /[A-Za-z_][\w.]*/y
const NUMBER = /[-+]?(?:0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?)/y
const TEXT = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y

class Tokens {
  readonly #text: string
  readonly #file: string
  #at = 0

  constructor(text: string, file: string) {
    this.#text = text
    this.#file = file
  }

  next(): Token | undefined {
    this.#match(BLANK)
    if (this.#at >= this.#text.length) return undefined
    const word = this.#match(WORD)
    if (word !== undefined) return { kind: 'word', text: word }
    const number = this.#match(NUMBER)
    if (number !== undefined) return { kind: 'number', text: number.replace(/(?<!^0[xX].*)[fF]$/, '') }
    const text = this.#match(TEXT)
    if (text !== undefined) return { kind: 'text', text: unescaped(text.slice(1, -1)) }
    return { kind: 'sign', text: this.#text[this.#at++] }
  }

  /** The next token where it is a text: texts side by side are one. */
  nextText(): string | undefined {
    this.#match(BLANK)
    const text = this.#match(TEXT)
    return text === undefined ? undefined : unescaped(text.slice(1, -1))
  }

  at(sign: string): boolean {
    this.#match(BLANK)
    return this.#text[this.#at] === sign
  }

  skip(sign: string): boolean {
    if (!this.at(sign)) return false
    this.#at++
    return true
  }

  refuse(need: string): MillraceError {
    const line = this.#text.slice(0, this.#at).split('\n').length
    const got =
      this.#at >= this.#text.length
        ? 'the end of the file'
        : `"${this.#text.slice(Math.max(0, this.#at - 1), this.#at + 19)}"`
    return configError(this.#file, `line ${line}`, need, got)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r' }

function unescaped(text: string): string {
  return text.replace(/\\(x[\da-fA-F]{1,2}|[0-7]{1,3}|.)/g, (_, code: string) => {
    if (/^x./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8))
    return ESCAPES[code] ?? code
  })
}

// ---------------------------------------------------------------- fields

const isMessage = (value: TextValue | undefined): value is TextMessage => typeof value === 'object'

export function textField(message: TextMessage, field: string): string | undefined {
  const value = message[field]?.at(-1)
  return typeof value === 'string' ? value : undefined
}

export function numberField(message: TextMessage, field: string): number | undefined {
  const value = message[field]?.at(-1)
  return typeof value === 'number' ? value : undefined
}

export function messageField(message: TextMessage, field: string): TextMessage | undefined {
  const value = message[field]?.at(-1)
  return isMessage(value) ? value : undefined
}

export function messageFields(message: TextMessage, field: string): TextMessage[] {
  return (message[field] ?? []).filter(isMessage)
}

export function numberFields(message: TextMessage, field: string): number[] {
  return (message[field] ?? []).filter((value): value is number => typeof value === 'number')
}
