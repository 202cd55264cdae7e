import type { Finding } from 'millrace/runtime'

const SIGNS: Record<Finding['verdict'], string> = { pass: '✓', fail: '✗', inconclusive: '·', error: '!' }

/** One finding as a line. */
export function findingLine(finding: Finding): string {
  return `  ${SIGNS[finding.verdict]} ${finding.message}`
}

export function share(x: number): string {
  return `${(100 * x).toFixed(1)} %`
}

/** Rows under a head, numbers to the right. */
export function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)))
  const line = (cells: string[]) =>
    `  ${cells.map((c, i) => (i === 0 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join('  ')}`
  return [line(head), line(widths.map((w) => '─'.repeat(w))), ...rows.map(line)]
}
