/** One dataset's history: each version with what it added and set aside, and any two to compare. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { datasetQuery } from '../api/queries.ts'
import type { DatasetPage } from '../api/types.ts'
import { bytes, compact, count, plural, shortDigest, signed } from '../format/numbers.ts'
import { datasetSentence } from '../format/sentences.ts'
import { exact, windowDays } from '../format/times.ts'
import { Figure } from '../parts/figure.tsx'
import { Ask, Empty, Page, Section, Stat } from '../parts/page.tsx'
import { Ago, useNow } from '../parts/time.tsx'
import { Compare, SidePick, useSides } from '../parts/two-versions.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'
import { ChecksSign } from './datasets.tsx'
import { WaitingMerges } from './waiting-merges.tsx'

export function Dataset() {
  const { dataset } = useParams({ strict: false }) as { dataset: string }
  const query = useQuery(datasetQuery(dataset))
  const now = useNow()
  const crumbs = [{ label: 'Data', href: hrefs.data() }]
  return (
    <Ask query={query} title={dataset} crumbs={crumbs}>
      {(page) => (
        <Page
          title={page.dataset}
          crumbs={crumbs}
          sentence={datasetSentence(page, now)}
          sign={<ChecksSign findings={page.findings} />}
          actions={
            page.version && (
              <>
                <Go href={hrefs.triage(page.dataset)} className="button">
                  Triage rows
                </Go>
                <Go href={hrefs.datasetVersion(page.dataset, page.version)} className="button">
                  Newest version
                </Go>
              </>
            )
          }
        >
          {page.log.length === 0 ? (
            <Empty title="Not imported yet" commands={['millrace run']}>
              It is read from {page.source}.
            </Empty>
          ) : (
            <>
              <Section>
                <dl className="stats">
                  <Stat label="Rows">{count(page.rows)}</Stat>
                  <Stat label="In quarantine">{count(page.rowsQuarantined)}</Stat>
                  <Stat label="Covers">
                    {page.window ? windowDays(page.window.fromAt, page.window.toAt) : 'no time column'}
                  </Stat>
                  <Stat label="Size">{bytes(page.bytes)}</Stat>
                  <Stat label="Source">
                    <code className="wrap-any">{page.source}</code>
                  </Stat>
                </dl>
              </Section>
              <WaitingMerges dataset={page.dataset} />
              <History page={page} />
            </>
          )}
        </Page>
      )}
    </Ask>
  )
}

function History({ page }: { page: DatasetPage }) {
  const sides = useSides(page.log)
  const most = Math.max(...page.log.map((entry) => entry.rowsAdded), 1)
  return (
    <Section>
      <Figure
        title="History"
        note="Newest first. Bars are rows added, on one scale; amber are rows set aside. Parts that did not change are shared between versions."
        table={() => ({
          columns: ['digest', 'at', 'rows', 'rows added', 'rows set aside', 'parts new', 'parts', 'message'],
          rows: page.log.map((e) => [
            e.digest,
            exact(e.at),
            e.rows,
            e.rowsAdded,
            e.rowsQuarantined,
            e.partsNew,
            e.parts,
            e.message,
          ]),
        })}
      >
        <ol className="log">
          {page.log.map((entry, i) => (
            <li key={entry.digest} className={i === 0 ? 'log-row log-head' : 'log-row'}>
              <span className="log-graph" aria-hidden="true">
                <i />
              </span>
              <SidePick sides={sides} digest={entry.digest} />
              <span className="log-what">
                <Go href={hrefs.datasetVersion(page.dataset, entry.digest)} className="row-link name">
                  {entry.message}
                </Go>
                <span className="small muted">
                  <span className="mono">{shortDigest(entry.digest)}</span> · <Ago at={entry.at} /> ·{' '}
                  {count(entry.partsNew)} of {plural(entry.parts, 'part')} new
                </span>
              </span>
              <span className="log-bar" aria-hidden="true">
                <i style={{ width: `${(Math.max(0, entry.rowsAdded) / most) * 100}%` }} />
                <i
                  className="log-aside"
                  style={{
                    width: `${Math.max(entry.rowsQuarantined > 0 ? 0.6 : 0, (entry.rowsQuarantined / most) * 100)}%`,
                  }}
                />
              </span>
              <span className="num log-added">
                {signed(entry.rowsAdded, count)}
                <span className="small muted block">{compact(entry.rowsQuarantined)} aside</span>
              </span>
              <span className="num log-rows">
                {compact(entry.rows)}
                <span className="small muted block">rows</span>
              </span>
            </li>
          ))}
        </ol>
      </Figure>
      <Compare sides={sides} href={(from, to) => hrefs.diff(page.dataset, from, to)} />
    </Section>
  )
}
