/** Relative times that keep themselves true, with the exact moment on hover. */
import { useSyncExternalStore } from 'react'
import { exact, relative } from '../format/times.ts'

const TICK_MS = 10_000
let now = Date.now()
const watchers = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | null = null

function tick(): void {
  now = Date.now()
  for (const watcher of watchers) watcher()
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher)
  if (timer === null) timer = setInterval(tick, TICK_MS)
  return () => watchers.delete(watcher)
}

/** The time, renewed every ten seconds for everything on the page at once. */
export const useNow = (): number => useSyncExternalStore(watch, () => now)

export function Ago({ at }: { at: number | null | undefined }) {
  const time = useNow()
  if (at === null || at === undefined) return <span className="muted">–</span>
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)} className="nowrap">
      {relative(at, Math.max(time, at))}
    </time>
  )
}
