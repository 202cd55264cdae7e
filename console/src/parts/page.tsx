/** The frame of every screen: where you are, its question answered in a sentence, and what it looks like before, without and instead of data. */
import type { UseQueryResult } from '@tanstack/react-query'
import { type ReactNode, useEffect, useId } from 'react'
import { ApiError } from '../api/client.ts'
import { Go } from '../shell/go.tsx'
import { Command } from './copy.tsx'
import { Icon } from './icons.tsx'

export interface Crumb {
  label: string
  href: string
}

interface PageProps {
  title: ReactNode
  /** Title of the browser's tab, when the title is not plain text. */
  name?: string
  crumbs?: Crumb[]
  sentence?: ReactNode
  sign?: ReactNode
  actions?: ReactNode
  tabs?: ReactNode
  children: ReactNode
}

export function Page({ title, name, crumbs = [], sentence, sign, actions, tabs, children }: PageProps) {
  const label = name ?? (typeof title === 'string' ? title : 'Millrace')
  useEffect(() => {
    document.title = `${label} · Millrace`
  }, [label])
  return (
    <div className="page">
      <header className="page-head">
        <Crumbs crumbs={crumbs} />
        <div className="page-title">
          <h1>{title}</h1>
          {sign}
        </div>
        {sentence && <p className="sentence">{sentence}</p>}
        {actions && <div className="page-actions">{actions}</div>}
        {tabs}
      </header>
      {children}
    </div>
  )
}

function Crumbs({ crumbs }: { crumbs: Crumb[] }) {
  return (
    <nav aria-label="Where you are" className="crumbs">
      {crumbs.map((crumb) => (
        <span key={crumb.href}>
          <Go href={crumb.href} className="row-link">
            {crumb.label}
          </Go>
          <Icon name="forward" size={12} />
        </span>
      ))}
    </nav>
  )
}

interface SectionProps {
  title?: string
  note?: ReactNode
  tools?: ReactNode
  children: ReactNode
  flush?: boolean
}

export function Section({ title, note, tools, children, flush }: SectionProps) {
  const id = useId()
  return (
    <section className={flush ? 'section section-flush' : 'section'} aria-labelledby={title ? id : undefined}>
      {title && (
        <div className="section-head">
          <h2 id={id}>{title}</h2>
          {tools && <div className="tools">{tools}</div>}
        </div>
      )}
      {note && <p className="note">{note}</p>}
      {children}
    </section>
  )
}

/** Grey blocks of the height the answer will have. */
export function Skeleton({ lines = 6, height = 36 }: { lines?: number; height?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks without content
        <div key={i} style={{ height, width: `${100 - ((i * 13) % 34)}%` }} />
      ))}
    </div>
  )
}

export function SkeletonPage({ title, crumbs }: { title: ReactNode; crumbs?: Crumb[] }) {
  return (
    <Page title={title} crumbs={crumbs} sentence={<span className="skeleton-line" />}>
      <Section>
        <Skeleton lines={8} />
      </Section>
    </Page>
  )
}

interface EmptyProps {
  title: string
  children?: ReactNode
  commands?: string[]
}

export function Empty({ title, children, commands = [] }: EmptyProps) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p className="soft">{children}</p>}
      {commands.map((command) => (
        <Command key={command} text={command} />
      ))}
    </div>
  )
}

/** Code, what, what to do: the three parts of every error. */
export function ErrorCard({ error, retry }: { error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError ? error : null
  const what = known?.message ?? (error instanceof Error ? error.message : String(error))
  return (
    <div className="error-card" role="alert">
      <p className="error-code">
        <Icon name="warn" /> <code>{known?.code ?? 'console error'}</code>
      </p>
      <p className="error-what">{what}</p>
      <p className="soft">
        <strong>What to do: </strong>
        {known?.fix ?? 'reload the page; if it stays, send the text above to the owner of this installation'}
      </p>
      {retry && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

interface AskProps<T> {
  query: UseQueryResult<T>
  title: ReactNode
  crumbs?: Crumb[]
  children: (data: T) => ReactNode
}

/** A whole screen that depends on one answer. An old answer stays on show while a new one fails. */
export function Ask<T>({ query, title, crumbs, children }: AskProps<T>) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) {
    return (
      <Page title={title} crumbs={crumbs}>
        <ErrorCard error={query.error} retry={() => void query.refetch()} />
      </Page>
    )
  }
  return <SkeletonPage title={title} crumbs={crumbs} />
}

/** A part of a screen that depends on its own answer. */
export function AskPart<T>({
  query,
  lines,
  children,
}: {
  query: UseQueryResult<T>
  lines?: number
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <ErrorCard error={query.error} retry={() => void query.refetch()} />
  return <Skeleton lines={lines} />
}

export function Chips({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of links is no fieldset
    <div className="chips" role="group" aria-label={label}>
      {children}
    </div>
  )
}

export function Stat({ label, children, note }: { label: string; children: ReactNode; note?: ReactNode }) {
  return (
    <div className="stat">
      <dt>{label}</dt>
      <dd>{children}</dd>
      {note && <dd className="stat-note">{note}</dd>}
    </div>
  )
}
