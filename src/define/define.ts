/** `dataset`, `model` and `project`: they fill in defaults and build the plain data of `types.ts`; nothing here does work. */
import { LIMITS, type Limits } from '../core/limits.ts'
import { type Anything, Expr, Fitted } from '../expr/builder.ts'
import { type Check, checkDefOf } from './checks.ts'
import type { ColumnsOf } from './columns.ts'
import { type Duration, durationMs } from './durations.ts'
import { defaultGates, type Gate } from './gates.ts'
import type { Objective } from './objectives.ts'
import type { SearchedTrainer } from './search.ts'
import { canary, gbdt } from './trainers.ts'
import type {
  AboutDef,
  CheckDef,
  DatasetDef,
  EachDef,
  FeatureDef,
  LogDef,
  ModelDef,
  ProjectDef,
  ReleaseDef,
  ResponseCacheDef,
  ServeDef,
  SplitDef,
  StreamDef,
  TrainerDef,
  WatchDef,
} from './types.ts'

/** A dataset as a config holds it: plain data whose type carries the name. */
export interface Dataset<N extends string = string> extends DatasetDef {
  name: N
}

export interface DatasetOptions<C extends string> {
  /** Files or globs, relative to the config's folder. May be left out of a dataset whose rows come by `stream` alone. */
  source?: string | readonly string[]
  /** Column that orders events; versions and splits go by it. */
  time?: C
  /** Columns that identify a row. */
  key?: C | readonly C[]
  /** Default: none. See `checks`. */
  checks?: readonly (Check<C> | CheckDef)[]
  /** Columns that must not become features. */
  exclude?: readonly C[]
  /** How to read files whose dialect is not obvious; `missing` lists texts that stand for a missing value. */
  read?: Partial<DatasetDef['read']>
  /** How rows are divided into parts. Default: by month of `time`, or by a million rows without one. */
  parts?: Partial<DatasetDef['parts']>
  /**
   * What a delivery is to the rows before: more of them (`append`, the default), new values by `key` (`upsert`), or the whole table as it is now (`replace`), by `key`
   * or, without one, row by row. What did not change is not stored again.
   */
  mode?: DatasetDef['mode']
  /** Takes rows as they happen, by `POST /data/<name>/rows` of `millrace up`. Default: none are taken; `true` is all defaults. */
  stream?: boolean | StreamOptions
  /** What others are told of it, in the metadata beside its files: description, licence, citation, creators. */
  about?: AboutDef
}

export interface StreamOptions {
  /** When rows become a version: as soon as so many wait (default 1,000,000), or the oldest has waited so long (default a minute). */
  seal?: { rows?: number; every?: Duration }
  /** Fields that the newest version has no column for: refused by name (default), or taken as new columns. */
  newColumns?: StreamDef['newColumns']
}

function streamOf(name: string, given: boolean | StreamOptions): StreamDef {
  const { seal = {}, newColumns = 'refuse' } = given === true || given === false ? {} : given
  const every = seal.every ?? '1m'
  return {
    sealRows: seal.rows ?? 1_000_000,
    sealEveryMs: durationMs(every, `datasets.${name}.stream.seal.every`),
    newColumns,
  }
}

/** Describes where data come from and what must hold of them. */
export function dataset<const N extends string>(name: N, options: DatasetOptions<ColumnsOf<N>>): Dataset<N> {
  const { source = [], time, key = [], checks = [], exclude = [], read, parts, mode, stream, about } = options
  return {
    kind: 'DatasetDef',
    name,
    source: listOf(source),
    ...(time !== undefined && { time }),
    key: listOf(key),
    checks: checks.map(checkDefOf),
    exclude: [...exclude],
    read: { missing: [], ...read },
    parts: { by: time === undefined ? 'rows' : 'month', rowsMax: 1_000_000, ...parts },
    ...(mode !== undefined && { mode }),
    ...(stream && { stream: streamOf(name, stream) }),
    ...(about !== undefined && { about }),
  }
}

export type FeatureInput<C extends string> = Expr<Anything, C> | Fitted<C>

