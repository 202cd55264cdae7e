/** Checks written into a config file, where a person would have written them. */
import { closing, type Token, tokensOf } from './tokens.ts'

/**
 * The source with `lines` added to the checks of a dataset, and what they need imported from `millrace`. Undefined where the dataset is not declared by a call with its
 * name and an object, or where its checks are no list in place.
 */
export function addChecks(
  source: string,
  dataset: string,
  lines: readonly string[],
  imports: readonly string[],
): string | undefined {
  const tokens = tokensOf(source)
  const body = datasetBody(tokens, dataset)
  if (!body) return undefined
  const edit = checksEdit(source, tokens, body, lines)
  const names = importEdit(source, tokens, imports)
  if (!edit || !names) return undefined
  return [edit, names]
    .toSorted((a, b) => b.begin - a.begin)
    .reduce((text, { begin, end, by }) => text.slice(0, begin) + by + text.slice(end), source)
}

interface Edit {
  begin: number
  end: number // exclusive
  by: string
}

interface Body {
  open: number
  close: number
}

/** The braces of `dataset('name', { … })`. */
function datasetBody(tokens: readonly Token[], dataset: string): Body | undefined {
  for (let i = 0; i + 4 < tokens.length; i++) {
    const [name, bracket, text, comma, brace] = tokens.slice(i, i + 5)
    const isCall =
      name!.kind === 'name' && name!.value === 'dataset' && isSign(bracket!, '(') && text!.kind === 'text'
    if (!isCall || text!.value !== dataset || !isSign(comma!, ',') || !isSign(brace!, '{')) continue
    const close = closing(tokens, i + 4)
    if (close !== undefined) return { open: i + 4, close }
  }
  return undefined
}

const isSign = ({ kind, value }: Token, sign: string): boolean => kind === 'sign' && value === sign

function checksEdit(
  source: string,
  tokens: readonly Token[],
  body: Body,
  lines: readonly string[],
): Edit | undefined {
  const at = propertyAt(tokens, body, 'checks')
  if (at === undefined) return newProperty(source, tokens, body, lines)
  if (!tokens[at + 1] || !isSign(tokens[at + 1]!, ':') || !isSign(tokens[at + 2]!, '[')) return undefined
  const close = closing(tokens, at + 2)
  return close === undefined ? undefined : longerList(source, tokens, { open: at + 2, close }, lines)
}

/** A property of the object itself, not of one inside. */
function propertyAt(tokens: readonly Token[], { open, close }: Body, name: string): number | undefined {
  for (let i = open + 1; i < close; i++) {
    const { kind, value } = tokens[i]!
    const isKey = (kind === 'name' || kind === 'text') && value === name
    if (isKey && (isSign(tokens[i - 1]!, '{') || isSign(tokens[i - 1]!, ','))) return i
    if (kind === 'sign' && ['(', '[', '{'].includes(value)) i = closing(tokens, i) ?? close
  }
  return undefined
}

function newProperty(source: string, tokens: readonly Token[], body: Body, lines: readonly string[]): Edit {
  const [last, close] = [tokens[body.close - 1]!, tokens[body.close]!]
  const outer = indentAt(source, tokens[body.open]!.begin)
  const inner = `${outer}  `
  const comma = isSign(last, ',') || isSign(last, '{') ? '' : ','
  const list = [`${inner}checks: [`, ...lines.map((line) => `${inner}  ${line},`), `${inner}],`]
  // What stands between the last property and the brace is kept, such as a remark behind it.
  const between = source.slice(last.end, close.begin).trimEnd()
  return { begin: last.end, end: close.begin, by: `${comma}${between}\n${list.join('\n')}\n${outer}` }
}

function longerList(source: string, tokens: readonly Token[], body: Body, lines: readonly string[]): Edit {
  const [open, last, close] = [tokens[body.open]!, tokens[body.close - 1]!, tokens[body.close]!]
  const outer = indentAt(source, open.begin)
  const added = lines.map((line) => `${outer}  ${line},`).join('\n')
  const before = source.slice(open.end, last.end)
  if (isSign(last, '[')) return { begin: open.end, end: close.begin, by: `\n${added}\n${outer}` }
  const comma = isSign(last, ',') ? '' : ','
  const between = source.slice(last.end, close.begin).trimEnd()
  if (before.includes('\n'))
    return { begin: last.end, end: close.begin, by: `${comma}${between}\n${added}\n${outer}` }
  const kept = before.trim()
  return {
    begin: open.end,
    end: close.begin,
    by: `\n${outer}  ${kept}${comma}${between}\n${added}\n${outer}`,
  }
}

function indentAt(source: string, at: number): string {
  const line = source.slice(source.lastIndexOf('\n', at - 1) + 1, at)
  return /^[ \t]*/.exec(line)![0]
}

/** `import { … } from 'millrace'` with the names that it lacks, in order; a line of its own where there is none. */
function importEdit(source: string, tokens: readonly Token[], needed: readonly string[]): Edit | undefined {
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i]!.value !== 'import' || !tokens[i + 1] || !isSign(tokens[i + 1]!, '{')) continue
    const close = closing(tokens, i + 1)
    if (close === undefined || tokens[close + 2]?.value !== 'millrace') continue
    return namesEdit(source, tokens.slice(i + 1, close + 1), needed)
  }
  return {
    begin: 0,
    end: 0,
    by: needed.length === 0 ? '' : `import { ${needed.join(', ')} } from 'millrace'\n`,
  }
}

function namesEdit(source: string, tokens: readonly Token[], needed: readonly string[]): Edit {
  const [open, close] = [tokens[0]!, tokens.at(-1)!]
  const has = new Set(tokens.filter(({ kind }) => kind === 'name').map(({ value }) => value))
  const lacking = needed.filter((name) => !has.has(name))
  if (lacking.length === 0) return { begin: open.end, end: open.end, by: '' }
  const inner = source.slice(open.end, close.begin)
  const names = [...inner.split(',').map((name) => name.trim()), ...lacking].filter(Boolean)
  const plain = !inner.includes('/')
  if (!plain) return { begin: open.end, end: open.end, by: ` ${lacking.join(', ')},` }
  const sorted = names.toSorted((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
  const by = inner.includes('\n') ? `\n  ${sorted.join(',\n  ')},\n` : ` ${sorted.join(', ')} `
  return { begin: open.end, end: close.begin, by }
}
