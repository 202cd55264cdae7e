/** Entries of what was found: as they were where files look as they did, read where they do not. */
import { hash } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { fault } from '../../store/disk/fault.ts'
import { type FileEntry, MODE } from './entry.ts'
import type { CutRule } from './gear.ts'
import { FILE_LIMITS } from './limits.ts'
import type { PackWriter } from './pack-writer.ts'
import { ByPath } from './paths.ts'
import { storeFile } from './read-file.ts'
import { isRacy, NO_DIGEST, type SeenFile, type SeenFiles } from './stat-cache.ts'
import { modelBorders } from './tensor-borders.ts'
import type { FoundFile } from './walk.ts'

export interface EntryReaderOptions {
  /** Entries of the version before. */
  before: readonly FileEntry[]
  seen: SeenFiles
  writer: PackWriter
  /** The file system's time before anything was looked at. */
  startNs: bigint
  rule: CutRule
  signal: AbortSignal
  onProgress: (done: number, note: string) => void
}

export class EntryReader {
  filesRead = 0
  bytesRead = 0
  readonly #files: readonly FoundFile[]
  readonly #options: EntryReaderOptions
  readonly #borders: (file: FoundFile) => Promise<readonly number[] | undefined>
  readonly #total: number
  #done = 0

  constructor(files: readonly FoundFile[], options: EntryReaderOptions) {
    this.#files = files
    this.#options = options
    this.#borders = modelBorders(files)
    this.#total = files.reduce((sum, file) => sum + file.stat.bytes, files.length)
  }

  /** All entries in the order of the files, and what is to be noted of them. Errors: those of `storeFile`. */
  async readAll(): Promise<{ entries: FileEntry[]; noted: SeenFile[] }> {
    const { before, startNs } = this.#options
    const old = new ByPath(before)
    const entries: FileEntry[] = []
    const noted: SeenFile[] = []
    let turnAt = performance.now() + FILE_LIMITS.turnMs
    for (const file of this.#files) {
      const known = this.#reused(file, old.find(file.path))
      const entry = known ?? (await this.#read(file))
      entries.push(entry.entry)
      if (known || !isRacy(entry.seen, startNs)) noted.push(entry.seen)
      if (known) this.#done += file.stat.bytes
      this.#done++
      if (performance.now() < turnAt) continue
      await this.#turn(entries.length)
      turnAt = performance.now() + FILE_LIMITS.turnMs
    }
    return { entries, noted }
  }

  /** The entry of a file that looks as it did when it was read, and is in the version before. */
  #reused({ path, kind, isExecutable, stat }: FoundFile, before: FileEntry | undefined): Read | undefined {
    if (!before || kind !== 'file') return undefined
    const digest = this.#options.seen.digestOf(path, stat)
    if (digest !== before.digest) return undefined
    const mode = isExecutable ? MODE.executable : MODE.file
    const entry = before.mode === mode ? before : { ...before, mode }
    return { entry, seen: { ...stat, path, digest } }
  }

  async #read(file: FoundFile): Promise<Read> {
    if (file.kind === 'folder') return folderEntry(file)
    if (file.kind === 'link') return linkEntry(file)
    const { path, source, isExecutable, stat } = file
    const { writer, signal, rule } = this.#options
    const borders = await this.#borders(file)
    const onBytes = (bytes: number) => {
      this.#done += bytes
      this.bytesRead += bytes
    }
    this.filesRead++
    const options = { writer, signal, onBytes, rule, ...(borders && { borders }) }
    const { digest, place, stat: last } = await storeFile(source, stat, options)
    const mode = isExecutable ? MODE.executable : MODE.file
    return { entry: { path, mode, bytes: last.bytes, digest, place }, seen: { ...last, path, digest } }
  }

  async #turn(nFiles: number): Promise<void> {
    const { signal, onProgress } = this.#options
    signal.throwIfAborted()
    onProgress(this.#done / this.#total, `${nFiles} of ${this.#files.length} files`)
    await turn()
  }
}

interface Read {
  entry: FileEntry
  seen: SeenFile
}

function folderEntry({ path, stat }: FoundFile): Read {
  const entry: FileEntry = { path, mode: MODE.folder, bytes: 0, digest: '', place: { in: 'nothing' } }
  return { entry, seen: { ...stat, path, digest: NO_DIGEST } }
}

function linkEntry({ path, source, stat }: FoundFile): Read {
  const target = targetOf(source)
  const digest = hash('sha256', target, 'hex')
  const bytes = Buffer.byteLength(target)
  const entry: FileEntry = { path, mode: MODE.link, bytes, digest, place: { in: 'link', target } }
  return { entry, seen: { ...stat, path, digest } }
}

function targetOf(source: string): string {
  try {
    return readlinkSync(source)
  } catch (thrown) {
    throw fault(thrown, source, 'read')
  }
}
