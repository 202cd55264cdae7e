/**
 * What the console and scripts get from `/api`: plain JSON, one type an answer. Times are epoch milliseconds, shares are 0 to 1.
 * The console imports these types and nothing else of `src/`.
 *
 * | method and path | answer |
 * |---|---|
 * | GET /api/fleet | Fleet |
 * | GET /api/models/:model (URL-encoded, e.g. `late%2FATL`) | ModelPage |
 * | GET /api/models/:model/members?search&sort&limit&offset | MemberList |
 * | GET /api/models/:model/playground | Playground |
 * | GET /api/models/:model/diff?from&to (`v2`, `2`, `live`, `latest`) | ModelDiff |
 * | POST /api/models/:model/diff {from, to, dryRun?, reason?}: begins to compare their answers, see `comparing` | ActionResult |
 * | GET /api/files | FileSetRow[] |
 * | GET /api/files/:set (`set` or `set@branch`) | FileSetPage |
 * | GET /api/files/:set/diff?from&to (digests) | FilesDiffPage |
 * | GET /api/bundles/:digest and /api/versions/:digest | BundleDetail, VersionDetail |
 * | GET /api/datasets | DatasetRow[] |
 * | GET /api/datasets/:dataset | DatasetPage |
 * | GET /api/datasets/:dataset/versions/:digest | DatasetVersionPage |
 * | GET /api/datasets/:dataset/versions/:digest/quarantine?limit&before&failed&where | QuarantineRows |
 * | POST /api/datasets/:dataset/quarantine {verb: release, fix or drop; version, branch?, rows?, failed?, where?, all?, set?, dryRun?, reason?} | ActionResult |
 * | GET /api/triage/:name?finding&where&from&limit (a dataset or a model) | TriageView |
 * | GET /api/datasets/:dataset/branches | BranchRow[] |
 * | POST /api/datasets/:dataset/branches/:branch/quarantine {name, finding?, where?, rows?, top?, dryRun?, reason?} | ActionResult |
 * | POST /api/datasets/:dataset/branches/:branch/try {model, cleanTest?, dryRun?, reason?}: begins, see `trying` of the branch | ActionResult |
 * | POST /api/datasets/:dataset/branches/:branch/merge and /drop {dryRun?, reason?} | ActionResult |
 * | GET /api/datasets/:dataset/diff?from=<digest>&to=<digest> | DatasetDiff |
 * | GET /api/alerts | Alert[] (newest first) |
 * | POST /api/alerts/:id/acknowledge | Alert |
 * | GET /api/runs?limit | RunRow[] |
 * | GET /api/events?before&subjectPrefix&limit | JournalEvent[] (newest first) |
 * | GET /api/predictions/:id | Why |
 * | GET /api/backtest/:model | Backtest or null |
 * | GET /api/models/:model/search | Search or null |
 * | GET /api/models/:model/shapes?class | Shapes or null |
 * | GET /api/models/:model/effects?class&feature | Effects or null |
 * | POST /api/models/:model/rollback {dryRun?, reason?} | ActionResult |
 * | POST /api/models/:model/promote {dryRun?, reason?} | ActionResult |
 * | GET /api/status | Status |
 * | GET /api/session | Session |
 * | GET /api/stream | server-sent events: `event: journal` (JournalEvent), `event: pulse` (Pulse, once a second), `event: progress` (StoryProgress) |
 *
 * Errors are RFC 9457 problem details with `code`, `detail` (what) and `fix`.
 */
import type {
  Alert,
  Column,
  ColumnStats,
  Digest,
  Finding,
  Histogram,
  JournalEvent,
  Measured,
  ModelCard,
  ModelTask,
  Release,
  Signature,
} from '../core/records.ts'

export type { Alert, Finding, JournalEvent }

export interface Fleet {
  project: string
  /** The state of everything in one sentence. */
  sentence: string
  /** Whether a person is needed now. */
  health: 'good' | 'watch' | 'act'
  attention: Alert[]
  models: FleetRow[]
  events: JournalEvent[]
  datasets: DatasetRow[]
}

