/** Two versions of a dataset: which rows came and went, which columns changed their look. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { diffQuery } from '../api/queries.ts'
import type { Cell, DatasetDiff } from '../api/types.ts'
import { count, metric, plain, plural, psi, shortDigest, signed } from '../format/numbers.ts'
import { diffSentence, list } from '../format/sentences.ts'
import { Figure, Scroll } from '../parts/figure.tsx'
import { Section, Stat } from '../parts/page.tsx'
import { useAsked, VersionsDiff } from '../parts/two-versions.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function Diff() {
  const { dataset } = useParams({ strict: false }) as { dataset: string }
  const { from, to, enabled } = useAsked()
  return (
    <VersionsDiff
      of={dataset}
      home={hrefs.dataset(dataset)}
      query={useQuery({ ...diffQuery(dataset, from, to), enabled })}
      sentence={diffSentence}
      command={(diff) => `millrace data diff ${shortDigest(diff.from)} ${shortDigest(diff.to)}`}
    >
      {(diff) => (
        <>
          <Section>
            <dl className="stats">
              <Stat label="Rows added">{signed(diff.keyed?.inserted ?? diff.rowsAdded, count)}</Stat>
              <Stat label="Rows removed">{removedText(diff.keyed?.deleted ?? diff.rowsRemoved)}</Stat>
              {diff.keyed && <Stat label="Rows changed">{count(diff.keyed.updated)}</Stat>}
              <Stat label="Parts added" note={list(diff.partsAdded.map(shortName), 3)}>
                {count(diff.partsAdded.length)}
              </Stat>
              <Stat
                label="Parts removed"
                note={diff.partsRemoved.length > 0 ? list(diff.partsRemoved.map(shortName), 3) : undefined}
              >
                {count(diff.partsRemoved.length)}
              </Stat>
              <Stat label="Parts the same" note="shared, not copied">
                {count(diff.partsSame)}
              </Stat>
            </dl>
            <p className="page-line">
              <Go href={hrefs.datasetVersion(dataset, diff.from)} className="link">
                from {shortDigest(diff.from)}
              </Go>
              {' · '}
              <Go href={hrefs.datasetVersion(dataset, diff.to)} className="link">
                to {shortDigest(diff.to)}
              </Go>
              {' · '}
              <Go href={hrefs.diff(dataset, diff.to, diff.from)} className="link">
                the other way round
              </Go>
            </p>
          </Section>
          <SchemaChange diff={diff} />
          <ColumnChanges diff={diff} />
          {diff.keyed && <CellChanges keyed={diff.keyed} />}
          <RowsApart
            title="Rows added"
            rows={diff.sample.added}
            total={diff.keyed?.inserted ?? diff.rowsAdded}
          />
          <RowsApart
            title="Rows removed"
            rows={diff.sample.removed}
            total={diff.keyed?.deleted ?? diff.rowsRemoved}
          />
        </>
      )}
    </VersionsDiff>
  )
}

const removedText = (n: number) => (n === 0 ? 'none' : `\u2212${count(n)}`)

const shortName = (part: string) => (part.startsWith('sha256:') ? shortDigest(part) : part)

function SchemaChange({ diff }: { diff: DatasetDiff }) {
  const { added, removed, changed } = diff.schema
  if (added.length + removed.length + changed.length === 0) return null
  return (
    <Section title="Schema">
      <ul className="notes">
        {added.map((name) => (
          <li key={name}>
            <strong>added</strong> <code>{name}</code>
          </li>
        ))}
        {removed.map((name) => (
          <li key={name}>
            <strong>removed</strong> <code>{name}</code>
          </li>
        ))}
        {changed.map((name) => (
          <li key={name}>
            <strong>changed</strong> <code>{name}</code>
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** Rows of each kind that are drawn; the table behind each has more. */
const ROWS_SHOWN = 12

