/** Search of a trainer's parameters: trials on parts of the training window, each a run that is never done twice, and a report of all of them. */
import { setMaxListeners } from 'node:events'
import { digestOf } from '../core/digest.ts'
import { isMillraceError, MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, TimeWindow } from '../core/records.ts'
import type { ModelDef, SearchDef, TrainerDef } from '../define/types.ts'
import type { PreparedPlan } from '../model/matrix.ts'
import { type Ask, mean, rankTrials, runSearch, type Trial } from '../train/search/methods.ts'
import type { Params } from '../train/search/space.ts'
import { asJson, type Prepared, prepareSpec, trialSpec } from '../train/specs.ts'
import { planSearchSplits, planSplit } from '../train/split.ts'
import type { TrialResult } from '../train/trial.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { withTrainerFiles } from './trainer-files.ts'
import { dataFor, historyOf } from './training-data.ts'

export interface SearchRequest {
  model: string
  /** Default: the dataset's newest version. */
  version?: Digest
  /** The version is that of this lock file: the journal says so. */
  lockedBy?: string
  reason: string
  actor: string
  /** Other than in the config. */
  trials?: number
  method?: SearchDef['method']
  timeMs?: number
  signal?: AbortSignal
  onProgress?: (progress: SearchProgress) => void
}

export interface SearchProgress {
  /** 0 to 1. */
  done: number
  note: string
  /** A trial that is over. */
  trial?: TrialRow
}

export interface TrialRow extends Trial {
  /** Mean of the metric over the folds it was measured on; null when it failed. */
  value: number | null
  /** Why it failed. */
  error?: string
}

export interface SearchReport {
  kind: 'SearchReport'
  model: string
  /** Digest of what was searched: trainer, space and method. A search that is defined otherwise is another. */
  definition: Digest
  dataset: Digest
  method: SearchDef['method']
  metric: string
  higherIsBetter: boolean
  folds: SearchFold[]
  trials: TrialRow[]
  /** Number of the trial that was chosen. */
  best: number
  /** The trainer with the chosen parameters. */
  trainer: TrainerDef
  /** Measurements made: how often rows of the training window were looked at. */
  looks: number
  endedBy: 'trials' | 'time'
}

export interface SearchFold {
  /** Rows learned from and measured on. */
  rows: { train: number; test: number }
  train?: TimeWindow
  test?: TimeWindow
}

/**
 * Searches the parameters of a model's trainer and records the choice; trainings after it take that. Begun again after it was cut off, it finds its trials done.
 * Errors: MR_TRAIN_NO_SEARCH, MR_TRAIN_NO_TRIAL when every trial failed, and those of preparing.
 */
export async function searchModel(
  rt: Runtime,
  request: SearchRequest,
): Promise<{ digest: Digest; report: SearchReport }> {
  const model = await withTrainerFiles(rt, modelDef(rt, request.model))
  if (!model.search) throw new MillraceError('MR_TRAIN_NO_SEARCH', { model: model.name })
  const search = { ...model.search, ...overrides(request) }
  const { digest: data } = await dataFor(rt, model, request.version)
  const folds = await prepareFolds(rt, model, search, data, request)
  const trials = new Trials({ rt, model, search, folds, request })
  const over = await runSearch({
    ...search,
    seed: model.seed,
    start: startOf(model.trainer, search),
    evaluate: (asks) => trials.evaluate(asks),
    goOn: trials.goOn(),
    onTrial: (trial) => trials.tell(trial),
  })
  const report = trials.reportOf(over, data)
  return { digest: await recordSearch(rt, report, request), report }
}

function overrides({ trials, method, timeMs }: SearchRequest): Partial<SearchDef> {
  return asJson({ trials, method, timeMs }) as Partial<SearchDef>
}

/** What was chosen last for a search of this definition; undefined before the first. */
export async function chosenParams(
  rt: Pick<Runtime, 'store'>,
  model: ModelDef,
): Promise<SearchReport | undefined> {
  const ref = await rt.store.meta.ref(refs.search(model.name))
  const report = ref && (await rt.store.getRecord<SearchReport>(ref.digest, 'SearchReport'))
  return report && report.definition === definitionOf(model) ? report : undefined
}

