/** A version of a dataset as files: a folder of plain Parquet that any engine reads. */
import { constants } from 'node:fs'
import { copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { Digest, Part } from '../core/records.ts'
import { columnsOfPart, type PartFile, partFiles, partId, partRows } from '../engine/parts.ts'
import type { Query } from '../engine/ports.ts'
import { literal, raw } from '../expr/sql.ts'
import { writeWhole } from '../store/disk/draft.ts'
import type { Store } from '../store/ports.ts'
import { CROISSANT_FILE, type CroissantInput, croissantOf } from './croissant/write.ts'
import { hashFile } from './hash-file.ts'
import type { NamedVersion } from './versions.ts'

/** What a folder holds, so that the next checkout writes what differs alone. */
const MANIFEST = 'millrace-version.json'

interface Manifest {
  dataset: string
  version: Digest
  /** Files that were written: the rows and the columns that each holds, and its bytes. */
  files: Record<string, WrittenFile>
}

/** `sha256` in hex; absent from what was written before there was one. */
interface WrittenFile {
  part: string
  columns: string
  bytes: number
  sha256?: string
}

export interface TableCheckout {
  written: number
  kept: number
  removed: number
  bytesWritten: number
}

export interface TableCheckoutRequest {
  to: string
  /** Overwrites files that no checkout has written. */
  isForced?: boolean
  isDryRun?: boolean
  /** Describes the files as Croissant, in `croissant.json` beside them. */
  croissant?: Pick<CroissantInput, 'def' | 'spec'>
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

/**
 * Writes the rows of a version as `<key of the part>.parquet`, each file at once or not at all, with a list of them in `millrace-version.json`. Files of a checkout before that have the
 * rows already stay, and those that the version does not have go. Errors: MR_FILES_UNSAVED for a file that is there and that no checkout has written, MR_CANCELLED.
 */
export async function checkoutTable(
  store: Store,
  query: Pick<Query, 'exec'>,
  { digest, version }: NamedVersion,
  request: TableCheckoutRequest,
): Promise<TableCheckout> {
  const { to, isDryRun = false, signal, onProgress } = request
  const before = await manifestIn(to)
  const columns = JSON.stringify(version.schema.columns)
  const parts = await partFiles(store, version.parts)
  const files = new Map(parts.map((part) => [fileOf(part), part]))
  const done: TableCheckout = { written: 0, kept: 0, removed: 0, bytesWritten: 0 }
  const next: Manifest = { dataset: version.dataset, version: digest, files: {} }
  for (const [name, part] of files) {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: `checking out ${version.dataset}` })
    onProgress?.((done.written + done.kept) / files.size, name)
    const known = before?.files[name]
    const size = await sizeOf(join(to, name))
    if (known?.part === partId(part) && known.columns === columns && known.bytes === size) {
      next.files[name] = known
      done.kept++
      continue
    }
    if (size !== undefined && known?.bytes !== size && request.isForced !== true)
      throw new MillraceError('MR_FILES_UNSAVED', { folder: to, paths: [name], more: 0 })
    done.written++
    if (isDryRun) continue
    const written = await writeRows(query, part, version.schema.columns, join(to, name))
    next.files[name] = { part: partId(part), columns, ...written }
    done.bytesWritten += written.bytes
  }
  for (const name of Object.keys(before?.files ?? {})) {
    if (files.has(name)) continue
    done.removed++
    if (!isDryRun) await rm(join(to, name), { force: true })
  }
  if (isDryRun) return done
  if (request.croissant) await describe(to, next, { digest, version, ...request.croissant })
  await writeJson(join(to, MANIFEST), next)
  return done
}

const writeJson = async (path: string, value: unknown): Promise<void> =>
  await writeWhole(path, (draft) => writeFile(draft, `${JSON.stringify(value, null, 2)}\n`))

async function describe(to: string, manifest: Manifest, input: Omit<CroissantInput, 'files'>): Promise<void> {
  const files: CroissantInput['files'][number][] = []
  for (const [name, file] of Object.entries(manifest.files)) {
    file.sha256 ??= await hashFile('sha256', join(to, name))
    files.push({ name, bytes: file.bytes, sha256: file.sha256 })
  }
  await writeJson(join(to, CROISSANT_FILE), croissantOf({ ...input, files }))
}

const fileOf = ({ key }: Pick<Part, 'key'>): string => `${key}.parquet`

async function manifestIn(folder: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest
  } catch {
    // None, or one that was cut off: everything is written again.
    return undefined
  }
}

const sizeOf = async (path: string): Promise<number | undefined> =>
  await stat(path).then(
    ({ size }) => size,
    () => undefined,
  )

type Columns = Parameters<typeof columnsOfPart>[1]

/** The object itself where it has the version's columns and no row is gone; else its rows are written anew. */
async function writeRows(
  query: Pick<Query, 'exec'>,
  part: PartFile,
  columns: Columns,
  path: string,
): Promise<Pick<WrittenFile, 'bytes' | 'sha256'>> {
  const names = Object.keys(part.stats)
  const isWhole =
    part.gonePath === undefined &&
    names.length === columns.length &&
    columns.every(({ name }) => names.includes(name))
  await writeWhole(path, async (draft) => {
    if (isWhole) return await copyFile(part.path, draft, constants.COPYFILE_FICLONE)
    const rows = `SELECT ${columnsOfPart(part, columns).join(', ')} FROM ${partRows(part)}`
    await query.exec(raw(`COPY (${rows}) TO ${literal(draft)} (FORMAT parquet, COMPRESSION zstd)`))
  })
  const { size: bytes } = await stat(path)
  return { bytes, ...(isWhole && { sha256: part.digest.slice('sha256:'.length) }) }
}
