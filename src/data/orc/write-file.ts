/** ORC files with the columns of a dataset. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import type { Column, ColumnType } from '../../core/records.ts'
import { OrcWriter } from './write.ts'
import type { WrittenKind } from './write-statistics.ts'

/** What each type is written as; what ORC has no type for is its text. */
const KINDS: Record<ColumnType, WrittenKind> = {
  bool: 'boolean',
  int: 'long',
  float: 'double',
  string: 'string',
  time: 'timestamp',
  date: 'date',
  json: 'string',
}

/** Writes a file by what `fill` adds, down to the disk. Errors: those of `fill` and of the file system; the file is then cut short. */
export async function writeOrcFile<T>(
  path: string,
  columns: readonly Pick<Column, 'name' | 'type'>[],
  fill: (writer: OrcWriter) => Promise<T>,
): Promise<T> {
  const file = openSync(path, 'w')
  try {
    const fields = columns.map(({ name, type }) => ({ name, kind: KINDS[type] }))
    const writer = new OrcWriter((bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at)
    }, fields)
    const filled = await fill(writer)
    writer.finish()
    fsyncSync(file)
    return filled
  } finally {
    closeSync(file)
  }
}
