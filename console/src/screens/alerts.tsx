/** One story a cause: what changed, where, since when, what the loop did, and what is left to a person. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { post } from '../api/client.ts'
import { alertsQuery } from '../api/queries.ts'
import type { Alert } from '../api/types.ts'
import { alertTitle, checkName } from '../format/names.ts'
import { count, interval, metric } from '../format/numbers.ts'
import { alertsSentence, needsPerson } from '../format/sentences.ts'
import { Command, CopyButton } from '../parts/copy.tsx'
import { Door } from '../parts/door.tsx'
import { findingFacts } from '../parts/findings.tsx'
import { Icon } from '../parts/icons.tsx'
import { Ask, Chips, Empty, ErrorCard, Page } from '../parts/page.tsx'
import { AlertSign } from '../parts/signs.tsx'
import { Ago } from '../parts/time.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs, subjectHref } from '../shell/hrefs.ts'

interface Story {
  alert: Alert
  /** Alerts of the same cause, newest first. */
  all: Alert[]
}

const STATES = ['open', 'acknowledged', 'resolved', 'all'] as const

export function Alerts() {
  const query = useQuery(alertsQuery())
  const [state, setState] = useParam('state', 'open')
  const [model, setModel] = useParam('model')
  const ready = query.data !== undefined
  useEffect(() => {
    if (ready && location.hash !== '')
      document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ block: 'start' })
  }, [ready])
  return (
    <Ask query={query} title="Alerts">
      {(alerts) => {
        const stories = storiesOf(alerts).filter(
          (story) => model === '' || story.all.some((alert) => about(alert, model)),
        )
        const shown = stories.filter((story) => isIn(story.alert, state))
        return (
          <Page title="Alerts" sentence={alertsSentence(alerts)}>
            <div className="filters">
              <Chips label="State">
                {STATES.map((name) => (
                  <button
                    key={name}
                    type="button"
                    className="chip"
                    aria-pressed={state === name}
                    onClick={() => setState(name)}
                  >
                    {name}{' '}
                    <span className="muted">{count(stories.filter((s) => isIn(s.alert, name)).length)}</span>
                  </button>
                ))}
              </Chips>
              {model !== '' && (
                <button type="button" className="chip" aria-pressed="true" onClick={() => setModel('')}>
                  about {model} <Icon name="cross" size={12} />
                  <span className="sr">, show all models</span>
                </button>
              )}
            </div>
            {shown.map((story) => (
              <StoryCard key={story.alert.dedupeKey} story={story} />
            ))}
            {shown.length === 0 && <NoStories any={alerts.length > 0} />}
          </Page>
        )
      }}
    </Ask>
  )
}

function NoStories({ any }: { any: boolean }) {
  return any ? (
    <Empty title="None of these">Choose another state above to see the rest.</Empty>
  ) : (
    <Empty title="No alert was ever raised" commands={['millrace status']}>
      When quality leaves its band, a column moves or a check fails, its story appears here with its owner and
      what to do. What is watched is in the watch part of each model’s config.
    </Empty>
  )
}

function storiesOf(alerts: readonly Alert[]): Story[] {
  const byCause = new Map<string, Alert[]>()
  for (const alert of [...alerts].sort((a, b) => b.raisedAt - a.raisedAt))
    byCause.set(alert.dedupeKey, [...(byCause.get(alert.dedupeKey) ?? []), alert])
  return [...byCause.values()]
    .map((all) => ({ alert: all[0]!, all }))
    .sort(
      (a, b) =>
        Number(needsPerson(b.alert)) - Number(needsPerson(a.alert)) || b.alert.raisedAt - a.alert.raisedAt,
    )
}

function isIn(alert: Alert, state: string): boolean {
  if (state === 'all') return true
  return state === 'open' ? alert.state !== 'resolved' : alert.state === state
}

const about = (alert: Alert, model: string) =>
  alert.finding.subject === `models/${model}` ||
  alert.finding.subject.startsWith(`models/${model}/`) ||
  alert.affected.some((a) => a === model || a === `models/${model}`)

const AFFECTED_SHOWN = 14

