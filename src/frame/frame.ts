/** Tables as they are asked of: lazy, typed, larger than memory. Each verb gives another frame; nothing runs before one of `collect`, `rows`, `batches`, `write` and their like. */
import type { ColumnType, DatasetVersion } from '../core/records.ts'
import type { DatasetDef } from '../define/types.ts'
import type { ExprNode } from '../expr/ast.ts'
import { type Anything, col, Expr } from '../expr/builder.ts'
import { sql } from '../expr/sql.ts'
import { type Aggregate, nodeOfColumn, type Of } from './aggregates.ts'
import { Collected } from './collected.ts'
import { type Explained, explain } from './explain.ts'
import type {
  AnyRow,
  Casted,
  Dropped,
  Exploded,
  Flat,
  Joined,
  Kept,
  Names,
  Renamed,
  With,
  Without,
  Yield,
} from './frame-row.ts'
import type { Key } from './ordering.ts'
import type { Session } from './session.ts'
import { type FrameColumn, passed, type Scope, type Step, settled, type Written } from './step.ts'
import type { ToDatasetOptions } from './to-dataset.ts'
import { cache } from './verbs/cache.ts'
import { cast, cut, drop, explode, fillNull, rename, select, withColumns } from './verbs/columns.ts'
import { describe } from './verbs/describe.ts'
import { aggregate, type GroupKey, valueCounts } from './verbs/group.ts'
import { asof, join } from './verbs/join.ts'
import { pivot, unpivot } from './verbs/reshape.ts'
import { distinct, dropNull, filter, sample, slice, sort, tail, union } from './verbs/rows.ts'
import { windowed } from './verbs/window.ts'
import type { WindowItem } from './window-functions.ts'
import type { WriteOptions, WrittenFile } from './write-file.ts'

type ExprOf<T> =
  Exclude<T, null | undefined> extends infer V
    ? V extends boolean
      ? boolean
      : V extends number | bigint
        ? number
        : V extends string | Date
          ? V
          : Anything
    : never

/** Columns as expressions of their types: what a verb's callback is given. */
export type ColumnExprs<R> = { readonly [K in Names<R>]: Expr<ExprOf<R[K]>, K> }

type Condition<R> = Expr<boolean, Names<R>> | ((columns: ColumnExprs<R>) => Expr<boolean, Names<R>>)
type Item<R> = Expr<Anything, Names<R>> | number | string | boolean | Date | null
type Items<R> = Readonly<Record<string, Item<R>>>
type Made<R, X> = X | ((columns: ColumnExprs<R>) => X)
type Aggregates<R> = Readonly<Record<string, Aggregate<unknown, Names<R>>>>
type Windows<R> = Readonly<Record<string, WindowItem<unknown, Names<R>>>>
type Yields<X> = { [K in keyof X]: Yield<X[K]> }

export type JoinKind = 'inner' | 'left' | 'right' | 'outer' | 'semi' | 'anti' | 'cross' | 'asof'

/** `on` names columns that both have; `leftOn` and `rightOn` those that are called differently. */
export interface JoinOptions<
  R,
  S,
  On extends Names<R> & Names<S>,
  How extends JoinKind,
  Suffix extends string,
> {
  on?: On | readonly On[]
  leftOn?: Names<R> | readonly Names<R>[]
  rightOn?: Names<S> | readonly Names<S>[]
  /** Default: inner. */
  how?: How
  /** What columns of the right get added where the left has one of the name. Default: `_right`. */
  suffix?: Suffix
  /** `asof`: columns that must be equal besides. */
  by?: (Names<R> & Names<S>) | readonly (Names<R> & Names<S>)[]
  /** `asof`: which row of the right. Default: `backward`, the newest at or before. */
  direction?: 'backward' | 'forward' | 'nearest'
  /** `asof`: how far away the right may be; milliseconds of times, units of numbers. Default: any distance. */
  tolerance?: number
}

