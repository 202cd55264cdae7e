/** Which paths `.millraceignore` leaves out, by the rules of gitignore(5). */

/** File of patterns; one may lie in any folder and speaks of what is below it. */
export const IGNORE_FILE = '.millraceignore'

/** Folders that are never taken: histories of other tools, and our own store. */
const NEVER = new Set(['.git', '.hg', '.svn', '.dvc', '.millrace', '.millrace-checkout'])

export const isNeverTaken = (name: string): boolean => NEVER.has(name)

interface Rule {
  pattern: RegExp
  isNegated: boolean
  isFolderOnly: boolean
  /** Matched against the last name alone. */
  isName: boolean
}

/** Rules of one file, and of those in the folders above it. */
export class IgnoreRules {
  readonly #rules: readonly Rule[]
  /** Folder that the rules are relative to, with a `/` at its end, or ''. */
  readonly #base: string
  readonly #above: IgnoreRules | undefined

  constructor(text: string, base = '', above?: IgnoreRules) {
    this.#rules = text.split(/\r?\n/).flatMap((line) => ruleOf(line) ?? [])
    this.#base = base
    this.#above = above
  }

  /** Whether a path of the set is left out; the last rule that matches says so, of the nearest file first. Folders above it were asked before. */
  ignores(path: string, isFolder: boolean): boolean {
    const inner = path.slice(this.#base.length)
    const name = inner.slice(inner.lastIndexOf('/') + 1)
    for (let i = this.#rules.length - 1; i >= 0; i--) {
      const { pattern, isNegated, isFolderOnly, isName } = this.#rules[i]
      if (isFolderOnly && !isFolder) continue
      if (pattern.test(isName ? name : inner)) return !isNegated
    }
    return this.#above?.ignores(path, isFolder) ?? false
  }
}

function ruleOf(line: string): Rule | undefined {
  let text = withoutTrailingSpaces(line)
  if (text === '' || text.startsWith('#')) return undefined
  const isNegated = text.startsWith('!')
  if (isNegated) text = text.slice(1)
  const isFolderOnly = text.endsWith('/')
  if (isFolderOnly) text = text.slice(0, -1)
  if (text === '') return undefined
  const isName = !text.includes('/')
  const source = sourceOf(text.startsWith('/') ? text.slice(1) : text)
  return source === undefined
    ? undefined
    : { pattern: new RegExp(`^${source}$`, 'su'), isNegated, isFolderOnly, isName }
}

/** A space at the end counts when it is escaped. */
function withoutTrailingSpaces(line: string): string {
  let end = line.length
  while (end > 0 && line[end - 1] === ' ' && !isEscaped(line, end - 1)) end--
  return line.slice(0, end)
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0
  while (text[at - 1 - slashes] === '\\') slashes++
  return slashes % 2 === 1
}

/** The pattern as a regular expression; undefined where git's would match nothing: an open bracket, a backslash at the end. */
function sourceOf(pattern: string): string | undefined {
  let source = ''
  let at = 0
  while (at < pattern.length) {
    const piece = pieceAt(pattern, at)
    if (piece === undefined) return undefined
    source += piece.source
    at = piece.end
  }
  return source
}

interface Piece {
  source: string
  end: number
}

function pieceAt(pattern: string, at: number): Piece | undefined {
  const char = pattern[at]
  if (char === '*') return starsAt(pattern, at)
  if (char === '?') return { source: '[^/]', end: at + 1 }
  if (char === '[') return bracketAt(pattern, at)
  if (char === '\\') return at + 1 < pattern.length ? literalAt(pattern, at + 1) : undefined
  return literalAt(pattern, at)
}

function literalAt(pattern: string, at: number): Piece {
  const char = String.fromCodePoint(pattern.codePointAt(at)!)
  return { source: escaped(char), end: at + char.length }
}

const escaped = (char: string): string => (/[\\^$.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char)

/** `**` between slashes is any number of folders; elsewhere stars are any characters but `/`. */
function starsAt(pattern: string, at: number): Piece {
  let end = at
  while (pattern[end] === '*') end++
  const isWhole = end - at === 2 && (at === 0 || pattern[at - 1] === '/')
  if (isWhole && end === pattern.length) return { source: '.+', end }
  if (isWhole && pattern[end] === '/') return { source: '(?:.*/)?', end: end + 1 }
  return { source: '[^/]*', end }
}

const CLASSES: Record<string, string> = {
  alnum: '\\p{L}\\p{N}',
  alpha: '\\p{L}',
  blank: ' \\t',
  cntrl: '\\p{Cc}',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\s',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
}

function bracketAt(pattern: string, at: number): Piece | undefined {
  let i = at + 1
  const isNegated = pattern[i] === '!' || pattern[i] === '^'
  if (isNegated) i++
  let inner = ''
  for (let isFirst = true; i < pattern.length; isFirst = false) {
    if (pattern[i] === ']' && !isFirst)
      return { source: isNegated ? `(?!/)[^${inner}]` : `(?!/)[${inner}]`, end: i + 1 }
    const named = /^\[:([a-z]+):\]/.exec(pattern.slice(i))
    if (named) {
      if (CLASSES[named[1]] === undefined) return undefined
      inner += CLASSES[named[1]]
      i += named[0].length
      continue
    }
    if (pattern[i] === '\\') i++
    if (i >= pattern.length) return undefined
    const from = String.fromCodePoint(pattern.codePointAt(i)!)
    i += from.length
    if (pattern[i] !== '-' || pattern[i + 1] === undefined || pattern[i + 1] === ']') {
      inner += escaped(from)
      continue
    }
    let to = pattern[i + 1] === '\\' ? i + 2 : i + 1
    if (to >= pattern.length) return undefined
    const last = String.fromCodePoint(pattern.codePointAt(to)!)
    to += last.length
    if (from <= last) inner += `${escaped(from)}-${escaped(last)}`
    i = to
  }
  return undefined
}
