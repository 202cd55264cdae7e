/** Keys that work everywhere except where text is typed: `/`, `?`, and `g` followed by a letter within a second. */
import { useRouter } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { hrefs } from './hrefs.ts'

export const KEYS: [string, string][] = [
  ['/', 'search models, members, datasets, alerts'],
  ['g f', 'fleet'],
  ['g m', 'the model you looked at last'],
  ['g d', 'data'],
  ['g a', 'alerts'],
  ['g r', 'runs'],
  ['g p', 'playground of that model'],
  ['t', 'light, dark or as the system'],
  ['?', 'this list'],
  ['Esc', 'close what is open'],
]

const CHORD_MS_MAX = 1000

interface KeyActions {
  search: () => void
  help: () => void
  theme: () => void
  model: () => string | null
}

export function useKeys(actions: KeyActions): void {
  const router = useRouter()
  const latest = useRef(actions)
  latest.current = actions
  useEffect(() => {
    let chordAt = 0
    const press = (event: KeyboardEvent) => {
      if (event.metaKey || event.ctrlKey || event.altKey || typesText(event.target)) return
      if (document.querySelector('[aria-modal="true"]') !== null) return
      const inChord = Date.now() - chordAt < CHORD_MS_MAX
      chordAt = 0
      if (inChord) {
        const to = placeOf(event.key, latest.current.model())
        if (to !== null) {
          event.preventDefault()
          router.history.push(to)
        }
      } else if (event.key === 'g') chordAt = Date.now()
      else act(event, latest.current)
    }
    addEventListener('keydown', press)
    return () => removeEventListener('keydown', press)
  }, [router])
}

function act(event: KeyboardEvent, actions: KeyActions): void {
  const does = { '/': actions.search, '?': actions.help, t: actions.theme }[event.key]
  if (does === undefined) return
  event.preventDefault()
  does()
}

function placeOf(key: string, model: string | null): string | null {
  const places: Record<string, string | null> = {
    f: hrefs.fleet(),
    m: model === null ? hrefs.fleet() : hrefs.model(model),
    d: hrefs.data(),
    a: hrefs.alerts(),
    r: hrefs.runs(),
    p: model === null ? null : hrefs.playground(model),
  }
  return places[key] ?? null
}

function typesText(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  )
}
