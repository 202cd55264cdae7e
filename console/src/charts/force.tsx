/** A prediction as a walk: from what the model says of everyone (base), feature by feature, to what it says of this one. */
import type { Explanation } from '../api/types.ts'
import { brief, metric, share, signed } from '../format/numbers.ts'
import { extent, type ForceStep, forceSteps, linear } from './scale.ts'

const STEPS_MAX = 12

interface ForceProps {
  explanation: Explanation
  /** The input behind a feature, as people wrote it, when it says more than the number. */
  inputs?: Record<string, unknown>
  output: number | null
  /** Whether the output is a probability. */
  binary?: boolean
}

export function Force({
  explanation,
  inputs = {},
  output,
  binary = explanation.scale === 'log-odds',
}: ForceProps) {
  const steps = forceSteps(explanation.base, explanation.contributions, STEPS_MAX)
  const span = extent([explanation.base, explanation.raw, ...steps.map((s) => s.to)], 0.06) ?? [0, 1]
  const at = linear(span, [0, 100])
  return (
    <div className="force">
      <ForceEnd name="base" note="the mean over training" value={explanation.base} at={at} />
      {steps.map((step) => (
        <ForceRow key={step.feature} step={step} at={at} given={inputs[step.feature]} />
      ))}
      <ForceEnd
        name="score"
        note={explanation.scale}
        value={explanation.raw}
        at={at}
        output={output === null ? undefined : binary ? share(output) : metric(output)}
      />
    </div>
  )
}

type At = (value: number) => number

function ForceRow({ step, at, given }: { step: ForceStep; at: At; given: unknown }) {
  const up = step.contribution >= 0
  const left = at(Math.min(step.from, step.to))
  const wide = Math.max(0.4, Math.abs(at(step.to) - at(step.from)))
  const value = given === undefined ? step.value : given
  return (
    <div className="force-row">
      <div className="force-name cut" title={`${step.feature} = ${brief(value, 6)}`}>
        {step.feature}
        {value !== null && value !== undefined && <span className="muted"> = {brief(value)}</span>}
      </div>
      <div className="force-lane" aria-hidden="true">
        <i className="force-link" style={{ left: `${at(step.from)}%` }} />
        <i
          className={up ? 'force-bar force-up' : 'force-bar force-down'}
          style={{ left: `${left}%`, width: `${wide}%` }}
        />
      </div>
      <div className="num">
        {signed(step.contribution)} <span className="sr">{up ? 'raises' : 'lowers'} the score</span>
      </div>
    </div>
  )
}

function ForceEnd({
  name,
  note,
  value,
  at,
  output,
}: {
  name: string
  note: string
  value: number
  at: At
  output?: string
}) {
  return (
    <div className="force-row force-end">
      <div className="force-name cut">
        {name} <span className="muted">{note}</span>
      </div>
      <div className="force-lane" aria-hidden="true">
        <i className="force-mark" style={{ left: `${at(value)}%` }} />
      </div>
      <div className="num">
        {metric(value)}
        {output !== undefined && <strong className="force-output"> → {output}</strong>}
      </div>
    </div>
  )
}

/** Mean absolute contribution by feature as bars with their names: what the model leans on. */
export function ImportanceBars({
  importance,
}: {
  importance: readonly { feature: string; meanAbs: number }[]
}) {
  const top = Math.max(...importance.map((f) => f.meanAbs), 1e-9)
  return (
    <ol className="bars">
      {importance.map((f) => (
        <li key={f.feature} className="bar-row">
          <span className="cut" title={f.feature}>
            {f.feature}
          </span>
          <span className="bar-lane" aria-hidden="true">
            <i style={{ width: `${(f.meanAbs / top) * 100}%` }} />
          </span>
          <span className="num">{metric(f.meanAbs)}</span>
        </li>
      ))}
    </ol>
  )
}
