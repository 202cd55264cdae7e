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
import type { FileStat } from './stat.ts'

const MAGIC = 'millrace-stat 1'
const SUM_BYTES = 32
const DIGEST_BYTES = 32

export interface SeenFile extends FileStat {
  path: string
  /** SHA-256 of what it held, in hex; of a folder, zeros. */
  digest: string
}

export const NO_DIGEST = '0'.repeat(2 * DIGEST_BYTES)

/** Files as they were seen, ordered by path, in columns: a hundred thousand of them are compared without an object each. */
export class SeenFiles {
  /** Version that they were added to or checked out from. */
  readonly base: Digest | undefined
  /** Versions whose files were being written when checkouts were cut short: some of them may be there. */
  readonly pending: readonly Digest[]
  readonly #names: readonly string[]
  readonly #bytes: Float64Array
  readonly #times: BigInt64Array
  readonly #inodes: BigUint64Array
  readonly #digests: Buffer
  #cursor = 0

  private constructor({ base, pending = [] }: Bases, names: readonly string[], columns: Columns) {
    this.base = base
    this.pending = pending
    this.#names = names
    this.#bytes = columns.bytes
    this.#times = columns.times
    this.#inodes = columns.inodes
    this.#digests = columns.digests
  }

  /** Nothing was seen. */
  static none(): SeenFiles {
    return new SeenFiles({}, [], columnsOf([]))
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
    const namesEnd = headEnd + head.namesBytes
    const names = head.n === 0 ? [] : body.toString('utf8', headEnd, namesEnd).split('\0')
    return new SeenFiles(head, names, readColumns(body, namesEnd, head.n))
  }

  get length(): number {
    return this.#names.length
  }

  /** Place of a path; -1 where it was not seen. Asked in the order of paths it costs one comparison. */
  find(path: string): number {
    const names = this.#names
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
    return i >= 0 && this.#looksSame(i, stat)
      ? this.#digests.toString('hex', i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)
      : undefined
  }

  looksSeen(path: string, stat: FileStat): boolean {
    const i = this.find(path)
    return i >= 0 && this.#looksSame(i, stat)
  }

  #looksSame(i: number, { bytes, mtimeNs, ctimeNs, inode }: FileStat): boolean {
    return (
      this.#bytes[i] === bytes &&
      this.#times[2 * i] === mtimeNs &&
      this.#times[2 * i + 1] === ctimeNs &&
      this.#inodes[i] === inode
    )
  }
}

interface Bases {
  base?: Digest | undefined
  pending?: readonly Digest[]
}

interface Head extends Bases {
  magic: string
  n: number
  namesBytes: number
}

interface Columns {
  bytes: Float64Array
  /** Of each file, mtime and ctime. */
  times: BigInt64Array
  inodes: BigUint64Array
  digests: Buffer
}

function columnsOf(files: readonly SeenFile[]): Columns {
  const n = files.length
  const [bytes, times] = [new Float64Array(n), new BigInt64Array(2 * n)]
  const [inodes, digests] = [new BigUint64Array(n), Buffer.alloc(n * DIGEST_BYTES)]
  for (const [i, file] of files.entries()) {
    bytes[i] = file.bytes
    times[2 * i] = file.mtimeNs
    times[2 * i + 1] = file.ctimeNs
    inodes[i] = file.inode
    digests.write(file.digest, i * DIGEST_BYTES, 'hex')
  }
  return { bytes, times, inodes, digests }
}

function readColumns(body: Buffer, from: number, n: number): Columns {
  let at = from
  const next = (length: number) => {
    const begin = at
    at += length
    return Uint8Array.prototype.slice.call(body, begin, at).buffer
  }
  const [bytes, times] = [new Float64Array(next(8 * n)), new BigInt64Array(next(16 * n))]
  const inodes = new BigUint64Array(next(8 * n))
  return { bytes, times, inodes, digests: body.subarray(at, at + n * DIGEST_BYTES) }
}

/** Replaces what was noted by files that are ordered by path. A failure costs time and nothing else, so that it is passed over. */
export function writeSeen(path: string, bases: Bases, files: readonly SeenFile[]): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temporary, encode(bases, files))
    renameSync(temporary, path)
  } catch {
    rmSync(temporary, { force: true })
  }
}

function encode(bases: Bases, files: readonly SeenFile[]): Buffer {
  const names = Buffer.from(files.map(({ path }) => path).join('\0'))
  const head: Head = { magic: MAGIC, ...bases, n: files.length, namesBytes: names.length }
  const { bytes, times, inodes, digests } = columnsOf(files)
  const columns = [bytes, times, inodes].map(({ buffer }) => Buffer.from(buffer))
  const body = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), names, ...columns, digests])
  return Buffer.concat([body, sumOf(body)])
}

const sumOf = (body: Uint8Array): Buffer => createHash('sha256').update(body).digest()

/** File of the cache for some set and the place where its files lie. */
export function seenPath(cacheDir: string, set: string, roots: readonly string[]): string {
  return join(cacheDir, 'seen', `${hash('sha256', [set, ...roots].join('\0'), 'hex').slice(0, 32)}.stat`)
}

/** Clocks of file systems tick every 4 ms or so; those that keep whole seconds, every two at worst. */
const TICK_NS = 20_000_000n
const COARSE_NS = 2_000_000_000n
const SECOND_NS = 1_000_000_000n

/** Whether a file changed so shortly before `nowNs`, the file system's time as it was looked at, that a later change could look the same. */
export function isRacy({ mtimeNs, ctimeNs }: FileStat, nowNs: bigint): boolean {
  const isCoarse = mtimeNs % SECOND_NS === 0n
  const newest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs
  return newest + (isCoarse ? COARSE_NS : TICK_NS) >= nowNs
}

/** Time by the clock that stamps files, read off a file that is written now. */
export function fileSystemNow(dir: string): bigint {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, `clock-${randomBytes(6).toString('hex')}`)
  writeFileSync(path, '')
  const { mtimeNs } = statSync(path, { bigint: true })
  rmSync(path)
  return mtimeNs
}
