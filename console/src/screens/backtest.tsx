/** How fresh must the model be: trained on data of different ages, tested on the same later window. The lesson stands at the top. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { backtestQuery } from '../api/queries.ts'
import type { Backtest } from '../api/types.ts'
import { DotRows } from '../charts/dot-rows.tsx'
import { count, metric, share } from '../format/numbers.ts'
import { exact, windowDays } from '../format/times.ts'
import { Figure, Scroll } from '../parts/figure.tsx'
import { MeasuredValue } from '../parts/measured.tsx'
import { Ask, Empty, Page, Section } from '../parts/page.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function BacktestScreen() {
  const { model } = useParams({ strict: false }) as { model: string }
  const query = useQuery(backtestQuery(model))
  const crumbs = [
    { label: 'Fleet', href: hrefs.fleet() },
    { label: model, href: hrefs.model(model) },
  ]
  return (
    <Ask query={query} title="Backtest" crumbs={crumbs}>
      {(backtest) => (
        <Page title="Backtest" name={`Backtest ${model}`} crumbs={crumbs} sentence={backtest?.lesson}>
          {backtest === null || backtest.rows.length === 0 ? (
            <Empty title="No backtest yet" commands={['millrace run']}>
              A backtest trains on windows of different ages and tests all of them on the same later window.
              It tells how often an update is worth it.
            </Empty>
          ) : (
            <Body backtest={backtest} />
          )}
        </Page>
      )}
    </Ask>
  )
}

const VIEWS = [
  {
    key: 'auc',
    title: 'Ranking: AUC',
    note: 'Higher is better. Bars are 95 % intervals on the test window.',
  },
  { key: 'logLoss', title: 'Probabilities: log loss', note: 'Lower is better.' },
] as const

function Body({ backtest }: { backtest: Backtest }) {
  const actual = backtest.rows[0]!.meanActual
  const note = (row: Backtest['rows'][number]) =>
    `${windowDays(row.fromAt, row.toAt)}, ${count(row.rowsTrained)} rows`
  return (
    <>
      <div className="three">
        {VIEWS.map((view) => {
          const rows = backtest.rows.map((row) => ({
            label: row.label,
            note: '',
            value: row[view.key].value,
            interval: row[view.key].interval,
            n: row[view.key].n,
          }))
          const best =
            view.key === 'auc' ? Math.max(...rows.map((r) => r.value)) : Math.min(...rows.map((r) => r.value))
          return (
            <Section key={view.key}>
              <Figure
                title={view.title}
                level={3}
                note={view.note}
                table={() => ({
                  columns: ['trained on', view.key, 'low', 'high', 'n'],
                  rows: rows.map((r) => [r.label, r.value, r.interval?.[0], r.interval?.[1], r.n]),
                })}
              >
                <DotRows rows={rows.map((row) => ({ ...row, strong: row.value === best }))} />
              </Figure>
            </Section>
          )
        })}
        <Section>
          <Figure
            title="Level: mean predicted"
            level={3}
            note="Against the rate that came true. A gap means the probabilities are off as a whole."
            table={() => ({
              columns: ['trained on', 'mean predicted', 'mean actual'],
              rows: backtest.rows.map((r) => [r.label, r.meanPredicted, r.meanActual]),
            })}
          >
            <DotRows
              rows={backtest.rows.map((row) => ({ label: row.label, value: row.meanPredicted }))}
              against={{ value: actual, label: 'actual' }}
              write={(v) => share(v)}
            />
          </Figure>
        </Section>
      </div>
      <Section
        title="The table"
        note={`All tested on ${windowDays(backtest.testWindow.fromAt, backtest.testWindow.toAt)}.`}
      >
        <Scroll label="Backtest">
          <table className="table table-rows">
            <thead>
              <tr>
                <th scope="col">Trained on</th>
                <th scope="col">Window</th>
                <th scope="col" className="num">
                  Age
                </th>
                <th scope="col" className="num">
                  Rows
                </th>
                <th scope="col" className="num">
                  AUC
                </th>
                <th scope="col" className="num">
                  Log loss
                </th>
                <th scope="col" className="num">
                  Predicted
                </th>
                <th scope="col" className="num">
                  Actual
                </th>
              </tr>
            </thead>
            <tbody>
              {backtest.rows.map((row) => (
                <tr key={row.label}>
                  <td className="name">{row.label}</td>
                  <td className="nowrap" title={`${exact(row.fromAt)} to ${exact(row.toAt)}`}>
                    {windowDays(row.fromAt, row.toAt)}
                  </td>
                  <td className="num">{row.ageMonths === null ? 'mixed' : `${row.ageMonths} mo`}</td>
                  <td className="num">{count(row.rowsTrained)}</td>
                  <td className="num">
                    <MeasuredValue
                      name={`AUC, ${row.label}`}
                      of={row.auc}
                      from={[['trained on', note(row)]]}
                    />
                  </td>
                  <td className="num">
                    <MeasuredValue
                      name={`Log loss, ${row.label}`}
                      of={row.logLoss}
                      from={[['trained on', note(row)]]}
                    />
                  </td>
                  <td className="num">{share(row.meanPredicted)}</td>
                  <td className="num">{share(row.meanActual)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        <p className="small muted">{metric(actual)} is the mean outcome of the test window.</p>
      </Section>
    </>
  )
}
