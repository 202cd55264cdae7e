/**
 * The expression tree: features, targets, checks and slices are all this. Plain JSON; compiled to SQL (`duckdb.ts`) and to a closure (`closure.ts`).
 *
 * What an expression means, in both compilers:
 * - Values are numbers (IEEE doubles; integer columns become doubles on entry, exact below 2^53), strings (Unicode, compared and cut by code
 *   point, never normalised), booleans and times (UTC instants with microseconds; in JavaScript epoch milliseconds as a number).
 * - Missing is null. NaN counts as missing where it enters, and a number function that would yield NaN (0/0, ln(-1), inf - inf) yields
 *   missing. Infinities are values. -0 equals 0 everywhere and prints as `0`.
 * - A missing argument makes the result missing, except where a function says otherwise. `and`, `or`, `not` are three-valued, as in SQL.
 * - Division and remainder by zero are missing.
 */
export type ExprNode =
  | { op: 'col'; name: string }
  /** `type: 'time'` with `value` in epoch milliseconds is an instant. */
  | { op: 'lit'; value: null | boolean | number | string; type?: 'time' }
  | { op: 'call'; fn: string; args: ExprNode[] }
  /** A step that learns from the training rows: its state is part of the model version. Only at the root of a feature. */
  | { op: 'fit'; fn: 'category' | 'rate'; arg: ExprNode; params: Record<string, number | string> }

export type FitNode = Extract<ExprNode, { op: 'fit' }>

/** What an expression can yield. */
export type ExprType = 'number' | 'string' | 'bool' | 'time'

/** One value of an expression in JavaScript: a time is epoch milliseconds, missing is null, a number is never NaN. */
export type Value = null | boolean | number | string

/** One row, by column name. Absent and undefined are missing. */
export type Row = Readonly<Record<string, unknown>>

/** What bounds an expression, so that one from outside cannot exhaust a process. */
export const EXPR_LIMITS = {
  /** Nesting of calls. */
  depthMax: 64,
  /** Nodes of one expression. */
  nodesMax: 4096,
  /** Characters of a regular expression. */
  patternCharsMax: 1000,
} as const

/** Names of the columns an expression reads, each once, in order of first use. */
export function columnsOf(node: ExprNode): string[] {
  const names = new Set<string>()
  visit(node, (n) => {
    if (n.op === 'col') names.add(n.name)
  })
  return [...names]
}

/** Calls `see` on every node, parents before children. */
export function visit(node: ExprNode, see: (node: ExprNode) => void): void {
  see(node)
  for (const child of childrenOf(node)) visit(child, see)
}

function childrenOf(node: ExprNode): ExprNode[] {
  if (node.op === 'call') return node.args
  return node.op === 'fit' ? [node.arg] : []
}
