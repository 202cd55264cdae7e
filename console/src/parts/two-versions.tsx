/** Two versions of one thing: picked in its history, and compared on a page of their own. */
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { shortDigest } from '../format/numbers.ts'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'
import { Command } from './copy.tsx'
import { Ask, Empty, Page, Section } from './page.tsx'

const SIDES = ['from', 'to'] as const

export interface Sides {
  from: string
  to: string
  pick(side: (typeof SIDES)[number], digest: string): void
}

/** Those of the address; else the newest against the one before it. */
export function useSides(log: readonly { digest: string }[]): Sides {
  const [from, setFrom] = useParam('from', log[1]?.digest ?? '')
  const [to, setTo] = useParam('to', log[0]!.digest)
  return { from, to, pick: (side, digest) => (side === 'from' ? setFrom : setTo)(digest) }
}

export function SidePick({ sides, digest }: { sides: Sides; digest: string }) {
  return (
    <span className="log-pick">
      {SIDES.map((side) => (
        <input
          key={side}
          type="radio"
          name={side}
          aria-label={`Compare ${side} ${shortDigest(digest)}`}
          checked={sides[side] === digest}
          onChange={() => sides.pick(side, digest)}
        />
      ))}
    </span>
  )
}

/** `otherwise` where two cannot be picked. */
export function Compare({
  sides: { from, to },
  href,
  otherwise = 'Pick two versions to compare: the left dot is from, the right one to.',
}: {
  sides: Sides
  href: (from: string, to: string) => string
  otherwise?: string
}) {
  return (
    <div className="log-compare">
      {from !== '' && from !== to ? (
        <>
          <Go href={href(from, to)} className="button button-primary">
            Compare {shortDigest(from)} with {shortDigest(to)}
          </Go>
          <Command text={`millrace data diff ${shortDigest(from)} ${shortDigest(to)}`} />
        </>
      ) : (
        <p className="note">{otherwise}</p>
      )}
    </div>
  )
}

/** The two versions of the address of a page that compares them. */
export function useAsked(): { from: string; to: string; enabled: boolean } {
  const [from] = useParam('from')
  const [to] = useParam('to')
  return { from, to, enabled: from !== '' && to !== '' }
}

/** The page of what changed in `of` between two versions. */
export function VersionsDiff<T extends { from: string; to: string }>({
  of,
  home,
  query,
  sentence,
  command,
  children,
}: {
  of: string
  /** Page of its history. */
  home: string
  /** Not enabled where the address names no two versions. */
  query: UseQueryResult<T>
  sentence: (diff: T) => string
  command: (diff: T) => string
  children: (diff: T) => ReactNode
}) {
  const { enabled } = useAsked()
  const crumbs = [
    { label: 'Data', href: hrefs.data() },
    { label: of, href: home },
  ]
  if (!enabled)
    return (
      <Page title="What changed" crumbs={crumbs}>
        <Empty title="Two versions are needed">Choose them in the history of {of}.</Empty>
      </Page>
    )
  return (
    <Ask query={query} title="What changed" crumbs={crumbs}>
      {(diff) => (
        <Page
          title={`${shortDigest(diff.from)} → ${shortDigest(diff.to)}`}
          name={`${of}: what changed`}
          crumbs={crumbs}
          sentence={sentence(diff)}
        >
          {children(diff)}
          <Section title="The same on the command line">
            <Command text={command(diff)} />
          </Section>
        </Page>
      )}
    </Ask>
  )
}
