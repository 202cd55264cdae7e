/** Everything a part remembers of one column in a few kilobytes, and how it is filled from a scan: moments, quantiles, distinct values, frequent items. */
import { MOMENTS_MAX } from '../core/limits.ts'
import { seededRng } from '../core/rng.ts'
import { type Moments, mergeMoments } from './moments.ts'
import { sortNumbers } from './radix-sort.ts'
import { blockFloor, FrequentCounter, type FrequentItems } from './sketch-frequent.ts'
import { addNumbersToHll, addTextToHll, emptyHll, type HllSketch, raiseHll } from './sketch-hll.ts'
import { type KllSketch, mergeAllKll } from './sketch-kll.ts'
import { KllStream } from './sketch-kll-stream.ts'

/** Quantiles: any rank is off by less than 1 % of the rows, in practice by half of that. */
export const SKETCH_K = 512
/** Distinct values: relative standard error 0.6 %. */
export const SKETCH_LG_K = 15
/** Frequent items: none that makes up more than 1/257 of the values is missed. */
export const SKETCH_ITEMS = 256

/** Rows of numbers that are sorted together: as many as `sortNumbers` sorts without memory of its own for each call. */
const BLOCK = 4096
/** Of the coins that KLL throws; the same for every column, since columns are never merged with one another. */
const SEED = 0x6d696c6c

export interface ColumnSketch {
  rows: number
  nulls: number
  /** NaN, infinities and numbers beyond `MOMENTS_MAX`: they are values, and no part of moments and quantiles. */
  notFinite: number
  /** Of numbers and times (epoch milliseconds); null for the rest. */
  moments: Moments | null
  kll: KllSketch | null
  hll: HllSketch
  frequent: FrequentItems
}

/** A column of numbers while it streams by. The same values in the same order give the same sketch, however they are cut into calls. */
export class NumberSketcher {
  readonly #block = new Float64Array(BLOCK)
  readonly #values = new Float64Array(BLOCK)
  readonly #counts = new Uint32Array(BLOCK)
  readonly #kll = new KllStream(SKETCH_K, seededRng(SEED))
  readonly #hll = emptyHll(SKETCH_LG_K)
  readonly #frequent = new FrequentCounter(SKETCH_ITEMS)
  #moments: Moments | undefined
  #filled = 0

  /** Takes `values[0, n)`; NaN and what is beyond `MOMENTS_MAX` are passed over. Cost: about 70 ns a value. */
  add(values: Float64Array, n: number): void {
    const block = this.#block
    let filled = this.#filled
    for (let i = 0; i < n; i++) {
      const x = values[i]
      if (!(x >= -MOMENTS_MAX && x <= MOMENTS_MAX)) continue
      block[filled++] = x + 0
      if (filled < BLOCK) continue
      this.#take(filled)
      filled = 0
    }
    this.#filled = filled
  }

