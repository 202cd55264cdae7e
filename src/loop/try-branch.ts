/** A branch tried: the model trained on the rows of main and on those of the branch, with the same split, seed and test rows, and the difference with its interval. */
import { shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN, refs } from '../core/names.ts'
import type { Digest, Verdict } from '../core/records.ts'
import { getVersion, type NamedVersion } from '../data/index.ts'
import { METRICS } from '../define/metrics.ts'
import type { DatasetDef, ModelDef } from '../define/types.ts'
import type { PreparedPlan } from '../model/matrix.ts'
import { LEAD_OF, LOSS_OF, METRICS_OF } from '../model/measure.ts'
import type { Store } from '../store/ports.ts'
import { type ComparedMetric, type Comparison, compareSpec } from '../train/compare.ts'
import { asJson, fitSpec, type Prepared, prepareSpec } from '../train/specs.ts'
import { planSplit, type SplitPlan } from '../train/split.ts'
import { withModelFile } from './model-file.ts'
import { makeNewest } from './newest-report.ts'
import { branchHead } from './quarantine.ts'
import { type StageOptions, stagesOf } from './run-stages.ts'
import { datasetDef, modelDef, type Runtime } from './runtime.ts'
import { chosenParams } from './search.ts'
import { withTrainerFiles } from './trainer-files.ts'
import { historyOf } from './training-data.ts'

export interface TryRequest {
  model: string
  branch: string
  /** Rows that the branch has put aside do not test either. Default: false, since a model that is tested on cleaned rows looks better than it will be. */
  cleanTest?: boolean
  reason: string
  actor: string
  signal?: AbortSignal
  onProgress?: (progress: { done: number; note: string }) => void
}

/** All that a try does, before it is done. */
export interface TryPlan {
  model: ModelDef
  dataset: DatasetDef
  branch: string
  base: Digest
  version: Digest
  split: SplitPlan
  cleanTest: boolean
  /** Column by which a family is divided, which is tried as one model. */
  each?: string
  /** Rows that the branch has less than its base, or more where below 0. */
  less: number
}

export interface TryReport {
  kind: 'TryReport'
  model: string
  dataset: string
  branch: string
  /** The version that the branch was made from, and the branch's own. */
  base: Digest
  version: Digest
  cleanTest: boolean
  task: Comparison['task']
  rows: Comparison['rows']
  /** What decides comes first. */
  metrics: ComparedMetric[]
  verdict: Verdict
  /** What came of it, in one sentence. */
  sentence: string
  notes: string[]
}

/** Errors: MR_LOOP_UNKNOWN, MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN, and those of reading a trainer's files. */
export async function tryPlanOf(
  rt: Runtime,
  { model: name, branch, cleanTest = false }: Pick<TryRequest, 'model' | 'branch' | 'cleanTest'>,
): Promise<TryPlan> {
  const asked = modelDef(rt, name)
  const dataset = datasetDef(rt, asked.from)
  const { head, base } = await branchAndBase(rt, dataset.name, branch)
  const chosen = asked.search && (await chosenParams(rt, asked))
  const model = await withModelFile(
    rt,
    await withTrainerFiles(rt, { ...asked, each: undefined, ...(chosen && { trainer: chosen.trainer }) }),
  )
  const split = planSplit(model.split, dataset.time, historyOf(model, base.version, dataset.time))
  const less = base.version.rows - head.version.rows
  const each = asked.each?.column
  return { model, dataset, branch, base: base.digest, version: head.digest, split, cleanTest, each, less }
}

/** A branch and the version of main that it was made from: the newest ancestor that main has had. Errors: MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN, MR_DATA_MERGE_CUT where history was cut at it. */
export async function branchAndBase(
  rt: Pick<Runtime, 'store'>,
  dataset: string,
  branch: string,
): Promise<{ head: NamedVersion; base: NamedVersion }> {
  if (branch === MAIN) throw new MillraceError('MR_DATA_BRANCH_MAIN', { dataset })
  const head = await branchHead(rt, dataset, branch)
  const mains = new Set(
    (await rt.store.meta.history(refs.dataset(dataset), HISTORY_MAX)).map((at) => at.digest),
  )
  let at: Digest | undefined = head.digest
  while (at !== undefined && !mains.has(at)) at = (await keptVersion(rt.store, at)).parents[0]
  const digest = at ?? head.version.parents[0] ?? head.digest
  return { head, base: { digest, version: await keptVersion(rt.store, digest) } }
}

async function keptVersion(store: Store, digest: Digest): Promise<NamedVersion['version']> {
  if (await store.objects.has(digest)) return await getVersion(store, digest)
  throw new MillraceError('MR_DATA_MERGE_CUT', { version: shortDigest(digest) })
}

const HISTORY_MAX = 10_000

