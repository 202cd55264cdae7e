/** Home: how is everything, who is needed, and how does each model do. */
import { useQuery } from '@tanstack/react-query'
import { memo, useCallback, useMemo, useState } from 'react'
import { useLive } from '../api/live.ts'
import { fleetQuery, membersQuery } from '../api/queries.ts'
import type { Alert, Fleet as FleetAnswer, FleetRow, JournalEvent, MemberRow } from '../api/types.ts'
import { extent } from '../charts/scale.ts'
import { qualityExtent, Sparkline } from '../charts/sparkline.tsx'
import { alertTitle, isNews, metricName, subjectName } from '../format/names.ts'
import { compact, count, interval, latency, metric, perSecond, plural } from '../format/numbers.ts'
import { needsPerson } from '../format/sentences.ts'
import { day, windowDays } from '../format/times.ts'
import { Door } from '../parts/door.tsx'
import { Icon } from '../parts/icons.tsx'
import { MeasuredValue } from '../parts/measured.tsx'
import { Ask, Chips, Empty, Page, Section } from '../parts/page.tsx'
import { AlertSign, HealthSign, ReleaseSign } from '../parts/signs.tsx'
import { Ago } from '../parts/time.tsx'
import { VCell, VirtualRows } from '../parts/virtual-rows.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs, subjectHref } from '../shell/hrefs.ts'

export function Fleet() {
  const query = useQuery(fleetQuery())
  return (
    <Ask query={query} title="Fleet">
      {(fleet) => (
        <Page
          title={fleet.project}
          name="Fleet"
          sentence={fleet.sentence}
          sign={<HealthSign health={fleet.health} />}
        >
          {fleet.models.length === 0 ? <NoModels fleet={fleet} /> : <FleetBody fleet={fleet} />}
        </Page>
      )}
    </Ask>
  )
}

function NoModels({ fleet }: { fleet: FleetAnswer }) {
  const commands =
    fleet.datasets.length === 0
      ? ['millrace init my-data.csv', 'millrace up']
      : ['millrace plan', 'millrace run']
  return (
    <Empty title="No model yet" commands={commands}>
      {fleet.datasets.length === 0
        ? 'Begin with a file: init writes a config from its columns, up trains, gates and serves a model of it.'
        : 'There are data. See what a run would do, then do it: it trains, gates and releases what the config describes.'}
    </Empty>
  )
}

function FleetBody({ fleet }: { fleet: FleetAnswer }) {
  return (
    <>
      <Attention alerts={fleet.attention} />
      <ModelTable models={fleet.models} />
      <div className="two">
        <LatestEvents events={fleet.events} />
        <DatasetsBrief fleet={fleet} />
      </div>
    </>
  )
}

/** One line a cause, those that need a person first. */
function Attention({ alerts }: { alerts: Alert[] }) {
  const stories = [...new Map(alerts.map((alert) => [alert.dedupeKey, alert])).values()]
  if (stories.length === 0) return null
  const sorted = stories.sort(
    (a, b) => Number(needsPerson(b)) - Number(needsPerson(a)) || b.raisedAt - a.raisedAt,
  )
  return (
    <Section title="What needs attention">
      <ul className="attention">
        {sorted.slice(0, 5).map((alert) => (
          <li
            key={alert.dedupeKey}
            className={needsPerson(alert) ? 'attention-row attention-act' : 'attention-row'}
          >
            <AlertSign alert={alert} />
            <Go href={`${hrefs.alerts()}#${alert.id}`} className="row-link attention-what">
              {alertTitle(alert)}
            </Go>
            <span className="muted small nowrap">
              since <Ago at={alert.raisedAt} />
            </span>
          </li>
        ))}
      </ul>
      {stories.length > 5 && (
        <Go href={hrefs.alerts()} className="link">
          All {count(stories.length)} stories
        </Go>
      )}
    </Section>
  )
}

type Filter = 'all' | 'alerts' | 'moving' | 'families' | 'unreleased'

