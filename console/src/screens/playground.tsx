/** Try a model: real rows in a form made from its signature, the answer with its reasons, and the same as a command. */
import { Select } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { post } from '../api/client.ts'
import { modelQuery, playgroundQuery } from '../api/queries.ts'
import type { ModelPage, Playground, SignatureField } from '../api/types.ts'
import { Force } from '../charts/force.tsx'
import { metric, plain, share } from '../format/numbers.ts'
import { Command } from '../parts/copy.tsx'
import { Figure } from '../parts/figure.tsx'
import { Icon } from '../parts/icons.tsx'
import { Ask, Empty, ErrorCard, Page, Section } from '../parts/page.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'
import {
  type Answer,
  commandFor,
  fieldText,
  parseField,
  type Row,
  readAnswer,
  readExplanation,
  requestBody,
} from './playground-request.ts'

export function PlaygroundScreen() {
  const { model } = useParams({ strict: false }) as { model: string }
  const query = useQuery(playgroundQuery(model))
  const page = useQuery(modelQuery(model))
  const crumbs = [
    { label: 'Fleet', href: hrefs.fleet() },
    { label: model, href: hrefs.model(model) },
  ]
  return (
    <Ask query={query} title="Playground" crumbs={crumbs}>
      {(playground) => (
        <Page
          title="Playground"
          name={`Playground ${model}`}
          crumbs={crumbs}
          sentence={`What ${model} says of a row, and why. Change any value and ask again.`}
        >
          {playground.signature.inputs.length === 0 ? (
            <Empty title="Nothing is served yet" commands={[page.data?.commands.train ?? 'millrace run']}>
              The form is made from the signature of the live version.
            </Empty>
          ) : (
            <Bench playground={playground} page={page.data ?? null} />
          )}
        </Page>
      )}
    </Ask>
  )
}

type Typed = Record<string, string>

const typedOf = (fields: readonly SignatureField[], row: Row): Typed =>
  Object.fromEntries(fields.map((field) => [field.name, fieldText(row[field.name])]))

/** A row of the address instead of the number of an example, as a link from elsewhere gives it. */
function rowIn(text: string): Row | null {
  try {
    const row: unknown = JSON.parse(text)
    return typeof row === 'object' && row !== null ? (row as Row) : null
  } catch {
    return null
  }
}

interface Tried {
  answer: Answer
  row: Row
  explained: unknown
  problem: unknown
}

function Bench({ playground, page }: { playground: Playground; page: ModelPage | null }) {
  const fields = playground.signature.inputs
  const [at, setAt] = useParam('row', '0')
  const i = Math.min(Math.max(0, playground.examples.length - 1), Math.max(0, Number(at) || 0))
  const [typed, setTyped] = useState<Typed>(() => typedOf(fields, rowIn(at) ?? playground.examples[i] ?? {}))
  const parsed = useMemo(() => parseAll(fields, typed), [fields, typed])
  const body = requestBody(playground.curl, playground.examples, parsed.row)
  const ask = useMutation({ mutationFn: (): Promise<Tried> => tryRow(playground, parsed.row, body) })
  const { reset } = ask
  const pick = (n: number) => {
    const next = (n + playground.examples.length) % playground.examples.length
    setAt(String(next))
    setTyped(typedOf(fields, playground.examples[next] ?? {}))
    reset()
  }
  return (
    <div className="bench">
      <Section
        title="A row"
        tools={
          playground.examples.length > 1 ? (
            <Examples at={i} of={playground.examples.length} pick={pick} />
          ) : undefined
        }
      >
        <form
          className="form"
          noValidate
          onSubmit={(event) => {
            event.preventDefault()
            if (parsed.problems.size === 0) ask.mutate()
          }}
        >
          {fields.map((field) => (
            <Field
              key={field.name}
              field={field}
              choices={playground.choices[field.name]}
              value={typed[field.name] ?? ''}
              problem={parsed.problems.get(field.name) ?? null}
              change={(value) => setTyped((before) => ({ ...before, [field.name]: value }))}
            />
          ))}
          <div className="form-end">
            <button
              type="submit"
              className="button button-primary button-wide"
              disabled={ask.isPending || parsed.problems.size > 0}
            >
              {ask.isPending ? 'Asking…' : 'Predict'}
            </button>
            {parsed.problems.size > 0 && (
              <p className="small tone-warn" role="status">
                {[...parsed.problems.values()][0]}
              </p>
            )}
          </div>
        </form>
      </Section>
      <div className="bench-answer">
        <Section title="The answer">
          {ask.error && <ErrorCard error={ask.error} />}
          {ask.data ? (
            <AnswerPart key={ask.submittedAt} tried={ask.data} playground={playground} page={page} />
          ) : (
            !ask.error && (
              <p className="soft answer-wait">
                Press Predict. The answer, its reasons and a way to say it is wrong appear here.
              </p>
            )
          )}
        </Section>
        <Section title="The same as a command">
          <Command text={commandFor(playground.curl, body)} wrap />
        </Section>
      </div>
    </div>
  )
}