/** Prepares, fits and compares; decides nothing. Errors: MR_TRAIN_COMPARE_ROWS, and those of training. */
export async function runTry(
  { store, jobs }: Pick<Runtime, 'store' | 'jobs'>,
  plan: TryPlan,
  options: StageOptions = {},
): Promise<{ report: TryReport; digest: Digest; known: boolean }> {
  const { model, dataset, base, version, split, cleanTest } = plan
  const run = stagesOf({ jobs }, options)
  const edited = (train: boolean) => ({ branch: version, rows: { train, test: cleanTest } })
  const prepared = (
    await run(
      [
        prepareSpec(model, dataset, base, split, cleanTest ? edited(false) : undefined),
        prepareSpec(model, dataset, base, split, edited(true)),
      ],
      0,
      0.3,
    )
  ).map(({ record }) => record.outputs as unknown as Prepared)
  const versions = [base, version]
  const fits = await run(
    prepared.map((each, i) => fitSpec(model, versions[i]!, each)),
    0.3,
    0.95,
  )
  const [a, b] = prepared.map((each, i) => ({ prepared: each, model: fits[i]!.record.outputs.model! }))
  const { task } = await store.getRecord<PreparedPlan>(prepared[1]!.plan, 'PreparedPlan')
  const spec = compareSpec(a!, b!, { model: model.name, metrics: metricsFor(model, task) })
  const [{ record, cached }] = (await run([spec], 0.95, 1)) as [Awaited<ReturnType<typeof run>>[number]]
  const found = await store.getRecord<Comparison>(record.outputs.comparison!, 'Comparison')
  const report = reportOf(plan, found)
  return { report, digest: await store.putRecord(asJson(report) as object), known: cached }
}

/** The objective of the config that is measured on rows decides, else what the card leads with; the loss is told too. */
function metricsFor(model: ModelDef, task: Comparison['task']): string[] {
  const known = METRICS_OF[task].map(({ name }) => name)
  const objectives = model.objectives.map(({ metric }) => metric).filter((name) => known.includes(name))
  return [...new Set([...objectives, LEAD_OF[task], LOSS_OF[task]])]
}

function reportOf(plan: TryPlan, found: Comparison): TryReport {
  const { model, dataset, branch, base, version, cleanTest } = plan
  const [lead] = found.metrics as [ComparedMetric]
  return {
    kind: 'TryReport',
    model: model.name,
    dataset: dataset.name,
    branch,
    base,
    version,
    cleanTest,
    task: found.task,
    rows: found.rows,
    metrics: found.metrics,
    verdict: lead.verdict,
    sentence: sentenceOf(lead, found),
    notes: testNotes(plan, found),
  }
}

function testNotes({ cleanTest, each }: TryPlan, { rows }: Comparison): string[] {
  const test = grouped(rows.branch.test)
  return [
    cleanTest
      ? `both are tested on the ${test} test rows that the branch has kept: rows that it put aside do not test`
      : `both are tested on the same ${test} rows as they are in main: none of them is cleaned away`,
    'labels of test rows are taken as they are: where they are wrong too, training without wrong ones looks worse than it is',
    'the interval is over test rows; another seed may give a little more or less',
    ...(each === undefined ? [] : [`a family is tried as one model, without members by ${each}`]),
  ]
}

const WORDS: Record<Verdict, string> = {
  pass: 'better without them',
  fail: 'worse without them',
  inconclusive: 'no difference that these test rows can tell',
  error: 'not comparable',
}

function sentenceOf(
  { metric, base, branch, gain, isShare, verdict }: ComparedMetric,
  { rows }: Comparison,
): string {
  const less = rows.base.train + rows.base.validate - rows.branch.train - rows.branch.validate
  const count = (n: number) => grouped(Math.abs(n))
  const change = less >= 0 ? `${count(less)} rows less` : `${count(less)} rows more`
  const [by, low, high] = gain ? [gain.value, ...gain.interval].map((x) => signed(x, isShare)) : []
  const range = gain ? ` (gain ${by}, ${low} to ${high})` : ''
  const name = METRICS[metric]?.label ?? metric
  return `with ${change} ${name} goes from ${figure(base.value)} to ${figure(branch.value)}${range}: ${WORDS[verdict]}`
}

const figure = (x: number): string => String(+x.toPrecision(4))
const signed = (x: number, isShare: boolean): string => {
  const text = isShare ? `${+(100 * x).toPrecision(3)} %` : String(+x.toPrecision(3))
  return x > 0 ? `+${text}` : text
}

async function recordTry(
  rt: Pick<Runtime, 'store'>,
  { model, dataset, branch, base, version, verdict, sentence }: TryReport,
  report: Digest,
  { actor, reason }: Pick<TryRequest, 'actor' | 'reason'>,
): Promise<void> {
  const newest = { name: refs.tried(model, branch), report, model, type: 'triage.tried', actor }
  await makeNewest(rt, newest, () => ({
    reason: `${dataset}@${branch} against ${shortDigest(base)}: ${sentence}: ${reason}`,
    data: asJson({ report, dataset, branch, base, version, verdict }),
  }))
}

/** Plans, runs and records. Errors: as `tryPlanOf` and `runTry`. */
export async function tryBranch(
  rt: Runtime,
  request: TryRequest,
): Promise<{ report: TryReport; digest: Digest; known: boolean }> {
  const plan = await tryPlanOf(rt, request)
  const done = await runTry(rt, plan, request)
  await recordTry(rt, done.report, done.digest, request)
  return done
}

/** What the newest try of a model on a branch came to; undefined before the first. The branch may have moved since: the report says of which version it is. */
export async function lastTry(
  { store }: Pick<Runtime, 'store'>,
  model: string,
  branch: string,
): Promise<TryReport | undefined> {
  const ref = await store.meta.ref(refs.tried(model, branch))
  return ref && (await store.getRecord<TryReport>(ref.digest, 'TryReport'))
}