export interface FleetRow {
  model: string
  task: ModelTask
  description: string
  /** Members that answer for themselves; 0 for a single model. */
  members: number
  membersHeld: number
  liveVersion: number | null
  release: Release | null
  owner: string
  /** Quality metric by window, oldest first, with the band expected from the training reference. */
  quality: QualityPoint[]
  qualityMetric: string
  expected: { value: number; low: number; high: number } | null
  requestsPerSecond: number
  /** Days that nobody asked for it, from 30 on: it could be retired. */
  unusedDays?: number
  /** Predictions of the windows that are closed. */
  predictions: number
  latencyMsP99: number | null
  /** When the newest row that the live version was trained on happened. */
  freshAt: number | null
  trainedAt: number | null
  alerts: number
}

export interface QualityPoint {
  fromAt: number
  toAt: number
  value: number | null
  interval?: [number, number]
  n: number
  verdict: Finding['verdict']
  version?: number
}

export interface ModelPage {
  model: string
  task: ModelTask
  description: string
  owner: string
  sentence: string
  parent: string | null
  /** A member is released with its family, so it has the family's. */
  release: Release | null
  releases: { release: Release; digest: Digest; at: number }[]
  versions: VersionRow[]
  /** Findings of the newest gate run, worst first. */
  gates: Finding[]
  quality: {
    metrics: {
      name: string
      points: QualityPoint[]
      expected: { value: number; low: number; high: number } | null
      higherIsBetter: boolean
    }[]
  }
  drift: DriftColumn[]
  importance: { feature: string; meanAbs: number }[]
  /** Of several classes: how sure of the likeliest one, against how often it was right. */
  calibration: { meanPredicted: number; meanActual: number; n: number }[]
  /** Where the model tells several classes apart. */
  classes?: ClassRow[]
  /** Test rows by actual class and class said, as indexes into `classes`, most rows first. */
  confusion?: [actual: number, said: number, rows: number][]
  signature: Signature
  speed: {
    /** `p90` is null where it is not counted. */
    latencyMs: { p50: number; p90: number | null; p99: number } | null
    requestsPerSecond: number
    rowsPerSecond: number
    modelBytes: number
    /** What scoring costs by the rows of a request; null while it was not asked. */
    scoring: ScoringCost | null
  }
  alerts: Alert[]
  events: JournalEvent[]
  /** The same actions as commands. */
  commands: { rollback: string; promote: string; train: string }
}

/** One class: what the card of the shown version says of it, and how often it was said and came true in the newest window. */
export interface ClassRow {
  label: string
  /** Training rows; null for a class that the version does not know and that came true nevertheless. */
  trainRows: number | null
  recall: Measured | null
  precision: Measured | null
  said: number | null
  happened: number | null
}

/** Latency against throughput of scoring on one thread, and the plain arithmetic of it in words. */
export interface ScoringCost {
  words: string
  /** Ascending. `rowsPerSecond`: of such requests one after the other. */
  sizes: { rows: number; callMs: number; rowsPerSecond: number }[]
}

export interface VersionRow {
  version: number
  bundle: Digest
  /** The version that answers: the parent's; on a member's page its own, or the parent's where that answers for it. */
  answersBy: Digest
  /** On a member's page: why the parent answered for it in this version; null where it answered for itself. */
  heldReason: string | null
  createdAt: number
  reason: string
  members: number
  held: number
  metrics: Record<string, Measured>
  trainedOn: { dataset: string; version: Digest; fromAt: number | null; toAt: number | null; rows: number }
  state: 'live' | 'canary' | 'shadow' | 'past' | 'refused'
}

export interface DriftColumn {
  column: string
  /** Population stability index against the training reference, newest window. */
  psi: number
  pAdjusted: number
  verdict: Finding['verdict']
  n: number
  reference: Histogram
  current: Histogram
  /** Effect by window, oldest first. */
  history: { fromAt: number; psi: number; verdict: Finding['verdict'] }[]
}

export interface MemberList {
  total: number
  members: MemberRow[]
}

