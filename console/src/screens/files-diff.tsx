/** Two versions of a set of files: which paths came, went, changed or moved, and which tensors of the models among them. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { filesDiffQuery } from '../api/queries.ts'
import type { FilesDiffPage } from '../api/types.ts'
import { bytes, count, plural } from '../format/numbers.ts'
import { list } from '../format/sentences.ts'
import { Figure, Scroll } from '../parts/figure.tsx'
import { Section, Stat } from '../parts/page.tsx'
import { TensorFigure } from '../parts/tensor-changes.tsx'
import { useAsked, VersionsDiff } from '../parts/two-versions.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'

export function FilesDiff() {
  const { set } = useParams({ strict: false }) as { set: string }
  const { from, to, enabled } = useAsked()
  return (
    <VersionsDiff
      of={set}
      home={hrefs.files(set)}
      query={useQuery({ ...filesDiffQuery(set, from, to), enabled })}
      sentence={sentenceOf}
      command={(diff) => diff.command}
    >
      {(diff) => (
        <>
          <Counts set={set} diff={diff} />
          {diff.models.map(({ path, ...changes }) => (
            <Section key={path}>
              <TensorFigure title={path} changes={changes} />
            </Section>
          ))}
          <Paths diff={diff} />
        </>
      )}
    </VersionsDiff>
  )
}

function sentenceOf({ counts, models }: FilesDiffPage): string {
  const paths = `${plural(counts.added, 'path')} added, ${count(counts.removed)} removed, ${count(counts.changed)} changed and ${count(counts.moved)} moved; ${counts.same === 1 ? '1 is' : `${count(counts.same)} are`} the same`
  if (models.length === 0) return `${paths}.`
  const tensors = models.reduce(
    (n, m) => n + m.added.length + m.removed.length + m.reshaped.length + m.changed.length,
    0,
  )
  const same = models.reduce((n, { same: one }) => n + one, 0)
  return `${paths}. In ${list(
    models.map(({ path }) => path),
    2,
  )} ${count(tensors)} of ${plural(tensors + same, 'tensor')} changed.`
}

function Counts({ set, diff }: { set: string; diff: FilesDiffPage }) {
  const { counts } = diff
  return (
    <Section>
      <dl className="stats">
        <Stat label="Added">{count(counts.added)}</Stat>
        <Stat label="Removed">{count(counts.removed)}</Stat>
        <Stat label="Changed">{count(counts.changed)}</Stat>
        <Stat label="Moved" note="same bytes, other path">
          {count(counts.moved)}
        </Stat>
        <Stat label="The same" note="shared, not copied">
          {count(counts.same)}
        </Stat>
      </dl>
      <p className="page-line">
        <Go href={hrefs.filesDiff(set, diff.to, diff.from)} className="link">
          the other way round
        </Go>
      </p>
    </Section>
  )
}

interface PathLine {
  what: 'added' | 'removed' | 'changed' | 'moved'
  path: string
  before: string | null
  size: ReactNode
  bytes: number
}

function linesOf({ added, removed, changed, moved }: FilesDiffPage): PathLine[] {
  const line = (
    what: PathLine['what'],
    { path, bytes: size }: { path: string; bytes: number },
  ): PathLine => ({
    ...{ what, path, before: null, bytes: size },
    size: bytes(size),
  })
  return [
    ...changed.map((e) => ({
      ...line('changed', e),
      size: e.bytesBefore === e.bytes ? bytes(e.bytes) : `${bytes(e.bytesBefore)} → ${bytes(e.bytes)}`,
    })),
    ...moved.map((e) => ({ ...line('moved', e), before: e.pathBefore })),
    ...added.map((e) => line('added', e)),
    ...removed.map((e) => line('removed', e)),
  ]
}

function Paths({ diff }: { diff: FilesDiffPage }) {
  const { added, removed, changed, moved } = diff.counts
  const total = added + removed + changed + moved
  const lines = linesOf(diff)
  if (total === 0) return null
  return (
    <Section>
      <Figure
        title={plural(total, 'path')}
        note={lines.length < total ? `${count(lines.length)} of them are shown.` : undefined}
        table={() => ({
          columns: ['what', 'path', 'path before', 'bytes'],
          rows: lines.map((l) => [l.what, l.path, l.before, l.bytes]),
        })}
      >
        <Scroll label="Paths">
          <table className="table table-rows">
            <thead>
              <tr>
                <th scope="col">What</th>
                <th scope="col">Path</th>
                <th scope="col" className="num">
                  Size
                </th>
              </tr>
            </thead>
            <tbody>
              {lines.map((l) => (
                <tr key={`${l.what} ${l.path}`}>
                  <td className="soft">{l.what}</td>
                  <td className="wrap-any">
                    {l.before !== null && (
                      <>
                        <del>{l.before}</del> →{' '}
                      </>
                    )}
                    {l.path}
                  </td>
                  <td className="num nowrap">{l.size}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </Figure>
    </Section>
  )
}
