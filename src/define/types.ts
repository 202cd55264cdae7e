/**
 * What a config is once its functions have run: plain JSON, so that it can be digested, printed by `millrace plan`, and sent to a worker.
 * The typed functions of this folder only build these; nothing here does work.
 */
import type { ModelTask } from '../core/records.ts'
import type { ExprNode } from '../expr/ast.ts'
import type { BoostObjective, ClassWeights, StopBy } from './boost-objectives.ts'
import type { TableMetric } from './table-metrics.ts'

export interface ProjectDef {
  kind: 'ProjectDef'
  name: string
  datasets: DatasetDef[]
  models: ModelDef[]
  serve: ServeDef
  limits: Record<string, number>
  /** Where versions are pushed to and pulled from, by name: a folder, `file:` or `s3://bucket/prefix?endpoint=…`. */
  remotes?: Record<string, string>
}

export interface ServeDef {
  host: string
  port: number
  /** Port for gRPC, 0 for any free one. Default: no gRPC. */
  grpc?: number
  /** Answers are kept by what they are answers to. Default: none are. */
  cache?: ResponseCacheDef
}

/** Limits of the response cache, whichever is reached first. */
export interface ResponseCacheDef {
  /** Default 64. */
  mb?: number
  /** Rows, and explanations of rows. Default 1,000,000. */
  entries?: number
  /** How long an answer is kept. Default an hour. */
  ttlMs?: number
}

export interface DatasetDef {
  kind: 'DatasetDef'
  name: string
  /** Files or globs, relative to the config's folder. */
  source: string[]
  /** Column that orders events; versions and splits go by it. */
  time?: string
  /** Columns that identify a row, when there are any. */
  key: string[]
  checks: CheckDef[]
  /** Columns that name persons or must not become features. */
  exclude: string[]
  /** How to read files whose dialect is not obvious. */
  read: ReadDef
  /** How rows are divided into parts: by calendar month of `time`, or by row count. */
  parts: { by: 'month' | 'day' | 'rows'; rowsMax: number }
  /** What a delivery is to the rows before; `append` where it is absent. */
  mode?: 'append' | 'upsert' | 'replace'
  /** Rows are taken as they happen; absent where none are. */
  stream?: StreamDef
  /** What others are told of it. */
  about?: AboutDef
}

/** What is said of a dataset to those who get it: in the metadata beside its files. Nothing that is computed depends on it. */
export interface AboutDef {
  description?: string
  /** URL of a licence, or its SPDX name. */
  license?: string
  /** How to cite it; BibTeX where there is one. */
  citation?: string
  /** Page about it. */
  url?: string
  creators?: string[]
  keywords?: string[]
  /** MAJOR.MINOR.PATCH. Default: 1.0.0 with the digest of the version. */
  version?: string
}

/** How files are read. What is left out is guessed, and `millrace data preview` says what was guessed. */
export interface ReadDef {
  /** Columns that are taken; of Parquet behind an address only their bytes are fetched. Default: all. */
  columns?: string[]
  format?: 'parquet' | 'orc' | 'arrow' | 'csv' | 'json' | 'sheet' | 'sqlite'
  delimiter?: string
  /** Texts that stand for a missing value. */
  missing: string[]
  /** Of text files: `utf-8`, `utf-16le`, `latin-1`, `windows-1252` or another name that TextDecoder knows. */
  encoding?: string
  /** Character around cells that have delimiters in them. Default: `"`. */
  quote?: string
  /** Line of the column names, from 1; false where there is none. */
  header?: number | false
  /** Character before fractions; the other one stands between thousands. */
  decimal?: '.' | ','
  /** What comes first in days such as 03/04/2001. */
  dates?: 'day-first' | 'month-first'
  /** Rows with other numbers of cells: `refuse` (default), or `pad`: missing ones are empty, empty ones too many are left out. */
  ragged?: 'refuse' | 'pad'
  /** Sheet of a spreadsheet. Default: the first that is not hidden and has cells. */
  sheet?: string
  /** Table or view of a SQLite file or a PostgreSQL database, there with its schema: `public.orders`. Default: the only one. */
  table?: string
  /** Of a PostgreSQL database: one SELECT instead of a table. */
  query?: string
}

