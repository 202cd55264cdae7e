/** Which conflicts are shown, by column, state and expression, all in the address; and one decision for all of them after a look at what comes of it. */
import { Modal, TextInput } from '@mantine/core'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { post } from '../api/client.ts'
import { mergePath } from '../api/queries.ts'
import type { MergeDecided, MergePage } from '../api/types.ts'
import { count, plural } from '../format/numbers.ts'
import { Scroll } from '../parts/figure.tsx'
import { Chips, ErrorCard, Section, Skeleton } from '../parts/page.tsx'
import { Where } from '../parts/where.tsx'
import { useParam } from '../shell/go.tsx'
import type { MergeName } from './merge.tsx'

type Take = 'ours' | 'theirs' | 'base' | 'expression' | 'value'

const STATES: [string, string][] = [
  ['', 'all'],
  ['open', 'open'],
  ['decided', 'decided'],
]

/** A condition on a column in conflict; on numbers where there are any. */
function exampleOf({ columns, counts }: MergePage): string {
  const open = counts.by.flatMap(({ column }) => column ?? [])
  const numeric = open.find((name) => {
    const type = columns.find((column) => column.name === name)?.type
    return type === 'int' || type === 'float'
  })
  if (numeric !== undefined) return `theirs_${numeric} > 2 * ours_${numeric}`
  const name = open[0] ?? columns[0]?.name ?? 'column'
  return `theirs_${name} = base_${name}`
}

export function MergeFilters({
  page,
  name,
  fault,
}: {
  page: MergePage
  name: MergeName
  fault: Error | null
}) {
  const [column, setColumn] = useParam('column')
  const [where] = useParam('where')
  const [state, setState] = useParam('state')
  const [, setFrom] = useParam('from')
  const [take, setTake] = useState<Take | null>(null)
  const states = page.broken ? [...STATES, ['broken', 'not kept by a check'] as [string, string]] : STATES
  const pick = (set: (value: string) => void) => (value: string) => {
    setFrom('')
    set(value)
  }
  const of = [column === '' ? 'all' : column, where === '' ? '' : 'where this holds']
    .filter(Boolean)
    .join(' ')
  return (
    <Section title="Conflicts">
      <div className="filters merge-filters">
        <Chips label="Columns">
          {page.counts.by.map(({ column: each, kind, conflicts, decided }) => (
            <button
              key={each ?? kind}
              type="button"
              className="chip"
              disabled={each === null}
              aria-pressed={each !== null && column === each}
              onClick={() => pick(setColumn)(column === each ? '' : each!)}
            >
              {each ?? (kind === 'deleted' ? 'deleted or changed' : 'checks not kept')}{' '}
              <span className="muted">
                {count(decided)}/{count(conflicts)}
              </span>
            </button>
          ))}
        </Chips>
        <Chips label="State">
          {states.map(([value, words]) => (
            <button
              key={words}
              type="button"
              className="chip"
              aria-pressed={state === value}
              onClick={() => pick(setState)(value)}
            >
              {words}
            </button>
          ))}
        </Chips>
        <Where example={exampleOf(page)} error={fault} />
      </div>
      <div className="merge-many">
        <span className="small soft">Decide what is open of {of}:</span>
        {(['ours', 'theirs', 'base'] as const).map((side) => (
          <button key={side} type="button" className="button" onClick={() => setTake(side)}>
            {wordsOf(side, name)}
          </button>
        ))}
        <button
          type="button"
          className="button"
          disabled={column === ''}
          onClick={() => setTake('expression')}
        >
          Expression…
        </button>
        <button type="button" className="button" disabled={column === ''} onClick={() => setTake('value')}>
          Value…
        </button>
        {column === '' && <span className="small muted">Choose a column for an expression or a value.</span>}
      </div>
      <Modal
        opened={take !== null}
        onClose={() => setTake(null)}
        title={take ? `${of}: ${wordsOf(take, name)}` : ''}
        size="lg"
        transitionProps={{ duration: 120 }}
        closeButtonProps={{ 'aria-label': 'Dismiss' }}
        centered
      >
        {take && (
          <Many
            take={take}
            choice={{ ...(column !== '' && { column }), ...(where !== '' && { where }) }}
            page={page}
            name={name}
            close={() => setTake(null)}
          />
        )}
      </Modal>
    </Section>
  )
}