  #take(n: number): void {
    const block = this.#block.subarray(0, n)
    const moments = blockMoments(block)
    this.#moments = this.#moments ? mergeMoments(this.#moments, moments) : moments
    sortNumbers(block)
    this.#kll.addSorted(block)
    const runs = this.#runs(block)
    addNumbersToHll(this.#hll, this.#values, runs)
    const floor = blockFloor(this.#counts, runs, SKETCH_ITEMS)
    const items: number[] = []
    const counts: number[] = []
    for (let i = 0; i < runs; i++) {
      if (this.#counts[i] <= floor) continue
      items.push(this.#values[i])
      counts.push(this.#counts[i])
    }
    this.#frequent.addBlock(n, items, counts, floor)
  }

  /** Distinct values of a sorted block and how often each is there. */
  #runs(block: Float64Array): number {
    let runs = 0
    for (let i = 0; i < block.length; ) {
      const from = i
      while (i < block.length && block[i] === block[from]) i++
      this.#values[runs] = block[from]
      this.#counts[runs++] = i - from
    }
    return runs
  }

  /** What was seen, as that of `rows` rows of which `nulls` had no value. */
  finish(rows: number, nulls: number): ColumnSketch {
    if (this.#filled > 0) this.#take(this.#filled)
    this.#filled = 0
    const moments = this.#moments ?? null
    return {
      rows,
      nulls,
      notFinite: rows - nulls - (moments?.n ?? 0),
      moments,
      kll: this.#kll.finish(),
      hll: this.#hll,
      frequent: this.#frequent.summary({ sure: true }),
    }
  }
}

/** Moments of a block by two passes; the middle of the values is taken off first, so that a large offset costs no digits. */
function blockMoments(block: Float64Array): Moments {
  const n = block.length
  const middle = block[0]
  let sum = 0
  let min = middle
  let max = middle
  for (let i = 0; i < n; i++) {
    const x = block[i]
    sum += x - middle
    if (x < min) min = x
    if (x > max) max = x
  }
  const mean = middle + sum / n
  let m2 = 0
  let m3 = 0
  for (let i = 0; i < n; i++) {
    const d = block[i] - mean
    m2 += d * d
    m3 += d * d * d
  }
  return { n, mean, m2, m3, min, max }
}

/** Texts longer than this are frequent items under their beginning and a hash of the whole. */
const ITEM_CHARS = 128

/** A column of texts while it streams by, block by block, as distinct values with their counts. */
export class TextSketcher {
  readonly #hll = emptyHll(SKETCH_LG_K)
  readonly #frequent = new FrequentCounter(SKETCH_ITEMS)
  readonly #decoder = new TextDecoder()
  #items: string[] = []
  #itemCounts: number[] = []
  #counts: Int32Array = new Int32Array(0)
  #floor = 0
  #at = 0
  #rows = 0

  /** Begins a block with the count of each of its distinct values. */
  begin(counts: Int32Array): void {
    this.#counts = counts
    this.#floor = blockFloor(counts, counts.length, SKETCH_ITEMS)
    this.#items = []
    this.#itemCounts = []
    this.#at = 0
  }

  /** The next values of the block: their UTF-8 bytes one after another, and the length of each. Cost: about 2 ns a byte. */
  add(bytes: Uint8Array, lengths: Int32Array): void {
    let from = 0
    for (const length of lengths) {
      const to = from + length
      addTextToHll(this.#hll, bytes, from, to)
      const count = this.#counts[this.#at++]
      this.#rows += count
      if (count > this.#floor) {
        this.#items.push(itemOf(this.#decoder.decode(bytes.subarray(from, to))))
        this.#itemCounts.push(count)
      }
      from = to
    }
  }

  /** Ends the block. */
  end(): void {
    const n = this.#counts.reduce((sum, count) => sum + count, 0)
    this.#frequent.addBlock(n, this.#items, this.#itemCounts, this.#floor)
  }

  finish(rows: number, nulls: number): ColumnSketch {
    const frequent = this.#frequent.summary({ sure: true })
    return { rows, nulls, notFinite: 0, moments: null, kll: null, hll: this.#hll, frequent }
  }
}

function itemOf(text: string): string {
  if (text.length <= ITEM_CHARS) return text
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return `${text.slice(0, ITEM_CHARS)}…${(hash >>> 0).toString(16).padStart(8, '0')}`
}

/**
 * One column over several parts, none of them changed. Any order gives the same counts, moments to the last bits and distinct values; quantiles within their
 * error. Needs one sketch (MR_STATS_EMPTY). A part whose column had another type leaves moments and quantiles to those that have them.
 */
export function mergeColumnSketches(sketches: readonly ColumnSketch[]): ColumnSketch {
  const klls = sketches.map((s) => s.kll).filter((kll) => kll !== null)
  const moments = sketches.map((s) => s.moments).filter((m) => m !== null)
  const hll = emptyHll(sketches[0]?.hll.lgK ?? SKETCH_LG_K)
  const frequent = new FrequentCounter(SKETCH_ITEMS)
  for (const sketch of sketches) {
    raiseHll(hll, sketch.hll)
    frequent.merge(sketch.frequent)
  }
  const sum = (of: (s: ColumnSketch) => number) => sketches.reduce((n, s) => n + of(s), 0)
  return {
    rows: sum((s) => s.rows),
    nulls: sum((s) => s.nulls),
    notFinite: sum((s) => s.notFinite),
    moments: moments.length === 0 ? null : moments.reduce(mergeMoments),
    kll: klls.length === 0 ? null : mergeAllKll(klls, seededRng(SEED)),
    hll,
    frequent: frequent.summary(),
  }
}
