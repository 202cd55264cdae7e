/** Rows that were put aside: filters in the address, and what can be done with them on the newest version: release, fix, drop. */
import { TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { datasetQuery, quarantineQuery } from '../api/queries.ts'
import type { DatasetVersionPage, QuarantineRows } from '../api/types.ts'
import { toCsv } from '../format/csv.ts'
import { count, plain, plural } from '../format/numbers.ts'
import { exact } from '../format/times.ts'
import { type Act, ActDialog } from '../parts/act.tsx'
import { CopyButton } from '../parts/copy.tsx'
import { Scroll } from '../parts/figure.tsx'
import { AskPart, Chips, ErrorCard, Section } from '../parts/page.tsx'
import { Where } from '../parts/where.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

const ROWS_FIRST = 50
const ROWS_MORE = 500

export function Quarantine({ page }: { page: DatasetVersionPage }) {
  const [limit, setLimit] = useState(ROWS_FIRST)
  const [failed] = useParam('failed')
  const [where] = useParam('where')
  const query = useQuery({
    ...quarantineQuery(page.dataset, page.digest, { failed, where, limit }),
    enabled: page.rowsQuarantined > 0,
  })
  return (
    <div id="quarantine">
      <Section
        title="Quarantine"
        note={
          page.rowsQuarantined === 0
            ? undefined
            : 'Rows that failed a check or were put aside by hand. They are kept beside the data with the reason, and take no part in training.'
        }
      >
        {page.rowsQuarantined === 0 ? (
          <p className="soft">Every row passed its checks.</p>
        ) : query.error && !query.data ? (
          <>
            <Filters page={page} data={undefined} error={query.error} />
            <ErrorCard error={query.error} />
          </>
        ) : (
          <AskPart query={query}>
            {(data) => (
              <Rows
                page={page}
                data={data}
                error={query.error}
                more={data.next !== null && limit === ROWS_FIRST ? () => setLimit(ROWS_MORE) : null}
              />
            )}
          </AskPart>
        )}
      </Section>
    </div>
  )
}

/** A condition on a column that is there. */
function exampleOf({ columns }: DatasetVersionPage): string {
  const numeric = columns.find(({ profile }) => typeof profile.mean === 'number')
  if (numeric) return `${numeric.name} > ${plain(Math.round(numeric.profile.mean!))}`
  return `${columns[0]?.name ?? 'column'} is missing`
}

function Filters({
  page,
  data,
  error,
}: {
  page: DatasetVersionPage
  data: QuarantineRows | undefined
  error: Error | null
}) {
  const [failed, setFailed] = useParam('failed')
  const reasons = Object.entries(data?.byReason ?? {}).sort((a, b) => b[1] - a[1])
  return (
    <div className="filters">
      <Chips label="Reason">
        <button type="button" className="chip" aria-pressed={failed === ''} onClick={() => setFailed('')}>
          all <span className="muted">{count(data?.total ?? page.rowsQuarantined)}</span>
        </button>
        {reasons.map(([name, n]) => (
          <button
            key={name}
            type="button"
            className="chip"
            aria-pressed={failed === name}
            onClick={() => setFailed(failed === name ? '' : name)}
          >
            {name} <span className="muted">{count(n)}</span>
          </button>
        ))}
      </Chips>
      <Where example={exampleOf(page)} error={error} />
    </div>
  )
}

interface RowsProps {
  page: DatasetVersionPage
  data: QuarantineRows
  error: Error | null
  more: (() => void) | null
}

function Rows({ page, data, error, more }: RowsProps) {
  const types = new Map(page.columns.map((column) => [column.name, column.type]))
  const isTime = (name: string) => ['time', 'date'].includes(types.get(name) ?? '')
  const isNumber = (name: string) => ['int', 'float'].includes(types.get(name) ?? '')
  const cell = (name: string, value: QuarantineRows['rows'][number]['values'][number]) =>
    isTime(name) && typeof value === 'number'
      ? exact(value).slice(0, types.get(name) === 'date' ? 10 : 19)
      : value
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  // biome-ignore lint/correctness/useExhaustiveDependencies: numbers of rows are those of one version
  useEffect(() => setChosen(new Set()), [page.digest])
  const toggle = (row: number) => {
    const next = new Set(chosen)
    if (!next.delete(row)) next.add(row)
    setChosen(next)
  }
  const table = () => ({
    columns: ['row', 'reasons', ...data.columns],
    rows: data.rows.map((row) => [
      row.row,
      row.reasons.join('; '),
      ...row.values.map((value, j) => cell(data.columns[j] ?? '', value)),
    ]),
  })
  return (
    <>
      <Filters page={page} data={data} error={error} />
      <Scroll label="Rows in quarantine" className="scroll-tall">
        <table className="table table-sticky">
          <thead>
            <tr>
              <th scope="col">
                <span className="sr">Chosen</span>
              </th>
              <th scope="col">Reason</th>
              {data.columns.map((column) => (
                <th key={column} scope="col" className={isNumber(column) ? 'num' : ''}>
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.rows.map((row) => (
              <tr key={row.row} className={chosen.has(row.row) ? 'row-on' : undefined}>
                <td>
                  <input
                    type="checkbox"
                    checked={chosen.has(row.row)}
                    onChange={() => toggle(row.row)}
                    aria-label={`Choose row ${row.row}: ${row.reasons.join(', ')}`}
                  />
                </td>
                <td className="tone-warn nowrap">{row.reasons.join(', ')}</td>
                {row.values.map((value, j) => (
                  <td key={data.columns[j]} className={isNumber(data.columns[j] ?? '') ? 'num' : 'nowrap'}>
                    {plain(cell(data.columns[j] ?? '', value))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="small muted">
        {count(data.rows.length)} shown of {count(data.matched)}.{' '}
        {more && (
          <button type="button" className="link-button" onClick={more}>
            Show up to {ROWS_MORE}
          </button>
        )}{' '}
        <CopyButton text={() => toCsv(table())} label="Copy CSV" />
      </p>
      <Acts page={page} data={data} chosen={chosen} />
    </>
  )
}

const VERBS = [
  { verb: 'release', label: 'Release', words: 'taken as they are' },
  { verb: 'fix', label: 'Fix', words: 'set anew and checked again' },
  { verb: 'drop', label: 'Drop', words: 'given up' },
] as const
type Verb = (typeof VERBS)[number]

/** Acts are on the newest version: what is done to an old one could not become the data. */
function Acts({
  page,
  data,
  chosen,
}: {
  page: DatasetVersionPage
  data: QuarantineRows
  chosen: ReadonlySet<number>
}) {
  const newest = useQuery(datasetQuery(page.dataset))
  const [asked, setAsked] = useState<Verb | null>(null)
  const n = chosen.size === 0 ? data.matched : chosen.size
  const newer = newest.data?.version && newest.data.version !== page.digest ? newest.data.version : null
  return (
    <>
      {newer !== null ? (
        <p className="note">
          Rows are released, fixed and dropped on{' '}
          <Go href={`${hrefs.datasetVersion(page.dataset, newer)}#quarantine`} className="link">
            the newest version
          </Go>
          .
        </p>
      ) : (
        <div className="choice choice-still">
          <span>
            {chosen.size === 0 ? `All ${plural(n, 'row')} of this filter` : `${plural(n, 'row')} chosen`}
          </span>
          <span className="choice-acts">
            {VERBS.map((each) => (
              <button
                key={each.verb}
                type="button"
                className="button"
                disabled={n === 0}
                title={each.words}
                onClick={() => setAsked(each)}
              >
                {each.label}…
              </button>
            ))}
          </span>
        </div>
      )}
      {asked && <Asked page={page} verb={asked} chosen={chosen} close={() => setAsked(null)} />}
    </>
  )
}

function Asked({
  page,
  verb,
  chosen,
  close,
}: {
  page: DatasetVersionPage
  verb: Verb
  chosen: ReadonlySet<number>
  close: () => void
}) {
  const [failed] = useParam('failed')
  const [where] = useParam('where')
  const [column, setColumn] = useState('')
  const [value, setValue] = useState('')
  const [shown, setShown] = useState('')
  const choice =
    chosen.size > 0
      ? { rows: [...chosen].sort((a, b) => a - b) }
      : failed === '' && where === ''
        ? { all: true }
        : { ...(failed !== '' && { failed: [failed] }), ...(where !== '' && { where }) }
  const isFix = verb.verb === 'fix'
  const act: Act = {
    title: `${verb.label} rows of ${page.dataset}`,
    verb: verb.label,
    path: `/api/datasets/${encodeURIComponent(page.dataset)}/quarantine`,
    body:
      isFix && shown === ''
        ? null
        : { verb: verb.verb, version: page.digest, ...choice, ...(isFix && { set: [shown] }) },
    fields: isFix && (
      <div className="fix">
        <label className="fix-field">
          <span>Set</span>
          <select className="field" value={column} onChange={(event) => setColumn(event.currentTarget.value)}>
            <option value="">a column</option>
            {page.columns.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <TextInput
          label="To"
          description="An expression: delay / 60, 'NY', null"
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <button
          type="button"
          className="button"
          disabled={column === '' || value.trim() === ''}
          onClick={() => setShown(`\`${column}\` = ${value.trim()}`)}
        >
          See what comes of it
        </button>
      </div>
    ),
  }
  return <ActDialog act={act} close={close} />
}
