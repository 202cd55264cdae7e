/** Each class of a model that tells several apart: how much of it is found, how far it can be believed, and what it is taken for. */
import type { ClassRow, ModelPage } from '../../api/types.ts'
import { count, share } from '../../format/numbers.ts'
import { Figure, Scroll } from '../../parts/figure.tsx'
import { MeasuredValue } from '../../parts/measured.tsx'
import { Section } from '../../parts/page.tsx'

interface Props {
  page: ModelPage
  classes: ClassRow[]
}

/** Classes up to which every pair has a cell; beyond, the pairs that are confused most are listed. */
const MATRIX_MAX = 14
const PAIRS_SHOWN = 20

export function Classes({ page, classes }: Props) {
  return (
    <div className="two">
      <Section
        title="Classes"
        note="Found: the share of a class that was named so. Right: the share of what was named so that is. Both on the test split, with 95 % intervals; said and happened count the newest window."
      >
        <Scroll label="Classes">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Class</th>
                {['Trained on', 'Found', 'Right', 'Said', 'Happened'].map((name) => (
                  <th key={name} scope="col" className="num">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {classes.map((row) => (
                <tr key={row.label}>
                  <td className="name">{row.label}</td>
                  <td className="num">{row.trainRows === null ? 'never' : count(row.trainRows)}</td>
                  <td className="num">
                    {row.recall ? (
                      <MeasuredValue name={`${row.label}, found`} of={row.recall} write={share} />
                    ) : (
                      '–'
                    )}
                  </td>
                  <td className="num">
                    {row.precision ? (
                      <MeasuredValue
                        name={`${row.label}, right when said`}
                        of={row.precision}
                        write={share}
                      />
                    ) : (
                      '–'
                    )}
                  </td>
                  <td className="num">{row.said === null ? '–' : count(row.said)}</td>
                  <td className="num">{row.happened === null ? '–' : count(row.happened)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Section>
      <Section>
        <Figure
          title="What is taken for what"
          note="On the test split. Rows: what it was; columns: what was said. Darker holds a larger share of its row."
          table={() => ({
            columns: ['was', 'said', 'rows'],
            rows: (page.confusion ?? []).map(([actual, said, n]) => [
              classes[actual]?.label,
              classes[said]?.label,
              n,
            ]),
          })}
        >
          <Confusion confusion={page.confusion ?? []} classes={classes.filter((c) => c.trainRows !== null)} />
        </Figure>
      </Section>
    </div>
  )
}

interface ConfusionProps {
  confusion: NonNullable<ModelPage['confusion']>
  classes: ClassRow[]
}

function Confusion({ confusion, classes }: ConfusionProps) {
  if (confusion.length === 0) return <p className="note">No test rows were scored.</p>
  return classes.length <= MATRIX_MAX ? (
    <Matrix confusion={confusion} classes={classes} />
  ) : (
    <Pairs confusion={confusion} classes={classes} />
  )
}

function Matrix({ confusion, classes }: ConfusionProps) {
  const rows = new Map(confusion.map(([actual, said, n]) => [`${actual} ${said}`, n]))
  const totals = classes.map((_, actual) =>
    classes.reduce((sum, _c, said) => sum + (rows.get(`${actual} ${said}`) ?? 0), 0),
  )
  return (
    <Scroll label="What is taken for what">
      <table className="confusion">
        <thead>
          <tr>
            <td />
            {classes.map(({ label }) => (
              <th key={label} scope="col" title={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {classes.map(({ label }, actual) => (
            <tr key={label}>
              <th scope="row" title={label}>
                {label}
              </th>
              {classes.map(({ label: other }, said) => {
                const n = rows.get(`${actual} ${said}`) ?? 0
                const part = totals[actual] ? n / totals[actual] : 0
                return (
                  <td
                    key={other}
                    data-right={actual === said}
                    style={{ '--part': part } as React.CSSProperties}
                    title={`${label} said to be ${other}: ${count(n)} rows, ${share(part)} of ${label}`}
                  >
                    {n === 0 ? '' : count(n)}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  )
}

/** The pairs that are confused most, where a matrix would not fit. */
function Pairs({ confusion, classes }: ConfusionProps) {
  const wrong = confusion.filter(([actual, said]) => actual !== said).slice(0, PAIRS_SHOWN)
  return (
    <ul className="notes">
      {wrong.map(([actual, said, n]) => (
        <li key={`${actual} ${said}`}>
          {classes[actual]?.label} said to be {classes[said]?.label}: {count(n)} rows
        </li>
      ))}
    </ul>
  )
}
