/** Rows in conflict, a page at a time: before, here and on the branch side by side. A value is taken by pressing it, by 1, 2 and 3, or typed; arrows go from conflict to conflict. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type KeyboardEvent, useState } from 'react'
import { post } from '../api/client.ts'
import { mergePath } from '../api/queries.ts'
import type { Cell, CellDecision, MergedCell, MergedRow, MergePage } from '../api/types.ts'
import { count, plain, plural } from '../format/numbers.ts'
import { exact } from '../format/times.ts'
import { Empty, ErrorCard, Section } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { useParam } from '../shell/go.tsx'
import type { MergeName } from './merge.tsx'

export const MERGE_ROWS = 50

/** Place of a decision about a row as a whole. */
const WHOLE_ROW = -1

interface Decision {
  cells: [number, number][]
  take: string
  value?: string | null
}

export function MergeRows({ page, name }: { page: MergePage; name: MergeName }) {
  const client = useQueryClient()
  const [from, setFrom] = useParam('from')
  const decide = useMutation({
    mutationFn: (decision: Decision) => post(`${mergePath(name)}/decide`, { ...decision, seen: page.step }),
    onSettled: () => client.invalidateQueries({ queryKey: ['merge'] }),
  })
  const first = Number(from) || 0
  const types = new Map(page.columns.map(({ name: column, type }) => [column, type]))
  const last = first + page.rows.length
  return (
    <Section
      title={plural(page.matched, 'row')}
      note="Press the value that is to be. Keys: 1 before, 2 here, 3 the branch, v a value of your own, up and down to the next."
    >
      {decide.error && <ErrorCard error={decide.error} />}
      {page.rows.length === 0 && <Empty title="No row is meant by this filter" />}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrow keys move between the groups in it */}
      <div className="merge-rows" onKeyDown={moveFocus}>
        {page.rows.map((row) => (
          <Row
            key={row.row}
            row={row}
            types={types}
            name={name}
            decide={(decision) => decide.mutate(decision)}
          />
        ))}
      </div>
      {(first > 0 || page.next !== null) && (
        <nav className="merge-pages" aria-label="Pages of rows">
          <button
            type="button"
            className="button"
            disabled={first === 0}
            onClick={() => setFrom(String(Math.max(0, first - MERGE_ROWS) || ''))}
          >
            Before
          </button>
          <span className="small muted num">
            {count(first + 1)} to {count(last)} of {count(page.matched)}
          </span>
          <button
            type="button"
            className="button"
            disabled={page.next === null}
            onClick={() => setFrom(String(page.next))}
          >
            Next
          </button>
        </nav>
      )}
    </Section>
  )
}

/** Up and down go to the first button of the conflict before and after. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step === undefined || event.target instanceof HTMLInputElement) return
  const groups = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-conflict]')]
  const at = groups.findIndex((group) => group.contains(event.target as Node))
  const next = groups[at + step]?.querySelector<HTMLElement>('button[aria-pressed="true"], button')
  if (!next) return
  event.preventDefault()
  next.focus()
  next.scrollIntoView({ block: 'nearest' })
}

type Decide = (decision: Decision) => void

const DID: Record<string, string> = { insert: 'added', update: 'changed', delete: 'deleted' }

interface RowProps {
  row: MergedRow
  /** Types of the columns, by which their values are written. */
  types: ReadonlyMap<string, string>
  name: MergeName
  decide: Decide
}

function Row({ row, types, name, decide }: RowProps) {
  const same = row.same.filter(({ value }) => !row.key.includes(String(value)))
  const write = (column: string, value: Cell) => shown(value, types.get(column))
  const label = row.key.join(', ')
  const isBroken = row.checks.length > 0
  return (
    <article className="merge-row" aria-label={`Row ${label}`}>
      <header className="merge-row-head">
        <h3>{label}</h3>
        {isBroken && <Sign icon="warn" word={`does not keep ${row.checks.join(', ')}`} tone="warn" />}
        <span className="small muted merge-same">
          {same.map(({ column, value }) => (
            <span key={column} className="pair">
              {column} <span className="soft">{write(column, value)}</span>
            </span>
          ))}
        </span>
      </header>
      {row.isDeleted && (
        <Sides
          label={`Row ${label}`}
          title="the row"
          values={{ base: 'as it was', ours: DID[row.ours] ?? '', theirs: DID[row.theirs] ?? '' }}
          decision={row.decision}
          name={name}
          take={(take, value) =>
            decide({ cells: [[row.row, WHOLE_ROW]], take, ...(value !== undefined && { value }) })
          }
        />
      )}
      {row.cells.map((cell) =>
        (cell.isConflict || isBroken) && !row.isDeleted ? (
          <Sides
            key={cell.column}
            label={`${cell.column} of ${label}`}
            title={cell.column}
            values={{
              base: write(cell.column, cell.base),
              ours: write(cell.column, cell.ours),
              theirs: write(cell.column, cell.theirs),
            }}
            decision={cell.decision}
            taken={cell.changedBy}
            name={name}
            isOwn
            take={(take, value) =>
              decide({ cells: [[row.row, cell.place]], take, ...(value !== undefined && { value }) })
            }
          />
        ) : (
          <Plain key={cell.column} cell={cell} row={row} type={types.get(cell.column)} />
        ),
      )}
    </article>
  )
}

