/** Two versions of a model compared by what they answer, on the rows that tested the newer one. */
import { digestOf } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import type { Digest, ModelBundle, ModelVersion, RunRecord, RunSpec } from '../core/records.ts'
import { knownRun } from '../engine/jobs/records.ts'
import { literal, quoted, raw } from '../expr/sql.ts'
import { type BehaviourInputs, type BehaviourReport, behaviourSpec } from '../gate/behaviour-task.ts'
import type { Store } from '../store/ports.ts'
import { namedBundle } from './model-versions.ts'
import { type StageOptions, stagesOf } from './run-stages.ts'
import type { Runtime } from './runtime.ts'

export interface BehaviourRequest extends StageOptions {
  /** `late@v3`, `late@live`. */
  before: string
  /** Whose test rows are used; it may be of another model that predicts the same from the same columns. */
  after: string
}

export interface BehaviourFound {
  before: VersionSaid
  after: VersionSaid
  report: BehaviourReport
  /** Parquet of what each row was answered; see `writeMovedRows`. */
  rows: Digest
  /** It had been compared before. */
  known: boolean
}

/** A version, and what it was trained on. */
export interface VersionSaid {
  model: string
  version: number
  trainedOn: ModelVersion['trainedOn']
}

/** What comparing two versions comes down to. */
export interface BehaviourPlan {
  before: OpenedVersion
  after: OpenedVersion
  spec: RunSpec
}

type Named = Pick<BehaviourRequest, 'before' | 'after'>

/** Errors: those of `namedVersion`, MR_LOOP_COMPARE. */
export async function planBehaviour(
  rt: Pick<Runtime, 'project' | 'store'>,
  request: Named,
): Promise<BehaviourPlan> {
  const [before, after] = await openedVersions(rt, request)
  const refuse = (why: string) =>
    new MillraceError('MR_LOOP_COMPARE', { before: request.before, after: request.after, why })
  if (before.parent.task !== after.parent.task)
    throw refuse(`one is a ${before.parent.task} and the other a ${after.parent.task}`)
  const inputs = await trainedWith(rt, after)
  if (!inputs) throw refuse('the rows that tested the newer one are not in the store')
  return { before, after, spec: behaviourSpec({ ...inputs, before: before.digest, after: after.digest }) }
}

/** What comparing them came to, where that was done and is still here. */
export async function knownBehaviour(
  { store }: Pick<Runtime, 'store'>,
  { before, after, spec }: BehaviourPlan,
): Promise<BehaviourFound | undefined> {
  const { record, holds } = await knownRun(store, digestOf(spec))
  if (!record || !holds) return undefined
  return { before: said(before), after: said(after), ...(await outputsOf(store, record)), known: true }
}

/**
 * Each pair is compared once: the same question again costs nothing. The older version may have been trained on rows that test the newer one, which flatters it: `trainedOn`
 * says so. Errors: those of `planBehaviour`.
 */
export async function behaviourBetween(rt: Runtime, request: BehaviourRequest): Promise<BehaviourFound> {
  const { before, after, spec } = await planBehaviour(rt, request)
  const run = stagesOf(rt, request)
  const [{ record, cached }] = (await run([spec], 0, 1)) as [Awaited<ReturnType<typeof run>>[number]]
  return { before: said(before), after: said(after), ...(await outputsOf(rt.store, record)), known: cached }
}

async function outputsOf(store: Store, { outputs }: RunRecord) {
  const report = await store.getRecord<BehaviourReport>(outputs.report!, 'BehaviourReport')
  return { report, rows: outputs.rows! }
}

/** Writes a Parquet file: the raw columns of each test row beside what both versions, which were compared, answered of it. Cost: one pass over the rows. */
export async function exportMoves(rt: Runtime, named: Named, path: string): Promise<void> {
  const { spec } = await planBehaviour(rt, named)
  const { record } = await knownRun(rt.store, digestOf(spec))
  const fileOf = async (digest: Digest) => literal(await rt.store.objects.path(digest))
  const [data, moves] = [await fileOf(spec.inputs.rows!), await fileOf(record!.outputs.rows!)]
  const query = await rt.query()
  const columns = await query.rows<{ column_name: string }>(
    raw(`describe select * from read_parquet(${data})`),
  )
  const list = columns
    .filter(({ column_name }) => !column_name.startsWith(OWN))
    .map(({ column_name }) => `r.${quoted(column_name)}`)
  await query.exec(
    raw(`copy (select ${[...list, 'm.*'].join(', ')} from read_parquet(${data}, file_row_number = true) r
      join read_parquet(${moves}) m on m._row = r.file_row_number order by m._row)
      to ${literal(path)} (format parquet, compression zstd)`),
  )
}

/** What preparing the rows adds to their columns begins with this. */
const OWN = 'mr_'

export interface OpenedVersion {
  digest: Digest
  bundle: ModelBundle
  parent: ModelVersion
}

/** Both of the names that are compared. Errors: those of `namedVersion`. */
export async function openedVersions(
  rt: Pick<Runtime, 'project' | 'store'>,
  { before, after }: Named,
): Promise<[OpenedVersion, OpenedVersion]> {
  return [await opened(rt, before), await opened(rt, after)]
}

async function opened(rt: Pick<Runtime, 'project' | 'store'>, name: string): Promise<OpenedVersion> {
  const { digest, bundle } = await namedBundle(rt, name)
  return { digest, bundle, parent: await rt.store.getRecord<ModelVersion>(bundle.parent, 'ModelVersion') }
}

const said = ({ bundle, parent }: OpenedVersion): VersionSaid => ({
  model: bundle.model,
  version: bundle.version,
  trainedOn: parent.trainedOn,
})

/** What the run of a version's parent was given, where all of it is here. */
async function trainedWith(
  { store }: Pick<Runtime, 'store'>,
  { bundle, parent }: OpenedVersion,
): Promise<Omit<BehaviourInputs, 'before' | 'after'> | undefined> {
  if (!(await store.objects.has(parent.run))) return undefined
  const { plan, matrix, rows } = (await store.getRecord<RunSpec>(parent.run, 'RunSpec')).inputs
  if (!plan || !matrix || !rows) return undefined
  const isHere = await Promise.all([plan, matrix, rows].map((digest) => store.objects.has(digest)))
  return isHere.every(Boolean) ? { plan, matrix, rows, parent: bundle.parent } : undefined
}
