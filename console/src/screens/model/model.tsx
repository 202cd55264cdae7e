/** One model: is it good, why, and what stands behind it. The tab is part of the address. */
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { modelQuery } from '../../api/queries.ts'
import type { ModelPage } from '../../api/types.ts'
import { plural } from '../../format/numbers.ts'
import { needsPerson } from '../../format/sentences.ts'
import { ActionDialog } from '../../parts/action.tsx'
import { Icon } from '../../parts/icons.tsx'
import { type Later, later } from '../../parts/later.tsx'
import { Ask, Page, Section, Skeleton } from '../../parts/page.tsx'
import { ReleaseSign } from '../../parts/signs.tsx'
import { Go } from '../../shell/go.tsx'
import { hrefs, MODEL_TABS, type ModelTab } from '../../shell/hrefs.ts'

interface Tab {
  page: ModelPage
}

const WAIT = (
  <Section>
    <Skeleton lines={8} />
  </Section>
)

const TABS = {
  quality: later<Tab>(() => import('./quality.tsx').then((m) => m.Quality), WAIT),
  drift: later<Tab>(() => import('./drift.tsx').then((m) => m.Drift), WAIT),
  members: later<Tab>(() => import('./members.tsx').then((m) => m.Members), WAIT),
  versions: later<Tab>(() => import('./versions.tsx').then((m) => m.Versions), WAIT),
  releases: later<Tab>(() => import('./releases.tsx').then((m) => m.Releases), WAIT),
  explain: later<Tab>(() => import('./explain.tsx').then((m) => m.Explain), WAIT),
  speed: later<Tab>(() => import('./speed.tsx').then((m) => m.Speed), WAIT),
} satisfies Record<ModelTab, Later<Tab>>

export function Model() {
  const { model, tab = 'quality' } = useParams({ strict: false }) as { model: string; tab?: string }
  const shown = MODEL_TABS.find((name) => name === tab) ?? 'quality'
  const query = useQuery(modelQuery(model))
  const crumbs = crumbsOf(model, query.data?.parent ?? null)
  const Body = TABS[shown]
  Body.preload()
  return (
    <Ask query={query} title={model} crumbs={crumbs}>
      {(page) => (
        <Page
          title={page.model}
          crumbs={crumbs}
          sentence={page.sentence}
          sign={<ReleaseSign release={page.release} long />}
          actions={<Actions page={page} />}
          tabs={<Tabs page={page} shown={shown} />}
        >
          <Body key={shown} page={page} />
        </Page>
      )}
    </Ask>
  )
}

function crumbsOf(model: string, parent: string | null) {
  const family = parent ?? (model.includes('/') ? model.slice(0, model.indexOf('/')) : null)
  const fleet = { label: 'Fleet', href: hrefs.fleet() }
  return family === null || family === model
    ? [fleet]
    : [fleet, { label: family, href: hrefs.model(family, 'members') }]
}

function Tabs({ page, shown }: { page: ModelPage; shown: ModelTab }) {
  const notes: Partial<Record<ModelTab, number>> = {
    drift: page.drift.filter((column) => column.verdict === 'fail').length,
    versions: page.versions.length,
  }
  const tabs = page.parent === null ? MODEL_TABS : MODEL_TABS.filter((tab) => tab !== 'members')
  const bar = useRef<HTMLElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the shown tab is what must come into view
  useEffect(() => {
    const here = bar.current?.querySelector<HTMLElement>('[aria-current]')
    if (bar.current && here)
      bar.current.scrollLeft = here.offsetLeft - (bar.current.clientWidth - here.offsetWidth) / 2
  }, [shown])
  return (
    <nav ref={bar} className="tabs" aria-label={`About ${page.model}`}>
      {tabs.map((tab) => (
        <Go
          key={tab}
          href={hrefs.model(page.model, tab)}
          aria-current={tab === shown ? 'page' : undefined}
          className="tab"
        >
          {tab[0]!.toUpperCase() + tab.slice(1)}
          {notes[tab] ? <span className="tab-note">{notes[tab]}</span> : null}
        </Go>
      ))}
      {page.parent === null && (
        <Go href={hrefs.backtest(page.model)} className="tab">
          Backtest
        </Go>
      )}
    </nav>
  )
}

/** What can be done to it. Members follow their family, so they offer none. */
function Actions({ page }: { page: ModelPage }) {
  const [verb, setVerb] = useState<'rollback' | 'promote' | null>(null)
  const waiting = page.alerts.filter(needsPerson).length
  const open = page.alerts.filter((alert) => alert.state !== 'resolved').length
  const canPromote = page.release !== null && ['shadow', 'canary', 'paused'].includes(page.release.state)
  const own = page.parent === null && page.release !== null
  return (
    <>
      {open > 0 && (
        <Go
          href={hrefs.alerts({ model: page.model })}
          className={waiting > 0 ? 'button button-act' : 'button'}
        >
          <Icon name="alerts" /> {plural(open, 'alert')}
        </Go>
      )}
      <Go href={hrefs.playground(page.model)} className="button">
        <Icon name="play" /> Try it
      </Go>
      {own && (
        <button
          type="button"
          className="button"
          onClick={() => setVerb('rollback')}
          title={page.commands.rollback}
        >
          <Icon name="back" /> Roll back
        </button>
      )}
      {own && canPromote && (
        <button
          type="button"
          className="button"
          onClick={() => setVerb('promote')}
          title={page.commands.promote}
        >
          <Icon name="forward" /> Promote
        </button>
      )}
      {own && (
        <ActionDialog
          model={page.model}
          verb={verb ?? 'rollback'}
          undo={verb === 'promote' ? page.commands.rollback : page.commands.promote}
          opened={verb !== null}
          close={() => setVerb(null)}
        />
      )}
    </>
  )
}
