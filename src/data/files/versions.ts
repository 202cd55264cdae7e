/** Names of versions of sets of files, and their history. */
import { isDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import { MAIN, refs } from '../../core/names.ts'
import type { Digest, FileSetVersion } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'

export interface NamedFiles {
  digest: Digest
  version: FileSetVersion
  branch: string
}

const PREFIX = 'files/'
const HISTORY_MAX = 100_000
const HEX_MIN = 6

export const getFileSet = (store: Store, digest: Digest): Promise<FileSetVersion> =>
  store.getRecord<FileSetVersion>(digest, 'FileSetVersion')

/** Names of all sets of files, with their branches: `photos@main`. */
export async function fileSetNames(store: Store): Promise<string[]> {
  return (await store.meta.refs(PREFIX)).map(({ name }) => name.slice(PREFIX.length))
}

/** The current version of a branch; undefined where there is none. */
export async function headOfFiles(store: Store, set: string, branch = MAIN): Promise<NamedFiles | undefined> {
  const ref = await store.meta.ref(refs.files(set, branch))
  return ref && { digest: ref.digest, branch, version: await getFileSet(store, ref.digest) }
}

/** The same of a branch that has to be there. Errors: MR_FILES_VERSION. */
export async function requireBranch(store: Store, set: string, branch: string): Promise<NamedFiles> {
  const head = await headOfFiles(store, set, branch)
  if (head) return head
  throw new MillraceError('MR_FILES_VERSION', { name: `${set}@${branch}`, known: await fileSetNames(store) })
}

/** A version and those before it, newest first, as far back as they are kept. */
export async function* fileHistory(store: Store, from: NamedFiles | undefined): AsyncIterable<NamedFiles> {
  for (let at = from, n = 0; at !== undefined && n < HISTORY_MAX; n++) {
    yield at
    at = await parentOf(store, at)
  }
}

async function parentOf(store: Store, { version, branch }: NamedFiles): Promise<NamedFiles | undefined> {
  const [digest] = version.parents
  if (digest === undefined || !(await store.objects.has(digest))) return undefined
  return { digest, branch, version: await getFileSet(store, digest) }
}

/** Whether a name means a set of files: `photos`, `photos@main~1`, or the digest of one of its versions. */
export async function namesFiles(store: Store, name: string): Promise<boolean> {
  return (await findFileSet(store, name)) !== undefined
}

/**
 * A version by name: `photos` or `photos@main` (current), `photos~2` (two before), a digest, or six and more of its first digits.
 * Errors: MR_FILES_VERSION.
 */
export async function resolveFileSet(store: Store, name: string): Promise<NamedFiles> {
  const found = await findFileSet(store, name)
  if (found) return found
  throw new MillraceError('MR_FILES_VERSION', { name, known: await fileSetNames(store) })
}

async function findFileSet(store: Store, name: string): Promise<NamedFiles | undefined> {
  const [, set, branch, steps] = /^([^@~]+)(?:@([^@~]+))?(?:~(\d{1,6}))?$/.exec(name) ?? []
  const head = set === undefined ? undefined : await headOfFiles(store, set, branch)
  if (head) return await stepsBefore(store, head, Number(steps ?? 0))
  const hex = name.replace(/^sha256:/, '').toLowerCase()
  if (hex.length < HEX_MIN || !/^[0-9a-f]+$/.test(hex)) return undefined
  return await byHex(store, hex)
}

async function stepsBefore(store: Store, head: NamedFiles, steps: number): Promise<NamedFiles | undefined> {
  let n = 0
  for await (const at of fileHistory(store, head)) if (n++ === steps) return at
  return undefined
}

async function byHex(store: Store, hex: string): Promise<NamedFiles | undefined> {
  for (const { name, digest } of await store.meta.refs(PREFIX)) {
    const branch = name.slice(name.lastIndexOf('@') + 1)
    const head = { digest, branch, version: await getFileSet(store, digest) }
    for await (const at of fileHistory(store, head)) if (at.digest.startsWith(`sha256:${hex}`)) return at
  }
  const digest = `sha256:${hex}`
  if (!isDigest(digest) || !(await store.objects.has(digest))) return undefined
  const version = await getFileSet(store, digest).catch(() => undefined)
  return version && { digest, branch: MAIN, version }
}

export interface FilesLogRow {
  digest: Digest
  at: number
  files: number
  bytes: number
  bytesStored: number
  message: string
}

/** What happened to a set of files, newest first. */
export async function filesLog(store: Store, name: string, limit: number): Promise<FilesLogRow[]> {
  const rows: FilesLogRow[] = []
  for await (const { digest, version } of fileHistory(store, await resolveFileSet(store, name))) {
    if (rows.length === limit) break
    const { createdAt: at, files, bytes, bytesStored, message } = version
    rows.push({ digest, at, files, bytes, bytesStored, message })
  }
  return rows
}
