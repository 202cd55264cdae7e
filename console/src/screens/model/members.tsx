/** The members of a family: who answers for itself, who is held and why, who differs from the rest. */
import { useQueries, useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { useCallback, useState } from 'react'
import { get } from '../../api/client.ts'
import { membersPath, membersQuery } from '../../api/queries.ts'
import type { MemberList, MemberRow, ModelPage } from '../../api/types.ts'
import { metricName } from '../../format/names.ts'
import { compact, count, plural, share, signed } from '../../format/numbers.ts'
import { Figure } from '../../parts/figure.tsx'
import { Icon } from '../../parts/icons.tsx'
import { later } from '../../parts/later.tsx'
import { MeasuredValue } from '../../parts/measured.tsx'
import { Chips, Empty, ErrorCard, Section, Skeleton } from '../../parts/page.tsx'
import { VCell, VirtualRows } from '../../parts/virtual-rows.tsx'
import { Go, useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'

const Scatter = later(
  () => import('../../charts/scatter.tsx').then((m) => m.default),
  <div className="scatter" />,
)

const PAGE = 200
const MAP_PAGE = 1000
const MAP_MAX = 10_000

/** Sort names of the contract: a minus means descending. */
const COLUMNS: { key: string; label: string; numeric?: boolean; sort?: string }[] = [
  { key: 'key', label: 'Member', sort: 'key' },
  { key: 'answers', label: 'Answers' },
  { key: 'rows', label: 'Rows', numeric: true, sort: 'rows' },
  { key: 'metric', label: 'At test', numeric: true, sort: 'metric' },
  { key: 'liveMetric', label: 'Live', numeric: true, sort: 'liveMetric' },
  { key: 'predictions', label: 'Predictions', numeric: true, sort: 'predictions' },
  { key: 'bias', label: 'Bias', numeric: true, sort: 'bias' },
  { key: 'alerts', label: 'Alerts', numeric: true, sort: 'alerts' },
]

export function Members({ page }: { page: ModelPage }) {
  const [search, setSearch] = useParam('search')
  const [sort, setSort] = useParam('sort', '-predictions')
  const [view, setView] = useParam('view', 'list')
  const first = useQuery(membersQuery(page.model, { search, sort, limit: PAGE, offset: 0 }))
  if (first.error && !first.data) return <ErrorCard error={first.error} retry={() => void first.refetch()} />
  if (first.data?.total === 0 && search === '') {
    return (
      <Empty title={`${page.model} is one model`}>
        It has no members. A family is made with each: 'column' in its config; every value of that column with
        enough rows gets a model of its own.
      </Empty>
    )
  }
  return (
    <Section
      title={first.data ? plural(first.data.total, 'member') : 'Members'}
      note={`Members with too few rows, or that did not beat the parent, are answered by the parent. At test and live are ${leadOf(page)}; predictions are those a member answered itself and whose outcome is known; bias is what it promised minus what happened in its newest window.`}
      flush
    >
      <div className="filters">
        <Chips label="View">
          {['list', 'map'].map((name) => (
            <button
              key={name}
              type="button"
              className="chip"
              aria-pressed={view === name}
              onClick={() => setView(name)}
            >
              <Icon name={name === 'list' ? 'table' : 'chart'} size={12} /> {name}
            </button>
          ))}
        </Chips>
        <label className="sort-narrow">
          <span className="sr">Sort by</span>
          <select className="field" value={sort} onChange={(event) => setSort(event.currentTarget.value)}>
            {COLUMNS.filter((c) => c.sort).flatMap((c) => [
              <option key={`-${c.sort}`} value={`-${c.sort}`}>{`${c.label}, most first`}</option>,
              <option key={c.sort} value={c.sort}>{`${c.label}, least first`}</option>,
            ])}
          </select>
        </label>
        <input
          type="search"
          className="field find"
          placeholder="Find a member"
          aria-label="Find a member"
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
      </div>
      {view === 'map' ? (
        <MemberMap page={page} />
      ) : first.data ? (
        <MemberTable page={page} total={first.data.total} search={search} sort={sort} setSort={setSort} />
      ) : (
        <Skeleton lines={12} height={32} />
      )}
      {first.data?.total === 0 && <p className="note">No member is called “{search}”.</p>}
    </Section>
  )
}

const leadOf = (page: ModelPage) => metricName(page.quality.metrics[0]?.name ?? 'metric')

interface TableProps {
  page: ModelPage
  total: number
  search: string
  sort: string
  setSort: (sort: string) => void
}

function MemberTable({ page, total, search, sort, setSort }: TableProps) {
  const [range, setRange] = useState({ from: 0, to: 40 })
  const onRange = useCallback((from: number, to: number) => {
    setRange((before) =>
      Math.floor(before.from / PAGE) === Math.floor(from / PAGE) &&
      Math.floor(before.to / PAGE) === Math.floor(to / PAGE)
        ? before
        : { from, to },
    )
  }, [])
  const firstPage = Math.floor(range.from / PAGE)
  const pages = Array.from(
    { length: Math.floor(Math.max(range.from, range.to - 1) / PAGE) - firstPage + 1 },
    (_, i) => firstPage + i,
  )
  const answers = useQueries({
    queries: pages.map((i) => membersQuery(page.model, { search, sort, limit: PAGE, offset: i * PAGE })),
  })
  const member = (i: number): MemberRow | undefined =>
    answers[pages.indexOf(Math.floor(i / PAGE))]?.data?.members[i % PAGE]
  return (
    <VirtualRows
      label={`Members of ${page.model}`}
      layout="member-rows"
      columns="minmax(96px, 1fr) minmax(160px, 2fr) 88px 104px 104px 112px 104px 72px"
      head={COLUMNS.map((column) => ({
        key: column.key,
        numeric: column.numeric,
        sort:
          column.sort === undefined
            ? undefined
            : sort === column.sort
              ? 'ascending'
              : sort === `-${column.sort}`
                ? 'descending'
                : 'none',
        label: column.sort ? (
          <SortButton column={{ label: column.label, sort: column.sort }} sort={sort} setSort={setSort} />
        ) : (
          column.label
        ),
      }))}
      count={total}
      rowHeight={36}
      rowHeightNarrow={72}
      rowKey={(i) => `${search} ${sort} ${i}`}
      onRange={onRange}
      row={(i) => (
        <MemberCells
          member={member(i)}
          lead={leadOf(page)}
          binary={page.task === 'binary' || page.task === 'multiclass'}
        />
      )}
    />
  )
}

function SortButton({
  column,
  sort,
  setSort,
}: {
  column: { label: string; sort: string }
  sort: string
  setSort: (sort: string) => void
}) {
  const down = sort === `-${column.sort}`
  const on = down || sort === column.sort
  return (
    <button
      type="button"
      className={on ? 'sort sort-on' : 'sort'}
      onClick={() => setSort(down ? column.sort : `-${column.sort}`)}
    >
      {column.label}
      {on && <Icon name={down ? 'down' : 'up'} size={12} />}
    </button>
  )
}

/** Mean prediction minus mean outcome; of probabilities in percentage points. */
function bias(value: number | null | undefined, binary: boolean): string {
  return signed(value, binary ? (v) => share(v).replace('%', 'pp') : undefined)
}

function MemberCells({
  member,
  lead,
  binary,
}: {
  member: MemberRow | undefined
  lead: string
  binary: boolean
}) {
  if (member === undefined) return <VCell className="c-name muted">…</VCell>
  const from: [string, string][] = [['model', member.model]]
  return (
    <>
      <VCell className="c-name">
        <Go href={hrefs.model(member.model)} className="row-link name">
          {member.key}
        </Go>
      </VCell>
      <VCell className="c-answers cut soft small">
        {member.answers === 'self'
          ? 'itself'
          : `the parent${member.heldReason ? `: ${member.heldReason}` : ''}`}
      </VCell>
      <VCell numeric className="c-rows" label="rows">
        {compact(member.rows)}
      </VCell>
      <VCell numeric className="c-metric" label="test">
        <MeasuredValue name={`${lead} of ${member.key} at test`} of={member.metric} from={from} />
      </VCell>
      <VCell numeric className="c-live" label="live">
        <MeasuredValue name={`${lead} of ${member.key}, newest window`} of={member.liveMetric} from={from} />
      </VCell>
      <VCell numeric className="c-predictions" label="predictions">
        {compact(member.predictions)}
      </VCell>
      <VCell numeric className={member.alerts > 0 ? 'c-bias tone-warn' : 'c-bias'} label="bias">
        {bias(member.bias, binary)}
      </VCell>
      <VCell numeric className="c-alerts" label="alerts">
        {member.alerts > 0 ? (
          <Go href={hrefs.alerts({ model: member.model })} className="link">
            {count(member.alerts)}
          </Go>
        ) : (
          <span className="muted">–</span>
        )}
      </VCell>
    </>
  )
}

/** Every member as a dot. Loaded in whole pages, because the picture is of all of them. */
function MemberMap({ page }: { page: ModelPage }) {
  const router = useRouter()
  const all = useQuery({
    queryKey: ['members', page.model, 'map'],
    queryFn: ({ signal }) => allMembers(page.model, signal),
  })
  const name = leadOf(page)
  if (all.error) return <ErrorCard error={all.error} retry={() => void all.refetch()} />
  if (!all.data) return <div className="scatter" />
  const points = all.data.flatMap((m) =>
    m.metric === null || m.rows <= 0
      ? []
      : [{ key: m.key, rows: m.rows, value: m.metric.value, held: m.answers === 'parent' }],
  )
  const missing = all.data.length - points.length
  return (
    <Figure
      title="Rows learned from against quality"
      note={`Each dot is a member, open ones are held. Pick one to open it.${missing === 0 ? '' : ` Not drawn, for want of a test value: ${count(missing)}.`}`}
      table={() => ({
        columns: ['member', 'rows', name, 'answers'],
        rows: points.map((p) => [p.key, p.rows, p.value, p.held ? 'parent' : 'self']),
      })}
    >
      <Scatter
        points={points}
        metricName={name}
        onPick={(key) => router.history.push(hrefs.model(`${page.model}/${key}`))}
      />
    </Figure>
  )
}

async function allMembers(model: string, signal: AbortSignal): Promise<MemberRow[]> {
  const members: MemberRow[] = []
  for (let offset = 0; offset < MAP_MAX; ) {
    const part = await get<MemberList>(
      membersPath(model, { search: '', sort: 'key', limit: MAP_PAGE, offset }),
      signal,
    )
    members.push(...part.members)
    offset += part.members.length
    if (part.members.length === 0 || members.length >= part.total) break
  }
  return members
}
