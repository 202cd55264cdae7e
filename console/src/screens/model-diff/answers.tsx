/** What two versions answer on the same rows: how many moved and how far, which measures gained, where, and the rows that moved most. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { ApiError, post } from '../../api/client.ts'
import { modelDiffPath } from '../../api/queries.ts'
import type { ActionResult, ModelBehaviour, ModelDiff } from '../../api/types.ts'
import { DotRows } from '../../charts/dot-rows.tsx'
import { gainRows } from '../../charts/gain-rows.ts'
import { binText, Moves } from '../../charts/moves.tsx'
import { metricTitle } from '../../format/names.ts'
import { count, interval, metric, plain, plural, share, signed } from '../../format/numbers.ts'
import { Figure, Scroll } from '../../parts/figure.tsx'
import { MeasuredValue } from '../../parts/measured.tsx'
import { Empty, ErrorCard, Section, Stat } from '../../parts/page.tsx'
import { Sign } from '../../parts/signs.tsx'
import { Go } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'

export function Answers({ diff }: { diff: ModelDiff }) {
  const { behaviour } = diff
  if (behaviour === null) return <NotYet diff={diff} />
  return (
    <>
      <Section title="What moved" note={diff.words.made}>
        {diff.words.caution && <p className="tone-warn">{diff.words.caution}</p>}
        <MoveStats behaviour={behaviour} />
      </Section>
      <Distances behaviour={behaviour} />
      <Ways behaviour={behaviour} />
      <Measures diff={diff} behaviour={behaviour} />
      <Slices words={diff.words.slices} behaviour={behaviour} />
      <Examples diff={diff} behaviour={behaviour} />
    </>
  )
}

/** Before they are compared, while they are, and when that failed or cannot be. */
function NotYet({ diff }: { diff: ModelDiff }) {
  const client = useQueryClient()
  const { model, before, after, comparing, failed, refused } = diff
  const begin = useMutation({
    mutationFn: () =>
      post<ActionResult>(modelDiffPath(model), {
        from: String(before.version),
        to: String(after.version),
        reason: 'asked for in the console',
      }),
    onSettled: () => client.invalidateQueries({ queryKey: ['modelDiff', model] }),
  })
  if (refused)
    return (
      <Section title="What they answer">
        <ErrorCard error={new ApiError(409, refused.code, refused.message, refused.fix)} />
      </Section>
    )
  if (comparing)
    return (
      <Section title="What they answer">
        <div className="branch-trying" role="status">
          <progress value={comparing.done} max={1} aria-label="Comparing" />
          <span className="small muted">
            {share(comparing.done, 0)}, {comparing.note}
          </span>
        </div>
        <p className="soft">It is a run like any other: leaving this page does not end it.</p>
      </Section>
    )
  return (
    <Section title="What they answer">
      {(failed || begin.error) && (
        <ErrorCard
          error={failed ? new ApiError(500, failed.code, failed.message, failed.fix) : begin.error}
        />
      )}
      <Empty title={failed ? 'The comparison came to nothing' : 'Not compared yet'}>
        Both versions answer the rows that tested v{after.version}. It is done once for each pair and kept;
        nothing that is live changes.
      </Empty>
      <div className="dialog-actions answers-begin">
        <button
          type="button"
          className="button button-primary"
          disabled={begin.isPending}
          onClick={() => begin.mutate()}
        >
          {begin.isPending ? 'Beginning…' : failed ? 'Try again' : 'Compare their answers'}
        </button>
      </div>
    </Section>
  )
}

function MoveStats({ behaviour }: { behaviour: ModelBehaviour }) {
  const { rows, decisions, moves } = behaviour
  const at = (q: number) => moves.quantiles.find((one) => one.q === q)?.value
  return (
    <dl className="stats">
      <Stat label="Test rows" note={rows < FEW ? 'few: intervals are wide' : undefined}>
        {count(rows)}
      </Stat>
      {decisions && (
        <Stat label="Decided otherwise" note={interval(decisions.changed.interval, share)}>
          {share(decisions.changed.value)}
        </Stat>
      )}
      {decisions && (
        <Stat label="Wrong before, right now">
          <span className="tone-ok">+{count(decisions.mended)}</span>
        </Stat>
      )}
      {decisions && (
        <Stat label="Right before, wrong now">
          <span className={decisions.broken > 0 ? 'tone-warn' : ''}>
            {'\u2212'}
            {count(decisions.broken)}
          </span>
        </Stat>
      )}
      <Stat label="Mean distance" note={`on balance ${signed(moves.mean)}`}>
        {metric(moves.meanAbsolute)}
      </Stat>
      <Stat label="Nine of ten moved" note={`half: ${signed(at(0.25))} to ${signed(at(0.75))}`}>
        {signed(at(0.05))} to {signed(at(0.95))}
      </Stat>
    </dl>
  )
}

