import type { ExprType } from '../ast.ts'
import { logic } from './logic.ts'
import { numbers } from './numbers.ts'
import type { FnSpec } from './spec.ts'
import { strings } from './strings.ts'
import { times } from './times.ts'

const TABLE = { ...logic, ...numbers, ...strings, ...times }

/** Name of a function of the language. */
export type FnName = keyof typeof TABLE

/** The whole language: one entry a function. Compilers, types, docs and the contract suite all read this table. */
export const FUNCTIONS: Readonly<Record<FnName, FnSpec>> = TABLE

export function functionOf(name: string): FnSpec | undefined {
  return Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name as FnName] : undefined
}

/** Type of argument `index` when `count` are given. */
export function argTypeAt(spec: FnSpec, index: number, count: number): ExprType | 'T' | 'any' {
  return spec.typeAt?.(index, count) ?? argAt(spec, index).type
}

export function argAt(spec: FnSpec, index: number) {
  return spec.args[Math.min(index, spec.args.length - 1)]!
}
