/** Two versions of a model compared by what they answer, on the rows that tested the newer one. */
import { MillraceError } from '../core/errors.ts'
import type { Digest, ModelBundle, ModelVersion, RunSpec } from '../core/records.ts'
import { type BehaviourInputs, type BehaviourReport, behaviourSpec } from '../gate/behaviour-task.ts'
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
  /** It had been compared before. */
  known: boolean
}

/** A version, and what it was trained on. */
export interface VersionSaid {
  model: string
  version: number
  trainedOn: ModelVersion['trainedOn']
}

/**
 * Each pair is compared once: the same question again costs nothing. The older version may have been trained on rows that test the newer one, which flatters it: `trainedOn`
 * says so. Errors: those of `namedVersion`, MR_LOOP_COMPARE.
 */
export async function behaviourBetween(rt: Runtime, request: BehaviourRequest): Promise<BehaviourFound> {
  const [before, after] = [await opened(rt, request.before), await opened(rt, request.after)]
  const refuse = (why: string) =>
    new MillraceError('MR_LOOP_COMPARE', { before: request.before, after: request.after, why })
  if (before.parent.task !== after.parent.task)
    throw refuse(`one is a ${before.parent.task} and the other a ${after.parent.task}`)
  const inputs = await trainedWith(rt, after)
  if (!inputs) throw refuse('the rows that tested the newer one are not in the store')
  const run = stagesOf(rt, request)
  const spec = behaviourSpec({ ...inputs, before: before.digest, after: after.digest })
  const [{ record, cached }] = (await run([spec], 0, 1)) as [Awaited<ReturnType<typeof run>>[number]]
  const report = await rt.store.getRecord<BehaviourReport>(record.outputs.report!, 'BehaviourReport')
  return { before: said(before), after: said(after), report, known: cached }
}

interface Opened {
  digest: Digest
  bundle: ModelBundle
  parent: ModelVersion
}

async function opened(rt: Runtime, name: string): Promise<Opened> {
  const { digest, bundle } = await namedBundle(rt, name)
  return { digest, bundle, parent: await rt.store.getRecord<ModelVersion>(bundle.parent, 'ModelVersion') }
}

const said = ({ bundle, parent }: Opened): VersionSaid => ({
  model: bundle.model,
  version: bundle.version,
  trainedOn: parent.trainedOn,
})

/** What the run of a version's parent was given, where all of it is here. */
async function trainedWith(
  { store }: Runtime,
  { bundle, parent }: Opened,
): Promise<Omit<BehaviourInputs, 'before' | 'after'> | undefined> {
  if (!(await store.objects.has(parent.run))) return undefined
  const { plan, matrix, rows } = (await store.getRecord<RunSpec>(parent.run, 'RunSpec')).inputs
  if (!plan || !matrix || !rows) return undefined
  const isHere = await Promise.all([plan, matrix, rows].map((digest) => store.objects.has(digest)))
  return isHere.every(Boolean) ? { plan, matrix, rows, parent: bundle.parent } : undefined
}
