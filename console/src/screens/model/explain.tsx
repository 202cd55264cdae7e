/** What the model leans on over all rows, and how one prediction came about. */
import { useMutation, useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { post } from '../../api/client.ts'
import { playgroundQuery } from '../../api/queries.ts'
import type { ModelPage, Playground, SignatureField } from '../../api/types.ts'
import { Force, ImportanceBars } from '../../charts/force.tsx'
import { plain } from '../../format/numbers.ts'
import { day, exact } from '../../format/times.ts'
import { Figure } from '../../parts/figure.tsx'
import { AskPart, Empty, ErrorCard, Section, Skeleton } from '../../parts/page.tsx'
import { useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'
import { readAnswer, readExplanation, requestBody } from '../playground-request.ts'
import { Effects } from './effects.tsx'
import { Shapes } from './shapes.tsx'

export function Explain({ page }: { page: ModelPage }) {
  return (
    <>
      <Shapes page={page} />
      <Leaning page={page} />
      <Effects page={page} />
    </>
  )
}

function Leaning({ page }: { page: ModelPage }) {
  const playground = useQuery(playgroundQuery(page.model))
  return (
    <div className="two">
      <Section>
        {page.importance.length === 0 ? (
          <Empty title="No explanation yet" commands={[page.commands.train]} />
        ) : (
          <Figure
            title="What it leans on"
            note="Mean absolute contribution to the raw score over the test split, largest first."
            table={() => ({
              columns: ['feature', 'mean absolute contribution'],
              rows: page.importance.map((f) => [f.feature, f.meanAbs]),
            })}
          >
            <ImportanceBars importance={page.importance} />
          </Figure>
        )}
      </Section>
      <Section
        title="One prediction"
        note="A real row, explained: from the base over each feature to the score. The parts add up exactly."
      >
        <ById />
        <AskPart query={playground} lines={10}>
          {(data) =>
            data.examples.length === 0 ? (
              <p className="soft">No example rows yet.</p>
            ) : (
              <OneExample page={page} playground={data} />
            )
          }
        </AskPart>
      </Section>
    </div>
  )
}

/** Straight to the whole story of a prediction whose id one has. */
function ById() {
  const router = useRouter()
  const [id, setId] = useState('')
  return (
    <form
      className="inline-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (id.trim() !== '') router.history.push(hrefs.prediction(id.trim()))
      }}
    >
      <input
        className="field"
        placeholder="Prediction id"
        aria-label="Prediction id"
        value={id}
        onChange={(event) => setId(event.currentTarget.value)}
        spellCheck={false}
      />
      <button type="submit" className="button" disabled={id.trim() === ''}>
        Why
      </button>
    </form>
  )
}

/** A value in a line of choices: `1 Jun 2001, 16:45`, `MCO`. */
function shown(value: unknown, type: SignatureField['type']): string {
  const at = type === 'time' && typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? plain(value) : `${day(at)}, ${exact(at).slice(11, 16)}`
}

function OneExample({ page, playground }: { page: ModelPage; playground: Playground }) {
  const [at, setAt] = useParam('row', '0')
  const i = Math.min(playground.examples.length - 1, Math.max(0, Number(at) || 0))
  const row = playground.examples[i]!
  const explain = useMutation({
    mutationFn: (given: Record<string, unknown>) =>
      post<unknown>(playground.explainPath, requestBody(playground.curl, playground.examples, given)),
  })
  const { mutate } = explain
  useEffect(() => mutate(row), [mutate, row])
  const explanation = readExplanation(explain.data)
  return (
    <>
      <label className="stack-tight">
        <span className="small muted">Example row</span>
        <select className="field" value={i} onChange={(event) => setAt(event.currentTarget.value)}>
          {playground.examples.map((example, n) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: examples are told apart by their place
            <option key={n} value={n}>
              {page.signature.inputs.map((field) => shown(example[field.name], field.type)).join(' · ')}
            </option>
          ))}
        </select>
      </label>
      {explain.error && <ErrorCard error={explain.error} retry={() => mutate(row)} />}
      {explanation ? (
        <Figure
          title="Contributions"
          level={3}
          table={() => ({
            columns: ['feature', 'value', 'contribution'],
            rows: explanation.contributions.map((c) => [c.feature, c.value, c.contribution]),
          })}
        >
          <Force explanation={explanation} inputs={row} output={readAnswer(explain.data).output} />
        </Figure>
      ) : (
        !explain.error && <Skeleton lines={10} height={24} />
      )}
    </>
  )
}
