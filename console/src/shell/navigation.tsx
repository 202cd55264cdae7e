/** The way around: a rail on wide windows, a bar under the thumb on narrow ones. */
import { useQuery } from '@tanstack/react-query'
import { useLocation } from '@tanstack/react-router'
import { alertsQuery, mergesQuery } from '../api/queries.ts'
import { needsPerson } from '../format/sentences.ts'
import { Icon, type IconName, Mark } from '../parts/icons.tsx'
import { Go } from './go.tsx'
import { hrefs } from './hrefs.ts'

interface Place {
  label: string
  icon: IconName
  href: string
  /** Beginnings of the addresses that belong to it. */
  under: string[]
  key?: string
}

const PLACES: Place[] = [
  {
    label: 'Fleet',
    icon: 'fleet',
    href: hrefs.fleet(),
    under: ['/models', '/predictions', '/playground', '/backtest'],
    key: 'g f',
  },
  { label: 'Data', icon: 'data', href: hrefs.data(), under: ['/data', '/files'], key: 'g d' },
  { label: 'Alerts', icon: 'alerts', href: hrefs.alerts(), under: ['/alerts'], key: 'g a' },
  { label: 'Runs', icon: 'runs', href: hrefs.runs(), under: ['/runs'], key: 'g r' },
  { label: 'Journal', icon: 'journal', href: hrefs.journal(), under: ['/journal'] },
  { label: 'Settings', icon: 'settings', href: hrefs.settings(), under: ['/settings'] },
]

const here = (place: Place, path: string) =>
  path === place.href || place.under.some((prefix) => path === prefix || path.startsWith(`${prefix}/`))

/** What needs a person, by the place where it is. */
function useWaiting(): Record<string, number> {
  const alerts = useQuery(alertsQuery())
  const merges = useQuery({ ...mergesQuery(), retry: false })
  return {
    Alerts: new Set(alerts.data?.filter(needsPerson).map((alert) => alert.dedupeKey)).size,
    Data: merges.data?.length ?? 0,
  }
}

function PlaceLink({ place, waiting }: { place: Place; waiting: Record<string, number> }) {
  const path = useLocation({ select: (location) => location.pathname })
  const badge = waiting[place.label] || null
  return (
    <Go
      href={place.href}
      className="place"
      aria-current={here(place, path) ? 'page' : undefined}
      title={place.key ? `${place.label} (${place.key})` : place.label}
    >
      <Icon name={place.icon} />
      <span className="place-label">{place.label}</span>
      {badge !== null && (
        <span className="badge">
          {badge}
          <span className="sr"> need a person</span>
        </span>
      )}
    </Go>
  )
}

export function Rail({ openHelp }: { openHelp: () => void }) {
  const waiting = useWaiting()
  return (
    <nav className="rail" aria-label="Screens">
      <Go href="/" className="brand" aria-label="Millrace, to the fleet">
        <Mark />
        <span className="brand-name">Millrace</span>
      </Go>
      {PLACES.map((place) => (
        <PlaceLink key={place.label} place={place} waiting={waiting} />
      ))}
      <button type="button" className="place rail-help" onClick={openHelp}>
        <Icon name="keyboard" />
        <span className="place-label">Keys</span>
        <kbd>?</kbd>
      </button>
    </nav>
  )
}

export function ThumbBar({ openMore }: { openMore: () => void }) {
  const waiting = useWaiting()
  return (
    <nav className="thumb" aria-label="Screens">
      {PLACES.slice(0, 4).map((place) => (
        <PlaceLink key={place.label} place={place} waiting={waiting} />
      ))}
      <button type="button" className="place" onClick={openMore}>
        <Icon name="more" />
        <span className="place-label">More</span>
      </button>
    </nav>
  )
}

export function MoreList({ close, openHelp }: { close: () => void; openHelp: () => void }) {
  return (
    <ul className="more-list">
      {PLACES.slice(4).map((place) => (
        <li key={place.label}>
          <Go href={place.href} className="place" onClick={close}>
            <Icon name={place.icon} />
            <span>{place.label}</span>
          </Go>
        </li>
      ))}
      <li>
        <button type="button" className="place" onClick={openHelp}>
          <Icon name="keyboard" />
          <span>Keys and help</span>
        </button>
      </li>
    </ul>
  )
}
