/** The tables of an additive model: what each feature adds to the raw score, value by value, all on one scale. */
import { useQuery } from '@tanstack/react-query'
import { shapesQuery } from '../../api/queries.ts'
import type { ModelPage, Shapes as ShapesAnswer, ShapeTerm } from '../../api/types.ts'
import { DotRows } from '../../charts/dot-rows.tsx'
import { extent } from '../../charts/scale.ts'
import { ShapeLine } from '../../charts/shape-line.tsx'
import { metric, signed } from '../../format/numbers.ts'
import { Figure } from '../../parts/figure.tsx'
import { Section } from '../../parts/page.tsx'
import { useParam } from '../../shell/go.tsx'

/** Features that are drawn; the list of importance beside has all. */
const DRAWN_MAX = 12

export function Shapes({ page }: { page: ModelPage }) {
  const [chosen, choose] = useParam('class')
  const { data } = useQuery(shapesQuery(page.model, chosen))
  return data ? <Panel shapes={data} choose={choose} /> : null
}

function Panel({ shapes, choose }: { shapes: ShapesAnswer; choose: (name: string) => void }) {
  const drawn = shapes.terms.filter(({ slots }) => slots.length > 0).slice(0, DRAWN_MAX)
  const pairs = shapes.terms.filter(({ features }) => features.length > 1)
  const cells = drawn.flatMap(({ slots }) => slots)
  const domain = extent(
    [0, ...cells.map((s) => s.value - s.deviation), ...cells.map((s) => s.value + s.deviation)],
    0.04,
  )
  return (
    <Section
      title="What each feature adds"
      note="Tables of the model itself, not an estimate: the raw score is the base and what the tables add. All have one scale; bands are the deviation over its trainings, bars below are training rows."
    >
      {shapes.classes.length > 0 && (
        <label className="stack-tight">
          <span className="small muted">Score of the class</span>
          <select
            className="field"
            value={shapes.class ?? ''}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            {shapes.classes.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      <div className="compare">
        {drawn.map((term) => (
          <Term key={term.features[0]} term={term} domain={domain ?? [-1, 1]} />
        ))}
      </div>
      {pairs.length > 0 && (
        <p className="note">
          Pairs that add something of their own:{' '}
          {pairs.map(({ features, meanAbs }) => `${features.join(' and ')} (${metric(meanAbs)})`).join(', ')}.
        </p>
      )}
    </Section>
  )
}

function Term({ term, domain }: { term: ShapeTerm; domain: [number, number] }) {
  const name = term.features[0]!
  const isNumber = term.slots.some(({ from, to }) => from !== null || to !== null)
  const filled = term.slots.filter(({ share }) => share > 0)
  return (
    <Figure
      title={name}
      level={3}
      table={() => ({
        columns: [name, 'adds', 'deviation', 'share of rows'],
        rows: term.slots.map((s) => [s.label, s.value, s.deviation, s.share]),
      })}
    >
      {isNumber ? (
        <ShapeLine name={name} slots={term.slots} domain={domain} />
      ) : (
        <DotRows
          rows={filled.map(({ label, value, deviation }) => ({
            label,
            value,
            interval: [value - deviation, value + deviation],
          }))}
          against={{ value: 0, label: '' }}
          write={signed}
          domain={domain}
        />
      )}
    </Figure>
  )
}