function StoryCard({ story }: { story: Story }) {
  const { alert } = story
  const { finding } = alert
  const href = subjectHref(finding.subject)
  const first = story.all.at(-1)!
  return (
    <article
      id={alert.id}
      className={needsPerson(alert) ? 'story story-act' : 'story'}
      aria-label={alertTitle(alert)}
    >
      <header className="story-head">
        <AlertSign alert={alert} />
        <span className="small muted">
          since <Ago at={first.raisedAt} />, as of <Ago at={finding.at} />
          {story.all.length > 1 && `, raised ${count(story.all.length)} times`}
        </span>
      </header>
      <h2>{alertTitle(alert)}</h2>
      <dl className="story-facts">
        <div>
          <dt>What changed</dt>
          <dd>
            <Door facts={{ ...findingFacts(finding), to: href ? { href, label: 'Open it' } : undefined }}>
              {checkName(finding.check)} {metric(finding.value)}
            </Door>{' '}
            <span className="soft">
              {finding.interval ? `(${interval(finding.interval)}) ` : ''}against {finding.limit}, n{' '}
              {count(finding.n)}
            </span>
          </dd>
        </div>
        <div>
          <dt>Where</dt>
          <dd>
            {href ? (
              <Go href={href} className="link">
                {finding.subject.replace(/^[^/]*\//, '')}
              </Go>
            ) : (
              finding.subject
            )}
            {finding.slice && <span className="soft"> · {finding.slice}</span>}
            <Affected alert={alert} />
          </dd>
        </div>
        <div>
          <dt>The loop did</dt>
          <dd className={alert.action ? '' : 'soft'}>
            {alert.action ?? 'nothing: no policy covers this, so it is a person’s to decide'}
          </dd>
        </div>
        <div>
          <dt>Owner</dt>
          <dd>{alert.owner}</dd>
        </div>
        <div>
          <dt>What to do</dt>
          <dd>
            <Runbook page={alert.runbook} />
          </dd>
        </div>
      </dl>
      {alert.state === 'raised' && <Acknowledge alert={alert} />}
    </article>
  )
}

function Affected({ alert }: { alert: Alert }) {
  const others = alert.affected
  if (others.length === 0) return null
  return (
    <span className="affected">
      {others.slice(0, AFFECTED_SHOWN).map((name) => (
        <Affecting key={name} name={name.replace(/^models\//, '')} />
      ))}
      {others.length > AFFECTED_SHOWN && (
        <span className="small muted">and {count(others.length - AFFECTED_SHOWN)} more</span>
      )}
    </span>
  )
}

/** A member leads to its own page; a column or a whole model is only named. */
function Affecting({ name }: { name: string }) {
  if (!name.includes('/') || name.startsWith('datasets/')) return <span className="tag">{name}</span>
  return (
    <Go href={hrefs.model(name)} className="tag tag-link">
      {name}
    </Go>
  )
}

function Runbook({ page }: { page: string }) {
  if (/^https?:\/\//.test(page)) {
    return (
      <a href={page} className="link" target="_blank" rel="noreferrer">
        the runbook <Icon name="external" size={12} />
      </a>
    )
  }
  const path = page.startsWith('docs/') ? page : `docs/operating/${page}`
  return (
    <span className="runbook">
      <code>{path}</code> <CopyButton text={path} label="Copy path" />
    </span>
  )
}

/** Says that a person has seen it. The story stays open until its finding holds again. */
function Acknowledge({ alert }: { alert: Alert }) {
  const client = useQueryClient()
  const path = `/api/alerts/${encodeURIComponent(alert.id)}/acknowledge`
  const act = useMutation({
    mutationFn: () => post<Alert>(path, {}),
    onSuccess: (answer) => {
      client.setQueryData(alertsQuery().queryKey, (before: Alert[] | undefined) =>
        before?.map((a) => (a.id === answer.id ? answer : a)),
      )
      void client.invalidateQueries({ queryKey: ['fleet'] })
    },
  })
  return (
    <div className="story-act-row">
      <button type="button" className="button" disabled={act.isPending} onClick={() => act.mutate()}>
        <Icon name="check" /> {act.isPending ? 'Acknowledging…' : 'Acknowledge'}
      </button>
      <details className="quiet-details">
        <summary>as a command</summary>
        <Command text={`curl -X POST ${location.origin}${path}`} />
      </details>
      {act.error && <ErrorCard error={act.error} />}
    </div>
  )
}
