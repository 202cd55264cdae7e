/** A set of files of anything: what is in it, and each version with what it added to the store; any two to compare. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { fileSetQuery } from '../api/queries.ts'
import type { FileSetPage } from '../api/types.ts'
import { bytes, count, plural, shortDigest } from '../format/numbers.ts'
import { exact, relative } from '../format/times.ts'
import { Command } from '../parts/copy.tsx'
import { Figure, Scroll } from '../parts/figure.tsx'
import { Ask, Page, Section, Stat } from '../parts/page.tsx'
import { Ago, useNow } from '../parts/time.tsx'
import { Compare, SidePick, useSides } from '../parts/two-versions.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function Files() {
  const { set } = useParams({ strict: false }) as { set: string }
  const query = useQuery(fileSetQuery(set))
  const now = useNow()
  const crumbs = [{ label: 'Data', href: hrefs.data() }]
  return (
    <Ask query={query} title={set} crumbs={crumbs}>
      {(page) => (
        <Page title={set} crumbs={crumbs} sentence={sentenceOf(page, now)}>
          <Section>
            <dl className="stats">
              <Stat label="Paths">{count(page.files)}</Stat>
              <Stat label="Size">{bytes(page.bytes)}</Stat>
              <Stat label="Branch">{page.branch}</Stat>
              <Stat label="Version">
                <span className="mono">{shortDigest(page.version)}</span>
              </Stat>
            </dl>
          </Section>
          <History page={page} />
          <Entries page={page} />
          <Section title="The same on the command line">
            <Command text={`millrace data log ${page.set}@${page.branch}`} />
            <Command text={`millrace data checkout ${page.set}@${page.branch}`} />
          </Section>
        </Page>
      )}
    </Ask>
  )
}

const sentenceOf = ({ files, bytes: size, log, changedAt }: FileSetPage, now: number): string =>
  `${plural(files, 'path')} of ${bytes(size)} in ${plural(log.length, 'version')}; the last came ${relative(changedAt, now)} and stored ${bytes(log[0]?.bytesStored ?? 0)}.`

const ONE_VERSION =
  'There is one version. Add the files again when they change, and what changed is told here.'

function History({ page }: { page: FileSetPage }) {
  const sides = useSides(page.log)
  const most = Math.max(...page.log.map(({ bytesStored }) => bytesStored), 1)
  return (
    <Section>
      <Figure
        title="History"
        note="Newest first. Bars are bytes that the store did not have before; what is shared between versions is kept once."
        table={() => ({
          columns: ['digest', 'at', 'paths', 'bytes', 'bytes stored', 'message'],
          rows: page.log.map((e) => [e.digest, exact(e.at), e.files, e.bytes, e.bytesStored, e.message]),
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
                <span className="name">{entry.message || 'added'}</span>
                <span className="small muted">
                  <span className="mono">{shortDigest(entry.digest)}</span> · <Ago at={entry.at} />
                </span>
              </span>
              <span className="log-bar" aria-hidden="true">
                <i style={{ width: `${(entry.bytesStored / most) * 100}%` }} />
              </span>
              <span className="num log-added">
                {bytes(entry.bytesStored)}
                <span className="small muted block">stored</span>
              </span>
              <span className="num log-rows">
                {bytes(entry.bytes)}
                <span className="small muted block">{plural(entry.files, 'path')}</span>
              </span>
            </li>
          ))}
        </ol>
      </Figure>
      <Compare
        sides={sides}
        href={(from, to) => hrefs.filesDiff(page.set, from, to)}
        otherwise={page.log.length < 2 ? ONE_VERSION : undefined}
      />
    </Section>
  )
}

function Entries({ page }: { page: FileSetPage }) {
  return (
    <Section title="What is in it" note="As it lies at the top; folders with all that is below them.">
      <Scroll label="Files">
        <table className="table table-rows">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="num">
                Paths
              </th>
              <th scope="col" className="num">
                Size
              </th>
            </tr>
          </thead>
          <tbody>
            {page.entries.map((entry) => (
              <tr key={entry.name}>
                <td className="wrap-any">
                  {entry.name}
                  {entry.isFolder && '/'}
                </td>
                <td className="num">{count(entry.files)}</td>
                <td className="num">{bytes(entry.bytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  )
}