function parseAll(
  fields: readonly SignatureField[],
  typed: Typed,
): { row: Row; problems: Map<string, string> } {
  const row: Row = {}
  const problems = new Map<string, string>()
  for (const field of fields) {
    const { value, problem } = parseField(field, typed[field.name] ?? '')
    row[field.name] = value
    if (problem !== null) problems.set(field.name, problem)
  }
  return { row, problems }
}

/** Asks for the answer first; a failing explanation never takes the answer away. */
async function tryRow(playground: Playground, row: Row, body: unknown): Promise<Tried> {
  const answer = readAnswer(await post<unknown>(playground.predictPath, body))
  const [explained] = await Promise.allSettled([post<unknown>(playground.explainPath, body)])
  return {
    answer,
    row,
    explained: explained.status === 'fulfilled' ? explained.value : null,
    problem: explained.status === 'rejected' ? explained.reason : null,
  }
}

function Examples({ at, of, pick }: { at: number; of: number; pick: (n: number) => void }) {
  return (
    <div className="examples">
      <button type="button" className="tool" onClick={() => pick(at - 1)} aria-label="Example before">
        <Icon name="up" />
      </button>
      <span className="small muted nowrap" aria-live="polite">
        example {at + 1} of {of}
      </span>
      <button type="button" className="tool" onClick={() => pick(at + 1)} aria-label="Next example">
        <Icon name="down" />
      </button>
    </div>
  )
}

interface FieldProps {
  field: SignatureField
  choices: string[] | undefined
  value: string
  problem: string | null
  change: (value: string) => void
}

const TYPE_WORDS: Record<SignatureField['type'], string> = {
  bool: 'yes or no',
  int: 'whole number',
  float: 'number',
  string: 'text',
  time: 'time, UTC',
  date: 'date',
  json: 'JSON',
}

function Field({ field, choices, value, problem, change }: FieldProps) {
  const id = `field-${field.name}`
  const note = `${choices && choices.length > 0 ? 'one of the known values, or any other' : TYPE_WORDS[field.type]}${field.nullable ? ', may be empty' : ''}`
  return (
    <div className="form-field">
      <label htmlFor={id}>
        <span className="name">{field.name}</span> <span className="small muted">{note}</span>
      </label>
      <FieldInput id={id} field={field} choices={choices} value={value} problem={problem} change={change} />
    </div>
  )
}

function FieldInput({ id, field, choices, value, problem, change }: FieldProps & { id: string }) {
  if (choices && choices.length > 0) {
    const data = value !== '' && !choices.includes(value) ? [value, ...choices] : choices
    return <Choice id={id} data={data} value={value} change={change} clearable={field.nullable} />
  }
  if (field.type === 'bool') {
    return (
      <select id={id} className="field" value={value} onChange={(event) => change(event.currentTarget.value)}>
        {field.nullable && <option value="">not known</option>}
        <option value="true">yes</option>
        <option value="false">no</option>
      </select>
    )
  }
  const number = field.type === 'int' || field.type === 'float'
  return (
    <input
      id={id}
      className="field"
      value={value}
      inputMode={number ? 'decimal' : undefined}
      aria-invalid={problem !== null}
      autoComplete="off"
      spellCheck={false}
      onChange={(event) => change(event.currentTarget.value)}
    />
  )
}

