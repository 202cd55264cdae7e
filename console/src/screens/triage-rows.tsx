/** Rows with what speaks against each, worst first: filters in the address, a choice by hand or of all that match, and where it goes. */
import { TextInput } from '@mantine/core'
import { useQueries, useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useCallback, useEffect, useState } from 'react'
import { triageQuery } from '../api/queries.ts'
import type { TriageRow, TriageView } from '../api/types.ts'
import { brief, count, plain, plural, share } from '../format/numbers.ts'
import { exact } from '../format/times.ts'
import { type Act, ActDialog } from '../parts/act.tsx'
import { Door, type Facts } from '../parts/door.tsx'
import { Chips, ErrorCard, Section, Skeleton } from '../parts/page.tsx'
import { VCell, VirtualRows } from '../parts/virtual-rows.tsx'
import { Where } from '../parts/where.tsx'
import { useParam } from '../shell/go.tsx'

export const TRIAGE_PAGE = 100

interface Props {
  view: TriageView
  finding: string
  where: string
}

export function TriageRows({ view, finding, where }: Props) {
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const [isAll, setIsAll] = useState(false)
  const [asked, setAsked] = useState(false)
  const first = useQuery(triageQuery(view.name, { finding, where, from: 0, limit: TRIAGE_PAGE }))
  // biome-ignore lint/correctness/useExhaustiveDependencies: a choice is of the rows that were looked at
  useEffect(() => {
    setChosen(new Set())
    setIsAll(false)
  }, [finding, where, view.version])
  const matched = first.data?.matched ?? 0
  const n = isAll ? matched : chosen.size
  const toggle = useCallback((row: number) => {
    setIsAll(false)
    setChosen((before) => {
      const next = new Set(before)
      if (!next.delete(row)) next.add(row)
      return next
    })
  }, [])
  return (
    <Section
      title={first.data ? plural(matched, 'row') : 'Rows'}
      note="Worst first. The score orders rows and means nothing else. Choose rows with the space bar, go on with the arrow keys."
      flush
    >
      <Filters view={view} found={first.data} error={first.error} />
      {first.error && !first.data ? (
        <ErrorCard error={first.error} />
      ) : first.data ? (
        <Table
          view={view}
          finding={finding}
          where={where}
          total={matched}
          chosen={chosen}
          isAll={isAll}
          toggle={toggle}
        />
      ) : (
        <Skeleton lines={12} height={36} />
      )}
      <div className="choice" role="status">
        <span>{n === 0 ? 'No row chosen' : `${plural(n, 'row')} chosen`}</span>
        <span className="choice-acts">
          {!isAll && matched > 0 && (
            <button type="button" className="button" onClick={() => setIsAll(true)}>
              All {count(matched)}
            </button>
          )}
          {n > 0 && (
            <button
              type="button"
              className="button"
              onClick={() => {
                setIsAll(false)
                setChosen(new Set())
              }}
            >
              None
            </button>
          )}
          <button
            type="button"
            className="button button-primary"
            disabled={n === 0}
            onClick={() => setAsked(true)}
          >
            Put aside…
          </button>
        </span>
      </div>
      {asked && (
        <PutAside
          view={view}
          choice={isAll ? all(finding, where) : { rows: [...chosen].sort((a, b) => a - b) }}
          close={() => setAsked(false)}
        />
      )}
    </Section>
  )
}

/** All that match; without a filter, rows with any finding. */
function all(finding: string, where: string): Record<string, unknown> {
  if (finding === '' && where === '') return { top: 2_000_000 }
  return { ...(finding !== '' && { finding }), ...(where !== '' && { where }) }
}

function PutAside({
  view,
  choice,
  close,
}: {
  view: TriageView
  choice: Record<string, unknown>
  close: () => void
}) {
  const [branch, setBranch] = useState(view.branches[0]?.branch ?? 'cleaned')
  const name = branch.trim()
  const act: Act = {
    title: `Put rows of ${view.dataset} aside`,
    verb: 'Put aside',
    path: `/api/datasets/${encodeURIComponent(view.dataset)}/branches/${encodeURIComponent(name)}/quarantine`,
    body: name === '' ? null : { name: view.name, ...choice },
    fields: (
      <TextInput
        label="Branch"
        description="A new one, or one that takes these rows too. main stays as it is."
        required
        value={branch}
        onChange={(event) => setBranch(event.currentTarget.value)}
        autoComplete="off"
        spellCheck={false}
        data-autofocus
      />
    ),
    after: <p className="soft">Try what a model learns without them: it stands above the rows now.</p>,
  }
  return <ActDialog act={act} close={close} />
}