export interface ModelOptions<N extends string> {
  from: Dataset<N>
  /** A boolean expression makes a binary classifier, a number a regression, a text a model that names one of several classes. */
  target: Expr<Anything, ColumnsOf<N>>
  /** Default: `ranking` with a `group`, else decided by the target's type, or by its values when it has two. */
  task?: ModelDef['task']
  /** Rows of one value of this column are ordered against one another (a query, a visit); no split divides them. Makes a model that ranks. */
  group?: ColumnsOf<N>
  /** Left out: inferred from the columns when the model is planned. */
  features?: Readonly<Record<string, FeatureInput<ColumnsOf<N>>>>
  /**
   * Columns that may decide the target alone. Default: none. A feature that is the target under another name is refused (MR_TRAIN_LEAK), and left out where features are
   * inferred; name its column here when it is really known before the answer is.
   */
  leaksAllowed?: readonly ColumnsOf<N>[]
  /** A family: one model for each value of a column. */
  each?: ColumnsOf<N> | Each<ColumnsOf<N>>
  /** Default: `gbdt()`. With `search` its parameters are chosen by trying. */
  trainer?: TrainerDef | SearchedTrainer
  /** How probabilities are calibrated. Default: `auto`, whatever is best on the validation rows. */
  calibrate?: ModelDef['calibrate']
  /** Default: the newest 7 days test and the 7 before validate when the dataset has a time, else 20 % each at random. */
  split?:
    | { by: 'time'; validate?: Duration; test?: Duration }
    | { by: 'random'; validate?: number; test?: number }
  /** What people want of the model, each with an owner. Default: none. */
  objectives?: Readonly<Record<string, Objective>>
  /** Default: `beatsBaseline`, `noLeak`, `noWorseThanLive`. */
  gates?: readonly Gate<ColumnsOf<N>>[]
  /** Default: `canary()`. */
  release?: ReleaseDef
  watch?: WatchOptions
  serve?: { log?: LogOptions<N> }
  /** Default: 1. Same seed, same data, same model. */
  seed?: number
  description?: string
}

/** What the log keeps of a model's answers. Default: everything, durably. */
export interface LogOptions<N extends string> {
  /** Share of answers that are kept, chosen by a hash of their id, so that outcomes find theirs. Default 1. */
  sample?: number
  /** Inputs that never reach the log. What depends on them is not watched, and answers cannot be explained afterwards. */
  redact?: readonly ColumnsOf<N>[]
  /** Inputs that are kept as a keyed hash: the same value is the same text. Not watched or explained either. */
  hash?: readonly ColumnsOf<N>[]
  /** False: answers do not wait for the disk, and a crash loses the log of the last ten milliseconds. Default true. */
  durable?: boolean
}

export interface WatchOptions {
  /** Length of a monitored window. Default: week. */
  window?: WatchDef['window']
  /** How long outcomes take to be complete. Default: 1d. */
  outcomeDelay?: Duration
  /** Least time between two trainings that alerts ask for (14d): fewer rows than that would give nearly the same model. */
  cooldown?: Duration
  /** What makes a retrain. `online` needs a trainer that can learn on, such as `ftrl`. Default: drift and quality. */
  retrain?: readonly WatchDef['retrain'][number][]
  /** For `online`: rows or time after which what was learned is released. Default: 10,000 rows or 1m, whichever comes first. */
  checkpoint?: { rows?: number; every?: Duration }
  owner?: string
  /** Default: 0.05. */
  alpha?: number
  /** Months of history a retrain uses. Default: all. */
  history?: WatchDef['history']
}

/** Describes a model for its whole life. */
export function model<N extends string>(name: string, options: ModelOptions<N>): ModelDef {
  const { from, target, features = {}, objectives = {} } = options
  return {
    kind: 'ModelDef',
    name,
    from: from.name,
    target: target.node,
    task: options.task ?? (options.group === undefined ? 'auto' : 'ranking'),
    ...(options.group !== undefined && { group: options.group }),
    features: Object.entries(features).map(([feature, expr]) => featureOf(feature, expr)),
    ...(options.leaksAllowed !== undefined && { leaksAllowed: [...options.leaksAllowed] }),
    ...(options.each !== undefined && { each: eachOf(options.each) }),
    ...trainerOf(options.trainer ?? gbdt()),
    ...(options.calibrate !== undefined && { calibrate: options.calibrate }),
    split: splitOf(name, options.split ?? { by: from.time === undefined ? 'random' : 'time' }),
    objectives: Object.entries(objectives).map(([objective, def]) => ({ name: objective, ...def })),
    gates: options.gates === undefined ? defaultGates() : [...options.gates],
    release: options.release ?? canary(),
    watch: watchOf(name, options.watch ?? {}),
    ...(options.serve?.log && { serve: { log: logOf(options.serve.log) } }),
    seed: options.seed ?? 1,
    description: options.description ?? '',
  }
}

function trainerOf(given: TrainerDef | SearchedTrainer): Pick<ModelDef, 'trainer' | 'search'> {
  return given.kind === 'search' ? { trainer: given.over, search: given.search } : { trainer: given }
}

