/** Where frames begin. */
import type { DatasetVersion } from '../core/records.ts'
import type { Datasets } from '../define/columns.ts'
import type { Dataset } from '../define/define.ts'
import type { Store } from '../store/ports.ts'
import { Frame } from './frame.ts'
import type { AnyRow } from './frame-row.ts'
import { type FramesOptions, Session } from './session.ts'
import { arrowStep } from './sources/arrow.ts'
import { type FileOptions, fileStep } from './sources/file.ts'
import { type ColumnsIn, columnsStep, type MemoryOptions, rowsStep } from './sources/memory.ts'
import { versionStep } from './sources/version.ts'
import type { Step } from './step.ts'

export interface SourceOptions extends FileOptions {
  /** Types of columns of rows and columns in memory; of CSV and JSON as the engine writes them. */
  // biome-ignore lint/suspicious/noExplicitAny: what it may say depends on the source
  types?: any
  /** Store of a version. Default: that of the session. */
  store?: Store
}

/** Rows of a dataset, whose columns `millrace types` has told the type checker. */
export type RowOf<N extends string> = N extends keyof Datasets ? Datasets[N] & object : AnyRow

type Widened<T> = T extends number ? number : T extends string ? string : T extends boolean ? boolean : T
type RowOfRows<T> = { -readonly [K in keyof T]: Widened<T[K]> }
type Element<A> = A extends BigInt64Array | BigUint64Array
  ? number
  : A extends ArrayLike<infer E>
    ? Widened<E>
    : never
type RowOfColumns<C> = { -readonly [K in keyof C]: Element<C[K]> }

export interface FrameOf {
  /** A file, a pattern (`days/*.parquet`), or several of one format. */
  <R extends object = AnyRow>(files: string | readonly string[], options?: SourceOptions): Frame<R>
  /** A dataset of a config, at its newest version. */
  <const N extends string>(dataset: Dataset<N>, options?: SourceOptions): Frame<RowOf<N>>
  /** A version of a dataset. */
  <R extends object = AnyRow>(version: DatasetVersion, options?: SourceOptions): Frame<R>
  /** Rows in memory. */
  <const T extends object>(rows: readonly T[], options?: SourceOptions): Frame<RowOfRows<T>>
  /** Bytes of Arrow IPC, a stream or a file. */
  <R extends object = AnyRow>(arrow: Uint8Array, options?: SourceOptions): Frame<R>
  /** Columns in memory: typed arrays, or lists of equal length. */
  <const C extends ColumnsIn>(columns: C, options?: SourceOptions): Frame<RowOfColumns<C>>
}

/** A session of its own: memory, threads, scratch folder and store of the frames that begin in it. */
export interface Frames {
  frame: FrameOf
  /** A version by name: `flights@main`, `flights@main~1`, a digest. */
  version<R extends object = AnyRow>(name: string, options?: SourceOptions): Frame<R>
  /** Ends what runs, frees what was cached, removes what was spilled. */
  close(): Promise<void>
}

export function openFrames(options: FramesOptions = {}): Frames {
  const session = new Session(options)
  return {
    frame: ((source: unknown, how?: SourceOptions) =>
      new Frame(stepOf(source, how ?? {}), session)) as FrameOf,
    version: (name, how = {}) => new Frame(versionStep(name, how.store), session),
    close: () => session.close(),
  }
}

let shared: Frames | undefined

/**
 * A frame in the session that all frames of the process share: 1 GB of memory, all cores. What was spilled is removed when the process ends.
 *
 * `frame('days/*.parquet')`, `frame(flights, { store: runtime.store })`, `frame([{ a: 1 }])`, `frame({ a: new Float64Array(8) })`.
 */
export const frame: FrameOf = ((source: unknown, how?: SourceOptions) => {
  shared ??= openFrames()
  return shared.frame(source as string, how)
}) as FrameOf

/** Closes the session that all frames share. */
export async function closeFrames(): Promise<void> {
  const closing = shared
  shared = undefined
  await closing?.close()
}

function stepOf(source: unknown, how: SourceOptions): Step {
  if (typeof source === 'string') return fileStep([source], how)
  if (Array.isArray(source)) {
    const isFiles = source.length > 0 && source.every((item) => typeof item === 'string')
    return isFiles ? fileStep(source as string[], how) : rowsStep(source as object[], how as MemoryOptions)
  }
  if (source instanceof Uint8Array) return arrowStep(source)
  const { kind } = source as { kind?: unknown }
  if (kind === 'DatasetVersion') return versionStep(source as DatasetVersion, how.store)
  if (kind === 'DatasetDef') return versionStep((source as Dataset).name, how.store)
  return columnsStep(source as ColumnsIn, how as MemoryOptions)
}