/** Below so many rows, intervals of measures are wide. */
const FEW = 500

function Distances({ behaviour: { moves, rows } }: { behaviour: ModelBehaviour }) {
  const { histogram } = moves
  if (histogram?.kind !== 'numeric') return null
  return (
    <Section>
      <Figure
        title="How far answers moved"
        note="The new answer less the old, by rows; heights are by the square root, so that few rows are seen too. The ends hold what lies beyond."
        table={() => ({
          columns: ['from', 'to', 'moved', 'rows'],
          rows: histogram.counts.map((n, i) => [
            histogram.edges[i],
            histogram.edges[i + 1],
            binText(histogram.edges, i),
            n,
          ]),
        })}
      >
        <Moves histogram={histogram} rows={rows} />
      </Figure>
    </Section>
  )
}

const WAYS_SHOWN = 12

function Ways({ behaviour: { decisions, rows } }: { behaviour: ModelBehaviour }) {
  if (!decisions || decisions.ways.length === 0) return null
  const top = decisions.ways[0]!.n
  return (
    <Section>
      <Figure
        title="Decisions that changed"
        note="From what to what, most rows first."
        table={() => ({
          columns: ['from', 'to', 'rows'],
          rows: decisions.ways.map((way) => [way.from, way.to, way.n]),
        })}
      >
        <ul className="bar-rows">
          {decisions.ways.slice(0, WAYS_SHOWN).map(({ from, to, n }) => (
            <li key={`${from} ${to}`}>
              <span className="name">
                {from} → {to}
              </span>
              <span className="psi-lane" aria-hidden="true">
                <i className="bar-now" style={{ width: `${(n / top) * 100}%` }} />
              </span>
              <span className="num">
                {count(n)} <span className="small muted">{share(n / rows)}</span>
              </span>
            </li>
          ))}
        </ul>
      </Figure>
    </Section>
  )
}

const GAINS = {
  pass: { icon: 'check', word: 'better', tone: 'ok' },
  fail: { icon: 'cross', word: 'worse', tone: 'warn' },
  inconclusive: { icon: 'ring', word: 'cannot be told', tone: 'calm', dashed: true },
  error: { icon: 'warn', word: 'error', tone: 'warn' },
} as const