export interface MemberRow {
  key: string
  model: string
  answers: 'self' | 'parent'
  heldReason: string | null
  rows: number
  metric: Measured | null
  liveMetric: Measured | null
  predictions: number
  drift: number | null
  /** Mean prediction minus mean outcome in its newest window with outcomes: what a member is tested on. */
  bias?: number | null
  alerts: number
}

export interface BundleDetail {
  digest: Digest
  model: string
  version: number
  parent: Digest
  each: string | null
  members: number
  held: Record<string, string>
  findings: Finding[]
}

export interface VersionDetail {
  digest: Digest
  model: string
  card: ModelCard
  signature: Signature
  features: { name: string; expression: string; reference: Histogram }[]
  trainedOn: VersionRow['trainedOn']
  run: {
    digest: Digest
    task: string
    startedAt: number
    endedAt: number
    inputs: Record<string, string>
  } | null
}

/** Two versions of a model: what they are made of, and what they answer on the same rows. */
export interface ModelDiff {
  model: string
  task: ModelTask
  /** What changed and what that does, each in a sentence; those of the answers are null until they were compared. */
  words: {
    made: string
    moved: string | null
    measures: string | null
    slices: string | null
    /** What makes the older version look better than it is. */
    caution: string | null
  }
  before: DiffedVersion
  after: DiffedVersion
  /** Settings of the training that differ; null where a version has none. */
  settings: { name: string; before: string | null; after: string | null }[]
  settingsSame: number
  features: {
    added: { name: string; expression: string }[]
    removed: { name: string; expression: string }[]
    changed: { name: string; before: string; after: string }[]
    /** Written the same, with other values learned from the data. */
    relearned: string[]
    same: number
  }
  members: { added: string[]; removed: string[]; changed: number; same: number }
  inside: ModelInside
  /** Null until their answers were compared. */
  behaviour: ModelBehaviour | null
  /** The comparison that goes on now. */
  comparing: { done: number; note: string } | null
  /** Why the last comparison came to nothing. */
  failed: Problem | null
  /** Why their answers cannot be compared here. */
  refused: Problem | null
  command: string
}

export interface Problem {
  code: string
  message: string
  fix: string
}

export interface DiffedVersion {
  version: number
  bundle: Digest
  answersBy: Digest
  state: VersionRow['state']
  form: string
  bytes: number
  members: number
  createdAt: number
  reason: string
  trainedOn: VersionRow['trainedOn']
}

/** What lies inside: by the parts that scores are sums of, by tensor, or nothing to compare where the forms differ. */
export type ModelInside =
  | {
      kind: 'pieces'
      /** What a part is called: `tree`. */
      noun: string
      before: { pieces: number; nodes: number }
      after: { pieces: number; nodes: number }
      /** Parts that are the same from the first on, and wherever they stand. */
      sameFirst: number
      same: number
      /** Splits by feature, those that changed most first. */
      features: { feature: string; before: number; after: number }[]
    }
  | ({ kind: 'tensors' } & TensorChanges)
  | { kind: 'forms' }

/** Tensors of two model files, by name. */
export interface TensorChanges {
  added: { name: string; dtype: string; shape: readonly number[] }[]
  removed: { name: string; dtype: string; shape: readonly number[] }[]
  reshaped: { name: string; before: string; after: string }[]
  changed: {
    name: string
    dtype: string
    shape: readonly number[]
    /** Absent where numbers cannot be read one by one. */
    nChanged?: number
    maxAbs?: number
    meanAbs?: number
    /** Euclidean length of the change, and of what was there before. */
    norm?: number
    normBefore?: number
  }[]
  /** The same to the bit. */
  same: number
}

/** Two versions on the rows that tested the newer one. */
export interface ModelBehaviour {
  rows: number
  /** Absent where answers are no decisions. */
  decisions?: {
    changed: Measured
    ways: { from: string; to: string; n: number }[]
    /** Right before and wrong now; wrong before and right now. */
    broken: number
    mended: number
  }
  moves: {
    mean: number
    meanAbsolute: number
    quantiles: { q: number; value: number }[]
    histogram?: Histogram
  }
  metrics: {
    metric: string
    higherIsBetter: boolean
    before: Measured
    after: Measured
    /** Above 0 the newer is better. */
    gain?: { value: number; interval: [number, number]; n: number }
    isShare: boolean
    verdict: Finding['verdict']
  }[]
  slices: {
    column: string
    value: string
    rows: number
    moved: number
    interval: [number, number]
    rest: number
    shift: number
    changed?: number
    loss?: { value: number; interval: [number, number] }
    q: number
  }[]
  slicesTested: number
  examples: {
    row: Record<string, unknown>
    target: number | string
    before: number | string
    after: number | string
    moved: number
    /** Rows that are the same in all of this. */
    rows: number
  }[]
}

