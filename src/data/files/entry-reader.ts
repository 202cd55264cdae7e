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
import { type StoredFile, storeAtOnce, storeFile } from './read-file.ts'
import type { FileStat } from './stat.ts'
import { isRacy, NO_DIGEST, type SeenFiles, type SeenRows } from './stat-cache.ts'
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
    const old = new ByPath(before)
    const entries: FileEntry[] = []
    for (let i = begin; i < end; i++) {
      const found = this.#entryAtOnce(i, old.find(this.#files.paths[i]))
      entries.push(isEntry(found) ? found : await found)
      this.#done++
      this.#nFiles++
      if (this.#options.writer.isFull) await this.#options.writer.makeRoom()
      if (performance.now() >= this.#turnAt) await this.#turn()
    }
    return entries
  }

  /** As it was, or read with no wait where it is small and no model. */
  #entryAtOnce(i: number, before: FileEntry | undefined): FileEntry | Promise<FileEntry> {
    const files = this.#files
    const [path, mode, stat] = [files.paths[i], files.modeOf(i), files.statOf(i)]
    const known = this.#reused({ path, mode, stat }, before)
    if (known) return known
    if (mode === MODE.folder) return this.#folder(path, stat)
    if (mode === MODE.link) return this.#link(files.at(i))
    const { writer, rule } = this.#options
    if (stat.bytes > rule.bytesMin || this.#borders.mayHave(path)) return this.#read(files.at(i))
    const stored = storeAtOnce(files.sourceOf(i), stat, writer)
    if (stored === undefined) return this.#read(files.at(i))
    this.filesRead++
    this.#count(stat.bytes)
    if (stored instanceof Promise) return stored.then((done) => this.#stored(path, mode, done))
    return this.#stored(path, mode, stored)
  }

  /** The entry of a file that looks as it did when it was read, and is in the version before. */
  #reused(
    { path, mode, stat }: Pick<FoundFile, 'path' | 'mode' | 'stat'>,
    before: FileEntry | undefined,
  ): FileEntry | undefined {
    if (!before || !isPlain(mode)) return undefined
    const { seen, rows } = this.#options
    const digest = seen.digestOf(path, stat)
    if (digest !== before.digest) return undefined
    rows.put(path, mode, digest, stat)
    this.#done += stat.bytes
    return before.mode === mode ? before : { ...before, mode }
  }

  async #read(file: FoundFile): Promise<FileEntry> {
    const { writer, signal, rule } = this.#options
    const borders = await this.#borders.of(file)
    const onBytes = (bytes: number) => this.#count(bytes)
    this.filesRead++
    const options = { writer, signal, onBytes, rule, ...(borders && { borders }) }
    return this.#stored(file.path, file.mode, await storeFile(file.source, file.stat, options))
  }

  #stored(path: string, mode: number, { digest, place, stat }: StoredFile): FileEntry {
    this.#note(path, mode, digest, stat)
    return { path, mode, bytes: stat.bytes, digest, place }
  }

  #folder(path: string, stat: FileStat): FileEntry {
    this.#note(path, MODE.folder, NO_DIGEST, stat)
    return { path, mode: MODE.folder, bytes: 0, digest: '', place: { in: 'nothing' } }
  }

  #link({ path, mode, source, stat }: FoundFile): FileEntry {
    const target = targetOf(source)
    const digest = hash('sha256', target, 'hex')
    this.#note(path, mode, digest, stat)
    return { path, mode, bytes: Buffer.byteLength(target), digest, place: { in: 'link', target } }
  }

  /** Not of one that changed so lately that a later change could look the same. */
  #note(path: string, mode: number, digest: string, stat: FileStat): void {
    if (!isRacy(stat, this.#options.startMs)) this.#options.rows.put(path, mode, digest, stat)
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

const isEntry = (found: FileEntry | Promise<FileEntry>): found is FileEntry => 'path' in found

function targetOf(source: string): string {
  try {
    return readlinkSync(source)
  } catch (thrown) {
    throw fault(thrown, source, 'read')
  }
}