/** When rows that came one by one become a version, and what they may have. */
export interface StreamDef {
  /** As soon as so many rows wait. */
  sealRows: number
  /** Or when the oldest has waited so long. */
  sealEveryMs: number
  /** Fields that the newest version has no column for. */
  newColumns: 'refuse' | 'take'
}

/** One declared check. A row rule says for each row whether it holds; a table rule says one number of all rows. */
export interface CheckDef {
  name: string
  rule:
    | { kind: 'row'; holds: ExprNode }
    /** No two rows equal in these columns (all columns when empty). */
    | { kind: 'unique'; columns: string[] }
    /** Row count of the version or of the new rows. */
    | { kind: 'rowCount'; min?: number; max?: number }
    /** Age of the newest row at import. */
    | { kind: 'fresh'; column: string; ageMsMax: number }
    /** Rows outside the import's window of time: stray rows of another period. */
    | { kind: 'inWindow'; column: string }
    /** One number of the new rows lies between two bounds, both included. */
    | { kind: 'metric'; metric: TableMetric; min?: number; max?: number }
    /** The values of `columns` together occur in the columns `of` of the current version of another dataset (or of this one, then also among the new rows). */
    | { kind: 'exists'; columns: string[]; in: string; of: string[] }
    /** Rows with equal values in `columns` have equal values in `column`. Those that differ from the most frequent value fail; of equally frequent ones the least is right. */
    | { kind: 'determines'; columns: string[]; column: string }
    /** One number of the new rows is what the deliveries before let expect. */
    | {
        kind: 'usual'
        metric: TableMetric
        season?: 'day' | 'week' | 'year' | 'none'
        /** Chance of an alarm for a usual delivery. */
        alpha?: number
        /** Deliveries that are known before one is judged. */
        pointsMin?: number
      }
    /** The new rows are spread over their values as those of an earlier version: `previous`, or one by its name. All columns when none is named. */
    | { kind: 'drift'; columns: string[]; against: string; alpha: number; psiMin: number }
  /** Share of rows that must hold, 1 by default. Of rules that judge rows alone. */
  atLeast: number
  /** `quarantine` puts failing rows aside and goes on; `stop` refuses the version when the share is missed; `warn` only reports. */
  onFail: 'quarantine' | 'stop' | 'warn'
  owner?: string
}

export interface FeatureDef {
  name: string
  expr: ExprNode
  /** A stated type, else inferred from the expression. */
  type?: 'number' | 'category'
}

export interface ModelDef {
  kind: 'ModelDef'
  name: string
  from: string
  /** Boolean expression → binary classification; number → regression; text → one of several classes. */
  target: ExprNode
  task: 'auto' | ModelTask
  /** Column that names the query of a row; of models that rank, and only of those. */
  group?: string
  features: FeatureDef[]
  /** Columns that may decide the target alone; any other that does is refused as a feature, or left out where features are inferred. */
  leaksAllowed?: string[]
  /** Column by which the family is divided. */
  each?: EachDef
  trainer: TrainerDef
  /** How parameters of the trainer are chosen; its own stand as they are without. */
  search?: SearchDef
  /**
   * How the probabilities of a classifier are calibrated, on training rows kept aside; absent or `auto`: by whichever map has the lowest loss on the validation rows, or by
   * none.
   */
  calibrate?: 'auto' | 'isotonic' | 'platt' | 'beta' | 'temperature' | 'vector' | 'none'
  split: SplitDef
  objectives: ObjectiveDef[]
  gates: GateDef[]
  release: ReleaseDef
  watch: WatchDef
  /** What the log keeps of its answers; everything, durably, when left out. */
  serve?: { log: LogDef }
  seed: number
  description: string
}

export interface EachDef {
  column: string
  /** Rows a member needs in its training window; thinner ones share the parent. */
  rowsMin: number
  membersMax: number
}

