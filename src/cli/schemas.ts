/** What is known of a dataset's columns: from its newest version, or from a look at its files. */
import { MillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { Column, ColumnStats, DatasetVersion, Digest, Part } from '../core/records.ts'
import { findSources, type InspectedColumn, inspect, type Remark, shownSource } from '../data/index.ts'
import type { DatasetDef } from '../define/types.ts'
import type { Runtime } from '../loop/runtime.ts'

export interface KnownDataset {
  def: DatasetDef
  /** Absent before the first import. */
  digest?: Digest
  /** As it was imported, or as it would be. */
  version: DatasetVersion
  files: string[]
  /** What is odd about the files, before the first import. */
  remarks: Remark[]
}

/** Errors: MR_DATA_NO_FILES when nothing was imported and nothing is there to be. */
export async function knownDataset(
  rt: Pick<Runtime, 'store' | 'folder'>,
  def: DatasetDef,
  signal: AbortSignal,
  pinned?: Digest,
): Promise<KnownDataset> {
  const files = await findSources(rt.folder, def.source)
  const digest = pinned ?? (await rt.store.meta.ref(refs.dataset(def.name)))?.digest
  if (digest)
    return {
      def,
      digest,
      files,
      version: await rt.store.getRecord<DatasetVersion>(digest, 'DatasetVersion'),
      remarks: [],
    }
  if (files.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', {
      dataset: def.name,
      folder: rt.folder,
      tried: def.source.map(shownSource),
    })
  return { def, files, ...(await foreseen(def, files, signal)) }
}

/** The version that an import of these files would make, as far as a look tells. */
async function foreseen(
  def: DatasetDef,
  files: string[],
  signal: AbortSignal,
): Promise<Pick<KnownDataset, 'version' | 'remarks'>> {
  const look = await inspect(files, def.read, { previewRows: 0, signal })
  const part: Part = {
    digest: `sha256:${'0'.repeat(64)}`,
    rows: look.rows,
    bytes: 0,
    key: '',
    keyRange: { min: '', max: '' },
    stats: Object.fromEntries(look.columns.map((column) => [column.name, statsOf(column)])),
  }
  const version: DatasetVersion = {
    kind: 'DatasetVersion',
    dataset: def.name,
    parents: [],
    schema: { columns: look.schema.columns.map((c): Column => ({ ...c })) },
    parts: [part],
    quarantine: [],
    rows: look.rows,
    rowsQuarantined: 0,
    findings: [],
    source: def.source.map(shownSource).join(', '),
    createdAt: 0,
    message: '',
  }
  return { version, remarks: look.remarks }
}

function statsOf({ type, nulls, distinct, min, max }: InspectedColumn): ColumnStats {
  const end = (value: string | number | null) =>
    value === null
      ? undefined
      : (type === 'time' || type === 'date') && typeof value === 'string'
        ? Date.parse(value)
        : value
  return { nulls, min: end(min), max: end(max), distinctApprox: distinct }
}
