import type { ExprNode } from './ast.ts'

/** Functions that are printed between their two arguments. This file stays free of the function table, so that a config loads without it. */
export const INFIX: Readonly<Record<string, string>> = {
  eq: '=',
  ne: '<>',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
  and: 'and',
  or: 'or',
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  mod: '%',
}

/** An expression as text a person reads: `hour(date)`, `delay > 15`, `category(origin)`. `parseExpr` reads back what learns nothing. */
export function format(node: ExprNode): string {
  return print(node, false)
}

function print(node: ExprNode, isInner: boolean): string {
  switch (node.op) {
    case 'col':
      return /^[A-Za-z_][A-Za-z0-9_]*$/.test(node.name) ? node.name : `\`${node.name}\``
    case 'lit':
      return printLiteral(node)
    case 'fit':
      return printFit(node)
    case 'call':
      return printCall(node, isInner)
  }
}

function printLiteral(node: Extract<ExprNode, { op: 'lit' }>): string {
  if (node.type !== 'time' || typeof node.value !== 'number') return JSON.stringify(node.value)
  const date = new Date(node.value)
  return Number.isNaN(date.getTime()) ? `time(${node.value})` : date.toISOString().replace('.000Z', 'Z')
}

function printFit(node: Extract<ExprNode, { op: 'fit' }>): string {
  const params = Object.entries(node.params).map(([name, value]) => `, ${name}: ${value}`)
  return `${node.fn}(${print(node.arg, false)}${params.join('')})`
}

function printCall(node: Extract<ExprNode, { op: 'call' }>, isInner: boolean): string {
  const infix = Object.hasOwn(INFIX, node.fn) ? INFIX[node.fn] : undefined
  if (infix !== undefined && node.args.length === 2) {
    const body = `${print(node.args[0]!, true)} ${infix} ${print(node.args[1]!, true)}`
    return isInner ? `(${body})` : body
  }
  if (node.fn === 'case') return isInner ? `(${printCase(node.args)})` : printCase(node.args)
  return `${node.fn}(${node.args.map((arg) => print(arg, false)).join(', ')})`
}

function printCase(args: ExprNode[]): string {
  const parts: string[] = []
  for (let i = 0; i + 1 < args.length; i += 2)
    parts.push(`when ${print(args[i]!, isCase(args[i]!))} then ${print(args[i + 1]!, true)}`)
  if (args.length % 2 === 1) parts.push(`otherwise ${print(args.at(-1)!, true)}`)
  return parts.join(' ')
}

const isCase = (node: ExprNode): boolean => node.op === 'call' && node.fn === 'case'
