/** From names of files to bytes in the store: what is imported is what was digested, even if the file changes meanwhile. */
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, mkdir, open, rm } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { DatasetDef } from '../define/types.ts'
import { mapAtOnce } from '../store/disk/disk.ts'
import { faulted } from '../store/disk/fault.ts'
import { digestFile } from '../store/objects/digest-file.ts'
import type { Store } from '../store/ports.ts'
import { croissantAt, isCroissant, isPostgres, isUrl, shownSource, shownUrl } from './addresses.ts'
import { dvcFiles, isDvcFile } from './dvc.ts'
import { fetchSource } from './fetched.ts'
import { findFiles } from './find-files.ts'
import { partitionedName } from './partition-names.ts'
import { isS3Pattern, s3Objects } from './s3-objects.ts'
import type { FileFormat, SourceFile } from './types.ts'

/**
 * The source files of a dataset, with their bytes in the store. `files` narrows the declared source to these names or globs.
 * A file that is in the store already is read once and not copied. Errors: MR_DATA_NO_FILES, MR_DATA_EMPTY_FILE, MR_DATA_NOT_PARQUET,
 * MR_DATA_TRUNCATED, MR_DATA_FORMAT, MR_DVC_FORMAT, MR_DVC_MISSING. Cost: one read of each file, and a copy the first time.
 */
export async function takeSources(
  store: Store,
  def: Pick<DatasetDef, 'name' | 'source' | 'read'>,
  folder: string,
  options: TakeOptions & { files?: string[] } = {},
): Promise<SourceFile[]> {
  const tried = options.files ?? def.source
  const found = await findSources(folder, tried)
  const sources: SourceFile[] = []
  for (const source of found) {
    if (options.signal?.aborted)
      throw new MillraceError('MR_CANCELLED', { what: `reading the sources of ${def.name}` })
    sources.push(...(await takerOf(source, folder)(store, source, def.read, options)))
  }
  if (sources.length > 0) return sources
  throw new MillraceError('MR_DATA_NO_FILES', { dataset: def.name, folder, tried: tried.map(shownSource) })
}

