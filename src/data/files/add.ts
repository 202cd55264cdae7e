/** A version of what lies in files and folders. */
import { basename, resolve } from 'node:path'
import { shortDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import { checkName, MAIN, refs, subjects } from '../../core/names.ts'
import type { Digest, FileSetVersion } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { settlePlace } from './chunk-list.ts'
import { ContentHash } from './content-hash.ts'
import { type FileEntry, isPlain, isSameEntry } from './entry.ts'
import { EntryReader } from './entry-reader.ts'
import type { FoundFiles } from './found-files.ts'
import type { CutRule } from './gear.ts'
import { badPacks, openIndex } from './known-chunks.ts'
import { FILE_LIMITS } from './limits.ts'
import type { NodeObjects } from './node-objects.ts'
import { PackWriter } from './pack-writer.ts'
import { Packs } from './packs.ts'
import { ByPath } from './paths.ts'
import { fileSystemNow, SeenFiles, SeenRows, seenPath, writeSeen } from './stat-cache.ts'
import { type LeafRef, leavesOf, putNodes, readLeaf, TreeBuilder } from './tree.ts'
import { headOfFiles, type NamedFiles } from './versions.ts'
import { type Walked, walk } from './walk.ts'

export interface AddRequest {
  /** Files and folders; of one folder, what is in it. */
  paths: readonly string[]
  /** Default: the last name of the first path. */
  name?: string
  branch?: string
  message?: string
  actor: string
  /** Folder of the store, which is never taken. */
  storeDir: string
  signal?: AbortSignal
  /** `done` from 0 to 1. */
  onProgress?: (done: number, note: string) => void
  /** Sizes of chunks; those of `FILE_LIMITS` unless a test says others. */
  rule?: CutRule
}

export interface AddResult {
  set: string
  branch: string
  digest: Digest
  version: FileSetVersion
  /** False where nothing had changed: the version is the one before. */
  isNew: boolean
  added: number
  changed: number
  removed: number
  /** Paths that `.millraceignore` left out, folders as one. */
  ignored: number
  filesRead: number
  bytesRead: number
  bytesStored: number
}

/** The name of a set without one. */
export function nameOfSet(paths: readonly string[]): string {
  return basename(resolve(paths[0] ?? '.'))
    .replaceAll('@', '-')
    .replaceAll('~', '-')
}

/**
 * Adds files and folders as a new version of a set. Files that look as they did are not read; chunks that the store has are not stored. Nothing is seen of it
 * until everything is on disk; where it is cut short, what was stored is found again by the next.
 *
 * Errors: those of `walk` and `storeFile`, MR_FILES_NOTHING, MR_FILES_TAKEN, MR_FILES_MOVED, MR_NAME.
 * Cost: a stat of each path; one read of what changed; memory of about 400 bytes a path.
 */
export async function addFiles(store: Store, request: AddRequest): Promise<AddResult> {
  const packs = new Packs(store)
  try {
    return await new Adding(store, packs, request).run()
  } finally {
    packs.close()
  }
}

/** What an addition would look at, without doing it. */
export interface AddPlan {
  set: string
  files: number
  bytes: number
  /** Files that would be read: they are new, or do not look as they did. */
  toRead: number
  bytesToRead: number
  ignored: number
}

/** Walks, and compares with what was seen last. Stores nothing. Errors: those of `walk`. */
export async function planAdd(store: Store, request: AddRequest): Promise<AddPlan> {
  const set = checkName('set of files', request.name ?? nameOfSet(request.paths))
  const { files, ignored } = await walk(request.paths, {
    storeDir: resolve(request.storeDir),
    signal: request.signal ?? new AbortController().signal,
    onFiles: () => undefined,
  })
  const roots = request.paths.map((path) => resolve(path))
  const seen = SeenFiles.read(seenPath(store.cache, set, roots))
  const plan: AddPlan = { set, files: files.length, bytes: 0, toRead: 0, bytesToRead: 0, ignored }
  for (let i = 0; i < files.length; i++) {
    const bytes = files.bytesOf(i)
    plan.bytes += bytes
    if (!isPlain(files.modeOf(i)) || seen.findRun(files, i, i + 1) >= 0) continue
    plan.toRead++
    plan.bytesToRead += bytes
  }
  return plan
}

/** A stretch of paths: a leaf of the version before that stays, or entries that were looked at, and those before in that stretch. */
type Stretch =
  | { leaf: LeafRef; seenBegin: number }
  | { entries: readonly FileEntry[]; before: readonly FileEntry[] }

class Adding {
  readonly #store: Store
  readonly #packs: Packs
  readonly #request: AddRequest
  readonly #set: string
  readonly #branch: string
  readonly #signal: AbortSignal
  readonly #seenPath: string
  #isNewBranch = false
  #filesRead = 0
  #bytesRead = 0

  constructor(store: Store, packs: Packs, request: AddRequest) {
    this.#store = store
    this.#packs = packs
    this.#request = request
    this.#set = checkName('set of files', request.name ?? nameOfSet(request.paths))
    this.#branch = request.branch ?? MAIN
    this.#signal = request.signal ?? new AbortController().signal
    const roots = request.paths.map((path) => resolve(path))
    this.#seenPath = seenPath(store.cache, this.#set, roots)
  }

  async run(): Promise<AddResult> {
    await this.#refuseTaken()
    const startMs = fileSystemNow(this.#store.cache)
    const head = await this.#head()
    const walked = await walk(this.#request.paths, {
      storeDir: resolve(this.#request.storeDir),
      signal: this.#signal,
      onFiles: (files) => this.#progress(0, `${files} files found`),
    })
    if (walked.files.length === 0)
      throw new MillraceError('MR_FILES_NOTHING', { paths: [...this.#request.paths] })
    const bad = await badPacks(this.#store)
    const seen = bad.size > 0 ? SeenFiles.none() : SeenFiles.read(this.#seenPath)
    // Of a checkout that was cut short some files may be those of another version than the one that is noted.
    const isHead = head !== undefined && head.digest === seen.base && seen.pending.length === 0
    const { files } = walked
    // What changed at the moment it was read is not noted: the version may have more files than were seen.
    if (
      isHead &&
      !this.#isNewBranch &&
      files.length === head.version.files &&
      files.length === seen.length &&
      seen.findRun(files, 0, files.length) === 0
    )
      return this.#unchanged(head, walked)
    return await this.#record(head, walked, { seen, isHead, startMs, bad })
  }

  /** What the branch holds; a branch that is not there yet begins at `main`. */
  async #head(): Promise<NamedFiles | undefined> {
    const head = await headOfFiles(this.#store, this.#set, this.#branch)
    if (head || this.#branch === MAIN) return head
    this.#isNewBranch = true
    return await headOfFiles(this.#store, this.#set)
  }

  async #refuseTaken(): Promise<void> {
    const datasets = await this.#store.meta.refs(refs.dataset(this.#set, ''))
    if (datasets.length > 0) throw new MillraceError('MR_FILES_TAKEN', { name: this.#set })
  }

  async #record(
    head: NamedFiles | undefined,
    walked: Walked,
    { seen, isHead, startMs, bad }: { seen: SeenFiles; isHead: boolean; startMs: number; bad: Set<Digest> },
  ): Promise<AddResult> {
    const leaves = head ? await leavesOf(this.#store, head.version.tree) : []
    const index = await openIndex(this.#store, this.#packs)
    const writer = new PackWriter(this.#store, index, this.#packs, bad)
    const rows = new SeenRows(walked.files.length)
    try {
      const reader = this.#reader(walked, { seen, rows, writer, startMs })
      const stretches = await this.#stretches(reader, walked.files, { leaves, seen, isHead })
      this.#filesRead = reader.filesRead
      this.#bytesRead = reader.bytesRead
      await writer.finish()
      const content = contentOf(stretches, seen)
      const isSame = head?.version.content === content && writer.chunksNew === 0
      if (isSame && !this.#isNewBranch) {
        writeSeen(this.#seenPath, { base: head.digest }, rows)
        return this.#unchanged(head, walked)
      }
      const tree = await this.#putTree(stretches)
      const bytesStored = writer.bytesStored + tree.bytesStored
      const version = this.#version(head, walked, { ...tree, content, bytesStored })
      const changes = changesOf(stretches)
      const digest = await this.#commit(head, version, changes)
      writeSeen(this.#seenPath, { base: digest }, rows)
      return { ...this.#result(digest, version, walked), isNew: true, ...changes }
    } finally {
      await writer.settle()
      index.close()
    }
  }

  #reader(
    { files }: Walked,
    state: { seen: SeenFiles; rows: SeenRows; writer: PackWriter; startMs: number },
  ): EntryReader {
    const { rule = FILE_LIMITS.chunk } = this.#request
    return new EntryReader(files, {
      ...state,
      rule,
      signal: this.#signal,
      onProgress: (done, note) => this.#progress(done, note),
    })
  }

  /** Cuts the paths where leaves of the version before begin: a leaf all of whose files look as they did is not read. */
  async #stretches(
    reader: EntryReader,
    files: FoundFiles,
    { leaves, seen, isHead }: { leaves: readonly LeafRef[]; seen: SeenFiles; isHead: boolean },
  ): Promise<Stretch[]> {
    if (leaves.length === 0) return [{ entries: await reader.read(0, files.length, []), before: [] }]
    const stretches: Stretch[] = []
    let begin = 0
    for (const [i, leaf] of leaves.entries()) {
      const end = i + 1 < leaves.length ? files.placeOf(leaves[i + 1].first, begin) : files.length
      const seenBegin = isHead && end - begin === leaf.files ? seen.findRun(files, begin, end) : -1
      if (seenBegin >= 0) {
        await reader.keep(begin, end, seenBegin)
        stretches.push({ leaf, seenBegin })
      } else {
        const before = await readLeaf(this.#store, leaf.digest)
        stretches.push({ entries: await reader.read(begin, end, before), before })
      }
      begin = end
    }
    return stretches
  }

  async #putTree(
    stretches: readonly Stretch[],
  ): Promise<{ tree: Digest; files: number; bytes: number; bytesStored: number }> {
    const nodes: NodeObjects = new Map()
    const builder = new TreeBuilder(nodes, ({ digest }) => readLeaf(this.#store, digest))
    for (const stretch of stretches) {
      if ('leaf' in stretch) await builder.keep(stretch.leaf)
      else for (const entry of stretch.entries) builder.add(settled(entry, nodes))
    }
    const built = builder.finish()
    return { ...built, bytesStored: await putNodes(this.#store, nodes) }
  }

  #version(
    head: NamedFiles | undefined,
    { shape }: Walked,
    made: Pick<FileSetVersion, 'tree' | 'content' | 'files' | 'bytes' | 'bytesStored'>,
  ): FileSetVersion {
    return {
      kind: 'FileSetVersion',
      set: this.#set,
      parents: head ? [head.digest] : [],
      ...made,
      shape,
      createdAt: Date.now(),
      message: this.#request.message ?? '',
    }
  }

  async #commit(
    head: NamedFiles | undefined,
    version: FileSetVersion,
    changes: { added: number; changed: number; removed: number },
  ): Promise<Digest> {
    const digest = await this.#store.putRecord(version)
    const name = refs.files(this.#set, this.#branch)
    const { files, bytes, message } = version
    const result = await this.#store.meta.commit({
      moves: [{ name, from: this.#isNewBranch ? null : (head?.digest ?? null), to: digest }],
      event: {
        type: 'files.added',
        subject: subjects.files(this.#set),
        actor: this.#request.actor,
        reason:
          message || `${this.#request.paths.length === 1 ? basename(this.#request.paths[0]) : 'files'} added`,
        data: { version: digest, branch: this.#branch, files, bytes, ...changes },
      },
    })
    if (result.ok) return digest
    throw new MillraceError('MR_FILES_MOVED', {
      name: this.#set,
      branch: this.#branch,
      expected: head ? shortDigest(head.digest) : 'none',
      holds: result.conflict.holds ? shortDigest(result.conflict.holds) : 'none',
    })
  }

  #unchanged({ digest, version }: NamedFiles, walked: Walked): AddResult {
    return {
      ...this.#result(digest, version, walked),
      isNew: false,
      added: 0,
      changed: 0,
      removed: 0,
      bytesStored: 0,
    }
  }

  #result(digest: Digest, version: FileSetVersion, { ignored }: Walked) {
    const { bytesStored } = version
    const [filesRead, bytesRead] = [this.#filesRead, this.#bytesRead]
    return {
      set: this.#set,
      branch: this.#branch,
      digest,
      version,
      ignored,
      filesRead,
      bytesRead,
      bytesStored,
    }
  }

  #progress(done: number, note: string): void {
    this.#request.onProgress?.(done, note)
  }
}

function settled(entry: FileEntry, nodes: NodeObjects): FileEntry {
  const place = settlePlace(entry.place, nodes)
  return place === entry.place ? entry : { ...entry, place }
}

interface Changes {
  added: number
  changed: number
  removed: number
}

function changesOf(stretches: readonly Stretch[]): Changes {
  const sum: Changes = { added: 0, changed: 0, removed: 0 }
  for (const stretch of stretches) {
    if ('leaf' in stretch) continue
    const { added, changed, removed } = changesBetween(stretch.before, stretch.entries)
    sum.added += added
    sum.changed += changed
    sum.removed += removed
  }
  return sum
}

function changesBetween(before: readonly FileEntry[], now: readonly FileEntry[]): Changes {
  const old = new ByPath(before)
  let [added, same, changed] = [0, 0, 0]
  for (const entry of now) {
    const was = old.find(entry.path)
    if (!was) added++
    else if (was === entry || isSameEntry(was, entry)) same++
    else changed++
  }
  return { added, changed, removed: before.length - same - changed }
}

function contentOf(stretches: readonly Stretch[], seen: SeenFiles): string {
  const content = new ContentHash()
  for (const stretch of stretches) {
    if ('leaf' in stretch)
      content.addLines(seen.lines(stretch.seenBegin, stretch.seenBegin + stretch.leaf.files))
    else for (const entry of stretch.entries) content.add(entry)
  }
  return content.digest()
}