export interface CollectOptions {
  signal?: AbortSignal
}

const BATCH_ROWS = 65_536
const SEED = 1

export class Frame<R extends object = AnyRow> implements AsyncIterable<Collected<R>> {
  /** Exists for the type checker alone. */
  declare readonly '~row': R
  /** @internal */
  readonly step: Step
  /** @internal */
  readonly session: Session

  constructor(step: Step, session: Session) {
    this.step = step
    this.session = session
    Object.freeze(this)
  }

  private next<S extends object>(step: Step): Frame<S> {
    return new Frame<S>(step, this.session)
  }

  // ---- rows

  /** Rows for which it holds; where it is missing it does not. pandas: `df[…]`, `query`. */
  filter(where: Condition<R>): Frame<R> {
    return this.next(filter(this.step, (typeof where === 'function' ? where(columnExprs()) : where).node))
  }
  /** In order of the keys: `sort('day', desc('delay'))`. Stable: rows equal in all keys stay as they were. Missing values come last. */
  sort(...keys: Key<Names<R>>[]): Frame<R> {
    return this.next(sort(this.step, keys))
  }
  limit(rows: number): Frame<R> {
    return this.next(slice(this.step, 0, rows))
  }
  /** The first rows. Default 5. */
  head(rows = 5): Frame<R> {
    return this.limit(rows)
  }
  /** The last rows. Default 5. */
  tail(rows = 5): Frame<R> {
    return this.next(tail(this.step, rows))
  }
  /** Rows `[begin, end)`. */
  slice(begin: number, end?: number): Frame<R> {
    return this.next(slice(this.step, begin, end))
  }
  /** One row of each value of the columns (all, when none is named): the first of them, or the last. pandas: `drop_duplicates`; Polars: `unique`. */
  distinct(
    columns: Names<R> | readonly Names<R>[] = [],
    options: { keep?: 'first' | 'last' } = {},
  ): Frame<R> {
    return this.next(distinct(this.step, listOf(columns), options.keep ?? 'first'))
  }
  /** By chance: so many rows, or each with that probability. By seed (default 1) and place alone. */
  sample(how: { rows?: number; share?: number; seed?: number }): Frame<R> {
    return this.next(sample(this.step, { seed: SEED, ...how }))
  }
  /** These rows, then those of the others, by names of columns. pandas: `concat`. */
  union<S extends object>(
    ...others: Frame<S>[]
  ): Frame<string extends keyof R ? R : Flat<R & Partial<Without<S, keyof R>>>> {
    return this.next(union([this.step, ...others.map(({ step }) => step)]))
  }
  /** Rows that have values in all of the columns (default: all columns), or with `how: 'all'` in any. */
  dropNull<const K extends Names<R> = Names<R>>(
    columns: K | readonly K[] = [],
    options: { how?: 'any' | 'all' } = {},
  ): Frame<Dropped<R, K>> {
    return this.next(dropNull(this.step, listOf(columns), options.how ?? 'any'))
  }

  // ---- columns

