import { MillraceError } from '../core/errors.ts'
import { LIMITS, type Limits } from '../core/limits.ts'
import type { DatasetDef } from '../define/types.ts'
import { runChild } from './child.ts'
import { inJobFolder } from './job-folder.ts'
import { lookFiles } from './look-files.ts'
import type { Inspection } from './types.ts'

export interface InspectOptions {
  signal?: AbortSignal
  /** Rows shown. Default 10. */
  previewRows?: number
  limits?: Pick<Limits, 'importMemoryMb' | 'importStallMs'>
}

/**
 * Looks at sources without importing them: format, dialect, schema, and per column its range, gaps and examples. Those behind addresses are fetched first. The files are read in
 * a child process. Errors: as reading for an import. Cost: two reads of the files, and memory within limits.importMemoryMb.
 */
export async function inspect(
  paths: string[],
  read: Partial<DatasetDef['read']> = {},
  options: InspectOptions = {},
): Promise<Inspection> {
  if (paths.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', { dataset: 'new', folder: process.cwd(), tried: [] })
  const limits = options.limits ?? LIMITS
  return await inJobFolder({ name: 'inspect' }, async (folder) => {
    const job = {
      op: 'inspect' as const,
      files: await lookFiles(paths, read, folder, options.signal),
      read,
      previewRows: options.previewRows ?? 10,
      folder,
      memoryMb: limits.importMemoryMb,
    }
    return await runChild(job, { signal: options.signal, stallMs: limits.importStallMs })
  })
}