/** A set of files of anything, as its branch holds it. */
export interface FileSetRow {
  set: string
  branch: string
  version: Digest
  files: number
  bytes: number
  changedAt: number
  message: string
}

export interface FileSetPage extends FileSetRow {
  /** Newest first. */
  log: { digest: Digest; at: number; files: number; bytes: number; bytesStored: number; message: string }[]
  /** What lies at the top: folders with what is below them, and files. */
  entries: { name: string; isFolder: boolean; files: number; bytes: number }[]
}

export interface FilesDiffPage {
  set: string
  from: Digest
  to: Digest
  /** At most `FILES_DIFF_MAX` of each, and how many there are. */
  added: { path: string; bytes: number }[]
  removed: { path: string; bytes: number }[]
  changed: { path: string; bytes: number; bytesBefore: number }[]
  moved: { path: string; pathBefore: string; bytes: number }[]
  counts: { added: number; removed: number; changed: number; moved: number; same: number }
  /** Tensors of model files that changed. */
  models: ({ path: string } & TensorChanges)[]
  command: string
}

export interface Playground {
  model: string
  signature: Signature
  /** Real rows of the newest data, as a client would send them. */
  examples: Record<string, unknown>[]
  /** Known values of category inputs, most frequent first, at most 500 each. */
  choices: Record<string, string[]>
  predictPath: string
  explainPath: string
  feedbackPath: string
  curl: string
}

export interface DatasetRow {
  dataset: string
  rows: number
  rowsQuarantined: number
  version: Digest | null
  versions: number
  importedAt: number | null
  window: { fromAt: number; toAt: number } | null
  bytes: number
  findings: { pass: number; fail: number; inconclusive: number; error: number }
}

export interface DatasetPage extends DatasetRow {
  source: string
  log: {
    digest: Digest
    at: number
    rows: number
    rowsAdded: number
    rowsQuarantined: number
    message: string
    partsNew: number
    parts: number
  }[]
}

export interface DatasetVersionPage {
  digest: Digest
  dataset: string
  columns: (Column & { profile: ColumnStats; parent?: { psi: number | null } })[]
  rows: number
  rowsQuarantined: number
  parts: { digest: Digest; key: string; rows: number; bytes: number; isNew: boolean }[]
  findings: Finding[]
  createdAt: number
  parents: Digest[]
}

export interface QuarantineRows {
  columns: string[]
  /** `row` numbers a row among all that are aside in this version. */
  rows: { row: number; values: (string | number | boolean | null)[]; reasons: string[] }[]
  /** Rows aside in all, and those that the filter leaves; `byReason` counts the latter. */
  total: number
  matched: number
  byReason: Record<string, number>
  /** Asked for as `before`: the next page; null at the end. */
  next: number | null
}

/** What speaks against rows of a dataset's version, side by side. */
export interface TriageView {
  /** As it was asked for. */
  name: string
  dataset: string
  /** The model whose rows were judged, or would be. */
  model: string | null
  /** Models that the dataset feeds. */
  models: string[]
  version: Digest
  /** main holds another version than the one whose rows these are. */
  isBehind: boolean
  sentence: string
  /** Rows of the version, and those with something against them. */
  rows: number
  found: number
  /** Every finding that any row has: rows in all, and rows that the filter leaves. */
  findings: { name: string; words: string; rows: number; matched: number }[]
  columns: { name: string; type: Column['type'] }[]
  page: TriageRow[]
  /** Rows that the filter leaves. */
  matched: number
  /** Asked for as `from`: the next page; null at the end. */
  next: number | null
  worth: TriageWorth | null
  notes: string[]
  branches: BranchRow[]
}

