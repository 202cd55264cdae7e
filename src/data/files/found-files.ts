/** What a walk found, in columns: of a hundred thousand files there is no object each. */
import type { Stats } from 'node:fs'
import { MODE } from './entry.ts'
import { type FileStat, STAT_NUMBERS } from './stat.ts'

export interface FoundFile {
  /** Path in the set. */
  path: string
  /** Path on this machine. */
  source: string
  mode: number
  stat: FileStat
}

/** Numbers that stand for modes in columns; never given to another. */
export const MODES: readonly number[] = [MODE.file, MODE.executable, MODE.link, MODE.folder]

/** Where paths of the set lie: what they begin with ('' for all of one folder), and what stands for that on this machine. */
export interface SourceRoot {
  prefix: string
  source: string
}

export interface FoundColumns {
  roots: SourceRoot[]
  paths: string[]
  stats: Float64Array
  modes: Uint8Array
}

export class FoundFiles {
  readonly paths: readonly string[]
  /** Of each file `STAT_NUMBERS`. */
  readonly stats: Float64Array
  readonly #modes: Uint8Array
  readonly #roots: readonly SourceRoot[]

  constructor({ roots, paths, stats, modes }: FoundColumns) {
    this.#roots = roots
    this.paths = paths
    this.stats = stats
    this.#modes = modes
  }

  get length(): number {
    return this.paths.length
  }

  modeOf(i: number): number {
    return MODES[this.#modes[i]]
  }

  bytesOf(i: number): number {
    return this.stats[i * STAT_NUMBERS]
  }

  statOf(i: number): FileStat {
    const { stats } = this
    const at = i * STAT_NUMBERS
    return { bytes: stats[at], mtimeMs: stats[at + 1], ctimeMs: stats[at + 2], inode: stats[at + 3] }
  }

  sourceOf(i: number): string {
    const path = this.paths[i]
    const roots = this.#roots
    const root = roots.length === 1 ? roots[0] : roots.find(({ prefix }) => path.startsWith(prefix))!
    return root.source + path.slice(root.prefix.length)
  }

  /** Place of the first path that is not before this one, from a place on. */
  placeOf(path: string, from: number): number {
    let [low, high] = [from, this.paths.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.paths[middle] < path) low = middle + 1
      else high = middle
    }
    return low
  }

  at(i: number): FoundFile {
    return { path: this.paths[i], source: this.sourceOf(i), mode: this.modeOf(i), stat: this.statOf(i) }
  }
}

const FIRST_ROOM = 1024

/** Gathers what is found, in any order. */
export class FoundBuilder {
  readonly #roots: SourceRoot[] = []
  readonly #paths: string[] = []
  #stats = new Float64Array(FIRST_ROOM * STAT_NUMBERS)
  #modes = new Uint8Array(FIRST_ROOM)

  get length(): number {
    return this.#paths.length
  }

  addRoot(root: SourceRoot): void {
    this.#roots.push(root)
  }

  /** `mode` is the place in `MODES`. */
  add(path: string, mode: number, { size, mtimeMs, ctimeMs, ino }: Stats): void {
    const i = this.#paths.push(path) - 1
    if (i >= this.#modes.length) this.#grow()
    this.#modes[i] = mode
    const at = i * STAT_NUMBERS
    this.#stats[at] = size
    this.#stats[at + 1] = mtimeMs
    this.#stats[at + 2] = ctimeMs
    this.#stats[at + 3] = ino
  }

  #grow(): void {
    const [stats, modes] = [new Float64Array(this.#stats.length * 2), new Uint8Array(this.#modes.length * 2)]
    stats.set(this.#stats)
    modes.set(this.#modes)
    this.#stats = stats
    this.#modes = modes
  }

  /** Everything ordered by path. Roots with longer names come first, so that each path finds its own. */
  finish(): FoundColumns {
    const n = this.#paths.length
    const roots = this.#roots.toSorted((a, b) => b.prefix.length - a.prefix.length)
    const [stats, modes] = [this.#stats.subarray(0, n * STAT_NUMBERS), this.#modes.subarray(0, n)]
    return isOrdered(this.#paths) ? { roots, paths: this.#paths, stats, modes } : this.#ordered(roots)
  }

  #ordered(roots: SourceRoot[]): FoundColumns {
    const paths = this.#paths
    const order = Array.from(paths, (_, i) => i).sort((a, b) => (paths[a] < paths[b] ? -1 : 1))
    const [stats, modes] = [new Float64Array(paths.length * STAT_NUMBERS), new Uint8Array(paths.length)]
    for (const [to, from] of order.entries()) {
      modes[to] = this.#modes[from]
      const at = from * STAT_NUMBERS
      stats.set(this.#stats.subarray(at, at + STAT_NUMBERS), to * STAT_NUMBERS)
    }
    return { roots, paths: order.map((i) => paths[i]), stats, modes }
  }
}

function isOrdered(paths: readonly string[]): boolean {
  for (let i = 1; i < paths.length; i++) if (paths[i] < paths[i - 1]) return false
  return true
}