  /** These columns alone: `select('origin', 'delay')`, or `select({ origin: col('origin'), hours: col('delay').div(60) })`. */
  select<const K extends Names<R>>(...names: K[]): Frame<Kept<R, K>>
  select<const X extends Items<R>>(items: Made<R, X>): Frame<Flat<Yields<X>>>
  // biome-ignore lint/suspicious/noExplicitAny: the overloads say what it gives
  select(...items: unknown[]): Frame<any> {
    return this.next(select(this.step, namedItems(items)))
  }
  /** All columns and these, each computed of the columns as they were. pandas: `assign`; Polars: `with_columns`. */
  with<const X extends Items<R>>(items: Made<R, X>): Frame<With<R, X>> {
    return this.next(withColumns(this.step, Object.entries(madeOf(items))))
  }
  /** `{ old: 'new' }`. */
  rename<const M extends { readonly [K in Names<R>]?: string }>(names: M): Frame<Renamed<R, M>> {
    return this.next(rename(this.step, names as Record<string, string>))
  }
  drop<const K extends Names<R>>(...names: K[]): Frame<Without<R, K>> {
    return this.next(drop(this.step, names))
  }
  /** Columns as other types: `{ zip: 'string' }`. pandas: `astype`. Errors when it is asked for: MR_QUERY_FAILED for a value that is none. */
  cast<const M extends { readonly [K in Names<R>]?: ColumnType }>(types: M): Frame<Casted<R, M>> {
    return this.next(cast(this.step, types as Record<string, ColumnType>))
  }
  /** A value for what is missing: one for all columns of its type, or one for each column, which may be an expression. */
  fillNull(value: number | string | boolean | Date | { readonly [K in Names<R>]?: Item<R> }): Frame<R> {
    return this.next(fillNull(this.step, value))
  }
  /** Adds a column that says between which edges a number lies. `[low, high)`, with `right` `(low, high]`; outside missing. */
  cut<const N extends string>(
    name: N,
    how: { column: Names<R>; edges: readonly number[]; labels?: readonly string[]; right?: boolean },
  ): Frame<With<R, Record<N, Expr<string>>>> {
    return this.next(cut(this.step, name, how))
  }
  /** A row for each element of a column of lists. */
  explode<const K extends Names<R>>(column: K): Frame<Exploded<R, K>> {
    return this.next(explode(this.step, column))
  }

  // ---- with others

  /** Side by side with another frame by equal keys. Missing keys equal nothing. The order of rows is told of `semi`, `anti` and `asof` alone. */
  join<
    S extends object,
    const On extends Names<R> & Names<S> = never,
    const How extends JoinKind = 'inner',
    const Suffix extends string = '_right',
  >(other: Frame<S>, options: JoinOptions<R, S, On, How, Suffix>): Frame<Joined<R, S, On, How, Suffix>> {
    const { how = 'inner', suffix = '_right', by = [], direction = 'backward', tolerance } = options
    const pairs = pairsOf(options)
    if (how !== 'asof') return this.next(join(this.step, other.step, { how, pairs, suffix }))
    const on = pairs[0] ?? (['', ''] as const)
    const equal = listOf(by as string | string[]).map((name) => [name, name] as const)
    return this.next(asof(this.step, other.step, { on, by: equal, direction, tolerance, suffix }))
  }

  // ---- many to one

  /** Rows of each value of the keys, which `agg` makes one of. Keys are columns, or expressions by name: `groupBy('origin', { hour: col('date').hour() })`. */
  groupBy<const K extends readonly (Names<R> | Readonly<Record<string, Expr<Anything, Names<R>>>>)[]>(
    ...keys: K
  ): Grouped<R, GroupRow<R, K>> {
    return new Grouped(this.step, this.session, keys.flatMap(groupKeys))
  }
  /** One row of all. */
  agg<const A extends Aggregates<R>>(items: A): Frame<Flat<Yields<A>>> {
    return this.next(aggregate(this.step, [], nodesOf(items)))
  }
  /** Adds figures of the rows of each row's group: ranks, neighbours, running and rolling ones, and aggregates of the whole group. Rows stay in their order. */
  window<const X extends Windows<R>>(
    how: {
      by?: Of<Anything, Names<R>> | readonly Of<Anything, Names<R>>[]
      order?: Key<Names<R>> | readonly Key<Names<R>>[]
    },
    items: X,
  ): Frame<With<R, X>> {
    const ask = { by: listOf(how.by ?? []), order: listOf(how.order ?? []) }
    return this.next(windowed(this.step, ask as Parameters<typeof windowed>[1], Object.entries(items)))
  }
  /** How often each value comes, most often first. */
  valueCounts<const K extends Names<R>>(...columns: K[]): Frame<Flat<Kept<R, K> & { count: number }>> {
    return this.next(valueCounts(this.step, columns, 'count'))
  }
  /** A row for each column: count, nulls, mean, std, min, quartiles, max; the ends of texts and times. */
  describe(): Frame<Description> {
    return this.next(describe(this.step))
  }