/** A cell that needs nobody: one side alone changed it, or the row as a whole is decided. */
function Plain({ cell, row, type }: { cell: MergedCell; row: MergedRow; type: string | undefined }) {
  const side = (of: 'ours' | 'theirs', value: Cell) => (
    <span className={cell.changedBy === of ? 'merge-value merge-taken' : 'merge-value'}>
      {row.isDeleted && row[of] === 'delete' ? <span className="muted">deleted</span> : shown(value, type)}
    </span>
  )
  return (
    <div className="merge-cell merge-plain">
      <span className="merge-name">{cell.column}</span>
      <span className="merge-value muted">{shown(cell.base, type)}</span>
      {side('ours', cell.ours)}
      {side('theirs', cell.theirs)}
      <span />
    </div>
  )
}

/** A value as its column writes it: dates as dates, and what is missing as a sign that no text has. */
function shown(value: Cell, type?: string): string {
  if (value === null) return '∅'
  if (typeof value === 'number' && type === 'date') return exact(value).slice(0, 10)
  if (typeof value === 'number' && type === 'time') return exact(value).slice(0, 16)
  return value === '' ? '“”' : plain(value)
}

interface SidesProps {
  label: string
  title: string
  values: Record<'base' | 'ours' | 'theirs', string>
  decision: CellDecision | null
  /** The side that is taken where nobody decides. */
  taken?: 'ours' | 'theirs' | null
  name: MergeName
  isOwn?: boolean
  take: (take: string, value?: string | null) => void
}

const KEYS: Record<string, 'base' | 'ours' | 'theirs'> = { 1: 'base', 2: 'ours', 3: 'theirs' }

function Sides({ label, title, values, decision, taken = null, name, isOwn, take }: SidesProps) {
  const [isTyping, setTyping] = useState(false)
  const press = (event: KeyboardEvent<HTMLElement>) => {
    if (event.target instanceof HTMLInputElement) return
    const side = KEYS[event.key]
    if (side) take(side)
    else if (event.key === 'v' && isOwn) setTyping(true)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const heads = { base: 'before', ours: name.into, theirs: name.branch }
  const isOpen = decision === null && taken === null
  return (
    // biome-ignore lint/a11y/useSemanticElements: a set of buttons in a grid is no fieldset
    <div
      className={isOpen ? 'merge-cell is-open' : 'merge-cell is-decided'}
      role="group"
      aria-label={isOpen ? `${label}, open` : label}
      data-conflict
      onKeyDown={press}
    >
      <span className="merge-name">
        {isOpen && <span className="merge-dot" aria-hidden="true" />}
        {title}
      </span>
      {(['base', 'ours', 'theirs'] as const).map((side) => (
        <button
          key={side}
          type="button"
          className="merge-side"
          aria-pressed={decision ? decision.take === side : taken === side}
          onClick={() => take(side)}
        >
          <span className="merge-head">{heads[side]}</span>
          <span className="merge-value">{values[side]}</span>
        </button>
      ))}
      <span className="merge-own">
        {isTyping ? (
          <OwnValue
            label={`Value for ${label}`}
            initial={decision?.value ?? ''}
            done={(value) => {
              setTyping(false)
              if (value !== undefined) take('value', value)
            }}
          />
        ) : (
          <>
            {isOwn && (
              <button
                type="button"
                className="merge-side merge-typed"
                aria-pressed={decision?.take === 'value'}
                onClick={() => setTyping(true)}
              >
                <span className="merge-head">other</span>
                <span className="merge-value">
                  {decision?.take === 'value' ? shown(decision.value) : 'type…'}
                </span>
              </button>
            )}
            {decision && (
              <button
                type="button"
                className="link-button merge-clear"
                onClick={() => take('nobody')}
                aria-label={`Open ${label} again`}
              >
                Open again
              </button>
            )}
          </>
        )}
      </span>
    </div>
  )
}

function OwnValue({
  label,
  initial,
  done,
}: {
  label: string
  initial: string
  done: (value?: string | null) => void
}) {
  const [typed, setTyped] = useState(initial)
  return (
    <form
      className="merge-form"
      onSubmit={(event) => {
        event.preventDefault()
        done(typed)
      }}
      onKeyDown={(event) => event.key === 'Escape' && done()}
    >
      <input
        className="field"
        aria-label={label}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        // biome-ignore lint/a11y/noAutofocus: it was asked for by the key or button that opened it
        autoFocus
        spellCheck={false}
        autoComplete="off"
      />
      <button type="submit" className="button">
        Take
      </button>
      <button type="button" className="link-button" onClick={() => done(null)}>
        Missing
      </button>
      <button type="button" className="link-button" onClick={() => done()}>
        Cancel
      </button>
    </form>
  )
}