/** Rows that are in both versions with other values. */
function CellChanges({ keyed }: { keyed: NonNullable<DatasetDiff['keyed']> }) {
  if (keyed.updated === 0) return null
  const shown = Math.min(keyed.sample.length, ROWS_SHOWN)
  return (
    <Section>
      <Figure
        title={`Rows that changed: ${count(keyed.updated)}`}
        note={`By ${list(keyed.key, 4)}. Cells: ${keyed.cells.map((c) => `${c.column} ${count(c.rows)}`).join(', ')}.${shown < keyed.updated ? ` ${count(shown)} are shown, ${count(keyed.sample.length)} in the table.` : ''}`}
        table={() => ({
          columns: [...keyed.key, 'column', 'before', 'now'],
          rows: keyed.sample.flatMap((row) =>
            Object.entries(row.cells).map(([column, { from, to }]) => [
              ...keyed.key.map((name) => plain(row.key[name])),
              column,
              plain(from),
              plain(to),
            ]),
          ),
        })}
      >
        <Scroll label="Rows that changed">
          <table className="table table-rows">
            <thead>
              <tr>
                {keyed.key.map((name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ))}
                <th scope="col">What changed</th>
              </tr>
            </thead>
            <tbody>
              {keyed.sample.slice(0, ROWS_SHOWN).map((row) => (
                <tr key={JSON.stringify(row.key)}>
                  {keyed.key.map((name) => (
                    <td className="name nowrap" key={name}>
                      {plain(row.key[name])}
                    </td>
                  ))}
                  <td>
                    {Object.entries(row.cells).map(([column, { from, to }], i) => (
                      <span key={column}>
                        {i > 0 && ', '}
                        <span className="muted">{column}</span> <del>{plain(from)}</del> →{' '}
                        <ins>{plain(to)}</ins>
                      </span>
                    ))}
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

/** Rows that one of the versions alone has. */
function RowsApart({ title, rows, total }: { title: string; rows: Record<string, Cell>[]; total: number }) {
  if (rows.length === 0) return null
  const columns = Object.keys(rows[0]!)
  const shown = Math.min(rows.length, ROWS_SHOWN)
  const isNumeric = (name: string) => rows.every((row) => row[name] === null || typeof row[name] === 'number')
  const side = Object.fromEntries(columns.map((name) => [name, isNumeric(name) ? 'num' : 'nowrap']))
  return (
    <Section>
      <Figure
        title={`${title}: ${count(total)}`}
        note={shown < total ? `${count(shown)} are shown, ${count(rows.length)} in the table.` : undefined}
        table={() => ({ columns, rows: rows.map((row) => columns.map((name) => row[name])) })}
      >
        <Scroll label={title}>
          <table className="table table-rows">
            <thead>
              <tr>
                {columns.map((name) => (
                  <th scope="col" key={name} className={side[name]}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, ROWS_SHOWN).map((row) => (
                <tr key={JSON.stringify(row)}>
                  {columns.map((name) => (
                    <td key={name} className={side[name]}>
                      {plain(row[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Figure>
    </Section>
  )
}

function ColumnChanges({ diff }: { diff: DatasetDiff }) {
  const ranked = [...diff.columns].sort((a, b) => (b.psi ?? -1) - (a.psi ?? -1))
  const top = Math.max(0.1, ...ranked.map((c) => c.psi ?? 0))
  return (
    <Section>
      <Figure
        title={plural(ranked.length, 'column')}
        note="Ranked by population stability index: below 0.1 is noise for most uses, above 0.25 another population."
        table={() => ({
          columns: ['column', 'psi', 'mean from', 'mean to', 'missing from', 'missing to'],
          rows: ranked.map((c) => [c.column, c.psi, c.meanFrom, c.meanTo, c.nullsFrom, c.nullsTo]),
        })}
      >
        <Scroll label="Columns">
          <table className="table table-rows">
            <thead>
              <tr>
                <th scope="col">Column</th>
                <th scope="col">Moved (PSI)</th>
                <th scope="col" className="num">
                  Mean from
                </th>
                <th scope="col" className="num">
                  Mean to
                </th>
                <th scope="col" className="num">
                  Missing from
                </th>
                <th scope="col" className="num">
                  Missing to
                </th>
              </tr>
            </thead>
            <tbody>
              {ranked.map((c) => (
                <tr key={c.column}>
                  <td className="name">{c.column}</td>
                  <td>
                    <span className="psi-cell">
                      <span className="psi-lane" aria-hidden="true">
                        <i
                          className={(c.psi ?? 0) > 0.1 ? 'psi-moved' : ''}
                          style={{ width: `${((c.psi ?? 0) / top) * 100}%` }}
                        />
                      </span>
                      <span className="num">{psi(c.psi)}</span>
                    </span>
                  </td>
                  <td className="num">{metric(c.meanFrom)}</td>
                  <td className="num">{metric(c.meanTo)}</td>
                  <td className="num">{count(c.nullsFrom)}</td>
                  <td className="num">{count(c.nullsTo)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Figure>
    </Section>
  )
}
