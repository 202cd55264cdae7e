import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { Store } from './ports.ts'

export interface StoreOptions {
  /** Gives the times of refs and events. */
  clock: Clock
  limits?: Partial<Limits>
}

/**
 * Opens a store: a folder as a path, as `{ dir }` or as a `file:` URL; it is made when it is not there. Puts
 * right what a crash left half done and says so in `repaired`. The adapter is loaded here and only when it is
 * asked for.
 *
 * Errors: MR_STORE_SCHEME, MR_STORE_FOREIGN (the folder is something else), MR_STORE_NEWER, MR_STORE_DAMAGED,
 * MR_STORE_BUSY, MR_NO_PERMISSION, MR_NO_SPACE.
 */
export async function openStore(where: string | { dir: string }, options: StoreOptions): Promise<Store> {
  const dir = resolve(typeof where === 'string' ? folderOf(where) : where.dir)
  const { openEmbedded } = await import('./embedded.ts')
  return openEmbedded(dir, options)
}

function folderOf(url: string): string {
  if (url.startsWith('file:///')) return fileURLToPath(url)
  if (url.startsWith('file:')) return url.slice('file:'.length)
  if (/^[a-z][a-z0-9+.-]+:/i.test(url))
    throw new MillraceError('MR_STORE_SCHEME', { url: url.replace(/\/\/[^/@]*@/, '//…@'), known: ['file:'] })
  return url
}
