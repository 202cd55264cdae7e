/** Ports of the engines: questions over relations, work on workers, and scoring. Adapters load lazily in `open.ts`. */
import type { Json } from '../core/canonical.ts'
import type { Digest, RunRecord, RunSpec } from '../core/records.ts'
import type { Infer } from '../core/tensors.ts'
import type { Sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'

export type { Infer } from '../core/tensors.ts'
export type { Sql, SqlValue } from '../expr/sql.ts'

/** A column of a result, as compact as its type allows. NaN stands for a missing number; code -1 for a missing category. */
export type ResultColumn =
  | { kind: 'number'; values: Float64Array }
  | { kind: 'category'; codes: Int32Array; categories: string[] }
  | { kind: 'string'; values: (string | null)[] }
  /** Epoch milliseconds; NaN when missing. */
  | { kind: 'time'; values: Float64Array }
  /** 1, 0, and -1 when missing. */
  | { kind: 'bool'; values: Int8Array }

export interface Columns {
  nRows: number
  columns: Record<string, ResultColumn>
}

/** Questions over relations. One instance owns its memory and threads; cancel by signal. */
export interface Query {
  /** Small results as plain rows: numbers as number (bigint beyond 2^53), times as epoch milliseconds, missing as null. */
  rows<R extends Record<string, unknown> = Record<string, unknown>>(
    sql: Sql,
    signal?: AbortSignal,
  ): Promise<R[]>
  /**
   * Large results in typed arrays. Strings come as `string` unless named in `categories`, then as codes of categories sorted by
   * code unit; enum columns are codes in their own order; nested values are JSON text.
   */
  columns(sql: Sql, options?: { categories?: string[]; signal?: AbortSignal }): Promise<Columns>
  /** Statements without a result (COPY, CREATE VIEW), several by `;` with parameters for the last. No TEMP and no BEGIN: a Query uses several connections. */
  exec(sql: Sql, signal?: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** One column as a typed array in the engine's own width. Where a row has no value, its bit is 0 and the array holds 0, NaN (floats, times) or -1 (codes). */
export type TypedColumn = {
  /** One bit a row, the lowest first, as Arrow has them; absent when every row has a value. */
  validity?: Uint8Array
} & (
  | { type: 'bool'; values: Uint8Array }
  | { type: 'int'; values: Int32Array | BigInt64Array }
  | { type: 'float'; values: Float64Array }
  /** Epoch milliseconds, with fractions for microseconds. */
  | { type: 'time' | 'date'; values: Float64Array }
  /** Places in the dictionary, which is in the order of first appearance. */
  | { type: 'string'; values: Int32Array; dictionary: string[] }
  /** Lists, structs and what has no narrower form, as plain JavaScript. */
  | { type: 'json'; values: unknown[] }
)

/** Some rows of a result. */
export interface TypedBatch {
  nRows: number
  columns: Record<string, TypedColumn>
}

/** A column of rows in memory, on its way into the engine. */
export interface LoadedColumn {
  name: string
  type: 'bool' | 'int' | 'float' | 'string' | 'time' | 'date' | 'json'
  /** Missing: null and undefined; times as epoch milliseconds or Date. */
  values: ArrayLike<unknown>
}

/** A Query that also keeps tables, says types without running, and gives results of any size in batches. */
export interface Tables extends Query {
  /** How often the engine was lost and with it all tables that were made. */
  readonly losses: number
  /** Names and types (as the engine writes them) of what a question would give; nothing is run. */
  describe(sql: Sql, signal?: AbortSignal): Promise<{ name: string; type: string }[]>
  /**
   * Rows as they come, in order, at most `batchRows` (65,536) at a time: memory stays bounded by that and the engine's limit. Leaving the loop early ends the question. A batch is the
   * caller's own. Errors: as `rows`; a result that failed half-way is never taken for a whole one.
   */
  batches(sql: Sql, options?: { batchRows?: number; signal?: AbortSignal }): AsyncIterable<TypedBatch>
  /** Makes a table of rows in memory. */
  load(table: string, columns: readonly LoadedColumn[], nRows: number): Promise<void>
}

/** What a task sees while it runs. */
export interface TaskContext {
  store: Store
  spec: RunSpec
  /** Digest of `spec`. */
  specDigest: Digest
  /** A Query of this worker's own; memory and threads are bounded. */
  query(): Promise<Query>
  /** ONNX models on threads of this worker's own, opened at first use. Errors: MR_ONNX_ABSENT. */
  infer(): Promise<Infer>
  progress(done: number, note: string): void
  signal: AbortSignal
}

/** A kind of work that a RunSpec can name: pure apart from its ports, and deterministic in its spec. */
export interface Task {
  name: string
  /** Raised when outputs would change; part of every spec. */
  code: string
  run(context: TaskContext): Promise<{ outputs: Record<string, Digest>; note?: Json }>
}

export interface RunProgress {
  spec: Digest
  task: string
  done: number
  note: string
}

export interface RunOutcome {
  spec: Digest
  record: RunRecord
  /** True when the record existed before: the work was not done again. */
  cached: boolean
}

/** Work on RunSpecs: each spec is done at most once, whoever asks and however often; the record is kept under `runs/<digest>`. */
export interface Jobs {
  /** Runs specs (or finds their records) and yields outcomes as they end. Throws the first failure after the others ended. */
  run(
    specs: RunSpec[],
    options?: { signal?: AbortSignal; onProgress?: (p: RunProgress) => void; priority?: number },
  ): Promise<RunOutcome[]>
  /** Workers that live now and what they do. */
  workers(): { name: string; task?: string; since?: number }[]
  close(): Promise<void>
}
