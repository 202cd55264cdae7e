/**
 * What files of a folder looked like when they were last read, so that those which look the same are not read again.
 *
 * A file is taken to be the same when its size, time of change, time of its inode and number of its inode are. That would be wrong for a file that was written
 * twice within one tick of the clock, with as many bytes, and read in between (git calls it racily clean): so a file that changed at the time it was read, or
 * later than that, is not noted, and is read once more the next time. The cache can be deleted at any time.
 */
import { createHash, hash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Digest } from '../../core/records.ts'
import { contentLine } from './content-hash.ts'
import { MODE } from './entry.ts'
import { type FoundFiles, MODES } from './found-files.ts'
import { type FileStat, STAT_NUMBERS } from './stat.ts'

const MAGIC = 'millrace-stat 2'
const SUM_BYTES = 32
const DIGEST_BYTES = 32

export interface SeenFile extends FileStat {
  path: string
  /** Of its entry in the version. */
  mode: number
  /** SHA-256 of what it held, in hex; of a folder, zeros. */
  digest: string
}

export const NO_DIGEST = '0'.repeat(2 * DIGEST_BYTES)

interface Columns {
  names: readonly string[]
  /** Of each file `STAT_NUMBERS`. */
  stats: Float64Array
  /** Places in `MODES`. */
  modes: Uint8Array
  digests: Buffer
}

interface Bases {
  base?: Digest | undefined
  pending?: readonly Digest[]
}

/** Files as they were seen, ordered by path, in columns: a hundred thousand of them are compared without an object each. */
export class SeenFiles {
  /** Version that they were added to or checked out from: each of them is an entry of it. */
  readonly base: Digest | undefined
  /** Versions whose files were being written when checkouts were cut short: some of them may be there. */
  readonly pending: readonly Digest[]
  readonly #columns: Columns
  #cursor = 0

  private constructor({ base, pending = [] }: Bases, columns: Columns) {
    this.base = base
    this.pending = pending
    this.#columns = columns
  }

  /** Nothing was seen. */
  static none(): SeenFiles {
    return new SeenFiles({}, new SeenRows(0).columns())
  }

  /** What was noted; nothing where there is no such file, or it is damaged. */
  static read(path: string): SeenFiles {
    try {
      return SeenFiles.#decode(readFileSync(path)) ?? SeenFiles.none()
    } catch {
      return SeenFiles.none()
    }
  }

