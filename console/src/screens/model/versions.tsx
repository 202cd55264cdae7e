/** What has been made, from which data, with what result; two versions side by side. */
import { useQuery } from '@tanstack/react-query'
import { bundleQuery, versionQuery } from '../../api/queries.ts'
import type { ModelPage, VersionDetail, VersionRow } from '../../api/types.ts'
import { DotRows } from '../../charts/dot-rows.tsx'
import { HistogramStrip } from '../../charts/histogram.tsx'
import { metricName, metricTitle } from '../../format/names.ts'
import { bytes, count, metric, plain, plural, shortDigest, signed } from '../../format/numbers.ts'
import { duration, windowDays } from '../../format/times.ts'
import { CopyButton } from '../../parts/copy.tsx'
import { Figure, Scroll } from '../../parts/figure.tsx'
import { Findings } from '../../parts/findings.tsx'
import { MeasuredValue } from '../../parts/measured.tsx'
import { AskPart, Empty, Section, Stat } from '../../parts/page.tsx'
import { VersionSign } from '../../parts/signs.tsx'
import { Ago } from '../../parts/time.tsx'
import { Go, useParam } from '../../shell/go.tsx'
import { hrefs } from '../../shell/hrefs.ts'
import { Trials } from './trials.tsx'

export function Versions({ page }: { page: ModelPage }) {
  const [a, setA] = useParam('a')
  const [b, setB] = useParam('b')
  if (page.versions.length === 0) {
    return (
      <Empty title="No version yet" commands={[page.commands.train]}>
        Training makes one, gates judge it, a release puts it to work.
      </Empty>
    )
  }
  const find = (text: string) => page.versions.find((v) => String(v.version) === text)
  const chosen = find(a) ?? page.versions[0]!
  const other = find(b)
  return (
    <>
      <VersionTable page={page} chosen={chosen} other={other} setA={setA} setB={setB} />
      {other && other !== chosen && <Compare page={page} a={chosen} b={other} />}
      <Card row={chosen} model={page.model} />
      <Trials page={page} />
    </>
  )
}

interface TableProps {
  page: ModelPage
  chosen: VersionRow
  other: VersionRow | undefined
  setA: (v: string) => void
  setB: (v: string) => void
}

/** Metrics beside each other in the table; the card has all. */
const METRICS_SHOWN = 3

/** The metrics of the versions, those that windows are judged by first. */
function namesOf(page: ModelPage): string[] {
  const judged = page.quality.metrics.map((m) => m.name)
  const known = new Set(page.versions.flatMap((v) => Object.keys(v.metrics)))
  const place = (name: string) => (judged.includes(name) ? judged.indexOf(name) : judged.length)
  return [...known].sort((a, b) => place(a) - place(b))
}