function Measures({ diff, behaviour }: { diff: ModelDiff; behaviour: ModelBehaviour }) {
  const { before, after } = diff
  const [old, now] = [`v${before.version}`, `v${after.version}`]
  const gains = gainRows(behaviour.metrics)
  return (
    <Section title="Better or worse" note={diff.words.measures ?? undefined}>
      <div className="branch-figures">
        <Scroll label="Measures of both versions">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Measure</th>
                <th scope="col" className="num">
                  {old}
                </th>
                <th scope="col" className="num">
                  {now}
                </th>
                <th scope="col">It is</th>
              </tr>
            </thead>
            <tbody>
              {behaviour.metrics.map((m) => (
                <tr key={m.metric}>
                  <td>{metricTitle(m.metric)}</td>
                  <td className="num">
                    <MeasuredValue name={`${metricTitle(m.metric)} of ${old}`} of={m.before} />
                  </td>
                  <td className="num">
                    <MeasuredValue name={`${metricTitle(m.metric)} of ${now}`} of={m.after} />
                  </td>
                  <td>
                    <Sign {...GAINS[m.verdict]} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        {gains.length > 0 && (
          <div>
            <p className="small muted">Gain of {now}, 95 % intervals over the same rows; right is better</p>
            <DotRows rows={gains} against={{ value: 0, label: 'none' }} write={(x) => signed(x, metric)} />
          </div>
        )}
      </div>
    </Section>
  )
}

function Slices({ words, behaviour }: { words: string | null; behaviour: ModelBehaviour }) {
  const { slices, slicesTested, moves } = behaviour
  if (slices.length === 0)
    return (
      <Section title="Where they moved">
        <p className="soft">{words}</p>
      </Section>
    )
  const losses = slices.some(({ loss }) => loss !== undefined)
  const decided = slices.some(({ changed }) => changed !== undefined)
  return (
    <Section>
      <Figure
        title="Where they moved most"
        note={`${words} Of ${count(slicesTested)} parts that were tested, at most one in twenty of these is chance.`}
        table={() => ({
          columns: [
            'column',
            'value',
            'rows',
            'moved',
            'low',
            'high',
            'rest',
            'shift',
            'decided otherwise',
            'loss',
            'loss low',
            'loss high',
            'q',
          ],
          rows: slices.map((s) => [
            ...[s.column, s.value, s.rows, s.moved, ...s.interval, s.rest, s.shift, s.changed],
            ...[s.loss?.value, s.loss?.interval[0], s.loss?.interval[1], s.q],
          ]),
        })}
      >
        <DotRows
          rows={slices.map((s) => ({
            label: `${s.column}: ${sliceText(s.value)}`,
            note: plural(s.rows, 'row'),
            value: s.moved,
            interval: s.interval,
            n: s.rows,
          }))}
          against={{ value: moves.meanAbsolute, label: 'all rows' }}
          wide
        />
        <Scroll label="What that did there">
          <table className="table table-rows table-cards">
            <thead>
              <tr>
                <th scope="col">Part</th>
                <th scope="col" className="num">
                  On balance
                </th>
                {decided && (
                  <th scope="col" className="num">
                    Decided otherwise
                  </th>
                )}
                {losses && <th scope="col">Loss, 95 %</th>}
              </tr>
            </thead>
            <tbody>
              {slices.map((s) => (
                <tr key={`${s.column} ${s.value}`}>
                  <td className="name">
                    {s.column}: {sliceText(s.value)}
                  </td>
                  <td className="num" data-label="on balance">
                    {signed(s.shift)}
                  </td>
                  {decided && (
                    <td className="num nowrap" data-label="otherwise">
                      {count(s.changed)}{' '}
                      <span className="small muted">{share((s.changed ?? 0) / s.rows)}</span>
                    </td>
                  )}
                  {losses && <td>{s.loss && <LossSign loss={s.loss} />}</td>}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Figure>
    </Section>
  )
}

function LossSign({ loss }: { loss: { value: number; interval: [number, number] } }) {
  const [low, high] = loss.interval
  const verdict = high < 0 ? 'pass' : low > 0 ? 'fail' : 'inconclusive'
  return (
    <span className="loss-cell">
      <Sign {...GAINS[verdict]} />
      <span className="small muted nowrap">
        {signed(loss.value)}, {interval(loss.interval, signed)}
      </span>
    </span>
  )
}

/** Midnights as days, other moments to the second. */
const sliceText = (value: string): string =>
  value
    .replace(/T00:00:00\.000Z/g, '')
    .replace(/(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?\.\d{3}Z/g, (_, day, minute, second) =>
      second === ':00' ? `${day} ${minute}` : `${day} ${minute}${second}`,
    )

function cellText(value: unknown): string {
  return typeof value === 'string' ? sliceText(value) : plain(value)
}

function Examples({ diff, behaviour }: { diff: ModelDiff; behaviour: ModelBehaviour }) {
  const { examples } = behaviour
  if (examples.length === 0) return null
  const columns = Object.keys(examples[0]!.row)
  const [old, now] = [`v${diff.before.version}`, `v${diff.after.version}`]
  const show = (x: number | string) => (typeof x === 'string' ? x : metric(x))
  return (
    <Section>
      <Figure
        title="Rows that moved most"
        note="Each opens in the playground, with its explanation by the version that is live."
        table={() => ({
          columns: ['rows', old, now, 'moved', 'truth', ...columns],
          rows: examples.map((e) => [
            ...[e.rows, e.before, e.after, e.moved, e.target],
            ...columns.map((name) => cellText(e.row[name])),
          ]),
        })}
      >
        <Scroll label="Rows that moved most">
          <table className="table table-rows table-cards">
            <thead>
              <tr>
                <th scope="col" className="num">
                  {old}
                </th>
                <th scope="col" className="num">
                  {now}
                </th>
                <th scope="col" className="num">
                  Moved
                </th>
                <th scope="col" className="num">
                  Truth
                </th>
                <th scope="col">Row</th>
                <th scope="col">
                  <span className="sr">Open</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {examples.map((e) => (
                <tr key={JSON.stringify([e.row, e.before, e.after, e.target])}>
                  <td className="num" data-label={old}>
                    {show(e.before)}
                  </td>
                  <td className="num" data-label={now}>
                    {show(e.after)}
                  </td>
                  <td className="num" data-label="moved">
                    {signed(e.moved)}
                  </td>
                  <td className="num" data-label="truth">
                    {show(e.target)}
                  </td>
                  <td className="example-row">
                    {columns.map((name) => (
                      <span key={name} className="pair-word">
                        <span className="muted">{name}</span> {cellText(e.row[name])}
                      </span>
                    ))}
                    {e.rows > 1 && <span className="small muted">{plural(e.rows, 'such row')}</span>}
                  </td>
                  <td>
                    <Go
                      href={hrefs.playground(diff.model, { row: JSON.stringify(e.row) })}
                      className="link nowrap"
                    >
                      Try it
                    </Go>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Figure>
    </Section>
  )
}