function featureOf(name: string, feature: FeatureInput<string>): FeatureDef {
  if (feature instanceof Fitted) {
    return { name, expr: feature.node, type: feature.node.fn === 'category' ? 'category' : 'number' }
  }
  return { name, expr: feature instanceof Expr ? feature.node : feature }
}

function splitOf(model: string, split: NonNullable<ModelOptions<string>['split']>): SplitDef {
  const place = `models.${model}.split`
  if (split.by === 'random')
    return { by: 'random', validateShare: split.validate ?? 0.2, testShare: split.test ?? 0.2 }
  return {
    by: 'time',
    validateMs: durationMs(split.validate ?? '7d', `${place}.validate`),
    testMs: durationMs(split.test ?? '7d', `${place}.test`),
  }
}

function watchOf(model: string, watch: WatchOptions): WatchDef {
  return {
    window: watch.window ?? 'week',
    ...(watch.retrain?.includes('online') && { checkpoint: checkpointOf(model, watch) }),
    outcomeDelayMs: durationMs(watch.outcomeDelay ?? '1d', `models.${model}.watch.outcomeDelay`),
    cooldownMs: durationMs(watch.cooldown ?? '14d', `models.${model}.watch.cooldown`),
    retrain: [...(watch.retrain ?? (['drift', 'quality'] as const))],
    owner: watch.owner ?? '',
    alpha: watch.alpha ?? 0.05,
    history: watch.history ?? 'all',
  }
}

function logOf({ sample = 1, redact = [], hash = [], durable = true }: LogOptions<string>): LogDef {
  return { durable, sample, redact: [...redact], hash: [...hash] }
}

function checkpointOf(model: string, { checkpoint = {} }: WatchOptions): WatchDef['checkpoint'] {
  const { rows = 10_000, every = '1m' } = checkpoint
  return { rows, everyMs: durationMs(every, `models.${model}.watch.checkpoint.every`) }
}

/** How a family is divided; carries the column in its type. */
export interface Each<C extends string = string> extends EachDef {
  column: C
}

/** A family by the values of a column. `rowsMin` (2000): training rows a member needs; thinner ones share the parent. `membersMax`: the limit membersMax. */
export function each<const C extends string>(
  column: C,
  options: Partial<Omit<EachDef, 'column'>> = {},
): Each<C> {
  return { column, rowsMin: 2000, membersMax: LIMITS.membersMax, ...options }
}

function eachOf(value: string | Each): EachDef {
  return typeof value === 'string' ? each(value) : value
}

export interface ProjectOptions {
  datasets: readonly DatasetDef[]
  models?: readonly ModelDef[]
  /** Default: 127.0.0.1 and port 7300, without gRPC. */
  serve?: Partial<Omit<ServeDef, 'cache'>> & { cache?: ResponseCacheOptions }
  /** Named limits that differ from the built-in ones. */
  limits?: Partial<Limits>
  /**
   * Where versions are pushed to and pulled from, by name; `origin` is meant where none is named. A folder (relative to the config), a `file:` URL, or
   * `s3://bucket/prefix?endpoint=https://host&region=name` for anything that speaks the S3 API. Credentials never stand here: see docs/guides/remotes.md.
   */
  remotes?: Readonly<Record<string, string>>
}

/** Answers kept by the version and the row they are answers to, so that what comes again is not computed again. It pays for models that take long. */
export interface ResponseCacheOptions {
  /** Megabytes that answers may take. Default 64. */
  mb?: number
  /** Rows, and explanations of rows. Default 1,000,000. */
  entries?: number
  /** How long an answer is kept. Default `'1h'`. */
  ttl?: Duration
}

function cacheDef({ ttl, ...limits }: ResponseCacheOptions): ResponseCacheDef {
  return { ...limits, ...(ttl !== undefined && { ttlMs: durationMs(ttl, 'serve.cache.ttl') }) }
}

/** The whole of a config file: its default export. */
export function project(name: string, options: ProjectOptions): ProjectDef {
  const { cache, ...serve } = options.serve ?? {}
  return {
    kind: 'ProjectDef',
    name,
    datasets: [...options.datasets],
    models: [...(options.models ?? [])],
    serve: { host: '127.0.0.1', port: 7300, ...serve, ...(cache && { cache: cacheDef(cache) }) },
    limits: { ...options.limits },
    ...(options.remotes && { remotes: { ...options.remotes } }),
  }
}

const listOf = <T>(value: T | readonly T[]): T[] => (Array.isArray(value) ? [...value] : [value as T])
