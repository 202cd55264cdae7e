/** Sets of files of anything: what there is, its history, and what two versions differ in, down to the tensors of models. */
import { MillraceError } from '../../core/errors.ts'
import {
  diffFiles,
  diffModels,
  type FileEntry,
  fileSetNames,
  filesLog,
  MODE,
  type NamedFiles,
  readTree,
  resolveFileSet,
} from '../../data/files/index.ts'
import type { Store } from '../../store/ports.ts'
import type { FileSetPage, FileSetRow, FilesDiffPage } from '../contract.ts'
import { remember } from './remember.ts'

/** Versions that a page lists, and lines of a folder. */
const LOG_MAX = 100
const ENTRIES_MAX = 500
/** Paths of each kind of change. */
const FILES_DIFF_MAX = 500
const DIFFS_KEPT = 64

/** Every branch of every set, by name. */
export async function fileSetsView(store: Store): Promise<FileSetRow[]> {
  const names = await fileSetNames(store)
  return await Promise.all(names.map(async (name) => rowOf(await resolveFileSet(store, name))))
}

function rowOf({ digest, branch, version }: NamedFiles): FileSetRow {
  const { set, files, bytes, createdAt: changedAt, message } = version
  return { set, branch, version: digest, files, bytes, changedAt, message }
}

/** Errors: MR_FILES_VERSION. */
export async function fileSetView(store: Store, name: string): Promise<FileSetPage> {
  const named = await resolveFileSet(store, name)
  const make = async () => topOf(await readTree(store, named.version.tree)).slice(0, ENTRIES_MAX)
  return {
    ...rowOf(named),
    log: await filesLog(store, name, LOG_MAX),
    entries: await remember(store, 'fileSetTop', named.digest, make, DIFFS_KEPT),
  }
}

/** What lies at the top, folders with all that is below them. */
function topOf(entries: readonly FileEntry[]): FileSetPage['entries'] {
  const tops = new Map<string, FileSetPage['entries'][number]>()
  for (const { path, bytes, mode } of entries) {
    const slash = path.indexOf('/')
    const name = slash < 0 ? path : path.slice(0, slash)
    const top = tops.get(name) ?? { name, isFolder: slash >= 0 || mode === MODE.folder, files: 0, bytes: 0 }
    top.files++
    top.bytes += bytes
    tops.set(name, top)
  }
  return [...tops.values()]
}

/** Errors: MR_FILES_VERSION, MR_API_RECORD_UNKNOWN where a version is of another set. Cost: reads the tensors that changed, once. */
export async function filesDiffView(
  store: Store,
  set: string,
  from: string,
  to: string,
): Promise<FilesDiffPage> {
  const [a, b] = [await versionOf(store, set, from), await versionOf(store, set, to)]
  return await remember(store, 'filesDiff', `${a.digest} ${b.digest}`, () => diffOf(store, a, b), DIFFS_KEPT)
}

async function versionOf(store: Store, set: string, name: string): Promise<NamedFiles> {
  const named = await resolveFileSet(store, name)
  if (named.version.set === set.split('@')[0]) return named
  throw new MillraceError('MR_API_RECORD_UNKNOWN', { what: `version of the files ${set}`, name })
}

async function diffOf(store: Store, a: NamedFiles, b: NamedFiles): Promise<FilesDiffPage> {
  const found = await diffFiles(store, a, b)
  const { added, removed, changed, moved, same } = found
  const some = <T>(list: readonly T[]) => list.slice(0, FILES_DIFF_MAX)
  const plain = ({ path, bytes }: FileEntry) => ({ path, bytes })
  const hex = (digest: string) => digest.slice('sha256:'.length, 'sha256:'.length + 12)
  return {
    set: b.version.set,
    from: a.digest,
    to: b.digest,
    added: some(added).map(plain),
    removed: some(removed).map(plain),
    changed: some(changed).map(({ before, after }) => ({ ...plain(after), bytesBefore: before.bytes })),
    moved: some(moved).map(({ before, after }) => ({ ...plain(after), pathBefore: before.path })),
    counts: {
      ...{ added: added.length, removed: removed.length, changed: changed.length, moved: moved.length },
      same,
    },
    models: await diffModels(store, [a, b], found),
    command: `millrace data diff ${hex(a.digest)} ${hex(b.digest)}`,
  }
}
