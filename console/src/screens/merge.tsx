/** A merge that waits: what contradicts, columns first, then rows with the values of all three versions side by side; decided one by one or many at once, taken back, and merged. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { post } from '../api/client.ts'
import { mergePath, mergeQuery } from '../api/queries.ts'
import type { MergePage } from '../api/types.ts'
import { count, plural, shortDigest } from '../format/numbers.ts'
import { type Act, ActDialog } from '../parts/act.tsx'
import { Ask, ErrorCard, Page, Section } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { Ago } from '../parts/time.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'
import { MergeFilters } from './merge-filters.tsx'
import { MERGE_ROWS, MergeRows } from './merge-rows.tsx'

export interface MergeName {
  dataset: string
  into: string
  branch: string
}

export function Merge() {
  const name = useParams({ strict: false }) as unknown as MergeName
  const [column] = useParam('column')
  const [where] = useParam('where')
  const [state] = useParam('state')
  const [from] = useParam('from')
  const ask = { column, where, state, from: Number(from) || 0, limit: MERGE_ROWS }
  const query = useQuery(mergeQuery(name, ask))
  const [known, setKnown] = useState<MergePage>()
  if (query.data && query.data !== known) setKnown(query.data)
  const crumbs = [
    { label: 'Data', href: hrefs.data() },
    { label: name.dataset, href: hrefs.dataset(name.dataset) },
  ]
  // A filter that cannot be read leaves the page as it was, and says so beside the field.
  const shown = known ? { ...query, data: query.data ?? known } : query
  return (
    <Ask query={shown as typeof query} title={`Merge ${name.branch}`} crumbs={crumbs}>
      {(page) => <Waiting page={page} name={name} fault={query.error} crumbs={crumbs} />}
    </Ask>
  )
}

interface WaitingProps {
  page: MergePage
  name: MergeName
  fault: Error | null
  crumbs: { label: string; href: string }[]
}

function Waiting({ page, name, fault, crumbs }: WaitingProps) {
  const [asked, setAsked] = useState<'finish' | 'abandon' | null>(null)
  const client = useQueryClient()
  const isDecided = page.decided === page.conflicts
  const close = () => {
    setAsked(null)
    void client.invalidateQueries({ queryKey: ['merge'] })
  }
  return (
    <Page
      title={`${page.branch} → ${page.into}`}
      name={`Merge ${page.branch} into ${page.into}`}
      crumbs={crumbs}
      sentence={page.sentence}
      sign={
        page.moved.length > 0 ? (
          <Sign icon="half" word={`${page.moved.join(' and ')} moved since`} tone="warn" />
        ) : isDecided ? (
          <Sign icon="check" word="decided" tone="ok" />
        ) : undefined
      }
      actions={
        <>
          <button
            type="button"
            className="button button-primary"
            disabled={page.moved.length > 0}
            onClick={() => setAsked('finish')}
          >
            Merge…
          </button>
          <button type="button" className="button" onClick={() => setAsked('abandon')}>
            Abandon…
          </button>
        </>
      }
    >
      <Progress page={page} />
      {page.moved.length > 0 && <BeginAgain page={page} name={name} />}
      <Broken page={page} />
      <Columns page={page} name={name} />
      <MergeFilters page={page} name={name} fault={fault} />
      <MergeRows page={page} name={name} />
      <Steps page={page} name={name} />
      <ActDialog act={asked && actOf(asked, name)} close={close} />
    </Page>
  )
}

function actOf(verb: 'finish' | 'abandon', name: MergeName): Act {
  const path = `${mergePath(name)}/${verb}`
  const { branch, into, dataset } = name
  if (verb === 'finish')
    return {
      title: `Merge ${branch} into ${into}`,
      verb: 'Merge',
      doing: 'Merging',
      path,
      body: {},
      after: (
        <p className="soft">
          All checks ran again on the result.{' '}
          <Go href={hrefs.dataset(dataset)} className="link">
            To {dataset}
          </Go>
        </p>
      ),
    }
  return { title: `Abandon the merge of ${branch}`, verb: 'Abandon', path, body: {} }
}

function Progress({ page }: { page: MergePage }) {
  return (
    <Section>
      <div className="merge-progress">
        <progress value={page.decided} max={Math.max(1, page.conflicts)} aria-label="Conflicts decided" />
        <span>
          <strong className="num">{count(page.decided)}</strong> of {count(page.conflicts)} decided
        </span>
        <span className="small muted">
          begun by {page.by} <Ago at={page.beganAt} /> ·{' '}
          {page.base && (
            <Go href={hrefs.diff(page.dataset, page.base, page.ours)} className="link">
              what {page.into} changed
            </Go>
          )}
          {page.base && ' · '}
          {page.base && (
            <Go href={hrefs.diff(page.dataset, page.base, page.theirs)} className="link">
              what {page.branch} changed
            </Go>
          )}
        </span>
      </div>
    </Section>
  )
}

/** A branch moved: nothing can be merged, and nothing that still fits is lost. */
function BeginAgain({ page, name }: { page: MergePage; name: MergeName }) {
  const client = useQueryClient()
  const renew = useMutation({
    mutationFn: () => post<{ merge: unknown }>(`${mergePath(name)}/renew`, {}),
    onSuccess: () => void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'plan' }),
  })
  return (
    <Section title={`${page.moved.join(' and ')} moved since`}>
      <p className="soft">
        This merge was begun at {shortDigest(page.ours)} and {shortDigest(page.theirs)}. Begin again:
        decisions about cells that are as they were are kept, the others are open.
      </p>
      {renew.error && <ErrorCard error={renew.error} />}
      <p>
        <button
          type="button"
          className="button button-primary"
          disabled={renew.isPending}
          onClick={() => renew.mutate()}
        >
          {renew.isPending ? 'Beginning again…' : 'Begin again'}
        </button>
      </p>
    </Section>
  )
}

