/** What names the content of a version: SHA-256 over paths, modes and digests of its entries, in the order of their paths. */
import { createHash } from 'node:crypto'
import type { FileEntry } from './entry.ts'

/** Characters of lines that are hashed at once. */
const TEXT_MAX = 65_536

export class ContentHash {
  readonly #sum = createHash('sha256')
  #text = ''

  add({ path, mode, digest }: Pick<FileEntry, 'path' | 'mode' | 'digest'>): void {
    this.addLines(contentLine(path, mode, digest))
  }

  /** Lines that `contentLine` has made. */
  addLines(lines: string): void {
    this.#text += lines
    if (this.#text.length < TEXT_MAX) return
    this.#sum.update(this.#text)
    this.#text = ''
  }

  /** In hex. */
  digest(): string {
    return this.#sum.update(this.#text).digest('hex')
  }
}

export const contentLine = (path: string, mode: number, digest: string): string =>
  `${path}\0${mode.toString(8)}\0${digest}\n`
