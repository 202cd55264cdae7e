/** What tells whether a file is the one that was seen before. */
import type { BigIntStats } from 'node:fs'

/** Times in nanoseconds. */
export interface FileStat {
  bytes: number
  mtimeNs: bigint
  ctimeNs: bigint
  inode: bigint
}

export function statOf(stats: BigIntStats): FileStat {
  return { bytes: Number(stats.size), mtimeNs: stats.mtimeNs, ctimeNs: stats.ctimeNs, inode: stats.ino }
}

export function looksSame(a: FileStat, b: FileStat): boolean {
  return a.bytes === b.bytes && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.inode === b.inode
}
