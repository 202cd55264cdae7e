/** A frame's rows as a version of a dataset. */
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { shortDigest } from '../core/digest.ts'
import type { DatasetVersion } from '../core/records.ts'
import { getVersion, type ImportPorts, type ImportRequest, importData } from '../data/index.ts'
import { dataset as datasetOf } from '../define/define.ts'
import type { DatasetDef } from '../define/types.ts'
import type { Sql } from '../expr/sql.ts'
import type { FrameColumn, Scope, Source } from './step.ts'
import { writeFile } from './write-file.ts'

export interface ToDatasetOptions {
  /** Where it is recorded: an open runtime, or its store and jobs. */
  runtime: ImportPorts & { clock?: { now(): number } }
  /** Who does it, for the journal. Default: `frame`. */
  actor?: string
  /** Default: what the frame was made of. */
  reason?: string
  /** What the rows are to those before. Default: as the dataset says. */
  mode?: ImportRequest['mode']
  signal?: AbortSignal
}

/** Errors: those of an import. The rows pass through a Parquet file of the scratch folder. */
export async function recordRows(
  scope: Scope,
  asked: { rows: Sql; columns: readonly FrameColumn[] },
  dataset: string | DatasetDef,
  { runtime, actor = 'frame', reason, mode, signal }: ToDatasetOptions,
): Promise<DatasetVersion> {
  const def = typeof dataset === 'string' ? datasetOf(dataset, { source: [] }) : dataset
  const file = join(scope.scratch, `${def.name}-${randomUUID()}.parquet`)
  try {
    await writeFile(scope, asked, file, { signal })
    const { version } = await importData(runtime, def, scope.scratch, {
      files: [file],
      actor,
      now: runtime.clock?.now() ?? Date.now(),
      reason: reason ?? `a frame of ${scope.sources.map(sourceText).join(', ')}`,
      mode,
      signal,
    })
    return await getVersion(runtime.store, version)
  } finally {
    await rm(file, { force: true })
  }
}

const sourceText = ({ name, digest }: Source): string => (digest ? `${name} (${shortDigest(digest)})` : name)
