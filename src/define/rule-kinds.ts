import type { CheckDef } from './types.ts'

/**
 * What shared code must know of a kind of rule. A rule that judges `rows` has a verdict on each, so rows can be put aside and a share of them be tolerated; one that
 * judges a `table` yields one number of all rows, so it has neither.
 */
export interface RuleKind {
  judges: 'rows' | 'table'
  /** What happens when it does not hold and the config does not say. */
  onFail: CheckDef['onFail']
}

export const RULE_KINDS: Record<CheckDef['rule']['kind'], RuleKind> = {
  row: { judges: 'rows', onFail: 'quarantine' },
  unique: { judges: 'rows', onFail: 'quarantine' },
  inWindow: { judges: 'rows', onFail: 'quarantine' },
  exists: { judges: 'rows', onFail: 'quarantine' },
  determines: { judges: 'rows', onFail: 'quarantine' },
  rowCount: { judges: 'table', onFail: 'stop' },
  fresh: { judges: 'table', onFail: 'warn' },
  metric: { judges: 'table', onFail: 'warn' },
  usual: { judges: 'table', onFail: 'warn' },
  drift: { judges: 'table', onFail: 'warn' },
}