export interface TriageRow {
  /** Number in the version. */
  row: number
  findings: string[]
  /** Orders rows, worst first, and means nothing else. */
  score: number
  checks: string[]
  given: string | null
  suggested: string | null
  /** Probability of the given label, out of sample. */
  confidence: number | null
  worth: number | null
  distance: number | null
  copyGroup: number | null
  nearGroup: number | null
  likeness: number | null
  /** In the order of `columns`. */
  values: (string | number | boolean | null)[]
}

/** What the rows that train a model are worth, as a whole. */
export interface TriageWorth {
  rows: number
  labels: { judged: number; issues: number; noise: number }
  negative: number
  copies: { exact: number; near: number; conflicting: number }
  outliers: number
  /** Slices of which more rows would surely gain, most first; `gain` is a share of the validation rows. */
  collect: { slice: string; rows: number; gain: number; interval: [number, number] }[]
}

/** A branch of a dataset beside main. */
export interface BranchRow {
  dataset: string
  branch: string
  version: Digest
  base: Digest
  rows: number
  baseRows: number
  aside: number
  message: string
  changedAt: number
  isBehind: boolean
  tries: BranchTry[]
  /** A try that goes on now. */
  trying: { model: string; done: number; note: string } | null
  /** Why the last try came to nothing; null where it did not. */
  failed: { model: string; code: string; message: string; fix: string } | null
}

/** A model trained with and without what the branch has put aside, on the same test rows. */
export interface BranchTry {
  model: string
  verdict: Finding['verdict']
  sentence: string
  cleanTest: boolean
  rows: {
    base: Record<'train' | 'validate' | 'test', number>
    branch: Record<'train' | 'validate' | 'test', number>
  }
  /** What decides comes first. */
  metrics: {
    metric: string
    higherIsBetter: boolean
    base: Measured
    branch: Measured
    /** Above 0 the branch is better. */
    gain?: { value: number; interval: [number, number]; n: number }
    isShare: boolean
    verdict: Finding['verdict']
  }[]
  notes: string[]
}

/** A merge with conflicts that waits to be decided. */
export interface MergeRow {
  dataset: string
  /** Branch that is merged, and the one that takes it. */
  branch: string
  into: string
  base: Digest | null
  ours: Digest
  theirs: Digest
  /** Number of decisions so far. */
  step: number
  by: string
  beganAt: number
  changedAt: number
  /** Branches that moved since: the merge has to begin again. */
  moved: string[]
  conflicts: number
  decided: number
}

/** One page of a merge that waits: columns first, then rows by key with the values of all three versions. */
export interface MergePage extends MergeRow {
  sentence: string
  columns: { name: string; type: string }[]
  /** Columns that the sides changed in ways that contradict one another. */
  schema: {
    column: string | null
    base: string | null
    ours: string | null
    theirs: string | null
    take: 'ours' | 'theirs' | null
    /** Sides that can be taken, each with what that does. */
    choices: { take: 'ours' | 'theirs'; words: string }[]
  }[]
  /** Rows in conflict, and conflicts by column; without a column those of rows as a whole. */
  counts: {
    rows: number
    by: { column: string | null; kind: string; conflicts: number; decided: number }[]
  }
  rows: MergedRow[]
  matched: number
  next: number | null
  /** Newest first. */
  steps: {
    step: number
    words: string
    n: number
    by: string
    at: number
    isUndone: boolean
    canUndo: boolean
  }[]
  /** Rows that the last try to merge found broken, as of a step. */
  broken: { step: number; rows: { row: number | null; key: string[]; check: string }[] } | null
}

export interface MergedRow {
  row: number
  key: string[]
  /** What each side did to it: `insert`, `update`, `delete`. */
  ours: string
  theirs: string
  /** One side deleted it and the other changed it. */
  isDeleted: boolean
  decision: CellDecision | null
  /** Columns in which the three differ, those in conflict first. */
  cells: MergedCell[]
  /** Some of those in which they do not. */
  same: { column: string; value: Cell }[]
  checks: string[]
}

