/** A version of what lies in files and folders. */
import { createHash } from 'node:crypto'
import { basename, resolve } from 'node:path'
import { shortDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import { checkName, MAIN, refs, subjects } from '../../core/names.ts'
import type { Digest, FileSetVersion } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { settlePlace } from './chunk-list.ts'
import { type FileEntry, isSameEntry } from './entry.ts'
import { EntryReader } from './entry-reader.ts'
import type { CutRule } from './gear.ts'
import { badPacks, openIndex } from './known-chunks.ts'
import { FILE_LIMITS } from './limits.ts'
import type { NodeObjects } from './node-objects.ts'
import { PackWriter } from './pack-writer.ts'
import { Packs } from './packs.ts'
import { ByPath } from './paths.ts'
import { fileSystemNow, type SeenFile, SeenFiles, seenPath, writeSeen } from './stat-cache.ts'
import { encodeTree, NO_TREE, type ReadTree, readTree } from './tree.ts'
import { headOfFiles, type NamedFiles } from './versions.ts'
import { type FoundFile, type Walked, walk } from './walk.ts'

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
  const toRead = files.filter(({ path, stat, kind }) => kind === 'file' && !seen.looksSeen(path, stat))
  const total = (list: readonly FoundFile[]) => list.reduce((sum, { stat }) => sum + stat.bytes, 0)
  return {
    set,
    files: files.length,
    bytes: total(files),
    toRead: toRead.length,
    bytesToRead: total(toRead),
    ignored,
  }
}

class Adding {
  readonly #store: Store
  readonly #packs: Packs
  readonly #request: AddRequest
  readonly #set: string
  readonly #branch: string
  readonly #signal: AbortSignal
  readonly #seenPath: string
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
    const startNs = fileSystemNow(this.#store.cache)
    const head = await headOfFiles(this.#store, this.#set, this.#branch)
    const walked = await walk(this.#request.paths, {
      storeDir: resolve(this.#request.storeDir),
      signal: this.#signal,
      onFiles: (files) => this.#progress(0, `${files} files found`),
    })
    if (walked.files.length === 0)
      throw new MillraceError('MR_FILES_NOTHING', { paths: [...this.#request.paths] })
    const bad = await badPacks(this.#store)
    const seen = bad.size > 0 ? SeenFiles.none() : SeenFiles.read(this.#seenPath)
    if (head && head.digest === seen.base && isAllSeen(walked.files, seen))
      return this.#unchanged(head, walked)
    return await this.#record(head, walked, { seen, startNs, bad })
  }

  async #refuseTaken(): Promise<void> {
    const datasets = await this.#store.meta.refs(refs.dataset(this.#set, ''))
    if (datasets.length > 0) throw new MillraceError('MR_FILES_TAKEN', { name: this.#set })
  }

  async #record(
    head: NamedFiles | undefined,
    walked: Walked,
    { seen, startNs, bad }: { seen: SeenFiles; startNs: bigint; bad: Set<Digest> },
  ): Promise<AddResult> {
    const before = head ? await readTree(this.#store, head.version.tree) : NO_TREE
    const index = await openIndex(this.#store, this.#packs)
    const writer = new PackWriter(this.#store, index, this.#packs, bad)
    try {
      const { entries, noted } = await this.#read(walked.files, {
        before: before.entries,
        seen,
        writer,
        startNs,
      })
      await writer.finish()
      const content = contentOf(entries)
      if (head?.version.content === content && writer.chunksNew === 0) {
        writeSeen(this.#seenPath, { base: head.digest }, noted)
        return this.#unchanged(head, walked)
      }
      const tree = await this.#putTree(entries, before)
      const bytesStored = writer.bytesStored + tree.bytes
      const version = this.#version(head, walked, entries, { tree: tree.tree, content, bytesStored })
      const changes = changesBetween(before.entries, entries)
      const digest = await this.#commit(head, version, changes)
      writeSeen(this.#seenPath, { base: digest }, noted)
      return { ...this.#result(digest, version, walked), isNew: true, ...changes }
    } finally {
      await writer.settle()
      index.close()
    }
  }

  async #read(
    files: readonly FoundFile[],
    state: { before: readonly FileEntry[]; seen: SeenFiles; writer: PackWriter; startNs: bigint },
  ): Promise<{ entries: FileEntry[]; noted: SeenFile[] }> {
    const { rule = FILE_LIMITS.chunk } = this.#request
    const reader = new EntryReader(files, {
      ...state,
      rule,
      signal: this.#signal,
      onProgress: (done, note) => this.#progress(done, note),
    })
    const read = await reader.readAll()
    this.#filesRead = reader.filesRead
    this.#bytesRead = reader.bytesRead
    return read
  }

  async #putTree(entries: readonly FileEntry[], before: ReadTree): Promise<{ tree: Digest; bytes: number }> {
    const nodes: NodeObjects = new Map()
    const settled = entries.map((entry): FileEntry => {
      const place = settlePlace(entry.place, nodes)
      return place === entry.place ? entry : { ...entry, place }
    })
    const tree = encodeTree(settled, nodes, before.leaves)
    const fresh = [...nodes].filter(([digest]) => !before.nodes.has(digest))
    let bytes = 0
    for (const [digest, node] of fresh) if (!(await this.#store.objects.has(digest))) bytes += node.length
    await this.#store.objects.putAll(fresh.map(([, node]) => node))
    return { tree, bytes }
  }

  #version(
    head: NamedFiles | undefined,
    { shape }: Walked,
    entries: readonly FileEntry[],
    { tree, content, bytesStored }: { tree: Digest; content: string; bytesStored: number },
  ): FileSetVersion {
    return {
      kind: 'FileSetVersion',
      set: this.#set,
      parents: head ? [head.digest] : [],
      tree,
      content,
      shape,
      files: entries.length,
      bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0),
      bytesStored,
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
      moves: [{ name, from: head?.digest ?? null, to: digest }],
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

function isAllSeen(files: readonly FoundFile[], seen: SeenFiles): boolean {
  return files.length === seen.length && files.every(({ path, stat }) => seen.looksSeen(path, stat))
}

function changesBetween(
  before: readonly FileEntry[],
  now: readonly FileEntry[],
): { added: number; changed: number; removed: number } {
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

const CONTENT_LINES = 1024

/** SHA-256 over paths, modes and digests, in hex. Entries are ordered by path. */
function contentOf(entries: readonly FileEntry[]): string {
  const sum = createHash('sha256')
  for (let i = 0; i < entries.length; i += CONTENT_LINES) {
    const lines = entries.slice(i, i + CONTENT_LINES)
    sum.update(lines.map(({ path, mode, digest }) => `${path}\0${mode.toString(8)}\0${digest}\n`).join(''))
  }
  return sum.digest('hex')
}
