/** Findings as a list: verdict, what was checked, the value with its interval and n against the limit, and the reason in words. */
import type { Finding, Verdict } from '../api/types.ts'
import { checkName } from '../format/names.ts'
import { count, interval, metric } from '../format/numbers.ts'
import { exact } from '../format/times.ts'
import { Door } from './door.tsx'
import { Icon } from './icons.tsx'
import { VerdictSign } from './signs.tsx'

const WORST: Verdict[] = ['fail', 'error', 'inconclusive', 'pass']

const worstFirst = (findings: readonly Finding[]): Finding[] =>
  [...findings].sort((a, b) => WORST.indexOf(a.verdict) - WORST.indexOf(b.verdict))

/** `3 pass, 1 inconclusive`. */
export function verdictCounts(findings: readonly Finding[]): string {
  return WORST.map((verdict) => [verdict, findings.filter((f) => f.verdict === verdict).length] as const)
    .filter(([, n]) => n > 0)
    .map(([verdict, n]) => `${count(n)} ${verdict}`)
    .join(', ')
}

const SHOWN_MAX = 8

export function Findings({ findings, all }: { findings: readonly Finding[]; all?: boolean }) {
  const sorted = worstFirst(findings)
  const first = all ? sorted : sorted.slice(0, SHOWN_MAX)
  const rest = sorted.slice(first.length)
  return (
    <>
      <FindingList findings={first} />
      {rest.length > 0 && (
        <details className="more">
          <summary>
            <Icon name="down" /> {count(rest.length)} more ({verdictCounts(rest)})
          </summary>
          <FindingList findings={rest} />
        </details>
      )}
    </>
  )
}

function FindingList({ findings }: { findings: readonly Finding[] }) {
  return (
    <ul className="findings">
      {findings.map((finding) => (
        <FindingRow
          key={`${finding.check} ${finding.subject} ${finding.slice ?? ''} ${finding.at}`}
          finding={finding}
        />
      ))}
    </ul>
  )
}

function FindingRow({ finding }: { finding: Finding }) {
  return (
    <li className="finding">
      <VerdictSign verdict={finding.verdict} />
      <div className="finding-what">
        <span className="finding-name">
          {checkName(finding.check)}
          {finding.slice && <span className="muted"> · {finding.slice}</span>}
        </span>
        <span className="soft">{finding.message}</span>
      </div>
      <div className="finding-value num">
        <Door label={`${checkName(finding.check)}: what it was computed from`} facts={findingFacts(finding)}>
          {metric(finding.value)}
        </Door>
        <span className="small muted">{finding.limit}</span>
      </div>
      <div className="finding-n small muted num">
        {finding.interval && <span>{interval(finding.interval)}</span>}
        <span>n {count(finding.n)}</span>
      </div>
    </li>
  )
}

export function findingFacts(finding: Finding) {
  return {
    title: checkName(finding.check),
    rows: [
      ['check', finding.check],
      ['subject', finding.subject],
      ...(finding.slice ? [['slice', finding.slice] as [string, string]] : []),
      ['value', metric(finding.value)],
      ...(finding.interval ? [['interval', interval(finding.interval)] as [string, string]] : []),
      ['limit', finding.limit],
      ['rows', count(finding.n)],
      ['when', exact(finding.at)],
    ] as [string, string][],
  }
}
