/** Checks inferred from data: learned on some rows, tried on others, and handed over with the evidence. */

import { MillraceError } from '../../core/errors.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import type { DatasetDef } from '../../define/types.ts'
import { partFiles } from '../../engine/parts.ts'
import type { Store } from '../../store/ports.ts'
import { runChild } from '../child.ts'
import { inJobFolder } from '../job-folder.ts'
import { lookFiles } from '../look-files.ts'
import type { ChildFile } from '../types.ts'
import { resolveVersion } from '../versions.ts'
import type { SuggestReport } from './types.ts'

export interface SuggestOptions {
  /** Column that orders rows in time: the newest 30 % are held out. Without one, 30 % at random are. */
  time?: string
  /** Columns that identify a row; said to be unique anyway. */
  key?: string[]
  read?: Partial<DatasetDef['read']>
  /** What freshness is measured against, in epoch milliseconds. Default: the clock. */
  now?: number
  signal?: AbortSignal
  limits?: Pick<Limits, 'importMemoryMb' | 'importStallMs'>
  onProgress?: (done: number, note: string) => void
}

/**
 * Checks for files, inferred from their rows: values that are always there, ranges, sets, patterns, unique columns, columns that decide others, the order of two columns,
 * and freshness. Each is learned from 70 % of the rows and tried on the others; one that fails there too often is dropped, one that fails seldom gets room.
 *
 * The files are read in a child process. Errors: as reading for an import. Cost: a read of the files, some three scans a column, and memory within limits.importMemoryMb.
 */
export async function suggestChecks(
  paths: readonly string[],
  options: SuggestOptions = {},
): Promise<SuggestReport> {
  if (paths.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', { dataset: 'new', folder: process.cwd(), tried: [] })
  return await suggestFrom((folder) => lookFiles(paths, options.read ?? {}, folder, options.signal), options)
}

/** The same for a version of a dataset, by its rows as they were accepted. `name` as for `resolveVersion`. Errors: MR_DATA_VERSION. */
export async function suggestForVersion(
  store: Store,
  name: string,
  options: Omit<SuggestOptions, 'read'> = {},
): Promise<SuggestReport> {
  const { version } = await resolveVersion(store, name)
  const parts = await partFiles(store, version.parts)
  const files = parts.map(
    ({ path, gonePath, key }): ChildFile => ({ path, gonePath, name: key, format: 'parquet', gzip: false }),
  )
  return await suggestFrom(() => files, { ...options, read: { missing: [] } })
}

async function suggestFrom(
  filesIn: (folder: string) => ChildFile[] | Promise<ChildFile[]>,
  options: SuggestOptions,
): Promise<SuggestReport> {
  const limits = options.limits ?? LIMITS
  return await inJobFolder({ name: 'suggest' }, async (folder) => {
    const job = {
      op: 'suggest' as const,
      files: await filesIn(folder),
      read: options.read ?? {},
      time: options.time ?? null,
      key: options.key ?? [],
      now: options.now ?? Date.now(),
      folder,
      memoryMb: limits.importMemoryMb,
    }
    const { signal, onProgress } = options
    return await runChild(job, { signal, stallMs: limits.importStallMs, onProgress })
  })
}