function Filters({
  view,
  found,
  error,
}: {
  view: TriageView
  found: TriageView | undefined
  error: Error | null
}) {
  const [finding, setFinding] = useParam('finding')
  const [where] = useParam('where')
  const on = finding === '' ? [] : finding.split(',')
  const toggle = (name: string) =>
    setFinding((on.includes(name) ? on.filter((each) => each !== name) : [...on, name]).join(','))
  return (
    <div className="filters">
      <Chips label="Findings">
        {view.findings.map(({ name, words, rows }) => (
          <button
            key={name}
            type="button"
            className="chip"
            title={words}
            aria-pressed={on.includes(name)}
            onClick={() => toggle(name)}
          >
            {name}{' '}
            <span className="muted">
              {count(
                where === '' || !found ? rows : (found.findings.find((f) => f.name === name)?.matched ?? 0),
              )}
            </span>
          </button>
        ))}
      </Chips>
      <Where example="worth < 0 and confidence < 0.1" error={error} />
    </div>
  )
}

interface TableProps extends Props {
  total: number
  chosen: ReadonlySet<number>
  isAll: boolean
  toggle: (row: number) => void
}

const HEAD = [
  { key: 'pick', label: <span className="sr">Chosen</span> },
  { key: 'row', label: 'Row', numeric: true },
  { key: 'findings', label: 'Against it' },
  { key: 'label', label: 'Label' },
  { key: 'confidence', label: 'Sure of it', numeric: true },
  { key: 'worth', label: 'Worth × 10⁶', numeric: true },
  { key: 'distance', label: 'Distance', numeric: true },
  { key: 'values', label: 'Values' },
]

function Table({ view, finding, where, total, chosen, isAll, toggle }: TableProps) {
  const [range, setRange] = useState({ from: 0, to: 30 })
  const onRange = useCallback((from: number, to: number) => {
    const page = (n: number) => Math.floor(n / TRIAGE_PAGE)
    setRange((before) =>
      page(before.from) === page(from) && page(before.to) === page(to) ? before : { from, to },
    )
  }, [])
  const firstPage = Math.floor(range.from / TRIAGE_PAGE)
  const pages = Array.from(
    { length: Math.floor(Math.max(range.from, range.to - 1) / TRIAGE_PAGE) - firstPage + 1 },
    (_, i) => firstPage + i,
  )
  const answers = useQueries({
    queries: pages.map((i) =>
      triageQuery(view.name, { finding, where, from: i * TRIAGE_PAGE, limit: TRIAGE_PAGE }),
    ),
  })
  const rowAt = (i: number): TriageRow | undefined =>
    answers[pages.indexOf(Math.floor(i / TRIAGE_PAGE))]?.data?.page[i % TRIAGE_PAGE]
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: arrow keys move between the checkboxes in it
    <div onKeyDown={moveFocus}>
      <VirtualRows
        label={`Rows of ${view.dataset}`}
        layout="triage-rows"
        columns="24px 72px minmax(150px, 1.2fr) minmax(92px, 0.7fr) 76px 84px 76px minmax(180px, 2.4fr)"
        head={HEAD}
        count={total}
        rowHeight={40}
        rowHeightNarrow={92}
        rowKey={(i) => `${finding} ${where} ${i}`}
        onRange={onRange}
        row={(i) => (
          <Cells
            row={rowAt(i)}
            index={i}
            view={view}
            isChosen={isAll || chosen.has(rowAt(i)?.row ?? -1)}
            toggle={toggle}
          />
        )}
      />
    </div>
  )
}

