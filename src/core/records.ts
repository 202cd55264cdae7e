/**
 * The records of the spine: everything Millrace remembers is one of these, as plain JSON with a `kind`.
 *
 * Records live as objects (immutable, named by digest), are pointed at by refs, and each move of a ref is an event in
 * the journal. Nothing here does I/O. Times are milliseconds since the epoch (`…At`) unless the unit is in the name.
 */
import type { Json } from './canonical.ts'

/** Name of immutable bytes: `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`

// ---------------------------------------------------------------- data

/** Column types a dataset can have. `time` is a UTC instant with microseconds at most, without zone. */
export type ColumnType = 'bool' | 'int' | 'float' | 'string' | 'time' | 'date' | 'json'

export interface Column {
  name: string
  type: ColumnType
  nullable: boolean
}

export interface Schema {
  columns: Column[]
}

/** What one part knows of one column, computed in the import scan. Mergeable over parts except `distinctApprox`. */
export interface ColumnStats {
  nulls: number
  /** Numbers as numbers, times as epoch milliseconds, strings cut at 64 characters; absent when all values are null. */
  min?: number | string
  max?: number | string
  mean?: number
  std?: number
  distinctApprox: number
  /** Equal-width or category histogram over the reference bins of the dataset, for profile strips and drift. */
  histogram?: Histogram
}

/** Counts over half-open bins `[edges[i], edges[i+1])` (last bin closed), or over named categories with the rest in `other`. */
export type Histogram =
  | { kind: 'numeric'; edges: number[]; counts: number[]; nulls: number }
  | { kind: 'category'; categories: string[]; counts: number[]; other: number; nulls: number }

/** A Parquet object holding some rows of a version. Parts of one version never share a row. */
export interface Part {
  digest: Digest
  rows: number
  bytes: number
  /** Bucket the part covers, e.g. `2001-01` when split by month; sorts in key order. */
  key: string
  keyRange: { min: string; max: string }
  stats: Record<string, ColumnStats>
  /** Object with the sketches of its columns (`stats/sketch-codec.ts`); where it is absent, sketches are runs of `data.sketch`. */
  sketches?: Digest
  /**
   * Rows of the file that the version no longer has: a Parquet object whose column `row` lists their places in the file, ascending. `rows` and `stats` are of what is
   * left.
   */
  gone?: { digest: Digest; rows: number }
}

export interface DatasetVersion {
  kind: 'DatasetVersion'
  dataset: string
  parents: Digest[]
  schema: Schema
  /** Columns that identify a row, when there are any. */
  key?: string[]
  parts: Part[]
  /** Rows that failed a check with `quarantine`: same columns and `_reasons` (list of check names). */
  quarantine: Part[]
  rows: number
  rowsQuarantined: number
  findings: Finding[]
  /** Half-open window of the dataset's time column that the version covers, when it has one. */
  window?: TimeWindow
  source: string
  createdAt: number
  message: string
}

/** A version of a set of files: anything that is no table, model checkpoints and pictures among them. */
export interface FileSetVersion {
  kind: 'FileSetVersion'
  set: string
  parents: Digest[]
  /** `FileTree` or `FileLeaf`: its paths, which name the packs that hold their bytes. */
  tree: Digest
  /** SHA-256 in hex over paths, modes and digests: versions with the same files have the same, wherever their bytes are kept. */
  content: string
  /** One file, what was in one folder, or several files and folders by their names. */
  shape: 'file' | 'folder' | 'paths'
  /** Files, links and empty folders. */
  files: number
  bytes: number
  /** Bytes that the store did not have before, as stored. */
  bytesStored: number
  createdAt: number
  message: string
}

/** Half-open `[fromAt, toAt)` in epoch milliseconds. */
export interface TimeWindow {
  fromAt: number
  toAt: number
}

// ---------------------------------------------------------------- runs

/**
 * What is to be done, completely: same digest, same work, so it is never done twice.
 * `inputs` name objects; `params` is everything else that could change the outcome. No clock, no host, no thread count.
 */
export interface RunSpec {
  kind: 'RunSpec'
  /** Registered handler that does it, e.g. `data.import`, `train.matrix`, `train.model`. */
  task: string
  /** Version of the handler's algorithm; raised when its outputs would change. */
  code: string
  inputs: Record<string, Digest>
  params: Json
  seed: number
}

export interface RunRecord {
  kind: 'RunRecord'
  spec: Digest
  outputs: Record<string, Digest>
  outcome: 'done' | 'failed'
  error?: { code: string; message: string }
  startedAt: number
  endedAt: number
  /** CPU milliseconds of the worker while it ran, when known. */
  cpuMs?: number
}

