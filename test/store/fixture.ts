import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '../../src/core/records.ts'
import { openStore } from '../../src/store/open.ts'
import type { NewEvent, Store } from '../../src/store/ports.ts'

/** A clock that moves one millisecond a look. */
export function tickingClock(start = 1_000_000_000_000) {
  let at = start
  return { now: () => at++ }
}

/** A new folder that is gone when `remove` is called. */
export function temporaryFolder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-store-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

/** Runs a test on a store in a new folder, and leaves nothing behind. */
export async function withStore(
  work: (store: Store, dir: string) => Promise<void>,
  limits: Parameters<typeof openStore>[1]['limits'] = {},
): Promise<void> {
  const { dir, remove } = temporaryFolder()
  const store = await openStore({ dir: join(dir, 'store') }, { clock: tickingClock(), limits })
  try {
    await work(store, join(dir, 'store'))
  } finally {
    await store.close()
    remove()
  }
}

/** A well-formed digest that names nothing in particular. */
export function digestNo(n: number): Digest {
  return `sha256:${n.toString(16).padStart(64, '0')}`
}

export function eventOf(change: Partial<NewEvent> = {}): NewEvent {
  return {
    type: 'test.moved',
    subject: 'tests/one',
    actor: 'test',
    reason: 'a test moves it',
    data: {},
    ...change,
  }
}

export const bytesOf = (text: string) => new TextEncoder().encode(text)

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** The code of the error that some work throws. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown)
  }
}