/** Up and down go to the checkbox of the row before and after. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  const from = event.target instanceof HTMLInputElement ? event.target.dataset.index : undefined
  if (step === undefined || from === undefined) return
  const next = event.currentTarget.querySelector<HTMLInputElement>(`[data-index="${Number(from) + step}"]`)
  if (!next) return
  event.preventDefault()
  next.focus()
  next.scrollIntoView({ block: 'nearest' })
}

interface CellsProps {
  row: TriageRow | undefined
  index: number
  view: TriageView
  isChosen: boolean
  toggle: (row: number) => void
}

function Cells({ row, index, view, isChosen, toggle }: CellsProps) {
  if (row === undefined) return <VCell className="c-pick muted">…</VCell>
  const isTurned = row.suggested !== null && row.suggested !== row.given
  return (
    <>
      <VCell className="c-pick">
        <input
          type="checkbox"
          data-index={index}
          checked={isChosen}
          onChange={() => toggle(row.row)}
          aria-label={`Choose row ${row.row}: ${row.findings.join(', ')}`}
        />
      </VCell>
      <VCell numeric className="c-row">
        <Door facts={factsOf(row, view)} label={`Row ${row.row}`}>
          {count(row.row)}
        </Door>
      </VCell>
      <VCell className="c-findings">
        {row.findings.map((name) => (
          <span
            key={name}
            className={STRONG.has(name) ? 'mark mark-strong' : 'mark'}
            title={wordsOf(view, name)}
          >
            {name}
          </span>
        ))}
      </VCell>
      <VCell className="c-given cut">
        {row.given === null ? (
          <span className="muted">–</span>
        ) : isTurned ? (
          <>
            <s className="muted">{row.given}</s> {row.suggested}
          </>
        ) : (
          row.given
        )}
      </VCell>
      <VCell numeric className="c-sure" label="sure">
        {row.confidence === null ? '–' : share(row.confidence, 0)}
      </VCell>
      <VCell
        numeric
        className={row.worth !== null && row.worth < 0 ? 'c-worth tone-warn' : 'c-worth'}
        label="worth"
      >
        {row.worth === null ? '–' : tiny(row.worth)}
      </VCell>
      <VCell numeric className="c-distance" label="distance">
        {row.distance === null ? '–' : brief(row.distance, 2)}
      </VCell>
      <VCell className="c-values cut small soft">
        {view.columns.map(({ name, type }, j) => (
          <span key={name} className="pair">
            <span className="muted">{name}</span> {cell(row.values[j] ?? null, type)}
          </span>
        ))}
      </VCell>
    </>
  )
}

/** Findings that are marked stronger than the others. */
const STRONG = new Set(['check', 'poison', 'label', 'conflict'])

const wordsOf = (view: TriageView, name: string): string =>
  view.findings.find((finding) => finding.name === name)?.words ?? name

/** What a single row is worth is far below 1, so it is shown in millionths of all right votes. */
const tiny = (worth: number): string => brief(worth * 1e6, 3)

function cell(value: TriageRow['values'][number], type: TriageView['columns'][number]['type']): string {
  if (typeof value === 'number' && type === 'time') return exact(value).slice(0, 16)
  if (typeof value === 'number' && type === 'date') return exact(value).slice(0, 10)
  return brief(value, 4)
}

function factsOf(row: TriageRow, view: TriageView): Facts {
  const known: [string, string | null][] = [
    ['against it', row.findings.map((name) => wordsOf(view, name)).join('; ')],
    ['checks it fails', row.checks.join(', ') || null],
    ['label', row.given],
    ['probably', row.suggested === row.given ? null : row.suggested],
    ['sure of the label', row.confidence === null ? null : share(row.confidence)],
    ['worth', row.worth === null ? null : String(row.worth)],
    ['distance', row.distance === null ? null : brief(row.distance)],
    ['copies', row.copyGroup === null ? null : `group ${row.copyGroup}`],
    ['near copies', row.nearGroup === null ? null : `group ${row.nearGroup}`],
    ['score', brief(row.score)],
  ]
  const values = view.columns.map(({ name, type }, j): [string, string] => [
    name,
    longCell(row.values[j] ?? null, type),
  ])
  return {
    title: `Row ${count(row.row)} of ${view.dataset}`,
    rows: [...known.filter((fact): fact is [string, string] => fact[1] !== null), ...values],
  }
}

const longCell = (value: TriageRow['values'][number], type: TriageView['columns'][number]['type']): string =>
  type === 'time' || type === 'date' ? cell(value, type) : plain(value)
