/**
 * What the server tells without being asked: the pulse, the journal, the running story.
 *
 * States: `connecting` (never heard), `live` (heard within the last 12 seconds), `offline` (the connection broke or fell silent).
 * Offline, it tries again after 1, 2, 4 … 15 seconds; what was last heard stays readable and says since when it is stale.
 */
import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { headers } from './client.ts'
import { type ServerEvent, sseReader } from './sse.ts'
import type { JournalEvent, Pulse, StoryProgress } from './types.ts'

const SILENCE_MS_MAX = 12_000
const RETRY_MS_MAX = 15_000
const PULSES_MAX = 180
const EVENTS_MAX = 200
const REFRESH_MS = 1_200

export interface Live {
  state: 'connecting' | 'live' | 'offline'
  /** When the connection was last known to be good; null before the first word. */
  heardAt: number | null
  pulse: Pulse | null
  pulses: Pulse[]
  progress: StoryProgress | null
  /** Events of this session, newest first. */
  events: JournalEvent[]
}

let live: Live = { state: 'connecting', heardAt: null, pulse: null, pulses: [], progress: null, events: [] }
const watchers = new Set<() => void>()

function change(part: Partial<Live>): void {
  live = { ...live, ...part }
  for (const watcher of watchers) watcher()
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  return () => watchers.delete(watcher)
}

/** A piece of the live state; the component renders again only when that piece changes. */
export function useLive<T>(pick: (live: Live) => T): T {
  return useSyncExternalStore(watch, () => pick(live))
}

/** Connects and keeps connected until the page goes. Journal events mark the answers they touch as old. */
export function startLive(client: QueryClient): void {
  const refresh = refresher(client)
  let failures = 0
  const loop = async () => {
    for (;;) {
      const heard = await listen((event) => receive(event, refresh)).catch(() => false)
      failures = heard ? 1 : failures + 1
      change({ state: 'offline' })
      await wait(Math.min(RETRY_MS_MAX, 1000 * 2 ** (failures - 1)))
    }
  }
  void loop()
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

/** Reads one connection to its end. True when it said anything. */
async function listen(onEvent: (event: ServerEvent) => void): Promise<boolean> {
  const abort = new AbortController()
  const response = await fetch('/api/stream', {
    headers: headers({ accept: 'text/event-stream', ...(lastId === '' ? {} : { 'last-event-id': lastId }) }),
    signal: abort.signal,
  })
  if (!response.ok || response.body === null) return false
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  const sse = sseReader()
  let heard = false
  for (;;) {
    const silence = setTimeout(() => abort.abort(), SILENCE_MS_MAX)
    const piece = await reader.read().finally(() => clearTimeout(silence))
    if (piece.done) return heard
    heard = true
    change({ state: 'live', heardAt: Date.now() })
    for (const event of sse.push(piece.value)) onEvent(event)
  }
}

/** The last journal event heard, so that a new connection begins after it. */
let lastId = ''

function receive(event: ServerEvent, refresh: (event: JournalEvent) => void): void {
  if (event.id !== undefined) lastId = event.id
  const value: unknown = JSON.parse(event.data)
  if (event.event === 'pulse') {
    const pulse = value as Pulse
    change({ pulse, pulses: [...live.pulses.slice(1 - PULSES_MAX), pulse] })
  } else if (event.event === 'progress') {
    change({ progress: value as StoryProgress })
  } else if (event.event === 'journal') {
    const entry = value as JournalEvent
    change({ events: [entry, ...live.events].slice(0, EVENTS_MAX) })
    refresh(entry)
  }
}

/** Collects the subjects of a burst of events and asks once for what they touched. */
function refresher(client: QueryClient): (event: JournalEvent) => void {
  let timer: ReturnType<typeof setTimeout> | null = null
  const touched = new Set<string>()
  return (event) => {
    touched.add(event.subject.split('/')[0] ?? '')
    if (timer !== null) return
    timer = setTimeout(() => {
      timer = null
      const keys = new Set(['fleet', 'alerts', 'runs'])
      if (touched.has('models')) for (const key of ['model', 'members', 'backtest']) keys.add(key)
      if (touched.has('datasets')) for (const key of ['datasets', 'dataset', 'merges', 'merge']) keys.add(key)
      touched.clear()
      void client.invalidateQueries({ predicate: (query) => keys.has(String(query.queryKey[0])) })
    }, REFRESH_MS)
  }
}