/** What makes two searches the same: not how long they may take. */
function definitionOf({ trainer, search }: ModelDef): Digest {
  const { space, metric } = search as SearchDef
  return digestOf(asJson({ trainer: { ...trainer, contents: undefined }, space, metric }))
}

/** The trainer's own parameters, where they lie in the space. */
function startOf(trainer: TrainerDef, { space }: SearchDef): Params | undefined {
  const own = trainer as unknown as Params
  const inside = Object.entries(space).every(([name, d]) =>
    d.kind === 'choice'
      ? d.values.includes(own[name])
      : (own[name] as number) >= d.min && (own[name] as number) <= d.max,
  )
  return inside ? Object.fromEntries(Object.keys(space).map((name) => [name, own[name]])) : undefined
}

interface Fold extends SearchFold {
  prepared: Prepared
}

async function prepareFolds(
  rt: Runtime,
  model: ModelDef,
  search: SearchDef,
  data: Digest,
  { signal, onProgress }: SearchRequest,
): Promise<Fold[]> {
  const dataset = datasetDef(rt, model.from)
  const { version } = await dataFor(rt, model, data)
  const whole = planSplit(model.split, dataset.time, historyOf(model, version, dataset.time))
  const splits = planSearchSplits(whole, search.folds)
  const alone = { ...model, each: undefined }
  const runs = await rt.jobs.run(
    splits.map((split) => prepareSpec(alone, dataset, data, split)),
    { signal, onProgress: ({ note }) => onProgress?.({ done: 0, note }) },
  )
  return await Promise.all(
    runs.map(async ({ record }, i) => {
      const prepared = record.outputs as unknown as Prepared
      const { rows } = await rt.store.getRecord<PreparedPlan>(prepared.plan, 'PreparedPlan')
      const { train, test } = splits[i]
      const windows = train && 'fromAt' in test ? { train, test } : {}
      return { prepared, rows: { train: rows.train, test: rows.test }, ...windows }
    }),
  )
}

interface Asked {
  rt: Runtime
  model: ModelDef
  search: SearchDef
  folds: Fold[]
  request: SearchRequest
}

/** The trials of one search: measures them by the workers, keeps what they said and tells how far it is. */
class Trials {
  private readonly asked: Asked
  private readonly errors = new Map<number, MillraceError>()
  private readonly results: TrialResult[] = []
  private readonly rows: TrialRow[] = []
  private timeIsUp = false

  constructor(asked: Asked) {
    this.asked = asked
  }

  async evaluate(asks: Ask[]): Promise<(number | null)[]> {
    // Each measurement listens to the one signal of the whole search.
    if (this.asked.request.signal) setMaxListeners(0, this.asked.request.signal)
    return await Promise.all(asks.map((ask) => this.measure(ask)))
  }

  /** Loss of one ask; null when the trainer refused these parameters. Whatever else goes wrong ends the search. */
  private async measure({ trial, params, fold, share }: Ask): Promise<number | null> {
    const { prepared } = this.asked.folds[fold]
    const { metric, resource } = this.asked.search
    const trainer = trainerWith(this.asked.model.trainer, params)
    const less = resource === 'trees' ? withTrees(trainer, share) : trainer
    const spec = trialSpec(
      prepared,
      { trainer: less, share: resource === 'rows' ? share : 1, metric },
      this.asked.model.seed,
    )
    try {
      const [{ record }] = await this.asked.rt.jobs.run([spec], { signal: this.asked.request.signal })
      const result = await this.asked.rt.store.getRecord<TrialResult>(record.outputs.result, 'TrialResult')
      this.results.push(result)
      return result.loss
    } catch (error) {
      if (!isMillraceError(error) || !isOfTrial(error)) throw error
      this.errors.set(trial, error)
      return null
    }
  }

  goOn(): () => boolean {
    const { timeMs } = this.asked.search
    const begun = performance.now()
    return () => {
      this.timeIsUp ||= timeMs !== undefined && performance.now() - begun >= timeMs
      return !this.timeIsUp
    }
  }

