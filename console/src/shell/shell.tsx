/** What stays while screens change: navigation, the status line, search, help, and the voice for screen readers. */
import { Drawer, Modal, useMantineColorScheme } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { Outlet, useLocation, useParams } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useLive } from '../api/live.ts'
import { fleetQuery } from '../api/queries.ts'
import { DoorHost } from '../parts/door.tsx'
import { Icon, type IconName, Mark } from '../parts/icons.tsx'
import { Go } from './go.tsx'
import { KEYS, useKeys } from './keys.ts'
import { MoreList, Rail, ThumbBar } from './navigation.tsx'
import { Palette } from './palette.tsx'
import { StatusStrip } from './status-strip.tsx'

type Panel = 'search' | 'help' | 'more' | null

export function Shell() {
  const [panel, setPanel] = useState<Panel>(null)
  const theme = useThemeSwitch()
  const lastModel = useLastModel()
  const close = () => setPanel(null)
  const openHelp = () => setPanel('help')
  useKeys({ search: () => setPanel('search'), help: openHelp, theme: theme.next, model: lastModel })
  return (
    <DoorHost>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <Rail openHelp={openHelp} />
      <div className="column">
        <header className="top">
          <Go href="/" className="top-mark" aria-label="Millrace, to the fleet">
            <Mark size={24} />
          </Go>
          <StatusStrip />
          <button
            type="button"
            className="search-button"
            onClick={() => setPanel('search')}
            aria-label="Search"
          >
            <Icon name="search" />
            <span>Search</span>
            <kbd>/</kbd>
          </button>
          <button
            type="button"
            className="icon-button"
            onClick={theme.next}
            aria-label={`Colours: ${theme.word}. Change`}
            title={`Colours: ${theme.word} (t)`}
          >
            <Icon name={theme.icon} />
          </button>
        </header>
        <Main />
      </div>
      <ThumbBar openMore={() => setPanel('more')} />
      <Palette opened={panel === 'search'} close={close} />
      <Modal
        opened={panel === 'help'}
        onClose={close}
        title="Keys"
        centered
        transitionProps={{ duration: 100 }}
      >
        <dl className="keys">
          {KEYS.map(([key, what]) => (
            <div key={key}>
              <dt>
                {key.split(' ').map((part) => (
                  <kbd key={part}>{part}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
      </Modal>
      <Drawer
        opened={panel === 'more'}
        onClose={close}
        position="bottom"
        size={264}
        title="More"
        transitionProps={{ duration: 120 }}
      >
        <MoreList close={close} openHelp={openHelp} />
      </Drawer>
      <Voice />
    </DoorHost>
  )
}

/** The screen. A new screen takes the focus, so that keyboard and screen reader begin at its top. */
function Main() {
  const path = useLocation({ select: (location) => location.pathname })
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path is what moves the focus
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true })
    first.current = false
  }, [path])
  return (
    <main id="main" ref={main} tabIndex={-1}>
      <Outlet />
    </main>
  )
}

/** Says aloud, politely, what the journal records while the page is open. */
function Voice() {
  const event = useLive((live) => live.events[0])
  const offline = useLive((live) => live.state === 'offline')
  return (
    <div className="sr" aria-live="polite">
      {offline
        ? 'The server does not answer. Numbers are no longer live.'
        : event
          ? `${event.subject}: ${event.reason}`
          : ''}
    </div>
  )
}

const SCHEMES = [
  { value: 'auto', word: 'as the system', icon: 'system' },
  { value: 'light', word: 'light', icon: 'sun' },
  { value: 'dark', word: 'dark', icon: 'moon' },
] as const satisfies { value: string; word: string; icon: IconName }[]

export function useThemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const at = Math.max(
    0,
    SCHEMES.findIndex((scheme) => scheme.value === colorScheme),
  )
  const next = () => setColorScheme(SCHEMES[(at + 1) % SCHEMES.length]!.value)
  return { ...SCHEMES[at]!, next, set: setColorScheme }
}

/** The model of this screen, else the last one seen, else the first of the fleet. */
function useLastModel(): () => string | null {
  const { model } = useParams({ strict: false }) as { model?: string }
  const last = useRef<string | null>(null)
  const client = useQueryClient()
  if (model !== undefined) last.current = model
  return () => last.current ?? client.getQueryData(fleetQuery().queryKey)?.models[0]?.model ?? null
}