// ---------------------------------------------------------------- models

/** One input of a model as a client sends it: a raw column of the dataset. */
export interface SignatureField {
  name: string
  type: ColumnType
  nullable: boolean
}

export interface Signature {
  inputs: SignatureField[]
  outputs: { name: string; type: 'float' | 'int' | 'string' | 'bool'; description: string }[]
}

/** What a model says: yes or no, a number, one of several classes, or an order within a group of rows (a query). */
export type ModelTask = 'binary' | 'regression' | 'multiclass' | 'ranking'

/** How a graph is kept: ONNX bytes, or a form of `model/forms`. */
export type ModelFormat =
  | 'trees'
  | 'linear'
  | 'onnx'
  | 'hashed'
  | 'factors'
  | 'network'
  | 'tables'
  | 'neighbours'
  | 'composite'

/** One feature after its expression is evaluated, in the order the scorer takes them. */
export interface FeatureInfo {
  name: string
  type: 'number' | 'category'
  /** Bin edges and counts over the training rows: the reference of drift. */
  reference: Histogram
}

export interface ModelVersion {
  kind: 'ModelVersion'
  /** `late`, or `late/ATL` for a member of a family. */
  model: string
  task: ModelTask
  /** Labels in the order of the outputs, for `multiclass`. */
  classes?: string[]
  /** Input that names the group of a row, for `ranking`; rows without it are one group a request. */
  group?: string
  /** Share from which a yes or no is a yes, for `binary`; half where it is absent. */
  threshold?: number
  /** Object with the scorer: a form of `model/forms` in the bytes of `model/format.ts`, or ONNX bytes. */
  graph: Digest
  format: ModelFormat
  /** How an ONNX graph is asked and read. Absent where its inputs are the features in their order, and its last output of floats is what is answered. */
  reading?: GraphReading
  /** Graph whose raw score this one adds to: a member of a family is its parent plus its own trees. */
  base?: Digest
  /** Object with the fitted feature pipeline (`expr/features.ts`): expressions and their learned state. */
  features: Digest
  featureInfo: FeatureInfo[]
  signature: Signature
  trainedOn: { dataset: string; version: Digest; window?: TimeWindow; rows: number }
  /** How far a model that learns from its own traffic has come; absent where it was trained from a dataset alone. */
  online?: OnlineMark
  run: Digest
  card: ModelCard
  createdAt: number
}

/** How an ONNX graph is asked with features, and how its answer is read. */
export interface GraphReading {
  /** Inputs, each with the places of the features that are its columns. */
  inputs: { name: string; features: number[] }[]
  /** Output that is read: `[rows]` or `[rows, width]`. */
  output: string
  /** Column of each of the model's outputs. */
  columns: number[]
  /** Column that is taken off the only one of `columns`: two scores of two classes. */
  less?: number
  /** What makes the model's outputs of those columns. */
  link: 'identity' | 'sigmoid' | 'softmax'
}

/** A checkpoint of a model that learns while it is served. */
export interface OnlineMark {
  /** Version that was trained from a dataset, with which learning began. */
  base: Digest
  /** Checkpoint, or base, that this one goes on from. */
  previous: Digest
  /** Rows learned since the base. */
  rows: number
  /** Which outcomes and predictions of the log have been learned from. */
  predictions: LogSpan
  outcomes: LogSpan
}

/**
 * A stretch of a stream: after a position, `skip` records are passed over, and the next `read` were taken in. It begins before whatever still waited for its other
 * half at its end, so that reading it again gives the state in which reading goes on.
 */
export interface LogSpan {
  /** Absent for the beginning of the stream. */
  after?: { segment: number; offset: number }
  skip: number
  read: number
}

export interface ModelCard {
  /** Metric name → value with interval on the test split; `n` rows. */
  metrics: Record<string, Measured>
  /** Same metrics of the baseline (constant or previous) on the same rows. */
  baseline: Record<string, Measured>
  /** Mean absolute contribution by feature, descending. */
  importance: { feature: string; meanAbs: number }[]
  /** How well each numeric feature alone ranks the target (0.5 to 1); near 1 it gives the target away. Empty for members and regressions. */
  featureAuc: Record<string, number>
  /** Score histogram on the test split: the reference of prediction drift. */
  scores: Histogram
  /** Of several classes: of the likeliest one, against whether it was right. */
  calibration: { meanPredicted: number; meanActual: number; n: number }[]
  /** Mean outcome over the training rows; of several classes, the share of the most frequent one. */
  baseRate: number
  /** What is known of each class, in the order of the outputs; where the model tells several apart. */
  classes?: ClassCard[]
  /** Test rows by actual class and class said, as indexes into `classes`, most rows first; at most 2,500 entries. */
  confusion?: [actual: number, said: number, rows: number][]
  bytes: number
  notes: string[]
}