export interface TakeOptions {
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

type Take = (
  store: Store,
  source: string,
  read: DatasetDef['read'],
  options: TakeOptions,
) => Promise<SourceFile[]>

const takerOf = (source: string, folder: string): Take => {
  if (isCroissant(source)) return takeCroissant(folder)
  if (isPostgres(source)) return takeTable
  if (isS3Pattern(source)) return takeObjects
  return isUrl(source) ? takeFetched : takeFiles(folder)
}

const takeFiles =
  (folder: string): Take =>
  async (store, path, { format }) => {
    const sources: SourceFile[] = []
    for (const { path: named, at } of await filesAt(path))
      sources.push(await takeSource(store, at, nameOf(folder, named), format))
    return sources
  }

const takeFetched: Take = async (store, url, { format, columns }, { signal }) => {
  const { path, digest, bytes } = await fetchSource(store, url, { signal, columns })
  const name = shownUrl(url)
  return [{ name, digest, bytes, ...(await lookAt(path, name, format)) }]
}

/** Objects that are under way at once. */
const OBJECTS_AT_ONCE = 8

/** What the listing says to be as it was is not asked for. */
const takeObjects: Take = async (store, pattern, { format, columns }, { signal, onProgress }) => {
  const objects = await s3Objects(pattern, signal)
  let done = 0
  return await mapAtOnce(objects, OBJECTS_AT_ONCE, async ({ url, name, etag }) => {
    const { path, digest, bytes } = await fetchSource(store, url, { signal, etag, columns })
    onProgress?.(FETCHING, `${++done} of ${objects.length} objects of ${shownUrl(pattern)}`)
    return { name, digest, bytes, ...(await lookAt(path, name, format)) }
  })
}

/** Each file of a document under its own digest; which of its columns are taken goes with it. */
const takeCroissant =
  (folder: string): Take =>
  async (store, source, { format }, { signal }) => {
    const { croissantParts } = await import('./croissant/source.ts')
    const scratch = join(store.scratch, `croissant-${randomUUID()}`)
    await mkdir(scratch)
    try {
      const bring = async (url: string) => (await fetchSource(store, url, { signal })).path
      const sources: SourceFile[] = []
      for (const part of await croissantParts(source, { folder, scratch, bring }))
        sources.push({
          ...(await takeSource(store, part.path, part.name, format ?? part.format)),
          view: part.view,
        })
      return sources
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }

/** Rows of a server have no bytes of their own: what is digested is the copy of them. */
const takeTable: Take = async (store, address, read, { signal, onProgress }) => {
  const copy = join(store.scratch, `rows-${randomUUID()}`)
  const onBytes = (bytes: number) => onProgress?.(FETCHING, `${megabytes(bytes)} of ${shownSource(address)}`)
  try {
    const { readPostgres } = await import('./postgres/read.ts')
    const { name } = await readPostgres(address, read, copy, { signal, onBytes })
    const kind = { format: 'postgres', gzip: false } as const
    const { digest, bytes } = await digestFile(copy)
    if (await store.objects.keep(digest)) return [{ name, digest, bytes, ...kind }]
    return [{ name, ...(await store.objects.putFile(copy)), ...kind, isNew: true }]
  } finally {
    await rm(copy, { force: true })
  }
}

/** Share of an import that is done while sources are fetched, whose length nobody knows. */
const FETCHING = 0.005

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)} MB`

/** The file itself, or those that a file of DVC stands for, wherever DVC has their bytes. */
const filesAt = async (path: string): Promise<{ path: string; at: string }[]> =>
  isDvcFile(path) ? await dvcFiles(path) : [{ path, at: path }]

const nameOf = (folder: string, path: string): string => {
  const near = relative(folder, path)
  return near.startsWith(`..${sep}..${sep}..`) ? partitionedName(path) : near.split(sep).join('/')
}

/** Puts one file into the store under its digest. */
export async function takeSource(
  store: Store,
  path: string,
  name: string,
  given?: FileFormat,
): Promise<SourceFile> {
  const kind = await lookAt(path, name, given)
  const { digest, bytes } = await digestFile(path)
  if (await store.objects.keep(digest)) return { name, digest, bytes, ...kind }
  const copy = join(store.scratch, `source-${randomUUID()}`)
  try {
    await faulted(copy, 'write', () => copyFile(path, copy, constants.COPYFILE_FICLONE))
    return { name, ...(await store.objects.putFile(copy)), ...kind, isNew: true }
  } finally {
    await rm(copy, { force: true })
  }
}

/** Format and first faults of a file, by its name and its outermost bytes alone. */
export async function lookAt(
  path: string,
  name: string,
  given?: FileFormat,
): Promise<{ format: FileFormat; gzip: boolean }> {
  const { head, tail, bytes } = await endsOf(path)
  if (bytes === 0) throw new MillraceError('MR_DATA_EMPTY_FILE', { file: name })
  const gzip = head[0] === 0x1f && head[1] === 0x8b
  const format = given ?? formatOf(name) ?? formatBegun(head.toString('latin1'))
  if (format === undefined) throw new MillraceError('MR_DATA_FORMAT', { file: name })
  if (format === 'parquet') requireParquet(name, head, tail, bytes)
  return { format, gzip }
}

/** Formats by the bytes that they begin with. */
const BEGINNINGS: [string, FileFormat][] = [
  ['PAR1', 'parquet'],
  ['ORC', 'orc'],
  ['ARRO', 'arrow'],
  ['SQLi', 'sqlite'],
]

const formatBegun = (begins: string): FileFormat | undefined =>
  BEGINNINGS.find(([bytes]) => begins.startsWith(bytes))?.[1]

function requireParquet(file: string, head: Buffer, tail: Buffer, bytes: number): void {
  const begins = head.toString('latin1')
  if (begins !== 'PAR1')
    throw new MillraceError('MR_DATA_NOT_PARQUET', { file, begins: begins.replace(/[^\x20-\x7e]/g, '.') })
  if (bytes < 12 || tail.toString('latin1') !== 'PAR1')
    throw new MillraceError('MR_DATA_TRUNCATED', { file, bytes })
}

async function endsOf(path: string): Promise<{ head: Buffer; tail: Buffer; bytes: number }> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const head = Buffer.alloc(Math.min(4, size))
    const tail = Buffer.alloc(Math.min(4, size))
    await file.read(head, 0, head.length, 0)
    await file.read(tail, 0, tail.length, size - tail.length)
    return { head, tail, bytes: size }
  } finally {
    await file.close()
  }
}

const FORMATS: [RegExp, FileFormat][] = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.orc$/i, 'orc'],
  [/\.(arrow|arrows|feather|ipc)$/i, 'arrow'],
  [/\.(csv|tsv|tab|psv|ssv|txt|data)(\.gz)?$/i, 'csv'],
  [/\.(json|ndjson|jsonl)(\.gz)?$/i, 'json'],
  [/\.(xlsx|xlsm|xlsb|xls|ods)$/i, 'sheet'],
  [/\.(sqlite|sqlite3|db|db3)$/i, 'sqlite'],
]

const formatOf = (name: string): FileFormat | undefined =>
  FORMATS.find(([pattern]) => pattern.test(name))?.[1]

/** Files that names or globs stand for, by path, then the addresses among them. */
export async function findSources(folder: string, sources: readonly string[]): Promise<string[]> {
  const isNamed = (one: string) => isUrl(one) || isCroissant(one)
  const paths = sources.filter((one) => !isNamed(one))
  const named = sources
    .filter(isNamed)
    .map((one) => (isCroissant(one) ? croissantAt(one, (at) => (isUrl(at) ? at : resolve(folder, at))) : one))
  return [...(await findFiles(folder, paths)), ...new Set(named)]
}