export interface MergedCell {
  column: string
  /** Place of the column. */
  place: number
  isConflict: boolean
  changedBy: 'ours' | 'theirs' | null
  base: Cell
  ours: Cell
  theirs: Cell
  decision: CellDecision | null
}

export interface CellDecision {
  /** `ours`, `theirs`, `base` or `value`. */
  take: string
  value: string | null
  step: number
}

/** What a decision does or would do. */
export interface MergeDecided {
  done: boolean
  dryRun: boolean
  /** Newest step; that of the decision where it was made. */
  step: number
  /** Conflicts that it decides, how many of them were decided before, and how many values of one's own are missing. */
  n: number
  again: number
  missing: number
  sample: {
    key: string[]
    column: string | null
    base: string | null
    ours: string | null
    theirs: string | null
    result: string | null
  }[]
}

/** A value of a row, as it is shown. */
export type Cell = string | number | boolean | null

export interface DatasetDiff {
  from: Digest
  to: Digest
  rowsAdded: number
  rowsRemoved: number
  /** By key; null where the versions have none. */
  keyed: {
    key: string[]
    inserted: number
    deleted: number
    updated: number
    /** Changed cells of updated rows by column, most first. */
    cells: { column: string; rows: number }[]
    /** Some of the updated rows: their keys, and the cells that differ. */
    sample: {
      key: Record<string, Cell>
      cells: Record<string, { from: Cell; to: Cell }>
    }[]
  } | null
  /** Some of the rows that are in one version alone. */
  sample: { added: Record<string, Cell>[]; removed: Record<string, Cell>[] }
  partsAdded: string[]
  partsRemoved: string[]
  partsSame: number
  schema: { added: string[]; removed: string[]; changed: string[] }
  columns: {
    column: string
    psi: number | null
    meanFrom: number | null
    meanTo: number | null
    nullsFrom: number
    nullsTo: number
  }[]
}

export interface RunRow {
  spec: Digest
  task: string
  title: string
  state: 'queued' | 'leased' | 'done' | 'failed' | 'cancelled'
  startedAt: number | null
  endedAt: number | null
  cpuMs: number | null
  progress: { done: number; note: string } | null
  error: string | null
}

export interface Why {
  id: string
  model: string
  member: string
  version: number
  modelVersion: Digest
  route: string
  at: number
  /** Inputs that the log does not have, by the policy of the model: left out, or shown as a keyed hash. */
  unlogged?: string[]
  inputs: Record<string, unknown>
  features: Record<string, number | null>
  /** Of several classes, the probability of the one that was said. */
  output: number
  /** The class that was said, and the probability of each, where the model tells several apart. */
  label?: string
  probabilities?: Record<string, number>
  /** On the raw scale: base + sum of contributions = raw; output = calibrated link(raw). */
  explanation: {
    base: number
    contributions: { feature: string; value: number | null; contribution: number }[]
    raw: number
    residual: number
    /** What made the contributions, such as `tree-path`; `none` where the model has none. */
    method: string
    /** Whether the contributions are what their definition says, or an estimate. */
    exact: boolean
    scale: string
    /** What time did not allow, or why there are no contributions; absent when there is nothing to say. */
    fallback?: string
    /** The class that is explained. */
    class?: string
  }
  outcome: { value: number | string; at: number } | null
  trainedOn: VersionRow['trainedOn']
  run: Digest
  gates: Finding[]
  command: string
}

export interface Backtest {
  model: string
  /** What `lead` and `loss` of the rows hold: `auc` and `logLoss`, or what the task has. */
  metrics: { lead: string; loss: string; higherIsBetter: boolean }
  /** Periods tested on, ascending. */
  tests: { fromAt: number; toAt: number }[]
  rows: BacktestRow[]
  /** How fast skill fades; null where no windows can be compared. Months are null for never. */
  decay: {
    halvingsPerMonth: number
    interval: [number, number]
    halfLifeMonths: number | null
    halfLifeInterval: [number | null, number | null]
    n: number
    curve: { months: number; share: number; interval: [number, number]; n: number }[]
  } | null
  lesson: string
}