/** How single trees are grown; what is left out has the engine's default. */
export interface TreeSettings {
  /** Share of features each tree may use. Default 1. */
  featureFraction?: number
  /** Of those, share each node may use. Default 1. */
  featureFractionByNode?: number
  /** Share of rows each tree is grown on. Default 1. */
  bagging?: number
  /** Rows are drawn with replacement. Default false. */
  replacement?: boolean
  /** L1 on leaf values. Default 0. */
  l1?: number
  /** Gain a split must exceed. Default 0. */
  minGain?: number
  /** Sum of hessians in a leaf at least. Default 0.001. */
  minHessian?: number
  /** Levels below the root at most. Default 64. */
  maxDepth?: number
  /** Largest value of a leaf before the learning rate; 0 is any. Default 0. */
  maxDeltaStep?: number
  /** Rows with which the value of the leaf above pulls at that of a leaf. Default 0. */
  pathSmooth?: number
  /** Features whose order scores must keep: 1 never falling as the feature rises, -1 never rising. */
  monotone?: Record<string, 1 | -1>
  /** Groups of features; only features of one group meet on a path of a tree. */
  interactions?: string[][]
  /** How categories are divided; names as LightGBM's `cat_*`. */
  categorical?: { smooth?: number; l2?: number; setMax?: number; groupRows?: number; oneHotMax?: number }
}

export type TrainerDef =
  | ({
      kind: 'gbdt'
      trees: number
      leaves: number
      learningRate: number
      minRowsInLeaf: number
      bins: number
      l2: number
      earlyStoppingRounds: number
      memberTrees: number
      /** What is minimised; that of the task when left out. */
      objective?: BoostObjective
      /** What early stopping goes by. Default: the loss of the objective. */
      stopBy?: StopBy
    } & TreeSettings)
  | {
      kind: 'forest'
      trees: number
      leaves: number
      minRowsInLeaf: number
      maxDepth: number
      features: 'sqrt' | 'third' | number
      bootstrap: boolean
      randomBorders: boolean
      bins: number
      /** What the rows of each class weigh; all the same when left out. */
      classWeights?: ClassWeights
    }
  | {
      kind: 'linear'
      l1: number
      l2: number
      loss: 'auto' | 'poisson'
      categories: 'rates' | 'oneHot'
      path: number
      l1Share: number
      /** What the rows of each class weigh; all the same when left out. */
      classWeights?: ClassWeights
    }
  | {
      kind: 'factors'
      factors: number
      learningRate: number
      l2: number
      l2Vectors: number
      bits: number
      numbers: 'bins' | 'values'
      passes: number
      patience: number
      /** What the rows of each class weigh; all the same when left out. */
      classWeights?: ClassWeights
    }
  | {
      kind: 'neighbours'
      k: number
      weights: 'uniform' | 'distance'
      mismatch: number
      rowsMax: number
    }
  | {
      kind: 'ftrl'
      alpha: number
      beta: number
      l1: number
      l2: number
      bits: number
      signed: boolean
      numbers: 'bins' | 'values'
      interactions: [string, string][] | 'all'
      passes: number
    }
  | {
      kind: 'imported'
      /** Path of the model file, relative to the config. */
      file: string
      /** Names of the file's columns in their order, for files that name none. */
      features?: string[]
      /** Labels of its outputs in their order, for files that name none. */
      classes?: string[]
      /** Output of a network that is the answer, where it has several. */
      output?: string
      /** What the answer of a network is, where its rows do not tell. */
      gives?: 'probabilities' | 'scores'
      /** Leaves an ONNX file to ONNX Runtime, also where Millrace could score it itself. */
      runtime?: 'onnx'
      /** Digest of the file's bytes; filled in when it is read. */
      digest?: string
    }
  | {
      kind: 'mlp'
      hidden: number[]
      activation: 'relu' | 'gelu'
      epochs: number
      batchRows: number
      optimizer: 'adam' | 'sgd'
      learningRate: number
      weightDecay: number
      dropout: number
      patience: number
      /** What the rows of each class weigh; all the same when left out. */
      classWeights?: ClassWeights
    }
  | {
      kind: 'ebm'
      interactions: number
      bags: number
      rounds: number
      learningRate: number
      leaves: number
      minRowsInLeaf: number
      bins: number
      /** 1 rising, -1 falling, by feature. */
      monotone: Record<string, 1 | -1>
      /** What the rows of each class weigh; all the same when left out. */
      classWeights?: ClassWeights
    }
  | { kind: 'average'; of: TrainerDef[]; seeds: number }
  | { kind: 'stack'; of: TrainerDef[]; folds: number; order: 'blocks' | 'random' }
  | CommandTrainer
  | HeadTrainer

