/** An expression as the TypeScript that builds it: `col('age').ge(18)`. Run, it gives the same tree. */
import type { ExprNode } from './ast.ts'

/** A text as a TypeScript literal in single quotes. */
export function quoteText(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${inner.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`
}

/** Functions that are written otherwise than as a method of their first argument with the others in brackets. */
const WRITTEN: Record<string, (args: ExprNode[]) => string> = {
  isIn: ([of, ...values]) => `${receiver(of!)}.isIn([${values.map(argument).join(', ')}])`,
  bin: ([of, ...edges]) => `${receiver(of!)}.bin([${edges.map(argument).join(', ')}])`,
  coalesce: ([of, ...others]) =>
    others.length === 1
      ? `${receiver(of!)}.ifNull(${argument(others[0]!)})`
      : `coalesce(${[of!, ...others].map(receiver).join(', ')})`,
  case: caseText,
  slice: ([of, start, end]) =>
    `${receiver(of!)}.slice(${argument(start!)}${isWhole(end) ? '' : `, ${argument(end!)}`})`,
  round: ([of, digits]) => `${receiver(of!)}.round(${isZero(digits) ? '' : argument(digits!)})`,
  bucket: ([of, width, origin]) =>
    `${receiver(of!)}.bucket(${argument(width!)}${isZero(origin) ? '' : `, ${argument(origin!)}`})`,
}

const END_OF_TEXT = 1_000_000
const isWhole = (node: ExprNode | undefined): boolean => node?.op === 'lit' && node.value === END_OF_TEXT
const isZero = (node: ExprNode | undefined): boolean => node?.op === 'lit' && node.value === 0

/** Names that a written expression takes from `millrace` beside `col`: some of `lit`, `time`, `coalesce`, `when`. */
export function sourceText(node: ExprNode): string {
  return receiver(node)
}

function receiver(node: ExprNode): string {
  switch (node.op) {
    case 'col':
      return `col(${quoteText(node.name)})`
    case 'lit':
      return node.type === 'time' ? timeText(node.value) : `lit(${plain(node.value)})`
    case 'fit':
      return `${receiver(node.arg)}.${node.fn}(${optionsText(node.params)})`
    case 'call':
      return callText(node.fn, node.args)
  }
}

function callText(fn: string, args: ExprNode[]): string {
  const written = Object.hasOwn(WRITTEN, fn) ? WRITTEN[fn] : undefined
  if (written) return written(args)
  const [of, ...others] = args
  return `${receiver(of!)}.${fn}(${others.map(argument).join(', ')})`
}

/** A literal stands for itself where an argument is needed. */
function argument(node: ExprNode): string {
  return node.op === 'lit' && node.type !== 'time' ? plain(node.value) : receiver(node)
}

const plain = (value: unknown): string =>
  typeof value === 'string' ? quoteText(value) : value === null ? 'null' : String(value)

const timeText = (value: unknown): string => {
  const date = new Date(value as number)
  return Number.isNaN(date.getTime()) ? `time(${String(value)})` : `time('${date.toISOString()}')`
}

function caseText(args: ExprNode[]): string {
  const branches: string[] = []
  for (let i = 0; i + 1 < args.length; i += 2)
    branches.push(`when(${receiver(args[i]!)}).then(${argument(args[i + 1]!)})`)
  const last = args.length % 2 === 1 ? `.otherwise(${argument(args.at(-1)!)})` : ''
  return `${branches.join('.')}${last}`
}

const optionsText = (params: Record<string, number | string>): string => {
  const entries = Object.entries(params).map(([name, value]) => `${name}: ${plain(value)}`)
  return entries.length === 0 ? '' : `{ ${entries.join(', ')} }`
}
