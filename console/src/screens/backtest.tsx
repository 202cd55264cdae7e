/** How fresh must the model be: trained on data of different ages, tested on the same later window. The lesson stands at the top. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { backtestQuery } from '../api/queries.ts'
import type { Backtest } from '../api/types.ts'
import { DotRows } from '../charts/dot-rows.tsx'
import { metricTitle } from '../format/names.ts'
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
            <Empty title="No backtest yet" commands={[`millrace backtest ${model} --sliding 1mo`]}>
              A backtest trains on windows of different ages and tests each on what came later. It tells how
              fast skill fades, and so how often an update is worth it.
            </Empty>
          ) : (
            <Body backtest={backtest} />
          )}
        </Page>
      )}
    </Ask>
  )
}

function Body({ backtest }: { backtest: Backtest }) {
  const { metrics, tests, decay } = backtest
  const newest = tests[tests.length - 1]!
  const rows = backtest.rows.filter((row) => row.testAt === newest.fromAt)
  return (
    <>
      {decay && decay.curve.length > 1 && <Decay decay={decay} />}
      <div className="three">
        <Measure
          rows={rows}
          of="lead"
          title={metricTitle(metrics.lead)}
          higherIsBetter={metrics.higherIsBetter}
        />
        {metrics.loss !== metrics.lead && (
          <Measure rows={rows} of="loss" title={metricTitle(metrics.loss)} higherIsBetter={false} />
        )}
        <Level rows={rows} />
      </div>
      <Table backtest={backtest} />
    </>
  )
}

type Row = Backtest['rows'][number]

/** What is left of skill as the months between training and test grow. */
function Decay({ decay }: { decay: NonNullable<Backtest['decay']> }) {
  const months = (n: number) => (n === 1 ? '1 month' : `${n} months`)
  const rows = decay.curve.map((point) => ({
    label: months(point.months),
    value: point.share,
    interval: point.interval,
    n: point.n,
  }))
  return (
    <Section>
      <Figure
        title="Skill left by age"
        level={3}
        note="The freshest model of each period has 100 %. Ages are the months between the end of training and the test; bars are 95 % intervals over days."
        table={() => ({
          columns: ['months', 'skill left', 'low', 'high', 'pairs'],
          rows: decay.curve.map((p) => [p.months, p.share, p.interval[0], p.interval[1], p.n]),
        })}
      >
        <DotRows rows={rows} against={{ value: 1, label: 'freshest' }} write={(v) => share(v, 0)} />
      </Figure>
    </Section>
  )
}

/** From the window's begin to the test; of several periods from its end, which is what a model has missed. */
function ageOf(row: Row, several: boolean): string {
  if (several) return `${Math.round(row.staleMonths)} mo`
  return row.ageMonths === null ? 'mixed' : `${row.ageMonths} mo`
}

interface MeasureProps {
  rows: Row[]
  of: 'lead' | 'loss'
  title: string
  higherIsBetter: boolean
}

function Measure({ rows, of, title, higherIsBetter }: MeasureProps) {
  const values = rows.map((row) => row[of].value)
  const best = higherIsBetter ? Math.max(...values) : Math.min(...values)
  return (
    <Section>
      <Figure
        title={title}
        level={3}
        note={`${higherIsBetter ? 'Higher' : 'Lower'} is better. Bars are 95 % intervals on the test window.`}
        table={() => ({
          columns: ['trained on', title, 'low', 'high', 'n'],
          rows: rows.map((r) => [r.label, r[of].value, r[of].interval?.[0], r[of].interval?.[1], r[of].n]),
        })}
      >
        <DotRows
          rows={rows.map((row) => ({ label: row.label, ...row[of], strong: row[of].value === best }))}
        />
      </Figure>
    </Section>
  )
}

function Level({ rows }: { rows: Row[] }) {
  return (
    <Section>
      <Figure
        title="Level: mean predicted"
        level={3}
        note="Against the mean that came true. A gap means the predictions are off as a whole."
        table={() => ({
          columns: ['trained on', 'mean predicted', 'mean actual'],
          rows: rows.map((r) => [r.label, r.meanPredicted, r.meanActual]),
        })}
      >
        <DotRows
          rows={rows.map((row) => ({ label: row.label, value: row.meanPredicted }))}
          against={{ value: rows[0]?.meanActual ?? 0, label: 'actual' }}
          write={(v) => metric(v)}
        />
      </Figure>
    </Section>
  )
}

function Table({ backtest }: { backtest: Backtest }) {
  const { metrics, tests } = backtest
  const several = tests.length > 1
  const tested = (row: Row) => tests.find((test) => test.fromAt === row.testAt) ?? tests[0]!
  const [lead, loss] = [metricTitle(metrics.lead), metricTitle(metrics.loss)]
  const note = (row: Row) => `${windowDays(row.fromAt, row.toAt)}, ${count(row.rowsTrained)} rows`
  return (
    <Section
      title="The table"
      note={
        several
          ? `Each window is tested on ${count(tests.length)} periods at most: those that begin when it is over.`
          : `All tested on ${windowDays(tests[0]!.fromAt, tests[0]!.toAt)}.`
      }
    >
      <Scroll label="Backtest">
        <table className="table table-rows">
          <thead>
            <tr>
              <th scope="col">Trained on</th>
              <th scope="col">Window</th>
              {several && <th scope="col">Tested on</th>}
              <th scope="col" className="num">
                Age
              </th>
              <th scope="col" className="num">
                Rows
              </th>
              <th scope="col" className="num">
                {lead}
              </th>
              <th scope="col" className="num">
                {loss}
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
              <tr key={`${row.label} ${row.testAt}`}>
                <td className="name">{row.label}</td>
                <td className="nowrap" title={`${exact(row.fromAt)} to ${exact(row.toAt)}`}>
                  {windowDays(row.fromAt, row.toAt)}
                </td>
                {several && <td className="nowrap">{windowDays(tested(row).fromAt, tested(row).toAt)}</td>}
                <td className="num">{ageOf(row, several)}</td>
                <td className="num">{count(row.rowsTrained)}</td>
                <td className="num">
                  <MeasuredValue
                    name={`${lead}, ${row.label}`}
                    of={row.lead}
                    from={[['trained on', note(row)]]}
                  />
                </td>
                <td className="num">
                  <MeasuredValue
                    name={`${loss}, ${row.label}`}
                    of={row.loss}
                    from={[['trained on', note(row)]]}
                  />
                </td>
                <td className="num">{metric(row.meanPredicted)}</td>
                <td className="num">{metric(row.meanActual)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  )
}