export interface ClassCard {
  label: string
  trainRows: number
  /** Share of the test rows of this class that were told; 0 of 0 rows where there are none. */
  recall: Measured
  /** Share of the test rows said to be of this class that are. */
  precision: Measured
}

export interface Measured {
  value: number
  interval?: [number, number]
  n: number
}

/** A model or a family as it is released: one parent and members by key. A model without `each` has no members. */
export interface ModelBundle {
  kind: 'ModelBundle'
  model: string
  /** Digest of the parent's ModelVersion. */
  parent: Digest
  /** Column the family is split by. */
  each?: string
  /** Key → ModelVersion. Keys that are absent are answered by the parent. */
  members: Record<string, Digest>
  /** Members that were trained but are not used, and why. */
  held: Record<string, string>
  version: number
  createdAt: number
  reason: string
}

// ---------------------------------------------------------------- verdicts

/** Only `pass` opens a gate. Too few rows is `inconclusive`; a check that crashed is `error`. */
export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'error'

/** The one shape of a data check, a gate, a canary test and a drift monitor. */
export interface Finding {
  kind: 'Finding'
  check: string
  /** What it is about: `datasets/flights`, `models/late/ATL`. */
  subject: string
  slice?: string
  value: number | null
  interval?: [number, number]
  /** The bound in words and numbers: `>= 0.6`. */
  limit: string
  n: number
  verdict: Verdict
  /** One sentence a person can read. */
  message: string
  /** Who is told, where the check names someone. */
  owner?: string
  at: number
}

// ---------------------------------------------------------------- release

/**
 * A release moves `shadow → canary → live`, or ends `rolled-back`, or waits `paused`.
 * Routes are what serving reads: the weights of all routes that answer sum to 1; a shadow has weight 0.
 */
export type ReleaseState = 'shadow' | 'canary' | 'live' | 'paused' | 'rolled-back' | 'superseded'

export interface Route {
  bundle: Digest
  /** Version number of the bundle, as people name it (`late@v3`). */
  version: number
  role: 'live' | 'canary' | 'shadow'
  weight: number
}

export interface Release {
  kind: 'Release'
  model: string
  state: ReleaseState
  routes: Route[]
  /** Index into the canary's steps; -1 before the first. */
  step: number
  steps: number[]
  /** Salt of the sticky split, so that each release divides users anew. */
  salt: string
  /** Release that was live before; what `rollback` goes back to. */
  previous?: Digest
  findings: Finding[]
  reason: string
  at: number
}

// ---------------------------------------------------------------- watching

export interface Alert {
  kind: 'Alert'
  id: string
  finding: Finding
  owner: string
  /** Page under docs/operating that says what to do. */
  runbook: string
  /** Alerts with the same key are one story. */
  dedupeKey: string
  state: 'raised' | 'acknowledged' | 'resolved'
  raisedAt: number
  /** What the loop did about it, in words. */
  action?: string
  /** Members and columns that share this cause. */
  affected: string[]
}

/** One answered prediction, as it is logged. */
export interface Observation {
  id: string
  model: string
  /** Member key, or '' when the parent answered. */
  member: string
  version: number
  /** Digest of the ModelVersion that answered. */
  modelVersion: Digest
  route: 'live' | 'canary' | 'shadow'
  /** Raw inputs as the client sent them. */
  inputs: Record<string, Json>
  /** Calibrated probability, or the predicted value; of several classes, the probability of the likeliest one. */
  output: number
  /** The likeliest class and the probability of each, where the model tells several apart. */
  label?: string
  probabilities?: Record<string, number>
  /** Inputs whose values the log does not have, by the policy of the model. */
  unlogged?: string[]
  at: number
}

/** What really happened, joined to an observation by id. */
export interface Outcome {
  id: string
  model: string
  /** A number (of a yes or no, 1 or 0), or the label of a class. */
  value: number | string
  at: number
}

/** One event of the journal. `hash` chains over `previous`, so that history cannot be edited unseen. */
export interface JournalEvent {
  seq: number
  at: number
  /** `data.imported`, `train.finished`, `release.canary`, `release.rolled-back`, `alert.raised`, … */
  type: string
  /** What moved: `datasets/flights`, `models/late`. */
  subject: string
  actor: string
  /** Why, in words. */
  reason: string
  data: Json
  previous: string
  hash: string
}