  static #decode(file: Buffer): SeenFiles | undefined {
    const body = file.subarray(0, Math.max(0, file.length - SUM_BYTES))
    if (!sumOf(body).equals(file.subarray(body.length))) return undefined
    const headEnd = body.indexOf(10) + 1
    const head = JSON.parse(body.toString('utf8', 0, headEnd)) as Head
    if (head.magic !== MAGIC) return undefined
    const { n, namesBytes } = head
    const names = n === 0 ? [] : body.toString('utf8', headEnd, headEnd + namesBytes).split('\0')
    const statsAt = headEnd + namesBytes
    const modesAt = statsAt + n * STAT_NUMBERS * Float64Array.BYTES_PER_ELEMENT
    const digests = body.subarray(modesAt + n, modesAt + n + n * DIGEST_BYTES)
    const stats = new Float64Array(Uint8Array.prototype.slice.call(body, statsAt, modesAt).buffer)
    return new SeenFiles(head, { names, stats, modes: body.subarray(modesAt, modesAt + n), digests })
  }

  get length(): number {
    return this.#columns.names.length
  }

  /** Place of a path; -1 where it was not seen. Asked in the order of paths it costs one comparison. */
  find(path: string): number {
    const { names } = this.#columns
    if (names[this.#cursor] === path) return this.#cursor++
    let [low, high] = [0, names.length - 1]
    while (low <= high) {
      const middle = (low + high) >> 1
      if (names[middle] === path) {
        this.#cursor = middle + 1
        return middle
      }
      if (names[middle] < path) low = middle + 1
      else high = middle - 1
    }
    this.#cursor = low
    return -1
  }

  /** Digest that a file had, when it looks as it did then; undefined where it does not, or was not seen. */
  digestOf(path: string, stat: FileStat): string | undefined {
    const i = this.find(path)
    return i >= 0 && this.#looksSame(i, stat) ? this.digest(i) : undefined
  }

  /** Digest of the file of some place. */
  digest(i: number): string {
    return this.#columns.digests.toString('hex', i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)
  }

  #looksSame(i: number, { bytes, mtimeMs, ctimeMs, inode }: FileStat): boolean {
    const { stats } = this.#columns
    const at = i * STAT_NUMBERS
    return (
      stats[at] === bytes && stats[at + 1] === mtimeMs && stats[at + 2] === ctimeMs && stats[at + 3] === inode
    )
  }

  /** Place of the first of files `begin` to `end` (exclusive) where all of them look as they did and none was seen between them; -1 where not. */
  findRun(files: FoundFiles, begin: number, end: number): number {
    const from = end > begin ? this.find(files.paths[begin]) : -1
    if (from < 0) return -1
    for (let i = begin; i < end; i++) if (!this.#isAt(from + i - begin, files, i)) return -1
    this.#cursor = from + end - begin
    return from
  }

  #isAt(i: number, files: FoundFiles, iFile: number): boolean {
    const { names, stats } = this.#columns
    const [mine, its] = [i * STAT_NUMBERS, iFile * STAT_NUMBERS]
    for (let k = 0; k < STAT_NUMBERS; k++) if (stats[mine + k] !== files.stats[its + k]) return false
    return names[i] === files.paths[iFile]
  }

  /** Adds files from one place to another (exclusive) to what will be noted. */
  copyTo(rows: SeenRows, begin: number, end: number): void {
    rows.copy(this.#columns, begin, end)
  }

  /** Lines of some files for the digest of a version's content. */
  lines(begin: number, end: number): string {
    const { names, modes, digests } = this.#columns
    const hex = digests.toString('hex', begin * DIGEST_BYTES, end * DIGEST_BYTES)
    let text = ''
    for (let i = begin; i < end; i++) {
      const at = (i - begin) * 2 * DIGEST_BYTES
      const mode = MODES[modes[i]]
      text += contentLine(names[i], mode, mode === MODE.folder ? '' : hex.slice(at, at + 2 * DIGEST_BYTES))
    }
    return text
  }
}

/** Files that will be noted, in the order of their paths. */
export class SeenRows {
  readonly #names: string[] = []
  readonly #stats: Float64Array
  readonly #modes: Uint8Array
  readonly #digests: Buffer

  constructor(nMax: number) {
    this.#stats = new Float64Array(nMax * STAT_NUMBERS)
    this.#modes = new Uint8Array(nMax)
    this.#digests = Buffer.alloc(nMax * DIGEST_BYTES)
  }

  add(file: SeenFile): void {
    this.put(file.path, file.mode, file.digest, file)
  }

  put(path: string, mode: number, digest: string, { bytes, mtimeMs, ctimeMs, inode }: FileStat): void {
    const i = this.#names.push(path) - 1
    this.#modes[i] = MODES.indexOf(mode)
    this.#digests.write(digest, i * DIGEST_BYTES, 'hex')
    const at = i * STAT_NUMBERS
    this.#stats[at] = bytes
    this.#stats[at + 1] = mtimeMs
    this.#stats[at + 2] = ctimeMs
    this.#stats[at + 3] = inode
  }

  copy({ names, stats, modes, digests }: Columns, begin: number, end: number): void {
    const i = this.#names.length
    for (let from = begin; from < end; from++) this.#names.push(names[from])
    this.#stats.set(stats.subarray(begin * STAT_NUMBERS, end * STAT_NUMBERS), i * STAT_NUMBERS)
    this.#modes.set(modes.subarray(begin, end), i)
    digests.copy(this.#digests, i * DIGEST_BYTES, begin * DIGEST_BYTES, end * DIGEST_BYTES)
  }

  columns(): Columns {
    const n = this.#names.length
    return {
      names: this.#names,
      stats: this.#stats.subarray(0, n * STAT_NUMBERS),
      modes: this.#modes.subarray(0, n),
      digests: this.#digests.subarray(0, n * DIGEST_BYTES),
    }
  }
}

interface Head extends Bases {
  magic: string
  n: number
  namesBytes: number
}

/** Replaces what was noted. A failure costs time and nothing else, so that it is passed over. */
export function writeSeen(path: string, bases: Bases, rows: SeenRows): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temporary, encode(bases, rows.columns()))
    renameSync(temporary, path)
  } catch {
    rmSync(temporary, { force: true })
  }
}

function encode(bases: Bases, { names, stats, modes, digests }: Columns): Buffer {
  const text = Buffer.from(names.join('\0'))
  const head: Head = { magic: MAGIC, ...bases, n: names.length, namesBytes: text.length }
  const numbers = Buffer.from(stats.buffer, stats.byteOffset, stats.byteLength)
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), text, numbers, modes, digests])
  return Buffer.concat([body, sumOf(body)])
}

const sumOf = (body: Uint8Array): Buffer => createHash('sha256').update(body).digest()

/** File of the cache for some set and the place where its files lie. */
export function seenPath(cacheDir: string, set: string, roots: readonly string[]): string {
  return join(cacheDir, 'seen', `${hash('sha256', [set, ...roots].join('\0'), 'hex').slice(0, 32)}.stat`)
}

/** Clocks of file systems tick every 4 ms or so; those that keep whole seconds, every two at worst. */
const TICK_MS = 20
const COARSE_MS = 2_000
const SECOND_MS = 1_000

/** Whether a file changed so shortly before `nowMs`, the file system's time as it was looked at, that a later change could look the same. */
export function isRacy({ mtimeMs, ctimeMs }: FileStat, nowMs: number): boolean {
  const isCoarse = mtimeMs % SECOND_MS === 0
  return Math.max(mtimeMs, ctimeMs) + (isCoarse ? COARSE_MS : TICK_MS) >= nowMs
}

/** Time by the clock that stamps files, read off a file that is written now. */
export function fileSystemNow(dir: string): number {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, `clock-${randomBytes(6).toString('hex')}`)
  writeFileSync(path, '')
  const { mtimeMs } = statSync(path)
  rmSync(path)
  return mtimeMs
}