const FILTERS: Record<Filter, { label: string; holds: (row: FleetRow) => boolean }> = {
  all: { label: 'all', holds: () => true },
  alerts: { label: 'with alerts', holds: (row) => row.alerts > 0 },
  moving: {
    label: 'in release',
    holds: (row) => row.release !== null && ['shadow', 'canary', 'paused'].includes(row.release.state),
  },
  families: { label: 'families', holds: (row) => row.members > 0 },
  unreleased: { label: 'not released', holds: (row) => row.liveVersion === null },
}

type Entry =
  | { kind: 'model'; row: FleetRow }
  | { kind: 'member'; member: MemberRow; of: FleetRow }
  | { kind: 'all'; of: FleetRow }

const MEMBERS_SHOWN = 5

function ModelTable({ models }: { models: FleetRow[] }) {
  const [show, setShow] = useParam('show', 'all')
  const [find, setFind] = useParam('find')
  const [open, setOpen] = useState<string | null>(null)
  const filter = FILTERS[show as Filter] ?? FILTERS.all
  const kept = useMemo(
    () => models.filter((row) => filter.holds(row) && row.model.toLowerCase().includes(find.toLowerCase())),
    [models, filter, find],
  )
  const members = useQuery({
    ...membersQuery(open ?? '', { search: '', sort: '-alerts', limit: MEMBERS_SHOWN, offset: 0 }),
    enabled: open !== null,
  })
  const domains = useMemo(() => domainsOf(models), [models])
  const shown = members.data?.members
  const entries = useMemo(
    () => kept.flatMap((row) => entriesOf(row, row.model === open ? (shown ?? []) : null)),
    [kept, open, shown],
  )
  const sizes = useMemo(
    () =>
      new Map(
        (Object.keys(FILTERS) as Filter[]).map((key) => [key, models.filter(FILTERS[key].holds).length]),
      ),
    [models],
  )
  const toggle = useCallback((model: string) => setOpen((before) => (before === model ? null : model)), [])
  return (
    <Section title="Models" flush>
      <div className="filters">
        <Chips label="Show">
          {(Object.keys(FILTERS) as Filter[]).map((key) => (
            <button
              key={key}
              type="button"
              className="chip"
              aria-pressed={filter === FILTERS[key]}
              onClick={() => setShow(key)}
            >
              {FILTERS[key].label} <span className="muted">{count(sizes.get(key))}</span>
            </button>
          ))}
        </Chips>
        <input
          type="search"
          className="field find"
          placeholder="Find a model"
          aria-label="Find a model"
          value={find}
          onChange={(event) => setFind(event.currentTarget.value)}
        />
      </div>
      <VirtualRows
        label="Models"
        layout="fleet-rows"
        columns="minmax(176px, 1.4fr) 236px 88px 60px 136px 112px minmax(148px, 1fr)"
        head={[
          { key: 'model', label: 'Model' },
          { key: 'quality', label: 'Quality by window' },
          { key: 'traffic', label: 'Traffic', numeric: true },
          { key: 'p99', label: 'p99', numeric: true },
          { key: 'fresh', label: 'Data until', numeric: true },
          { key: 'release', label: 'Release' },
          { key: 'owner', label: 'Owner' },
        ]}
        count={entries.length}
        rowHeight={56}
        rowHeightNarrow={148}
        rowKey={(i) => keyOf(entries[i]!)}
        row={(i) => {
          const entry = entries[i]!
          if (entry.kind === 'model')
            return (
              <ModelCells
                row={entry.row}
                domain={domains.get(entry.row.qualityMetric)}
                open={open === entry.row.model}
                toggle={toggle}
              />
            )
          return entry.kind === 'member' ? (
            <MemberCells member={entry.member} of={entry.of} />
          ) : (
            <AllMembers of={entry.of} />
          )
        }}
      />
      {kept.length === 0 && (
        <p className="note">No model is called “{find}” among those shown. Clear the search, or show all.</p>
      )}
    </Section>
  )
}

/** A model's row, and when it is unfolded the rows of its first members and the way to all of them. */
function entriesOf(row: FleetRow, members: readonly MemberRow[] | null): Entry[] {
  if (members === null) return [{ kind: 'model', row }]
  return [
    { kind: 'model', row },
    ...members.map((member): Entry => ({ kind: 'member', member, of: row })),
    { kind: 'all', of: row },
  ]
}