/** Sides in the words of the branches. */
function wordsOf(take: Take, { into, branch }: MergeName): string {
  if (take === 'ours') return `As in ${into}`
  if (take === 'theirs') return `As in ${branch}`
  if (take === 'base') return 'As before'
  return take === 'expression' ? 'By an expression' : 'A value'
}

interface ManyProps {
  take: Take
  choice: Record<string, unknown>
  page: MergePage
  name: MergeName
  close: () => void
}

function Many({ take, choice, page, name, close }: ManyProps) {
  const client = useQueryClient()
  const [typed, setTyped] = useState('')
  const [asked, setAsked] = useState<string | null>(take === 'expression' || take === 'value' ? null : '')
  const path = `${mergePath(name)}/decide`
  const own = take === 'expression' ? { expression: asked } : take === 'value' ? { value: asked } : {}
  const body = { ...choice, take, ...own, seen: page.step }
  const plan = useQuery({
    queryKey: ['plan', path, body],
    queryFn: () => post<MergeDecided>(path, { ...body, dryRun: true }),
    enabled: asked !== null,
    gcTime: 0,
    retry: false,
  })
  const run = useMutation({
    mutationFn: () => post<MergeDecided>(path, body),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['merge'] })
      close()
    },
  })
  return (
    <div className="stack">
      {(take === 'expression' || take === 'value') && (
        <form
          className="merge-ask"
          onSubmit={(event) => {
            event.preventDefault()
            setAsked(typed)
          }}
        >
          <TextInput
            label={take === 'expression' ? 'Expression of ours, theirs and base' : 'Value'}
            placeholder={take === 'expression' ? 'ours + theirs - base' : ''}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            spellCheck={false}
            autoComplete="off"
            data-autofocus
          />
          <button type="submit" className="button">
            See what comes of it
          </button>
        </form>
      )}
      {asked === null ? null : plan.data ? (
        <Foreseen plan={plan.data} />
      ) : plan.error ? (
        <ErrorCard error={plan.error} />
      ) : (
        <Skeleton lines={4} height={24} />
      )}
      {run.error && <ErrorCard error={run.error} />}
      <div className="dialog-actions">
        <button type="button" className="button" onClick={close}>
          Cancel
        </button>
        <button
          type="button"
          className="button button-primary"
          disabled={!plan.data || plan.data.n === 0 || run.isPending}
          onClick={() => run.mutate()}
        >
          {plan.data ? `Decide ${count(plan.data.n)}` : 'Decide'}
        </button>
      </div>
    </div>
  )
}

function Foreseen({ plan }: { plan: MergeDecided }) {
  if (plan.n === 0) return <p className="soft">Nothing of this is open.</p>
  return (
    <div className="stack-tight">
      <p>
        {plural(plan.n, 'conflict')} decided
        {plan.missing > 0 && `, of which ${count(plan.missing)} come to no value`}.
      </p>
      <Scroll label="Some of them">
        <table className="table">
          <thead>
            <tr>
              {['Row', 'Column', 'Before', 'Here', 'Branch', 'Result'].map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {plan.sample.map((row) => (
              <tr key={`${row.key.join('|')} ${row.column}`}>
                <td>{row.key.join(', ')}</td>
                <td>{row.column ?? 'the row'}</td>
                <td className="muted">{row.base ?? '∅'}</td>
                <td>{row.ours ?? '∅'}</td>
                <td>{row.theirs ?? '∅'}</td>
                <td>
                  <strong>{row.result ?? '∅'}</strong>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </div>
  )
}