  // ---- shape

  /** Values of `on` become columns. pandas: `pivot_table`. The columns are not known before they are read, unless named in `columns`. */
  pivot(how: {
    index: Names<R> | readonly Names<R>[]
    on: Names<R>
    values: Names<R>
    /** Default: `first`. */
    agg?: 'first' | 'last' | 'sum' | 'mean' | 'min' | 'max' | 'median' | 'count' | 'std' | 'nUnique'
    columns?: readonly (string | number | boolean)[]
  }): Frame<AnyRow> {
    const { index, on, values, agg = 'first', columns } = how
    return this.next(pivot(this.step, { index: listOf(index), on, values, agg, columns }))
  }
  /** Columns become rows: a row for each of them with its name and value. pandas: `melt`. */
  unpivot<
    const I extends Names<R> = never,
    const N extends string = 'variable',
    const V extends string = 'value',
  >(how: {
    index?: I | readonly I[]
    /** Default: all others. */
    on?: Names<R> | readonly Names<R>[]
    name?: N
    value?: V
  }): Frame<Flat<Kept<R, I> & Record<N, string> & Record<V, R[Names<R>]>>> {
    const { index = [], on = [], name = 'variable', value = 'value' } = how
    return this.next(unpivot(this.step, { index: listOf(index) as string[], on: listOf(on), name, value }))
  }
  /** `unpivot` under its older name. */
  melt: Frame<R>['unpivot'] = (how) => this.unpivot(how)

  /** Keeps the rows in the engine from their first use on, so that what comes after does not compute them again. */
  cache(): Frame<R> {
    return this.next(cache(this.step))
  }
  /** `f(this)`, so that steps of your own stand in the chain. */
  pipe<T>(f: (frame: this) => T): T {
    return f(this)
  }

  // ---- answers

