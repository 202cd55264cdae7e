/** Everything that happened, who did it and why, in the order it happened. New events wait above until they are asked for. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useLive } from '../api/live.ts'
import { eventsPage } from '../api/queries.ts'
import type { JournalEvent } from '../api/types.ts'
import { subjectName } from '../format/names.ts'
import { count, plural, shortDigest } from '../format/numbers.ts'
import { exact } from '../format/times.ts'
import { Icon } from '../parts/icons.tsx'
import { Chips, Empty, ErrorCard, Page, Section, SkeletonPage } from '../parts/page.tsx'
import { Ago } from '../parts/time.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { subjectHref } from '../shell/hrefs.ts'

const PAGE = 100
const PREFIXES = [
  ['', 'everything'],
  ['models/', 'models'],
  ['datasets/', 'datasets'],
  ['runs/', 'runs'],
] as const

export function Journal() {
  const [prefix, setPrefix] = useParam('subject')
  const query = useInfiniteQuery({
    queryKey: ['journal', prefix],
    queryFn: ({ pageParam, signal }) =>
      eventsPage({ before: pageParam, subjectPrefix: prefix, limit: PAGE }, signal),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: (page: JournalEvent[]) => (page.length < PAGE ? undefined : page.at(-1)?.seq),
    staleTime: Number.POSITIVE_INFINITY,
  })
  const events = useMemo(() => query.data?.pages.flat() ?? [], [query.data])
  const newest = events[0]?.seq ?? 0
  const waiting = useLive((live) => live.events).filter(
    (e) => e.seq > newest && e.subject.startsWith(prefix),
  ).length
  if (query.error && !query.data) {
    return (
      <Page title="Journal">
        <ErrorCard error={query.error} retry={() => void query.refetch()} />
      </Page>
    )
  }
  if (!query.data) return <SkeletonPage title="Journal" />
  return (
    <Page
      title="Journal"
      sentence={
        events.length === 0
          ? undefined
          : `Event ${count(newest)} is the last. Each is chained to the one before, so nothing can be changed unseen.`
      }
    >
      <div className="filters">
        <Chips label="About">
          {PREFIXES.map(([value, word]) => (
            <button
              key={word}
              type="button"
              className="chip"
              aria-pressed={prefix === value}
              onClick={() => setPrefix(value)}
            >
              {word}
            </button>
          ))}
        </Chips>
        <input
          type="search"
          className="field find"
          placeholder="Subject, e.g. models/late"
          aria-label="Subjects that begin with"
          value={prefix}
          onChange={(event) => setPrefix(event.currentTarget.value)}
        />
        <button
          type="button"
          className="button fresh-button"
          disabled={waiting === 0}
          onClick={() => void query.refetch()}
          aria-live="polite"
        >
          {waiting === 0 ? 'up to date' : `show ${plural(waiting, 'new event')}`}
        </button>
      </div>
      {events.length === 0 ? (
        <Empty
          title={prefix === '' ? 'Nothing has happened yet' : `Nothing about ${prefix}`}
          commands={prefix === '' ? ['millrace run'] : []}
        />
      ) : (
        <Section flush>
          <ol className="journal">
            {events.map((event) => (
              <Entry key={event.seq} event={event} />
            ))}
          </ol>
          {query.hasNextPage && (
            <button
              type="button"
              className="button"
              disabled={query.isFetchingNextPage}
              onClick={() => void query.fetchNextPage()}
            >
              {query.isFetchingNextPage ? 'Reading…' : `${PAGE} older`}
            </button>
          )}
        </Section>
      )}
    </Page>
  )
}

function Entry({ event }: { event: JournalEvent }) {
  const [open, setOpen] = useState(false)
  const href = subjectHref(event.subject)
  return (
    <li className="entry">
      <button
        type="button"
        className="entry-open"
        aria-expanded={open}
        aria-label={`Record of event ${event.seq}`}
        onClick={() => setOpen(!open)}
      >
        <Icon name={open ? 'up' : 'down'} size={12} />
      </button>
      <span className="num small muted entry-seq">{count(event.seq)}</span>
      <span className="small muted entry-at">
        <Ago at={event.at} />
      </span>
      <span className="entry-type small">{event.type}</span>
      <span className="entry-what">
        {href ? (
          <Go href={href} className="row-link event-subject">
            {subjectName(event.subject)}
          </Go>
        ) : (
          <span className="event-subject">{subjectName(event.subject)}</span>
        )}{' '}
        <span className="soft">{event.reason}</span>
      </span>
      <span className="small muted cut entry-actor">{event.actor}</span>
      {open && (
        <div className="entry-record">
          <p className="small muted">
            {exact(event.at)} · {event.subject} · {event.actor} ·{' '}
            <span className="mono">{shortDigest(event.hash)}</span> after{' '}
            <span className="mono">{shortDigest(event.previous)}</span>
          </p>
          <pre>{JSON.stringify(event.data, null, 2)}</pre>
        </div>
      )}
    </li>
  )
}