/** Search among known values; what is not known can be sent too, because serving must answer it. */
function Choice({
  id,
  data,
  value,
  change,
  clearable,
}: {
  id: string
  data: string[]
  value: string
  change: (value: string) => void
  clearable: boolean
}) {
  const [search, setSearch] = useState(value)
  useEffect(() => setSearch(value), [value])
  const shown = useMemo(() => [...new Set(data)], [data])
  return (
    <Select
      id={id}
      data={shown}
      value={value === '' ? null : value}
      searchable
      clearable={clearable}
      limit={100}
      searchValue={search}
      onSearchChange={setSearch}
      onChange={(next) => change(next ?? '')}
      nothingFoundMessage={
        <button
          type="button"
          className="link-button"
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => change(search)}
        >
          send “{search}” as it is
        </button>
      }
      comboboxProps={{ transitionProps: { duration: 80 } }}
    />
  )
}

function AnswerPart({
  tried,
  playground,
  page,
}: {
  tried: Tried
  playground: Playground
  page: ModelPage | null
}) {
  const { answer, row } = tried
  const [asking, setAsking] = useState<{ label: string; explained: unknown } | null>(null)
  const explainClass = useMutation({
    mutationFn: async (label: string) => {
      const path = `${playground.explainPath}?class=${encodeURIComponent(label)}`
      return { label, explained: await post<unknown>(path, { row }) }
    },
    onSuccess: setAsking,
  })
  const explanation = readExplanation(asking ? asking.explained : tried.explained)
  const binary =
    page === null
      ? answer.output !== null && answer.output >= 0 && answer.output <= 1
      : page.task === 'binary'
  const output = playground.signature.outputs[0]
  return (
    <div className="stack" aria-live="polite">
      <div className="answer">
        <p className="answer-value">
          {answer.label ?? (binary ? share(answer.output) : plain(answer.output))}
        </p>
        <p className="soft">
          {answer.probabilities
            ? `${share(answer.output)} sure, of ${answer.probabilities.length} classes`
            : (asked(page, binary) ?? output?.description ?? output?.name ?? 'the output')}
          <br />
          <span className="small muted">
            by {answeredBy(answer.member, playground.model)}
            {answer.version === null ? '' : ` v${answer.version}`}
            {answer.route === null ? '' : `, route ${answer.route}`}
          </span>
        </p>
      </div>
      {binary && answer.output !== null && (
        <div className="answer-lane" aria-hidden="true">
          <i style={{ width: `${answer.output * 100}%` }} />
        </div>
      )}
      {answer.probabilities && (
        <ClassBars
          probabilities={answer.probabilities}
          chosen={asking?.label ?? answer.label}
          choose={(label) => explainClass.mutate(label)}
        />
      )}
      {explainClass.error && <ErrorCard error={explainClass.error} />}
      {explanation && (
        <Figure
          title={answer.probabilities ? `Why ${asking?.label ?? answer.label}` : 'Why'}
          level={3}
          table={() => ({
            columns: ['feature', 'value', 'contribution'],
            rows: explanation.contributions.map((c) => [c.feature, c.value, c.contribution]),
          })}
        >
          <Force
            explanation={explanation}
            inputs={row}
            output={asking ? probabilityOf(answer, asking.label) : answer.output}
            binary={binary || answer.probabilities !== null}
          />
        </Figure>
      )}
      {tried.problem !== null && <ErrorCard error={tried.problem} />}
      {answer.id !== null && (
        <>
          <Go href={hrefs.prediction(answer.id)} className="link">
            Everything behind prediction {answer.id.slice(0, 12)}
          </Go>
          <Feedback
            key={answer.id}
            id={answer.id}
            path={playground.feedbackPath}
            binary={binary}
            answer={answer}
          />
        </>
      )}
    </div>
  )
}

