/** Search over everything with a name: screens, models, members, datasets, alerts. Opens with `/`. */
import { Modal } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useState } from 'react'
import { fleetQuery, membersQuery } from '../api/queries.ts'
import type { Fleet } from '../api/types.ts'
import { plural } from '../format/numbers.ts'
import { Icon, type IconName } from '../parts/icons.tsx'
import { hrefs } from './hrefs.ts'
import { rank } from './rank.ts'

interface Entry {
  label: string
  kind: string
  note: string
  icon: IconName
  href: string
}

const SCREENS: Entry[] = (
  [
    ['Fleet', 'fleet', hrefs.fleet()],
    ['Data', 'data', hrefs.data()],
    ['Alerts', 'alerts', hrefs.alerts()],
    ['Runs', 'runs', hrefs.runs()],
    ['Journal', 'journal', hrefs.journal()],
    ['Settings', 'settings', hrefs.settings()],
  ] as const
).map(([label, icon, href]) => ({ label, icon, href, kind: 'screen', note: '' }))

const SHOWN_MAX = 12
const MEMBERS_MAX = 6

export function Palette({ opened, close }: { opened: boolean; close: () => void }) {
  return (
    <Modal
      opened={opened}
      onClose={close}
      withCloseButton={false}
      size="lg"
      yOffset="10vh"
      padding={0}
      transitionProps={{ duration: 100 }}
      aria-label="Search"
    >
      {opened && <PaletteBody close={close} />}
    </Modal>
  )
}

function PaletteBody({ close }: { close: () => void }) {
  const router = useRouter()
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(0)
  const entries = useEntries(query)
  const chosen = entries[Math.min(at, entries.length - 1)]
  const open = (entry: Entry | undefined) => {
    if (entry === undefined) return
    close()
    router.history.push(entry.href)
  }
  const keys = (event: KeyboardEvent) => {
    const move = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (move !== 0) {
      event.preventDefault()
      setAt(
        (before) =>
          (Math.min(before, entries.length - 1) + move + entries.length) % Math.max(1, entries.length),
      )
    } else if (event.key === 'Enter') {
      event.preventDefault()
      open(chosen)
    }
  }
  useEffect(() => {
    document.getElementById(`found-${at}`)?.scrollIntoView({ block: 'nearest' })
  }, [at])
  return (
    <div className="palette">
      <div className="palette-ask">
        <Icon name="search" />
        <input
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls="found"
          aria-activedescendant={chosen ? `found-${entries.indexOf(chosen)}` : undefined}
          aria-label="Search models, members, datasets and alerts"
          placeholder="Model, airport, dataset, alert…"
          value={query}
          onChange={(event) => {
            setQuery(event.currentTarget.value)
            setAt(0)
          }}
          onKeyDown={keys}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
        />
        <kbd>esc</kbd>
      </div>
      <div id="found" role="listbox" aria-label="Found" className="palette-list">
        {entries.map((entry, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the combobox above
          <div
            key={`${entry.kind} ${entry.href} ${entry.label}`}
            id={`found-${i}`}
            role="option"
            tabIndex={-1}
            aria-selected={entry === chosen}
            className="palette-row"
            onClick={() => open(entry)}
            onMouseMove={() => setAt(i)}
          >
            <Icon name={entry.icon} />
            <span className="cut">{entry.label}</span>
            <span className="muted small cut">{entry.note || entry.kind}</span>
          </div>
        ))}
      </div>
      {entries.length === 0 && (
        <p className="palette-none soft">
          Nothing is called “{query.slice(0, 40)}”. Try a model’s name or an airport’s code.
        </p>
      )}
      <p className="sr" aria-live="polite">
        {plural(entries.length, 'result')}
      </p>
    </div>
  )
}

function useEntries(query: string): Entry[] {
  const fleet = useQuery(fleetQuery())
  const [asked] = useDebouncedValue(query.trim(), 120)
  const family = fleet.data?.models.find((row) => row.members > 0)?.model
  const members = useQuery({
    ...membersQuery(family ?? '', { search: asked, sort: '-predictions', limit: MEMBERS_MAX, offset: 0 }),
    enabled: family !== undefined && asked !== '',
  })
  const named = rank([...(fleet.data ? fleetEntries(fleet.data) : []), ...SCREENS], query, SHOWN_MAX)
  const found = asked === '' || query.trim() === '' ? [] : (members.data?.members ?? [])
  return [
    ...named,
    ...found.map((m) => ({
      label: m.model,
      kind: 'member',
      note: m.answers === 'self' ? 'member' : 'answered by the parent',
      icon: 'fleet' as const,
      href: hrefs.model(m.answers === 'self' ? m.model : (family ?? m.model)),
    })),
  ]
}

function fleetEntries(fleet: Fleet): Entry[] {
  return [
    ...fleet.models.map((row) => ({
      label: row.model,
      kind: 'model',
      note: row.members > 0 ? `family of ${row.members}` : 'model',
      icon: 'fleet' as const,
      href: hrefs.model(row.model),
    })),
    ...fleet.models.map((row) => ({
      label: `Playground ${row.model}`,
      kind: 'playground',
      note: 'try it',
      icon: 'play' as const,
      href: hrefs.playground(row.model),
    })),
    ...fleet.models.map((row) => ({
      label: `Backtest ${row.model}`,
      kind: 'backtest',
      note: 'how fresh must it be',
      icon: 'chart' as const,
      href: hrefs.backtest(row.model),
    })),
    ...fleet.datasets.map((row) => ({
      label: row.dataset,
      kind: 'dataset',
      note: 'dataset',
      icon: 'data' as const,
      href: hrefs.dataset(row.dataset),
    })),
    ...fleet.attention.map((alert) => ({
      label: alert.finding.message,
      kind: 'alert',
      note: 'alert',
      icon: 'alerts' as const,
      href: `${hrefs.alerts()}#${alert.id}`,
    })),
  ]
}