/** One window on one period. */
export interface BacktestRow {
  label: string
  fromAt: number
  toAt: number
  /** Months from the window's begin to the test; null when it is everything before. */
  ageMonths: number | null
  /** Begin of the period tested on. */
  testAt: number
  /** Months from the window's end to the test. */
  staleMonths: number
  rowsTrained: number
  lead: Measured
  loss: Measured
  meanPredicted: number
  meanActual: number
}

/** How parameters of a model's trainer were chosen. */
export interface Search {
  model: string
  method: string
  metric: string
  higherIsBetter: boolean
  /** What was searched and chosen, in one sentence. */
  sentence: string
  /** Measurements made. */
  looks: number
  endedBy: 'trials' | 'time'
  /** Parts of the training window that each trial was measured on. */
  folds: number
  /** Number of the trial that was chosen. */
  best: number
  /** In the order they were begun. */
  trials: SearchTrial[]
}

export interface SearchTrial {
  /** From 0. */
  number: number
  params: Record<string, string | number | boolean>
  state: 'done' | 'stopped' | 'failed'
  /** Share of the rows or trees it was last measured with. */
  share: number
  value: number | null
  /** Best value of the trials up to this one that were measured on everything; null before the first. */
  bestSoFar: number | null
  error: string | null
}

/** What an additive model has learned of each feature: what its tables add to the raw score. */
export interface Shapes {
  model: string
  modelVersion: Digest
  /** Labels of the classes, where there are several, and the one whose score this is of. */
  classes: string[]
  class: string | null
  /** Most important first. */
  terms: ShapeTerm[]
}

export interface ShapeTerm {
  /** One, or the two of a pair. */
  features: string[]
  /** Mean absolute value over the training rows. */
  meanAbs: number
  /** Slots of a feature in their order, the one of missing and other values last; empty for a pair. */
  slots: ShapeSlotRow[]
}

export interface ShapeSlotRow {
  /** Value of a category, or the interval. */
  label: string
  /** Above `from` up to `to`; null where the interval is open, and for categories. */
  from: number | null
  to: number | null
  value: number
  /** Deviation over the trainings that were averaged. */
  deviation: number
  /** Share of the training weight that lies here. */
  share: number
}

/** What a model leans on over test rows, and how its raw score depends on one feature: the one asked for, or the leading one. */
export interface Effects {
  model: string
  modelVersion: Digest
  class: string | null
  rows: number
  /** Loss that shuffling raises. */
  loss: string
  /** By contribution, most first. */
  features: {
    feature: string
    /** Mean absolute contribution to the raw score. */
    contribution: number
    /** Rise of the loss when the feature is shuffled, with its 95 % interval. */
    shuffled: { value: number; interval: [number, number] }
    splits: number | null
  }[]
  curves: EffectCurve[]
}

export interface EffectCurve {
  feature: string
  type: 'number' | 'category'
  at: (number | string | null)[]
  /** Accumulated local effect, mean 0 over rows. */
  local: number[]
  /** Mean raw score with the feature at that value. */
  dependence: number[]
  /** Rows at the value, or in the interval that ends there. */
  rows: number[]
}

export interface ActionResult {
  done: boolean
  dryRun: boolean
  command: string
  /** What it does or did, in sentences. */
  effects: string[]
}

/** Who asks, and what for. */
export interface Session {
  /** Name of the token; null where none is needed. */
  token: string | null
  /** Some of read, predict, label, release and admin. */
  scopes: string[]
  /** Models that the token is of; null for all. */
  models: string[] | null
  expiresAt: number | null
}

export interface Status {
  project: string
  version: string
  startedAt: number
  storeBytes: number
  rssBytes: number
  workers: { name: string; task: string | null; since: number | null }[]
  engines: Record<string, string>
  address: string
}

export interface Pulse {
  at: number
  requestsPerSecond: number
  predictionsPerSecond: number
  latencyMsP50: number | null
  latencyMsP99: number | null
  /** Share of traffic by version of each model. */
  routes: Record<string, { version: number; role: string; weight: number }[]>
}

/** Where the running story (or a plain `millrace run`) stands. */
export interface StoryProgress {
  step: number
  steps: number
  title: string
  note: string
  done: number
  etaMs: number | null
}
