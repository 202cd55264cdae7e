/** What tells whether a file is the one that was seen before. */
import type { Stats } from 'node:fs'

/**
 * Times are milliseconds since 1970, to a quarter of a microsecond: as exact as a double holds them, and a thousand times finer than the clocks of file systems
 * tick. Whole nanoseconds would cost a bigint each.
 */
export interface FileStat {
  bytes: number
  mtimeMs: number
  ctimeMs: number
  inode: number
}

export function statOf({ size, mtimeMs, ctimeMs, ino }: Stats): FileStat {
  return { bytes: size, mtimeMs, ctimeMs, inode: ino }
}

export function looksSame(a: FileStat, b: FileStat): boolean {
  return a.bytes === b.bytes && a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs && a.inode === b.inode
}

/** Numbers of a file in columns of them, by this order: bytes, mtime, ctime, inode. */
export const STAT_NUMBERS = 4
