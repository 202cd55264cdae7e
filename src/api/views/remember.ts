/** Answers that can never change because they are made of immutable records, kept under their digest while the store is open. */
import type { Store } from '../../store/ports.ts'

/** Entries of one kind that are kept; the one used longest ago goes first. */
const ENTRIES_MAX = 1024

const kept = new WeakMap<Store, Map<string, Map<string, Promise<unknown>>>>()

/** What `make` gave for this key, made once. A failure is not kept. `max` bounds the entries of this kind. */
export function remember<T>(
  store: Store,
  kind: string,
  key: string,
  make: () => Promise<T>,
  max: number = ENTRIES_MAX,
): Promise<T> {
  const entries = entriesOf(store, kind)
  const known = entries.get(key) as Promise<T> | undefined
  if (known) {
    entries.delete(key)
    entries.set(key, known)
    return known
  }
  const made = make()
  entries.set(key, made)
  made.catch(() => entries.delete(key))
  if (entries.size > max) entries.delete(entries.keys().next().value as string)
  return made
}

function entriesOf(store: Store, kind: string): Map<string, Promise<unknown>> {
  const kinds = kept.get(store) ?? new Map<string, Map<string, Promise<unknown>>>()
  kept.set(store, kinds)
  const entries = kinds.get(kind) ?? new Map<string, Promise<unknown>>()
  kinds.set(kind, entries)
  return entries
}
