/** The order findings are shown in. */
import type { Finding } from '../../core/records.ts'

const WORST_FIRST: Finding['verdict'][] = ['fail', 'error', 'inconclusive', 'pass']

/** Worst first; of one verdict, those that decide before those of slices. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const rank = (f: Finding) => WORST_FIRST.indexOf(f.verdict) + (f.slice === undefined ? 0 : 0.5)
  return [...findings].sort((a, b) => rank(a) - rank(b))
}
