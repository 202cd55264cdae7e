/**
 * What files of a folder looked like when they were last read, so that those which look the same are not read again.
 *
 * A file is taken to be the same when its size, time of change, time of its inode and number of its inode are. That would be wrong for a file that was written twice within one tick
 * of the clock, with as many bytes, and read in between (git calls it racily clean): so a file that changed at the time it was read, or later than that, is
 * not noted, and is read once more the next time. The cache can be deleted at any time.
 */
import { createHash, hash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../core/records.ts'
import type { FileStat } from './stat.ts'

const MAGIC = 'millrace-stat 1'
const SUM_BYTES = 32
const DIGEST_BYTES = 32

export interface SeenFile extends FileStat {
  /** SHA-256 of what it held, in hex. */
  digest: string
}

/** Files by path, and the version that they were added to or checked out from. */
export interface SeenFolder {
  base?: Digest
  files: Map<string, SeenFile>
}

/** File of the cache for some set and the place where its files lie. */
export function seenPath(cacheDir: string, set: string, roots: readonly string[]): string {
  return join(cacheDir, 'seen', `${hash('sha256', [set, ...roots].join('\0'), 'hex').slice(0, 32)}.stat`)
}

/** What was noted; nothing where there is no such file, or it is damaged. */
export function readSeen(path: string): SeenFolder {
  try {
    return decode(readFileSync(path)) ?? { files: new Map() }
  } catch {
    return { files: new Map() }
  }
}

/** Replaces what was noted. A failure costs time and nothing else, so that it is passed over. */
export function writeSeen(path: string, seen: SeenFolder): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(temporary, encode(seen))
    renameSync(temporary, path)
  } catch {
    rmSync(temporary, { force: true })
  }
}

function encode({ base, files }: SeenFolder): Buffer {
  const n = files.size
  const bytes = new Float64Array(n)
  const [mtimes, ctimes, inodes] = [new BigInt64Array(n), new BigInt64Array(n), new BigUint64Array(n)]
  const digests = Buffer.alloc(n * DIGEST_BYTES)
  let i = 0
  for (const file of files.values()) {
    bytes[i] = file.bytes
    mtimes[i] = file.mtimeNs
    ctimes[i] = file.ctimeNs
    inodes[i] = file.inode
    digests.write(file.digest, i * DIGEST_BYTES, 'hex')
    i++
  }
  const names = Buffer.from([...files.keys()].join('\0'))
  const head = Buffer.from(`${JSON.stringify({ magic: MAGIC, base, n, namesBytes: names.length })}\n`)
  const columns = [bytes, mtimes, ctimes, inodes].map((c) => Buffer.from(c.buffer))
  const body = Buffer.concat([head, names, ...columns, digests])
  return Buffer.concat([body, sumOf(body)])
}

const sumOf = (body: Uint8Array): Buffer => createHash('sha256').update(body).digest()

function decode(file: Buffer): SeenFolder | undefined {
  const body = file.subarray(0, Math.max(0, file.length - SUM_BYTES))
  if (!sumOf(body).equals(file.subarray(body.length))) return undefined
  const headEnd = body.indexOf(10) + 1
  const head = JSON.parse(body.toString('utf8', 0, headEnd)) as {
    magic: string
    base?: Digest
    n: number
    namesBytes: number
  }
  if (head.magic !== MAGIC) return undefined
  const { n, namesBytes, base } = head
  let at = headEnd + namesBytes
  const column = (width: number) => {
    const begin = at
    at += n * width
    return Uint8Array.prototype.slice.call(body, begin, at).buffer
  }
  const bytes = new Float64Array(column(8))
  const [mtimes, ctimes, inodes] = [
    new BigInt64Array(column(8)),
    new BigInt64Array(column(8)),
    new BigUint64Array(column(8)),
  ]
  const digests = body.subarray(at, at + n * DIGEST_BYTES)
  const files = new Map<string, SeenFile>()
  const names = n === 0 ? [] : body.toString('utf8', headEnd, headEnd + namesBytes).split('\0')
  for (const [i, name] of names.entries())
    files.set(name, {
      bytes: bytes[i],
      mtimeNs: mtimes[i],
      ctimeNs: ctimes[i],
      inode: inodes[i],
      digest: digests.toString('hex', i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES),
    })
  return { ...(base && { base }), files }
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