  /** All rows, a typed array a column. */
  async collect(options: CollectOptions = {}): Promise<Collected<R>> {
    const { scope, rows, columns } = await this.asked(options.signal)
    for await (const batch of scope.tables.batches(rows, {
      batchRows: Number.MAX_SAFE_INTEGER,
      signal: options.signal,
    }))
      return new Collected(batch)
    return new Collected(emptyBatch(columns))
  }
  /** All rows as objects. Times are `Date`, whole numbers beyond 2^53 bigint, missing values null. */
  async rows(options: CollectOptions = {}): Promise<R[]> {
    return (await this.collect(options)).rows()
  }
  /** The first row; undefined where there is none. */
  async first(options: CollectOptions = {}): Promise<R | undefined> {
    return (await this.limit(1).rows(options))[0]
  }
  /** Number of rows. */
  async count({ signal }: CollectOptions = {}): Promise<number> {
    const { scope, written } = await this.session.write(this.step, signal)
    const [row] = await scope.tables.rows<{ n: number }>(
      sql`SELECT count(*) AS n FROM (${written.body})`,
      signal,
    )
    return row!.n
  }
  /** Quantiles of a column by straight line between two values (type 7). Missing where there is no value. */
  async quantile(column: Names<R>, p: number): Promise<number | null>
  async quantile(column: Names<R>, p: readonly number[]): Promise<(number | null)[]>
  async quantile(
    column: Names<R>,
    p: number | readonly number[],
  ): Promise<number | null | (number | null)[]> {
    const many = listOf(p as number | number[])
    const args = [{ op: 'col' as const, name: column }]
    const items = many.map((one, i) => [`q${i}`, { fn: 'quantile', args, params: [one] }] as const)
    const [row] = await this.next<Record<string, number | null>>(aggregate(this.step, [], items)).rows()
    const values = many.map((_, i) => row![`q${i}`]!)
    return Array.isArray(p) ? values : values[0]!
  }
  /** Rows as they come, `batchRows` (65,536) at a time, with bounded memory. Leaving the loop ends the work. */
  async *batches({
    batchRows = BATCH_ROWS,
    signal,
  }: {
    batchRows?: number
    signal?: AbortSignal
  } = {}): AsyncGenerator<Collected<R>> {
    const { scope, rows } = await this.asked(signal)
    for await (const batch of scope.tables.batches(rows, { batchRows, signal })) yield new Collected<R>(batch)
  }
  [Symbol.asyncIterator](): AsyncGenerator<Collected<R>> {
    return this.batches()
  }
  /** Writes a file: Parquet, CSV, ORC, JSON, JSON Lines or Arrow, by the end of its name. Rows stream through. */
  async write(path: string, options: WriteOptions = {}): Promise<WrittenFile> {
    const { writeFile } = await import('./write-file.ts')
    const { scope, rows, columns } = await this.asked(options.signal)
    return await writeFile(scope, { rows, columns }, path, options)
  }
  /**
   * The rows as a version of a dataset, by the import that files go through: checks, quarantine, parts. They are added to what the dataset has, unless it or `mode` says otherwise; the
   * journal says which versions and files they were made of. Errors: those of an import.
   */
  async toDataset(dataset: string | DatasetDef, options: ToDatasetOptions): Promise<DatasetVersion> {
    const { recordRows } = await import('./to-dataset.ts')
    const { scope, rows, columns } = await this.asked(options.signal)
    return await recordRows(scope, { rows, columns }, dataset, options)
  }
  /** All rows as a stream of Arrow IPC: `tableFromIPC` of apache-arrow, `pyarrow.ipc.open_stream`, Polars and DuckDB read it. Lists and structs are JSON text. */
  async toArrow(options: CollectOptions = {}): Promise<Uint8Array> {
    const { arrowStream } = await import('./arrow/write.ts')
    const { scope, rows, columns } = await this.asked(options.signal)
    const messages: Uint8Array[] = []
    for await (const bytes of arrowStream(scope.tables.batches(rows, options), columns)) messages.push(bytes)
    return new Uint8Array(Buffer.concat(messages))
  }
  /** Names and types of the columns. Files are looked at for their types alone. */
  async schema({ signal }: CollectOptions = {}): Promise<{ name: Names<R>; type: ColumnType }[]> {
    const { written } = await this.session.write(this.step, signal)
    return written.columns.map(({ name, type }) => ({ name: name as Names<R>, type }))
  }
  /** The SQL, and what it will read: columns, groups of rows, parts and bytes. */
  async explain({ signal }: CollectOptions = {}): Promise<Explained> {
    const { scope, rows } = await this.asked(signal)
    return await explain(scope, rows)
  }

  private async asked(
    signal?: AbortSignal,
  ): Promise<{ scope: Scope; rows: Answer; columns: readonly FrameColumn[] }> {
    const { scope, written } = await this.session.write(this.step, signal)
    return { scope, rows: answerOf(written), columns: written.columns }
  }
}

type Answer = Written['body']

/** The rows in their order, without NaN. */
function answerOf(written: Written): Answer {
  const rows = settled(written)
  if (!written.columns.some(({ mayNan }) => mayNan)) return rows
  return sql`SELECT ${written.columns.map(passed).join(', ')} FROM (${rows})`
}

export interface Description {
  column: string
  type: string
  count: number
  nulls: number
  mean: number | null
  std: number | null
  min: number | null
  p25: number | null
  p50: number | null
  p75: number | null
  max: number | null
  lowest: string | null
  highest: string | null
}

type GroupRow<R, K extends readonly unknown[]> = string extends keyof R
  ? R
  : Flat<Kept<R, Extract<K[number], string>> & UnionToAll<Exclude<K[number], string>>>