const BARS_SHOWN = 12

/** All classes with their probabilities, likeliest first; each can be asked for its reasons. */
function ClassBars({
  probabilities,
  chosen,
  choose,
}: {
  probabilities: [string, number][]
  chosen: string | null
  choose: (label: string) => void
}) {
  const rest = probabilities.length - BARS_SHOWN
  return (
    <div className="stack-tight">
      <ul className="class-bars" aria-label="Classes">
        {probabilities.slice(0, BARS_SHOWN).map(([label, probability]) => (
          <li key={label}>
            <button
              type="button"
              className="class-bar"
              aria-pressed={label === chosen}
              title={`Why ${label}?`}
              onClick={() => choose(label)}
            >
              <span className="label">{label}</span>
              <span className="lane" aria-hidden="true">
                <i style={{ width: `${probability * 100}%` }} />
              </span>
              <span className="value">{share(probability)}</span>
            </button>
          </li>
        ))}
      </ul>
      {rest > 0 && <p className="small muted">and {rest} less likely</p>}
    </div>
  )
}

function probabilityOf({ probabilities }: Answer, label: string): number | null {
  return probabilities?.find(([name]) => name === label)?.[1] ?? null
}

/** The model's own question, when it is one that a probability answers. */
function asked(page: ModelPage | null, binary: boolean): string | null {
  return binary && page?.description.trim().endsWith('?') ? `that it is so: ${page.description}` : null
}

/** A member answers by its key; its full name says which family it is of. */
function answeredBy(member: string | null, model: string): string {
  if (member === null || model.includes('/')) return model
  return member.includes('/') ? member : `${model}/${member}`
}

/** "This is wrong": sends what really happened as an outcome of this prediction, as feedback in production arrives. */
function Feedback({
  id,
  path,
  binary,
  answer: { output, label, probabilities },
}: {
  id: string
  path: string
  binary: boolean
  answer: Answer
}) {
  const other = probabilities?.find(([name]) => name !== label)?.[0] ?? ''
  const [truth, setTruth] = useState(probabilities ? other : binary ? ((output ?? 0) >= 0.5 ? '0' : '1') : '')
  const value = probabilities ? truth : truth.trim() === '' ? Number.NaN : Number(truth)
  const isGiven = typeof value === 'string' ? value !== '' : Number.isFinite(value)
  const send = useMutation({ mutationFn: () => post<{ unknown?: number }>(path, { id, value }) })
  if (send.isSuccess && (send.data?.unknown ?? 0) > 0) {
    return (
      <p role="status" className="soft">
        The outcome arrived, but this prediction is not in the log, so it cannot be counted. Predict again and
        send it then.
      </p>
    )
  }
  if (send.isSuccess) {
    return (
      <p role="status" className="soft">
        Thank you. Outcome {typeof value === 'string' ? value : metric(value)} is recorded for this
        prediction; it counts in the window it belongs to.
      </p>
    )
  }
  return (
    <details className="quiet-details">
      <summary>This is wrong</summary>
      <form
        className="inline-form"
        onSubmit={(event) => {
          event.preventDefault()
          if (isGiven) send.mutate()
        }}
      >
        <label className="small soft" htmlFor="truth">
          What really happened
        </label>
        {probabilities ? (
          <select
            id="truth"
            className="field"
            value={truth}
            onChange={(event) => setTruth(event.currentTarget.value)}
          >
            {probabilities.map(([name]) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        ) : binary ? (
          <select
            id="truth"
            className="field"
            value={truth}
            onChange={(event) => setTruth(event.currentTarget.value)}
          >
            <option value="1">yes, it happened</option>
            <option value="0">no, it did not</option>
          </select>
        ) : (
          <input
            id="truth"
            className="field"
            inputMode="decimal"
            value={truth}
            onChange={(event) => setTruth(event.currentTarget.value)}
          />
        )}
        <button type="submit" className="button" disabled={send.isPending || !isGiven}>
          Send
        </button>
      </form>
      {send.error && <ErrorCard error={send.error} />}
    </details>
  )
}
