/** Strings to codes while they stream in, without making a JavaScript string for a value that was seen before. */
import type { DuckDBVector } from '@duckdb/node-api'
import type { ResultColumn } from '../ports.ts'
import type { ColumnBuilder } from './column-builder.ts'
import { textOf, toPlain } from './values.ts'
import { bytesOf, isValid, validBitsOf } from './vectors.ts'

/** Texts in the order in which they were first seen, each with its code. */
export class TextCodes {
  private readonly byText = new Map<string, number>()
  private readonly cells = new CellTable()

  /** Code of the text in a cell; one that was seen before becomes no string. */
  ofCell(vector: DuckDBVector, words: Int32Array, i: number): number {
    if (words[i * CELL_WORDS]! > INLINE_BYTES_MAX) return this.of(vector, i)
    const known = this.cells.find(words, i * CELL_WORDS)
    return known >= 0 ? known : this.cells.add(words, i * CELL_WORDS, this.of(vector, i))
  }

  of(vector: DuckDBVector, i: number): number {
    const text = textOf(toPlain(vector.getItem(i)))!
    const known = this.byText.get(text)
    if (known !== undefined) return known
    this.byText.set(text, this.byText.size)
    return this.byText.size - 1
  }

  all(): string[] {
    return [...this.byText.keys()]
  }
}

/** DuckDB keeps strings of up to 12 bytes in the 16-byte cell itself: length, then the bytes, the rest zero. */
const INLINE_BYTES_MAX = 12
const CELL_WORDS = 4

/**
 * Codes of a column. Categories are sorted by code unit at the end, so codes do not depend on the order of rows or threads.
 * Columns that are not strings are taken by their text.
 */
export class CategoryBuilder implements ColumnBuilder {
  private readonly isText: boolean
  private readonly codes: Int32Array
  private readonly texts = new TextCodes()

  constructor(nRows: number, isText: boolean) {
    this.codes = new Int32Array(nRows)
    this.isText = isText
  }

  add(vector: DuckDBVector, at: number, n: number): void {
    const bits = validBitsOf(vector)
    const words = this.isText ? wordsOf(vector, n) : undefined
    for (let i = 0; i < n; i++) {
      this.codes[at + i] = !isValid(bits, i)
        ? -1
        : words
          ? this.texts.ofCell(vector, words, i)
          : this.texts.of(vector, i)
    }
  }

  finish(): ResultColumn {
    const seen = this.texts.all()
    const categories = [...seen].sort()
    const rank = new Map(categories.map((text, i) => [text, i]))
    const moved = Int32Array.from(seen, (text) => rank.get(text)!)
    const codes = this.codes
    for (let i = 0; i < codes.length; i++) if (codes[i]! >= 0) codes[i] = moved[codes[i]!]!
    return { kind: 'category', codes, categories }
  }
}

export function wordsOf(vector: DuckDBVector, n: number): Int32Array {
  const { buffer, byteOffset } = bytesOf(vector)
  return new Int32Array(buffer, byteOffset, n * CELL_WORDS)
}

/** Codes of cells that were seen: open addressing over the four words of a cell. */
class CellTable {
  private keys = new Int32Array(64 * CELL_WORDS)
  private values = new Int32Array(64).fill(-1)
  private count = 0

  find(words: Int32Array, at: number): number {
    return this.values[this.place(words, at)]!
  }

  add(words: Int32Array, at: number, code: number): number {
    if (this.count * 2 >= this.values.length) this.grow()
    const place = this.place(words, at)
    for (let w = 0; w < CELL_WORDS; w++) this.keys[place * CELL_WORDS + w] = words[at + w]!
    this.values[place] = code
    this.count++
    return code
  }

  /** The slot that holds the cell, or the free one where it belongs. */
  private place(words: Int32Array, at: number): number {
    const mask = this.values.length - 1
    let slot = hash(words, at) & mask
    while (this.values[slot] !== -1 && !this.same(slot, words, at)) slot = (slot + 1) & mask
    return slot
  }

  private same(slot: number, words: Int32Array, at: number): boolean {
    const k = slot * CELL_WORDS
    const keys = this.keys
    return (
      keys[k] === words[at] &&
      keys[k + 1] === words[at + 1] &&
      keys[k + 2] === words[at + 2] &&
      keys[k + 3] === words[at + 3]
    )
  }

  private grow(): void {
    const { keys, values } = this
    this.keys = new Int32Array(keys.length * 2)
    this.values = new Int32Array(values.length * 2).fill(-1)
    this.count = 0
    for (let i = 0; i < values.length; i++) if (values[i] !== -1) this.add(keys, i * CELL_WORDS, values[i]!)
  }
}

function hash(words: Int32Array, at: number): number {
  let h = words[at]!
  for (let w = 1; w < CELL_WORDS; w++) {
    h = Math.imul(h ^ words[at + w]!, 0x9e3779b1)
    h ^= h >>> 15
  }
  return h
}
