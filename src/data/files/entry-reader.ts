/** Entries of what was found: as they were where files look as they did, read where they do not. */
import { hash } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { fault } from '../../store/disk/fault.ts'
import { type FileEntry, isPlain, MODE } from './entry.ts'
import type { FoundFile, FoundFiles } from './found-files.ts'
import type { CutRule } from './gear.ts'
import { FILE_LIMITS } from './limits.ts'
import type { PackWriter } from './pack-writer.ts'
import { ByPath } from './paths.ts'
import { storeAtOnce, storeFile } from './read-file.ts'
import { isRacy, NO_DIGEST, type SeenFile, type SeenFiles, type SeenRows } from './stat-cache.ts'
import { modelBorders } from './tensor-borders.ts'

export interface EntryReaderOptions {
  seen: SeenFiles
  /** Takes what is to be noted. */
  rows: SeenRows
  writer: PackWriter
  /** The file system's time before anything was looked at. */
  startMs: number
  rule: CutRule
  signal: AbortSignal
  onProgress: (done: number, note: string) => void
}

export class EntryReader {
  filesRead = 0
  bytesRead = 0
  readonly #files: FoundFiles
  readonly #options: EntryReaderOptions
  readonly #borders: ReturnType<typeof modelBorders>
  readonly #total: number
  #nFiles = 0
  #done = 0
  #turnAt = performance.now() + FILE_LIMITS.turnMs

  constructor(files: FoundFiles, options: EntryReaderOptions) {
    this.#files = files
    this.#options = options
    this.#borders = modelBorders(files)
    let bytes = files.length
    for (let i = 0; i < files.length; i++) bytes += files.bytesOf(i)
    this.#total = bytes
  }

  /** Counts files `begin` to `end` (exclusive), which are taken as they were seen, from a place of what was seen on. */
  async keep(begin: number, end: number, seenBegin: number): Promise<void> {
    this.#options.seen.copyTo(this.#options.rows, seenBegin, seenBegin + end - begin)
    for (let i = begin; i < end; i++) this.#done += this.#files.bytesOf(i) + 1
    this.#nFiles += end - begin
    if (performance.now() >= this.#turnAt) await this.#turn()
  }

  /** Entries of files `begin` to `end` (exclusive) in their order, given those of the version before in their stretch. Errors: those of `storeFile`. */
  async read(begin: number, end: number, before: readonly FileEntry[]): Promise<FileEntry[]> {
    const { startMs, rows } = this.#options
    const old = new ByPath(before)
    const entries: FileEntry[] = []
    for (let i = begin; i < end; i++) {
      const file = this.#files.at(i)
      const known = this.#reused(file, old.find(file.path))
      const { entry, seen } = known ?? (await (this.#readAtOnce(file) ?? this.#read(file)))
      entries.push(entry)
      if (known || !isRacy(seen, startMs)) rows.add(seen)
      if (known) this.#done += file.stat.bytes
      this.#done++
      this.#nFiles++
      if (this.#options.writer.isFull) await this.#options.writer.makeRoom()
      if (performance.now() >= this.#turnAt) await this.#turn()
    }
    return entries
  }

  /** The entry of a file that looks as it did when it was read, and is in the version before. */
  #reused({ path, mode, stat }: FoundFile, before: FileEntry | undefined): Read | undefined {
    if (!before || !isPlain(mode)) return undefined
    const digest = this.#options.seen.digestOf(path, stat)
    if (digest !== before.digest) return undefined
    const entry = before.mode === mode ? before : { ...before, mode }
    return { entry, seen: { ...stat, path, mode, digest } }
  }

  /** Folders, links, and small files that are no models; undefined of others. */
  #readAtOnce(file: FoundFile): Read | Promise<Read> | undefined {
    const { path, source, mode, stat } = file
    if (mode === MODE.folder) return folderEntry(file)
    if (mode === MODE.link) return linkEntry(file)
    const { writer, rule } = this.#options
    if (stat.bytes > rule.bytesMin || this.#borders.mayHave(path)) return undefined
    const stored = storeAtOnce(source, stat, writer)
    if (stored === undefined) return undefined
    this.filesRead++
    this.#count(stat.bytes)
    return stored instanceof Promise ? stored.then((done) => readOf(file, done)) : readOf(file, stored)
  }

  async #read(file: FoundFile): Promise<Read> {
    const { writer, signal, rule } = this.#options
    const borders = await this.#borders.of(file)
    const onBytes = (bytes: number) => this.#count(bytes)
    this.filesRead++
    const options = { writer, signal, onBytes, rule, ...(borders && { borders }) }
    return readOf(file, await storeFile(file.source, file.stat, options))
  }

  #count(bytes: number): void {
    this.#done += bytes
    this.bytesRead += bytes
  }

  /** Lets others have their turn. */
  async #turn(): Promise<void> {
    const { signal, onProgress } = this.#options
    signal.throwIfAborted()
    onProgress(this.#done / this.#total, `${this.#nFiles} of ${this.#files.length} files`)
    await turn()
    this.#turnAt = performance.now() + FILE_LIMITS.turnMs
  }
}

interface Read {
  entry: FileEntry
  seen: SeenFile
}

function readOf(
  { path, mode }: FoundFile,
  { digest, place, stat }: Awaited<ReturnType<typeof storeFile>>,
): Read {
  return { entry: { path, mode, bytes: stat.bytes, digest, place }, seen: { ...stat, path, mode, digest } }
}

function folderEntry({ path, mode, stat }: FoundFile): Read {
  const entry: FileEntry = { path, mode, bytes: 0, digest: '', place: { in: 'nothing' } }
  return { entry, seen: { ...stat, path, mode, digest: NO_DIGEST } }
}

function linkEntry({ path, mode, source, stat }: FoundFile): Read {
  const target = targetOf(source)
  const digest = hash('sha256', target, 'hex')
  const bytes = Buffer.byteLength(target)
  const entry: FileEntry = { path, mode, bytes, digest, place: { in: 'link', target } }
  return { entry, seen: { ...stat, path, mode, digest } }
}

function targetOf(source: string): string {
  try {
    return readlinkSync(source)
  } catch (thrown) {
    throw fault(thrown, source, 'read')
  }
}
