/** Checks read from the file of another tool, and what of it could not be said. */

import { type Anything, Expr, when } from '../../expr/builder.ts'
import { compilePattern } from '../../expr/pattern.ts'
import { type Check, checks } from '../checks.ts'
import type { CheckDef } from '../types.ts'

export interface ImportedChecks {
  from: 'great-expectations' | 'dqdl'
  checks: CheckDef[]
  /** Rules that no check says, each with why. */
  left: { rule: string; why: string }[]
  /** Where a check means a little less or more than the rule it was made of. */
  notes: string[]
}

/** Why a rule cannot be said; caught where rules are read one by one. */
export class NotSaid extends Error {}

/** A rule of a row, where a condition holds; rows of other kinds are not judged. */
function onlyWhere(rule: Expr<boolean>, condition: Expr<boolean> | undefined): Expr<boolean> {
  return condition === undefined ? rule : (when(condition).then(rule) as Expr<boolean>)
}

/** A row rule as a check: the plain form where there is no condition, else the rule where it holds. */
export function conditional(check: Check<Anything>, condition: Expr<boolean> | undefined): Check<Anything> {
  const { rule } = check.def
  if (condition === undefined) return check
  if (rule.kind !== 'row')
    throw new NotSaid('a condition on rows is only to be had for rules that judge rows one by one')
  return checks.holds(onlyWhere(new Expr<boolean>(rule.holds), condition))
}

/** Errors: NotSaid for what RE2 and ECMAScript do not read alike. */
export function requirePattern(pattern: string): string {
  try {
    compilePattern(pattern)
    return pattern
  } catch (thrown) {
    throw new NotSaid(
      `its pattern is not to be had here: ${(thrown as Error).message.replace(/^MR_\w+: /, '')}`,
    )
  }
}

/** No two checks of one name: a second one gets a number. */
export function withNames(found: readonly CheckDef[]): CheckDef[] {
  const used = new Map<string, number>()
  return found.map((check) => {
    const n = (used.get(check.name) ?? 0) + 1
    used.set(check.name, n)
    return n === 1 ? check : { ...check, name: `${check.name} (${n})` }
  })
}

export const isoTime = (value: unknown): value is string =>
  typeof value === 'string' &&
  /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(value)

/** An instant of ISO 8601, in UTC where it says no zone. */
export function instantOf(text: string): Date {
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/.test(text) && text.length > 10
  return new Date(hasZone || text.length <= 10 ? text : `${text.replace(' ', 'T')}Z`)
}
