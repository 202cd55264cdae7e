/** Where the bytes of an ORC file come from, and how one is refused. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { excerpt, MillraceError } from '../../core/errors.ts'
import type { Refuse } from '../../model/import/refusal.ts'

/** Bytes by place. `read` gives exactly those from `begin` to `end` (exclusive), which lie in the file. */
export interface OrcSource {
  length: number
  read(begin: number, end: number): Uint8Array
}

/** `name` is what errors call the file. Errors: those of the file system. */
export function openOrcFile(path: string, name: string): OrcSource & { close(): void } {
  const file = openSync(path, 'r')
  return {
    length: fstatSync(file).size,
    read(begin, end) {
      const bytes = new Uint8Array(end - begin)
      for (let at = 0; at < bytes.length; ) {
        const n = readSync(file, bytes, at, bytes.length - at, begin + at)
        if (n === 0) throw refuseOrc(name)(`byte ${begin + at}`, 'more bytes', 'the end of the file')
        at += n
      }
      return bytes
    },
    close: () => closeSync(file),
  }
}

/** Refusals of one file, each with its place: MR_DATA_UNREADABLE. */
export function refuseOrc(file: string): Refuse {
  return (place, expected, got) =>
    new MillraceError('MR_DATA_UNREADABLE', {
      file,
      format: 'orc',
      why: `${place} should be ${expected}, it is ${excerpt(got)}`,
    })
}