function keyOf(entry: Entry): string {
  if (entry.kind === 'model') return entry.row.model
  return entry.kind === 'member' ? entry.member.model : `${entry.of.model} all`
}

/** One scale a metric, over all models that are judged by it. */
function domainsOf(models: readonly FleetRow[]): Map<string, [number, number]> {
  const byMetric = new Map<string, number[]>()
  for (const row of models) {
    const own = qualityExtent(row.quality, row.expected)
    if (own) byMetric.set(row.qualityMetric, [...(byMetric.get(row.qualityMetric) ?? []), ...own])
  }
  return new Map([...byMetric].map(([name, values]) => [name, extent(values)!]))
}

const ModelCells = memo(function ModelCells({
  row,
  domain,
  open,
  toggle,
}: {
  row: FleetRow
  domain?: [number, number]
  open: boolean
  toggle: (model: string) => void
}) {
  return (
    <>
      <VCell className="c-name">
        <div className="name-line">
          <Go href={hrefs.model(row.model)} className="row-link name">
            {row.model}
          </Go>
          {row.alerts > 0 && (
            <Go href={hrefs.alerts({ model: row.model })} className="small tone-warn nowrap alerts-link">
              <Icon name="alerts" size={12} /> {plural(row.alerts, 'alert')}
            </Go>
          )}
        </div>
        {row.members > 0 ? (
          <button type="button" className="fold" aria-expanded={open} onClick={() => toggle(row.model)}>
            <Icon name={open ? 'up' : 'down'} size={12} />
            {plural(row.members, 'member')}
            {row.membersHeld > 0 ? `, ${count(row.membersHeld)} held` : ''}
          </button>
        ) : (
          <span className="small muted cut">{row.description}</span>
        )}
      </VCell>
      <VCell className="c-quality">
        <Sparkline
          points={row.quality}
          expected={row.expected}
          name={metricName(row.qualityMetric)}
          domain={domain}
        />
        <QualityNow row={row} />
      </VCell>
      <VCell numeric className="c-traffic" label="traffic">
        <Door
          facts={{
            title: `Traffic of ${row.model}`,
            rows: [
              ['requests now', perSecond(row.requestsPerSecond)],
              ['predictions in closed windows', count(row.predictions)],
              ['live version', row.liveVersion === null ? 'none' : `v${row.liveVersion}`],
            ],
            to: { href: hrefs.model(row.model, 'speed'), label: 'Speed' },
          }}
        >
          {perSecond(row.requestsPerSecond)}
        </Door>
        <span className="small muted block">{compact(row.predictions)} judged</span>
      </VCell>
      <VCell numeric className="c-p99" label="p99">
        <Go href={hrefs.model(row.model, 'speed')} className="row-link">
          {latency(row.latencyMsP99)}
        </Go>
      </VCell>
      <VCell numeric className="c-fresh" label="until">
        <span className="block">{row.freshAt === null ? '–' : day(row.freshAt)}</span>
        <span className="small muted">
          trained <Ago at={row.trainedAt} />
        </span>
      </VCell>
      <VCell className="c-release">
        <Go href={hrefs.model(row.model, 'releases')} className="row-link release-cell">
          <ReleaseSign release={row.release} />
          <span className="small muted">
            {row.liveVersion === null ? 'nothing live' : `live v${row.liveVersion}`}
          </span>
        </Go>
      </VCell>
      <VCell className="c-owner cut soft">{row.owner}</VCell>
    </>
  )
})