function Broken({ page }: { page: MergePage }) {
  const [, setState] = useParam('state')
  if (page.broken === null) return null
  const { rows, step } = page.broken
  const elsewhere = rows.filter(({ row }) => row === null)
  return (
    <Section
      title={`${plural(rows.length, 'merged row')} would not keep a check`}
      note={`Found when it was last tried to merge, ${step === page.step ? 'as it is decided now' : 'before your last decisions'}.`}
    >
      <ul className="notes">
        {rows.slice(0, step === page.step ? 5 : 2).map(({ key, check }) => (
          <li key={`${key.join('|')} ${check}`}>
            <strong>{key.join(', ')}</strong> does not keep <em>{check}</em>
          </li>
        ))}
      </ul>
      {elsewhere.length < rows.length && (
        <button type="button" className="button" onClick={() => setState('broken')}>
          Show them
        </button>
      )}
      {elsewhere.length > 0 && (
        <p className="soft">
          {plural(elsewhere.length, 'row')} of these {elsewhere.length === 1 ? 'is' : 'are'} in no conflict:
          change one of the branches.
        </p>
      )}
    </Section>
  )
}

/** Columns before rows: what both sides did to one that contradicts. */
function Columns({ page, name }: { page: MergePage; name: MergeName }) {
  const client = useQueryClient()
  const decide = useMutation({
    mutationFn: (body: { column: string; take: string }) => post(`${mergePath(name)}/column`, body),
    onSettled: () => client.invalidateQueries({ queryKey: ['merge'] }),
  })
  if (page.schema.length === 0) return null
  return (
    <Section title={plural(page.schema.length, 'column')} note="Columns are merged before rows.">
      {decide.error && <ErrorCard error={decide.error} />}
      {page.schema.map(({ column, base, ours, theirs, take, choices }) => (
        <fieldset key={column} className="merge-column">
          <legend>
            <code>{column}</code>
          </legend>
          <p className="small soft">
            before: {base ?? 'not there'} · {page.into}: {ours} · {page.branch}: {theirs}
          </p>
          {choices.map((choice) => (
            <label key={choice.take} className="merge-choice">
              <input
                type="radio"
                name={`column-${column}`}
                checked={take === choice.take}
                onChange={() => decide.mutate({ column: column!, take: choice.take })}
              />{' '}
              {choice.words}
            </label>
          ))}
        </fieldset>
      ))}
    </Section>
  )
}

/** Every decision is a step, and every step can be taken back. */
function Steps({ page, name }: { page: MergePage; name: MergeName }) {
  const client = useQueryClient()
  const undo = useMutation({
    mutationFn: (step: number) => post(`${mergePath(name)}/undo`, { step }),
    onSettled: () => client.invalidateQueries({ queryKey: ['merge'] }),
  })
  if (page.steps.length === 0) return null
  return (
    <Section title="Decisions" note="Newest first. Each is in the journal and can be taken back.">
      {undo.error && <ErrorCard error={undo.error} />}
      <ol className="merge-steps">
        {page.steps.map((step) => (
          <li key={step.step} className={step.isUndone ? 'is-undone' : ''}>
            <span className="num small muted">{step.step}</span>
            <span className="merge-words">
              {step.isUndone ? <s>{step.words}</s> : step.words}
              <span className="small muted">
                {' '}
                {step.by} <Ago at={step.at} />
              </span>
            </span>
            {step.canUndo && (
              <button
                type="button"
                className="link-button"
                disabled={undo.isPending}
                onClick={() => undo.mutate(step.step)}
                aria-label={`Undo step ${step.step}: ${step.words}`}
              >
                Undo
              </button>
            )}
          </li>
        ))}
      </ol>
    </Section>
  )
}