function VersionTable({ page, chosen, other, setA, setB }: TableProps) {
  const names = namesOf(page).slice(0, METRICS_SHOWN)
  return (
    <Section title="Versions" note="Pick one to read its card; pick a second to compare them.">
      <Scroll label="Versions">
        <table className="table table-rows">
          <thead>
            <tr>
              <th scope="col">Card</th>
              <th scope="col">With</th>
              <th scope="col">Version</th>
              <th scope="col">State</th>
              {names.map((name) => (
                <th key={name} scope="col" className="num">
                  {metricTitle(name)}
                </th>
              ))}
              <th scope="col">Trained on</th>
              <th scope="col">Made</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {page.versions.map((v) => (
              <tr key={v.version} className={v === chosen ? 'row-on' : ''}>
                <td>
                  <input
                    type="radio"
                    name="card"
                    aria-label={`Card of v${v.version}`}
                    checked={v === chosen}
                    onChange={() => setA(String(v.version))}
                  />
                </td>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Compare with v${v.version}`}
                    checked={v === other}
                    disabled={v === chosen}
                    onChange={(event) => setB(event.currentTarget.checked ? String(v.version) : '')}
                  />
                </td>
                <td className="name nowrap">
                  v{v.version}
                  {v.members > 0 && <span className="small muted"> {plural(v.members, 'member')}</span>}
                  {v.heldReason !== null && <span className="small muted"> by the parent</span>}
                </td>
                <td>
                  <VersionSign state={v.state} />
                </td>
                {names.map((name) => (
                  <td key={name} className="num">
                    <MeasuredValue
                      name={`${metricName(name)} of v${v.version}`}
                      of={v.metrics[name]}
                      from={[['rows of', `test split of ${v.trainedOn.dataset}`]]}
                    />
                  </td>
                ))}
                <td className="nowrap">
                  <Go href={hrefs.datasetVersion(v.trainedOn.dataset, v.trainedOn.version)} className="link">
                    {v.trainedOn.fromAt === null
                      ? shortDigest(v.trainedOn.version)
                      : windowDays(v.trainedOn.fromAt, v.trainedOn.toAt)}
                  </Go>
                  <span className="small muted block">{count(v.trainedOn.rows)} rows</span>
                </td>
                <td>
                  <Ago at={v.createdAt} />
                </td>
                <td className="soft why-cell">{v.reason}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  )
}

function Compare({ page, a, b }: { page: ModelPage; a: VersionRow; b: VersionRow }) {
  const [older, newer] = a.version < b.version ? [a, b] : [b, a]
  const names = [...new Set([...Object.keys(older.metrics), ...Object.keys(newer.metrics)])]
  const sameData = older.trainedOn.version === newer.trainedOn.version
  return (
    <Section
      title={`v${newer.version} against v${older.version}`}
      note={
        sameData ? (
          'Both were trained on the same version of the data.'
        ) : (
          <>
            {signed(newer.trainedOn.rows - older.trainedOn.rows, count)} rows.{' '}
            <Go
              href={hrefs.diff(newer.trainedOn.dataset, older.trainedOn.version, newer.trainedOn.version)}
              className="link"
            >
              What changed in the data
            </Go>
          </>
        )
      }
    >
      <div className="compare">
        {names.map((name) => {
          const rows = [older, newer].flatMap((v) => {
            const value = v.metrics[name]
            return value
              ? [
                  {
                    label: `v${v.version}`,
                    value: value.value,
                    interval: value.interval,
                    n: value.n,
                    strong: v === newer,
                  },
                ]
              : []
          })
          return (
            <Figure
              key={name}
              title={metricTitle(name)}
              level={3}
              table={() => ({
                columns: ['version', name, 'low', 'high', 'n'],
                rows: rows.map((r) => [r.label, r.value, r.interval?.[0], r.interval?.[1], r.n]),
              })}
            >
              <DotRows rows={rows} />
            </Figure>
          )
        })}
      </div>
      {page.parent === null && older.members !== newer.members && (
        <p className="soft">
          Members: {count(older.members)} then, {count(newer.members)} now.
        </p>
      )}
      <p>
        <Go
          href={hrefs.modelDiff(page.parent ?? page.model, older.version, newer.version)}
          className="button button-primary"
        >
          What changed in their answers
        </Go>
      </p>
    </Section>
  )
}

function Card({ row, model }: { row: VersionRow; model: string }) {
  const bundle = useQuery(bundleQuery(row.bundle))
  const detail = useQuery(versionQuery(row.answersBy))
  const family = !model.includes('/')
  return (
    <Section title={`Card of v${row.version}`} note={row.reason}>
      {row.heldReason !== null && (
        <p className="soft">
          The parent answers for {model} in this version: {row.heldReason}.
        </p>
      )}
      {family && row.members > 0 && (
        <p className="soft">
          What follows is of the parent alone; the table above is of the parent and its members together.
        </p>
      )}
      <AskPart query={detail} lines={8}>
        {(version) => <CardBody version={version} row={row} />}
      </AskPart>
      {family && bundle.data && Object.keys(bundle.data.held).length > 0 && (
        <Held held={bundle.data.held} model={model} />
      )}
      {bundle.data && bundle.data.findings.length > 0 && (
        <div className="stack-tight">
          <h3>Gates it met</h3>
          <Findings findings={bundle.data.findings} />
        </div>
      )}
    </Section>
  )
}

function CardBody({ version, row }: { version: VersionDetail; row: VersionRow }) {
  const run = version.run
  return (
    <>
      <dl className="stats">
        <Stat label="Size">{bytes(version.card.bytes)}</Stat>
        <Stat label="Base rate" note="mean outcome in training">
          {metric(version.card.baseRate)}
        </Stat>
        <Stat label="Trained on" note={`${count(row.trainedOn.rows)} rows`}>
          <Go
            href={hrefs.datasetVersion(version.trainedOn.dataset, version.trainedOn.version)}
            className="link"
          >
            {version.trainedOn.dataset}@{shortDigest(version.trainedOn.version)}
          </Go>
        </Stat>
        {run && (
          <Stat label="Run" note={`took ${duration(run.endedAt - run.startedAt)}`}>
            <Go href={hrefs.runs({ run: run.digest })} className="link">
              {run.task} {shortDigest(run.digest)}
            </Go>
          </Stat>
        )}
        <Stat label="Digest">
          <span className="mono">{shortDigest(version.digest)}</span>{' '}
          <CopyButton text={version.digest} label="Copy digest" />
        </Stat>
      </dl>
      <Baseline version={version} />
      <h3>Features</h3>
      <Scroll label="Features">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Feature</th>
              <th scope="col">Expression</th>
              <th scope="col">In training</th>
            </tr>
          </thead>
          <tbody>
            {version.features.map((feature) => (
              <tr key={feature.name}>
                <td className="name">{feature.name}</td>
                <td>
                  <code>{feature.expression}</code>
                </td>
                <td>
                  <HistogramStrip histogram={feature.reference} label={`${feature.name} in training`} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {version.card.notes.length > 0 && (
        <ul className="notes">
          {version.card.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  )
}

function Baseline({ version }: { version: VersionDetail }) {
  const names = Object.keys(version.card.metrics)
  return (
    <Scroll label="Metrics against the baseline">
      <table className="table">
        <thead>
          <tr>
            <th scope="col">On the test split</th>
            <th scope="col" className="num">
              This version
            </th>
            <th scope="col" className="num">
              Baseline
            </th>
            <th scope="col" className="num">
              Difference
            </th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => {
            const own = version.card.metrics[name]!
            const base = version.card.baseline[name]
            return (
              <tr key={name}>
                <td>{metricTitle(name)}</td>
                <td className="num">
                  <MeasuredValue name={metricName(name)} of={own} wide />
                </td>
                <td className="num">{base ? metric(base.value) : plain(null)}</td>
                <td className="num">{base ? signed(own.value - base.value) : plain(null)}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </Scroll>
  )
}

const HELD_SHOWN = 120

/** Members by kind of reason: numbers that differ from member to member are on each one's title. */
function byKind(held: Record<string, string>): Map<string, string[]> {
  const kinds = new Map<string, string[]>()
  for (const [key, reason] of Object.entries(held)) {
    const kind = reason
      .replace(/^\d[\d,]* (.*), (\d[\d,]*) needed/, 'fewer than $2 $1, needed')
      .replace(/ on \d[\d,]* validation rows \(.*\)$/, ' on the validation rows')
    kinds.set(kind, [...(kinds.get(kind) ?? []), key])
  }
  return new Map([...kinds].sort((a, b) => b[1].length - a[1].length))
}

function Held({ held, model }: { held: Record<string, string>; model: string }) {
  const reasons = byKind(held)
  return (
    <div className="stack-tight">
      <h3>{plural(Object.keys(held).length, 'member')} held, answered by the parent</h3>
      <ul className="notes">
        {[...reasons].map(([reason, keys]) => (
          <li key={reason}>
            <span className="soft">{reason}: </span>
            {keys.slice(0, HELD_SHOWN).map((key) => (
              <Go key={key} href={hrefs.model(`${model}/${key}`)} className="link key-link" title={held[key]}>
                {key}
              </Go>
            ))}
            {keys.length > HELD_SHOWN && (
              <span className="muted"> and {count(keys.length - HELD_SHOWN)} more</span>
            )}
          </li>
        ))}
      </ul>
    </div>
  )
}