  tell(trial: Trial): void {
    const row = this.rowOf(trial)
    this.rows.push(row)
    const n = this.rows.length
    const best = rankTrials(this.rows)[0] as TrialRow
    const note = `trial ${n} of ${this.asked.search.trials}${best.value === null ? '' : `; best so far ${figure(best.value)}`}`
    this.asked.request.onProgress?.({ done: n / this.asked.search.trials, note, trial: row })
  }

  private rowOf(trial: Trial): TrialRow {
    const sign = this.results[0] && this.results[0].loss !== this.results[0].value ? -1 : 1
    const error = this.errors.get(trial.number)
    return {
      ...trial,
      value: trial.losses.length === 0 ? null : sign * mean(trial.losses),
      ...(error && { error: `${error.code}: ${error.message}` }),
    }
  }

  reportOf(over: Trial[], dataset: Digest): SearchReport {
    const best = rankTrials(over)[0]
    const { name, trainer } = this.asked.model
    if (!best || best.state === 'failed') {
      const why = [...this.errors.values()][0]?.message ?? 'the time was over before the first'
      throw new MillraceError('MR_TRAIN_NO_TRIAL', { model: name, trials: over.length, why })
    }
    const { metric, loss, value } = this.results[0]
    return asJson({
      kind: 'SearchReport',
      model: name,
      definition: definitionOf(this.asked.model),
      dataset,
      method: this.asked.search.method,
      metric,
      higherIsBetter: loss !== value,
      folds: this.asked.folds.map(({ prepared: _, ...fold }) => fold),
      trials: over.map((trial) => this.rowOf(trial)),
      best: best.number,
      trainer: trainerWith(trainer, best.params),
      looks: this.results.length,
      endedBy: this.timeIsUp ? 'time' : 'trials',
    }) as unknown as SearchReport
  }
}

/** Errors of the parameters or of the rows, not of the machinery. */
function isOfTrial({ code }: MillraceError): boolean {
  return code.startsWith('MR_MODEL_') || code.startsWith('MR_TRAIN_') || code === 'MR_WORKER_DIED'
}

function trainerWith(trainer: TrainerDef, params: Params): TrainerDef {
  return { ...trainer, ...params } as TrainerDef
}

function withTrees(trainer: TrainerDef, share: number): TrainerDef {
  const trees = Math.max(1, Math.ceil((trainer as { trees: number }).trees * share))
  return { ...trainer, trees } as TrainerDef
}

/** Moves the model's search to the report, with an event that says what was chosen, unless it is there already. */
async function recordSearch(
  rt: Runtime,
  report: SearchReport,
  { actor, reason, lockedBy }: SearchRequest,
): Promise<Digest> {
  const digest = await rt.store.putRecord(report)
  const name = refs.search(report.model)
  if ((await rt.store.meta.ref(name))?.digest === digest) return digest
  await rt.store.meta.commit({
    moves: [{ name, to: digest }],
    event: {
      type: 'search.finished',
      subject: subjects.model(report.model),
      actor,
      reason: `${sentenceOf(report)}: ${reason}`,
      data: asJson({
        ...{ report: digest, trials: report.trials.length, looks: report.looks, at: rt.clock.now() },
        ...(lockedBy !== undefined && { lockedBy }),
      }),
    },
  })
  return digest
}

/** What was searched and chosen, in one sentence. */
export function sentenceOf(report: SearchReport): string {
  const best = report.trials[report.best]
  const value = best.value === null ? '' : ` with ${report.metric} ${figure(best.value)}`
  return `${report.trials.length} trials by ${report.method} chose ${paramsText(best.params)}${value}`
}

/** What the card says: how often rows were looked at to choose, and which were not. */
export function cardNoteOf(report: SearchReport): string {
  const n = report.folds.length
  return (
    `parameters were chosen by a search: ${sentenceOf(report)}; ${report.looks} measurements looked at ${n} ${n === 1 ? 'part' : 'parts'} ` +
    'of the rows that trained then, and at no row that validated or tested the model'
  )
}

export function paramsText(params: Params): string {
  return Object.entries(params)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}

function figure(value: number): string {
  return String(Number(value.toPrecision(5)))
}
