/** One version of a dataset: its columns at a glance, its checks, its parts, and the rows that were set aside with the reason. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { datasetVersionQuery } from '../api/queries.ts'
import type { DatasetVersionPage, ProfiledColumn } from '../api/types.ts'
import { HistogramStrip } from '../charts/histogram.tsx'
import { bytes, compact, count, metric, plain, plural, psi, share, shortDigest } from '../format/numbers.ts'
import { versionSentence } from '../format/sentences.ts'
import { exact } from '../format/times.ts'
import { Command, CopyButton } from '../parts/copy.tsx'
import { Figure, Scroll } from '../parts/figure.tsx'
import { Findings, verdictCounts } from '../parts/findings.tsx'
import { Ask, Page, Section } from '../parts/page.tsx'
import { Sign } from '../parts/signs.tsx'
import { Ago } from '../parts/time.tsx'
import { Go } from '../shell/go.tsx'
import { hrefs } from '../shell/hrefs.ts'
import { Quarantine } from './quarantine.tsx'

/** Above this index a column is named as moved: the customary bound of a small change. */
const PSI_MOVED = 0.1

export function DatasetVersion() {
  const { dataset, digest } = useParams({ strict: false }) as { dataset: string; digest: string }
  const query = useQuery(datasetVersionQuery(dataset, digest))
  const crumbs = [
    { label: 'Data', href: hrefs.data() },
    { label: dataset, href: hrefs.dataset(dataset) },
  ]
  const name = `${dataset}@${shortDigest(digest)}`
  return (
    <Ask query={query} title={name} crumbs={crumbs}>
      {(page) => (
        <Page title={name} crumbs={crumbs} sentence={versionSentence(page)} actions={<Parents page={page} />}>
          <p className="small muted page-line">
            <Ago at={page.createdAt} /> · <span className="mono">{shortDigest(page.digest)}</span>{' '}
            <CopyButton text={page.digest} label="Copy digest" />
          </p>
          <Columns page={page} />
          <div className="two">
            <Section title="Checks" note={verdictCounts(page.findings) || undefined}>
              {page.findings.length === 0 ? (
                <p className="soft">
                  No checks are declared. Add some: checks.notNull('…'), checks.between('…', 0, 100).
                </p>
              ) : (
                <Findings findings={page.findings} />
              )}
            </Section>
            <Parts page={page} />
          </div>
          <Quarantine page={page} />
          <Section title="The same on the command line">
            <Command text={`millrace data show ${page.dataset}@${shortDigest(page.digest)}`} />
          </Section>
        </Page>
      )}
    </Ask>
  )
}

function Parents({ page }: { page: DatasetVersionPage }) {
  const parent = page.parents[0]
  if (parent === undefined) return null
  return (
    <Go href={hrefs.diff(page.dataset, parent, page.digest)} className="button">
      Compare with its parent
    </Go>
  )
}

function Columns({ page }: { page: DatasetVersionPage }) {
  return (
    <Section>
      <Figure
        title={plural(page.columns.length, 'column')}
        note="Each column’s distribution, missing values and how far it moved against the parent version."
        table={() => ({
          columns: [
            'column',
            'type',
            'nullable',
            'missing',
            'distinct',
            'min',
            'mean',
            'max',
            'psi against parent',
          ],
          rows: page.columns.map((c) => [
            c.name,
            c.type,
            c.nullable,
            c.profile.nulls,
            c.profile.distinctApprox,
            c.profile.min,
            c.profile.mean,
            c.profile.max,
            c.parent?.psi,
          ]),
        })}
      >
        <div className="profile">
          {page.columns.map((column) => (
            <ColumnRow key={column.name} column={column} rows={page.rows} />
          ))}
        </div>
      </Figure>
    </Section>
  )
}

function ColumnRow({ column, rows }: { column: ProfiledColumn; rows: number }) {
  const { profile } = column
  const missing = rows === 0 ? 0 : profile.nulls / rows
  const moved = column.parent?.psi ?? null
  return (
    <div className="profile-row">
      <div className="profile-name">
        <span className="name cut">{column.name}</span>
        <span className="small muted">
          {column.type}
          {column.nullable ? ', may be missing' : ''}
        </span>
      </div>
      <div className="profile-strip">
        {profile.histogram ? (
          <HistogramStrip
            histogram={profile.histogram}
            width={168}
            label={`Distribution of ${column.name}`}
          />
        ) : (
          <span className="small muted">no distribution kept</span>
        )}
        <span className="profile-ends small muted">
          <span className="cut">{edge(column, profile.min)}</span>
          <span className="cut">{edge(column, profile.max)}</span>
        </span>
      </div>
      <div className="num profile-figure">
        <span className="block">{profile.mean === undefined ? '–' : metric(profile.mean)}</span>
        <span className="small muted">mean</span>
      </div>
      <div className="num profile-figure">
        <span className="block">{compact(profile.distinctApprox)}</span>
        <span className="small muted" title="Estimated part by part, not counted: it may be off by a tenth">
          distinct, about
        </span>
      </div>
      <div className="num profile-figure">
        <span className="block">{missing === 0 ? 'none' : share(missing)}</span>
        <span className="missing" aria-hidden="true">
          <i style={{ width: `${missing * 100}%` }} />
        </span>
        <span className="small muted">missing</span>
      </div>
      <div className="num profile-figure profile-drift">
        {moved === null ? (
          <span className="muted">–</span>
        ) : moved > PSI_MOVED ? (
          <Sign icon="cross" word={`moved ${psi(moved)}`} tone="warn" />
        ) : (
          <span className="block">{psi(moved)}</span>
        )}
        <span className="small muted">PSI</span>
      </div>
    </div>
  )
}

function edge(column: ProfiledColumn, value: number | string | undefined): string {
  if (value === undefined) return ''
  if ((column.type === 'time' || column.type === 'date') && typeof value === 'number')
    return exact(value).slice(0, 10)
  return plain(value)
}

function partsNote({ parts }: DatasetVersionPage): string {
  const fresh = parts.filter((p) => p.isNew).length
  if (fresh === parts.length) return 'Written for this version.'
  return `${count(fresh)} written for this version; the others are shared with earlier ones.`
}

function Parts({ page }: { page: DatasetVersionPage }) {
  const [all, setAll] = useState(false)
  const shown = all ? page.parts : page.parts.slice(0, 12)
  return (
    <Section title={plural(page.parts.length, 'part')} note={partsNote(page)}>
      <Scroll label="Parts">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Key</th>
              <th scope="col" className="num">
                Rows
              </th>
              <th scope="col" className="num">
                Bytes
              </th>
              <th scope="col">Object</th>
              <th scope="col">Here</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((part) => (
              <tr key={part.digest}>
                <td>{part.key}</td>
                <td className="num">{count(part.rows)}</td>
                <td className="num">{bytes(part.bytes)}</td>
                <td className="mono muted" title={part.digest}>
                  {shortDigest(part.digest)}
                </td>
                <td>{part.isNew ? 'new' : <span className="muted">shared</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {page.parts.length > shown.length && (
        <button type="button" className="button" onClick={() => setAll(true)}>
          All {count(page.parts.length)} parts
        </button>
      )}
    </Section>
  )
}
