/** What the model's quality leans on, with intervals, and how its score depends on one feature. */
import { useQuery } from '@tanstack/react-query'
import { effectsQuery } from '../../api/queries.ts'
import type { EffectCurve, Effects as EffectsAnswer, ModelPage, ShapeSlot } from '../../api/types.ts'
import { DotRows } from '../../charts/dot-rows.tsx'
import { extent } from '../../charts/scale.ts'
import { ShapeLine } from '../../charts/shape-line.tsx'
import { metricName } from '../../format/names.ts'
import { plain, signed } from '../../format/numbers.ts'
import { Figure } from '../../parts/figure.tsx'
import { AskPart, Section } from '../../parts/page.tsx'
import { useParam } from '../../shell/go.tsx'

const DRAWN_MAX = 12

export function Effects({ page }: { page: ModelPage }) {
  const [feature, choose] = useParam('feature')
  const [className] = useParam('class')
  const query = useQuery({
    ...effectsQuery(page.model, feature, className),
    enabled: page.importance.length > 0,
    placeholderData: (before) => before,
  })
  if (page.importance.length === 0 || query.data === null) return null
  return (
    <AskPart query={query} lines={10}>
      {(data) => data && <Panel effects={data} choose={choose} />}
    </AskPart>
  )
}

function Panel({ effects, choose }: { effects: EffectsAnswer; choose: (name: string) => void }) {
  const drawn = [...effects.features].sort((a, b) => b.shuffled.value - a.shuffled.value).slice(0, DRAWN_MAX)
  const curve = effects.curves[0]
  return (
    <div className="two">
      <Section
        title="What its quality leans on"
        note={`Rise of ${metricName(effects.loss)} when a feature is shuffled over ${effects.rows} test rows, with 95 % intervals. Of two alike features both may look small.`}
      >
        <Figure
          title={`Rise of ${metricName(effects.loss)}`}
          level={3}
          table={() => ({
            columns: ['feature', 'rise', 'from', 'to', 'mean absolute contribution'],
            rows: effects.features.map((f) => [
              f.feature,
              f.shuffled.value,
              ...f.shuffled.interval,
              f.contribution,
            ]),
          })}
        >
          <DotRows
            rows={drawn.map(({ feature, shuffled }) => ({
              label: feature,
              value: shuffled.value,
              interval: shuffled.interval,
            }))}
            against={{ value: 0, label: '' }}
            write={signed}
          />
        </Figure>
      </Section>
      {curve && (
        <Section
          title="How the score depends on it"
          note="Accumulated local effect on the raw score, among rows that there are; its mean over rows is 0. Bars below are test rows."
        >
          <label className="stack-tight">
            <span className="small muted">Feature</span>
            <select
              className="field"
              value={curve.feature}
              onChange={(event) => choose(event.currentTarget.value)}
            >
              {effects.features.map(({ feature }) => (
                <option key={feature}>{feature}</option>
              ))}
            </select>
          </label>
          <CurveFigure curve={curve} />
        </Section>
      )}
    </div>
  )
}

function CurveFigure({ curve }: { curve: EffectCurve }) {
  const { feature, at, local, dependence, rows } = curve
  const isLine = curve.type === 'number' && at.length > 1
  return (
    <Figure
      title={feature}
      level={3}
      table={() => ({
        columns: [feature, 'local effect', 'mean score there', 'rows'],
        rows: at.map((value, k) => [plain(value), local[k]!, dependence[k]!, rows[k]!]),
      })}
    >
      {isLine ? (
        <ShapeLine name={feature} slots={slotsOf(curve)} domain={extent([0, ...local], 0.06) ?? [-1, 1]} />
      ) : (
        <DotRows
          rows={at.map((value, k) => ({ label: plain(value), value: local[k]!, n: rows[k]! }))}
          against={{ value: 0, label: '' }}
          write={signed}
        />
      )}
    </Figure>
  )
}

/** Between two values of the curve the score is taken for their mean. */
function slotsOf({ at, local, rows }: EffectCurve): ShapeSlot[] {
  const total = rows.reduce((sum, n) => sum + n, 0)
  return at.slice(1).map((value, k) => ({
    label: `${plain(at[k])} to ${plain(value)}`,
    from: Number(at[k]),
    to: Number(value),
    value: (local[k]! + local[k + 1]!) / 2,
    deviation: 0,
    share: total > 0 ? rows[k + 1]! / total : 0,
  }))
}
