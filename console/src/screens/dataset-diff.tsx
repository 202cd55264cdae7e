/** Two versions of a dataset: which rows came and went, which columns changed their look. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { diffQuery } from '../api/queries.ts'
import type { DatasetDiff } from '../api/types.ts'
import { count, metric, plural, psi, shortDigest, signed } from '../format/numbers.ts'
import { diffSentence, list } from '../format/sentences.ts'
import { Command } from '../parts/copy.tsx'
import { Figure, Scroll } from '../parts/figure.tsx'
import { Ask, Empty, Page, Section, Stat } from '../parts/page.tsx'
import { Go, useParam } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function Diff() {
  const { dataset } = useParams({ strict: false }) as { dataset: string }
  const [from] = useParam('from')
  const [to] = useParam('to')
  const crumbs = [
    { label: 'Data', href: hrefs.data() },
    { label: dataset, href: hrefs.dataset(dataset) },
  ]
  const query = useQuery({ ...diffQuery(dataset, from, to), enabled: from !== '' && to !== '' })
  if (from === '' || to === '') {
    return (
      <Page title="What changed" crumbs={crumbs}>
        <Empty title="Two versions are needed">Choose them in the history of {dataset}.</Empty>
      </Page>
    )
  }
  return (
    <Ask query={query} title="What changed" crumbs={crumbs}>
      {(diff) => (
        <Page
          title={`${shortDigest(diff.from)} → ${shortDigest(diff.to)}`}
          name={`${dataset}: what changed`}
          crumbs={crumbs}
          sentence={diffSentence(diff)}
        >
          <Section>
            <dl className="stats">
              <Stat label="Rows added">{signed(diff.rowsAdded, count)}</Stat>
              <Stat label="Rows removed">
                {diff.rowsRemoved === 0 ? 'none' : `\u2212${count(diff.rowsRemoved)}`}
              </Stat>
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
          <Section title="The same on the command line">
            <Command
              text={`millrace data diff ${dataset} ${shortDigest(diff.from)} ${shortDigest(diff.to)}`}
            />
          </Section>
        </Page>
      )}
    </Ask>
  )
}

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
