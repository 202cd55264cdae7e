/** Is it still as good as it was when it was trained: metrics by window, calibration, gates. */
import type { MetricSeries, ModelPage } from '../../api/types.ts'
import { Calibration } from '../../charts/calibration.tsx'
import { metricName, metricTitle } from '../../format/names.ts'
import { count, interval, metric, share } from '../../format/numbers.ts'
import { exact, windowDays } from '../../format/times.ts'
import { Command } from '../../parts/copy.tsx'
import { Door } from '../../parts/door.tsx'
import { Figure } from '../../parts/figure.tsx'
import { Findings, verdictCounts } from '../../parts/findings.tsx'
import { later } from '../../parts/later.tsx'
import { Chips, Empty, Section } from '../../parts/page.tsx'
import { VerdictSign } from '../../parts/signs.tsx'
import { Go, useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'
import { Classes } from './classes.tsx'

const TimeSeries = later(
  () => import('../../charts/time-series.tsx').then((m) => m.default),
  <div className="series-wait" />,
)
TimeSeries.preload()

export function Quality({ page }: { page: ModelPage }) {
  const [name, setName] = useParam('metric', page.quality.metrics[0]?.name ?? '')
  const chosen = page.quality.metrics.find((m) => m.name === name) ?? page.quality.metrics[0]
  return (
    <>
      {chosen === undefined || chosen.points.length === 0 ? (
        <NoWindows page={page} />
      ) : (
        <Metric page={page} chosen={chosen} choose={setName} />
      )}
      <div className="two">
        <Section>
          <Figure
            title="Calibration"
            note={`${calibrated(page)} ${page.classes ? CLASS_QUESTION : QUESTION} On the dashed line it does. Larger dots hold more rows; whiskers are 95 % intervals.`}
            table={() => ({
              columns: ['says', 'happens', 'n'],
              rows: page.calibration.map((p) => [p.meanPredicted, p.meanActual, p.n]),
            })}
          >
            <Calibration
              points={page.calibration}
              binary={page.task === 'binary' || page.classes !== undefined}
              words={page.classes && ['it is so sure', 'it is right']}
            />
          </Figure>
        </Section>
        <Section
          title={page.parent === null ? 'Gates' : `Gates of ${page.parent}`}
          note={
            page.gates.length > 0
              ? `${newestVersion(page)}${verdictCounts(page.gates)}. Only pass opens a gate.`
              : undefined
          }
        >
          {page.gates.length > 0 ? (
            <Findings findings={page.gates} />
          ) : (
            <Empty title="Not gated yet" commands={[page.commands.train]} />
          )}
        </Section>
      </div>
      {page.classes && <Classes page={page} classes={page.classes} />}
    </>
  )
}

const QUESTION = 'When it says 30 %, does it happen in 30 of 100?'
const CLASS_QUESTION = 'When it is 80 % sure of a class, is it that class in 80 of 100?'

/** Which rows the calibration is of: the newest window with outcomes, else the test split. */
function calibrated({ quality, parent }: ModelPage): string {
  const last = parent === null ? quality.metrics[0]?.points.findLast((p) => p.value !== null) : undefined
  return last ? `${windowDays(last.fromAt, last.toAt)}.` : 'On the test split.'
}

/** `v7, newest: `: gates are asked of every version, released or not. */
function newestVersion({ versions }: ModelPage): string {
  const newest = Math.max(...versions.map((v) => v.version))
  return Number.isFinite(newest) ? `v${newest}, the newest: ` : ''
}

function NoWindows({ page }: { page: ModelPage }) {
  return (
    <Section title="Quality by window">
      <p className="soft">
        No window has outcomes yet. Quality is measured once predictions are served and the truth about them
        arrives as feedback; until then the gates below are what is known.
      </p>
      {page.versions.length === 0 && <Command text={page.commands.train} />}
    </Section>
  )
}

function Metric({
  page,
  chosen,
  choose,
}: {
  page: ModelPage
  chosen: MetricSeries
  choose: (name: string) => void
}) {
  const last = chosen.points.findLast((p) => p.value !== null)
  return (
    <Section>
      <Chips label="Metric">
        {page.quality.metrics.map((m) => (
          <button
            key={m.name}
            type="button"
            className="chip"
            aria-pressed={m === chosen}
            onClick={() => choose(m.name)}
          >
            {metricTitle(m.name)}
          </button>
        ))}
      </Chips>
      <div className="with-aside">
        <Figure
          title={`${metricTitle(chosen.name)} by window`}
          note={`${chosen.higherIsBetter ? 'Higher' : 'Lower'} is better. The shade round the line is its 95 % interval; the pale stripe is what training leads one to expect. ${page.parent === null ? 'Filled dot: pass. Diamond: fail. Ring: not judged.' : 'A member is judged by whether it promises what happens: filled dot, it does; diamond, it does not; ring, too few to tell.'} A line marks where windows began to be held against another version.`}
          table={() => ({
            columns: ['from', 'to', chosen.name, 'low', 'high', 'n', 'verdict', 'held against'],
            rows: chosen.points.map((p) => [
              exact(p.fromAt),
              exact(p.toAt),
              p.value,
              p.interval?.[0],
              p.interval?.[1],
              p.n,
              p.verdict,
              p.version,
            ]),
          })}
        >
          <TimeSeries
            label={metricName(chosen.name)}
            points={chosen.points}
            expected={chosen.expected}
            height={264}
          />
        </Figure>
        {last && <LastWindow page={page} series={chosen} last={last} />}
      </div>
    </Section>
  )
}

function LastWindow({
  page,
  series,
  last,
}: {
  page: ModelPage
  series: MetricSeries
  last: MetricSeries['points'][number]
}) {
  const live = page.versions.find((v) => v.version === last.version)
  return (
    <aside className="aside" aria-label="Newest window">
      <p className="small muted">{windowDays(last.fromAt, last.toAt)}</p>
      <p className="big">
        <Door
          facts={{
            title: `${metricTitle(series.name)}, ${windowDays(last.fromAt, last.toAt)}`,
            rows: [
              ['predictions with outcomes', count(last.n)],
              ['value', String(last.value)],
              ['interval', interval(last.interval) || 'not given'],
              ['held against', last.version === undefined ? 'nothing' : `v${last.version}`],
              ...(live
                ? [['trained on', windowDays(live.trainedOn.fromAt, live.trainedOn.toAt)] as [string, string]]
                : []),
            ],
            to: { href: hrefs.model(page.model, 'versions'), label: 'Versions' },
          }}
        >
          {metric(last.value)}
        </Door>
      </p>
      <p className="small soft">
        {last.interval ? `${interval(last.interval)} · ` : ''}n {count(last.n)}
      </p>
      <p>
        <VerdictSign verdict={last.verdict} />
      </p>
      {series.expected && (
        <p className="small soft">
          expected {metric(series.expected.low)} to {metric(series.expected.high)}
        </p>
      )}
      {live && (
        <p className="small soft">
          held against{' '}
          <Go href={hrefs.model(page.model, 'versions')} className="link">
            v{live.version}
          </Go>
          , trained on {windowDays(live.trainedOn.fromAt, live.trainedOn.toAt)}, {count(live.trainedOn.rows)}{' '}
          rows
        </p>
      )}
      {page.task === 'binary' && series.name === 'auc' && (
        <p className="small muted">{share(last.value)} of pairs, one of each outcome, are ranked rightly</p>
      )}
    </aside>
  )
}
