/** Merges of a dataset that wait to be decided. */
import { useQuery } from '@tanstack/react-query'
import { mergesQuery } from '../api/queries.ts'
import { count, plural } from '../format/numbers.ts'
import { Section } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { Ago } from '../parts/time.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function WaitingMerges({ dataset }: { dataset: string }) {
  const merges = useQuery(mergesQuery()).data?.filter((merge) => merge.dataset === dataset) ?? []
  if (merges.length === 0) return null
  return (
    <Section
      title={`${plural(merges.length, 'merge')} ${merges.length === 1 ? 'waits' : 'wait'}`}
      note="Both branches changed the same; somebody has to say what is right."
    >
      <ul className="merge-list">
        {merges.map((merge) => (
          <li key={`${merge.into} ${merge.branch}`}>
            <Go href={hrefs.merge(dataset, merge.into, merge.branch)} className="row-link name">
              {merge.branch} → {merge.into}
            </Go>
            <span className="small muted">
              begun by {merge.by} <Ago at={merge.beganAt} />
            </span>
            {merge.moved.length > 0 && (
              <Sign icon="half" word={`${merge.moved.join(' and ')} moved since`} tone="warn" />
            )}
            <span className="num">
              {count(merge.decided)} of {count(merge.conflicts)} decided
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}