/** Any program that keeps the contract of docs/guides/any-trainer.md. */
export interface CommandTrainer {
  kind: 'command'
  /** The program and its arguments. */
  run: string[]
  /** Its own files and folders, relative to the config's folder. */
  files: string[]
  /** What `files` held when the run was planned: path below its folder → digest. */
  contents?: Record<string, `sha256:${string}`>
  /** Names of environment variables that are passed on. */
  env: string[]
  /** What the program is told beside the task. */
  params: Record<string, ParamValue>
  timeMsMax: number
  memoryMbMax: number
}

/** A new last layer on an ONNX network. */
export interface HeadTrainer {
  kind: 'head'
  network: string
  /** The network's file. */
  files: string[]
  /** Its digest, when the run was planned. */
  contents?: Record<string, `sha256:${string}`>
  /** Hidden layer that is learned from: its number from 1, `last`, or the name of a tensor. */
  layer: number | string
  l2: number
}

/** A value that a searched parameter can have. */
export type ParamValue = string | number | boolean

/** What a parameter may be: a number between two ends, both included, even on its scale; or one of some values. */
export type Dimension =
  | { kind: 'range'; min: number; max: number; scale: 'linear' | 'log'; integer: boolean }
  | { kind: 'choice'; values: ParamValue[] }

export interface SearchDef {
  /** Parameters of the trainer by name. */
  space: Record<string, Dimension>
  method: 'random' | 'halving' | 'tpe'
  /** Points tried at most. */
  trials: number
  /** Time after which no further trial is begun. */
  timeMs?: number
  /** Parts of the training window that trials are measured on, each after training on all that is older. */
  folds: number
  /** What successive halving gives little of at first. */
  resource: 'rows' | 'trees'
  /** What decides; `auto` is the task's loss. */
  metric: string
}

/** `time`: the newest rows are tested on, those before them validate. `random`: by a stable hash of the row number. */
export type SplitDef =
  | { by: 'time'; validateMs: number; testMs: number }
  | { by: 'random'; validateShare: number; testShare: number }

export interface ObjectiveDef {
  name: string
  metric: string
  goal: 'maximize' | 'minimize' | 'under' | 'over'
  limit?: number
  owner: string
}

export type GateDef =
  /** Must beat the constant prediction by more than noise. */
  | { kind: 'beatsBaseline'; metric: string }
  /** Paired with the live model on the same rows: not worse beyond `tolerance`, by the interval's near end. */
  | { kind: 'noWorseThanLive'; metric: string; tolerance: number }
  | { kind: 'metric'; metric: string; min?: number; max?: number }
  | { kind: 'calibration'; max: number }
  | { kind: 'slices'; column: string; metric: string; floor: number; rowsMin: number }
  | { kind: 'size'; bytesMax: number }
  | { kind: 'latency'; msMax: number }
  | { kind: 'noLeak'; aucMax: number }

export interface ReleaseDef {
  /** Shares of traffic, ascending, before all of it. Empty: straight to live when the gates pass. */
  steps: number[]
  /** Answers with outcomes that each step needs at least. */
  rowsMin: number
  /** Loss difference that counts as worse. */
  tolerance: number
  /** Chance of a wrong verdict over the whole release, however often it is looked at. */
  alpha: number
}

/** What the log of predictions keeps of a model's answers. */
export interface LogDef {
  durable: boolean
  /** Share of answers that are kept, by a hash of their id. */
  sample: number
  /** Inputs that are left out, and those that are kept as a keyed hash. */
  redact: string[]
  hash: string[]
}

export interface WatchDef {
  window: 'day' | 'week' | 'month'
  /** Time after which the outcomes of a window are taken to be complete. */
  outcomeDelayMs: number
  /** Least time between two trainings that alerts ask for. */
  cooldownMs: number
  /** `online`: the live version goes on learning from answers whose outcomes came, between trainings. */
  retrain: ('drift' | 'quality' | 'daily' | 'weekly' | 'monthly' | 'online')[]
  /** When a model that learns online is released anew: after so many rows, or so long after the last time. Of those models only. */
  checkpoint?: { rows: number; everyMs: number }
  owner: string
  /** False alarms allowed: rate of false discoveries over all columns, members and windows. */
  alpha: number
  /** Months (or all) of history that a retrain uses. */
  history: 'all' | number
}
