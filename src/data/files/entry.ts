/** One path of a set of files. */
import type { Digest } from '../../core/records.ts'
import type { PackSlot } from './pack-writer.ts'

/** What a path is, by git's numbers of modes. */
export const MODE = { file: 0o100644, executable: 0o100755, link: 0o120000, folder: 0o040000 } as const

/** A piece of a file: its SHA-256 in hex, its size, and where it is stored. */
export interface ChunkRef {
  digest: string
  bytes: number
  pack: PackSlot
}

/** Where the bytes of a path are. */
export type Place =
  /** There are none: an empty file, or a folder that holds nothing. */
  | { in: 'nothing' }
  /** The whole file is one chunk, whose digest is the file's. */
  | { in: 'pack'; pack: PackSlot }
  | { in: 'chunks'; chunks: ChunkRef[] }
  /** A `FileChunks` or `FileParts`. */
  | { in: 'list'; list: Digest }
  | { in: 'link'; target: string }

export interface FileEntry {
  /** From the root of the set, with `/`. */
  path: string
  mode: number
  bytes: number
  /** SHA-256 of all bytes in hex; of a link, of its target; of a folder, ''. */
  digest: string
  place: Place
}

/** Whether a mode is that of a file with bytes of its own. */
export const isPlain = (mode: number): boolean => mode === MODE.file || mode === MODE.executable

/** Whether two entries say the same of a path. */
export function isSameEntry(a: FileEntry, b: FileEntry): boolean {
  return a.mode === b.mode && a.digest === b.digest && a.bytes === b.bytes
}