function QualityNow({ row }: { row: FleetRow }) {
  const last = row.quality.findLast((point) => point.value !== null)
  if (last === undefined) return null
  const facts = {
    title: `${metricName(row.qualityMetric)} of ${row.model}`,
    rows: [
      ['window', windowDays(last.fromAt, last.toAt)],
      ['value', metric(last.value)],
      ...(last.interval ? [['interval', interval(last.interval)]] : []),
      ...(row.expected ? [['expected', `${metric(row.expected.low)} to ${metric(row.expected.high)}`]] : []),
      ['rows', count(last.n)],
      ['verdict', last.verdict],
    ] as [string, string][],
    to: { href: hrefs.model(row.model), label: 'Quality by window' },
  }
  return (
    <span className="quality-now">
      <Door facts={facts}>{metric(last.value)}</Door>
      <span className={last.verdict === 'fail' ? 'small tone-warn block' : 'small muted block'}>
        {last.verdict === 'fail' ? 'out of its band' : metricName(row.qualityMetric)}
      </span>
    </span>
  )
}

function MemberCells({ member, of }: { member: MemberRow; of: FleetRow }) {
  return (
    <>
      <VCell className="c-name c-member">
        <Go href={hrefs.model(member.model)} className="row-link">
          {member.key}
        </Go>
        {member.alerts > 0 && <span className="small tone-warn"> {plural(member.alerts, 'alert')}</span>}
      </VCell>
      <VCell className="c-quality soft">
        <MeasuredValue
          name={`${metricName(of.qualityMetric)} of ${member.model}`}
          of={member.liveMetric ?? member.metric}
          wide
        />
      </VCell>
      <VCell numeric className="c-traffic soft" label="predictions">
        {compact(member.predictions)}
      </VCell>
      <VCell className="c-p99" />
      <VCell className="c-fresh" />
      <VCell className="c-release soft">
        {member.answers === 'self' ? 'answers itself' : 'by the parent'}
      </VCell>
      <VCell className="c-owner" />
    </>
  )
}

function AllMembers({ of }: { of: FleetRow }) {
  return (
    <VCell className="c-name c-member">
      <Go href={hrefs.model(of.model, 'members')} className="link">
        All {plural(of.members + of.membersHeld, 'member')} of {of.model}
      </Go>
    </VCell>
  )
}

const EVENTS_SHOWN = 8

/** The newest events in a box of fixed height: news changes its lines, never the page. */
function LatestEvents({ events }: { events: JournalEvent[] }) {
  const heard = useLive((live) => live.events)
  const merged = useMemo(
    () =>
      [...new Map([...heard, ...events].map((event) => [event.seq, event])).values()]
        .filter(isNews)
        .sort((a, b) => b.seq - a.seq)
        .slice(0, EVENTS_SHOWN),
    [heard, events],
  )
  return (
    <Section title="Latest in the journal">
      <ol className="events events-fixed">
        {merged.map((event) => (
          <EventLine key={event.seq} event={event} />
        ))}
      </ol>
      <Go href={hrefs.journal()} className="link">
        The whole journal
      </Go>
    </Section>
  )
}

function EventLine({ event }: { event: JournalEvent }) {
  const href = subjectHref(event.subject)
  return (
    <li className="event">
      <span className="small muted event-at">
        <Ago at={event.at} />
      </span>
      <span className="event-what cut" title={event.reason}>
        {href ? (
          <Go href={href} className="row-link event-subject">
            {subjectName(event.subject)}
          </Go>
        ) : (
          <span className="event-subject">{subjectName(event.subject)}</span>
        )}{' '}
        <span className="soft">{event.reason || event.type}</span>
      </span>
    </li>
  )
}

function DatasetsBrief({ fleet }: { fleet: FleetAnswer }) {
  return (
    <Section title="Data">
      <ul className="brief">
        {fleet.datasets.map((row) => (
          <li key={row.dataset}>
            <Go href={hrefs.dataset(row.dataset)} className="row-link name">
              {row.dataset}
            </Go>
            <span className="num">{compact(row.rows)} rows</span>
            <span className="small muted">
              {row.window ? windowDays(row.window.fromAt, row.window.toAt) : 'no window'} ·{' '}
              {compact(row.rowsQuarantined)} in quarantine ·{' '}
              {row.findings.fail + row.findings.error === 0
                ? 'checks hold'
                : `${plural(row.findings.fail + row.findings.error, 'check')} failing`}
            </span>
          </li>
        ))}
      </ul>
      <Go href={hrefs.data()} className="link">
        All data
      </Go>
    </Section>
  )
}