type UnionToAll<U> = [U] extends [never]
  ? unknown
  : (U extends unknown ? (u: Yields<U>) => void : never) extends (u: infer A) => void
    ? A
    : never

/** Rows in groups; `agg` makes a row of each. */
export class Grouped<R extends object, G> {
  private readonly step: Step
  private readonly session: Session
  private readonly keys: readonly GroupKey[]

  constructor(step: Step, session: Session, keys: readonly GroupKey[]) {
    this.step = step
    this.session = session
    this.keys = keys
  }

  /** A row for each group, ordered by the keys; with `sort: false` in any order, which spares that work. Missing is a value of a key. */
  agg<const A extends Aggregates<R>>(
    items: A,
    options: { sort?: boolean } = {},
  ): Frame<string extends keyof R ? AnyRow : Flat<G & Yields<A>>> {
    return new Frame(aggregate(this.step, this.keys, nodesOf(items), options.sort ?? true), this.session)
  }
  /** Number of rows of each group, as the column `count`. */
  count(): Frame<string extends keyof R ? AnyRow : Flat<G & { count: number }>> {
    return new Frame(
      aggregate(this.step, this.keys, [['count', { fn: 'rows', args: [], params: [] }]]),
      this.session,
    )
  }
}

const listOf = <T>(value: T | readonly T[]): T[] =>
  Array.isArray(value) ? [...(value as T[])] : [value as T]

function columnExprs<R>(): ColumnExprs<R> {
  return new Proxy({}, { get: (_, name) => col(String(name)) }) as ColumnExprs<R>
}

const madeOf = <X extends object>(made: X | ((columns: never) => X)): X =>
  typeof made === 'function' ? made(columnExprs() as never) : made

function namedItems(items: readonly unknown[]): (readonly [string, unknown])[] {
  const [only] = items
  if (items.every((item) => typeof item === 'string'))
    return (items as string[]).map((name) => [name, col(name)])
  return Object.entries(madeOf(only as Record<string, unknown>))
}

function groupKeys(key: string | Readonly<Record<string, Expr<Anything, string>>>): GroupKey[] {
  if (typeof key === 'string') return [{ name: key, node: nodeOfColumn(key) }]
  return Object.entries(key).map(([name, of]) => ({ name, node: nodeOfExpr(of) }))
}

const nodeOfExpr = (of: Expr<Anything, string> | string): ExprNode =>
  of instanceof Expr ? of.node : nodeOfColumn(of)

const nodesOf = (items: Readonly<Record<string, Aggregate>>) =>
  Object.entries(items).map(([name, { node }]) => [name, node] as const)

function pairsOf(options: {
  on?: unknown
  leftOn?: unknown
  rightOn?: unknown
}): (readonly [string, string])[] {
  const same = listOf((options.on ?? []) as string | string[])
  const [left, right] = [
    listOf((options.leftOn ?? []) as string[]),
    listOf((options.rightOn ?? []) as string[]),
  ]
  return [
    ...same.map((name) => [name, name] as const),
    ...left.map((name, i) => [name, right[i] ?? name] as const),
  ]
}

const EMPTY: Record<ColumnType, () => unknown> = {
  bool: () => ({ type: 'bool', values: new Uint8Array() }),
  int: () => ({ type: 'int', values: new BigInt64Array() }),
  float: () => ({ type: 'float', values: new Float64Array() }),
  string: () => ({ type: 'string', values: new Int32Array(), dictionary: [] }),
  time: () => ({ type: 'time', values: new Float64Array() }),
  date: () => ({ type: 'date', values: new Float64Array() }),
  json: () => ({ type: 'json', values: [] }),
}

const emptyBatch = (columns: readonly FrameColumn[]) => ({
  nRows: 0,
  columns: Object.fromEntries(columns.map(({ name, type }) => [name, EMPTY[type]()])) as never,
})
