/** Opens engines by URL. Adapters load when they are asked for. */
import { excerpt, MillraceError } from '../core/errors.ts'
import type { Query, Tables } from './ports.ts'

export interface QueryOptions {
  /** Memory the engine may hold before it spills to `tempDir`. Default 512. */
  memoryMb?: number
  /** Threads of the engine. Default 2. */
  threads?: number
  /** Groups of whole numbers whose range has so many bits at most are kept in a plain table instead of a hashed one. Default: the engine's, 12. */
  groupBits?: number
  /** Folder for spilled data; the engine makes a folder of its own in it and removes that at close. Default: the system's. */
  tempDir?: string
  /**
   * Files that SQL may touch. `all` (default) is for SQL that Millrace writes. A list of files and folders (with a trailing slash)
   * is for SQL that came from outside: nothing else can be read or written, and settings are locked.
   */
  files?: 'all' | string[]
}

const SCHEMES = ['duckdb:']

/**
 * Opens the engine that a URL names: `duckdb:` (in memory) or `duckdb:<file>`.
 * Errors: MR_ENGINE_SCHEME for any other URL, MR_QUERY_FILE when the database file cannot be opened.
 */
export async function openQuery(url: string, options: QueryOptions = {}): Promise<Query> {
  const path = pathOf(url)
  const { openDuckdb } = await import('./duckdb/query.ts')
  return await openDuckdb(path, options)
}

/** As `openQuery`, with tables of its own and results in batches. */
export async function openTables(url: string, options: QueryOptions = {}): Promise<Tables> {
  const path = pathOf(url)
  const { openDuckdbTables } = await import('./duckdb/tables.ts')
  return await openDuckdbTables(path, options)
}

function pathOf(url: string): string {
  if (url.startsWith('duckdb:')) return url.slice('duckdb:'.length)
  throw new MillraceError('MR_ENGINE_SCHEME', { url: excerpt(url), known: SCHEMES })
}
