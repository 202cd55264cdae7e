import type { Finding } from './records.ts'

/**
 * Whether findings let something through: every finding of its own passes, and there is one. Findings of slices are shown and do not decide by
 * themselves: the check that looked at them has a finding of its own.
 */
export function opens(findings: Finding[]): boolean {
  const own = findings.filter((finding) => finding.slice === undefined)
  return own.length > 0 && own.every((finding) => finding.verdict === 'pass')
}
