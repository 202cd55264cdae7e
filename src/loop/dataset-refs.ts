/** Branches and tags of a dataset: made and ended, each with its event. */
import { shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { checkName, MAIN, refs, subjects } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import { moved, type NamedVersion, resolveVersion, tagsOf } from '../data/index.ts'
import { branchHead } from './quarantine.ts'
import type { Runtime } from './runtime.ts'

export interface RefRequest {
  dataset: string
  /** Name of the branch or the tag. */
  name: string
  /** Version that it names. Default: what main holds. */
  version?: string
  reason: string
  actor: string
  /** Says exactly what would come of it, and moves nothing. */
  dryRun?: boolean
}

export interface RefResult {
  done: boolean
  dryRun: boolean
  /** What happened or would, in sentences. */
  effects: string[]
  version: Digest
}

/** Begins a branch. Errors: MR_NAME, MR_DATA_BRANCH_MAIN, MR_DATA_VERSION, MR_DATA_EDIT_MOVED where there is one of that name. */
export async function createBranch(rt: Pick<Runtime, 'store'>, request: RefRequest): Promise<RefResult> {
  const { dataset, name } = request
  checkName('branch', name)
  if (name === MAIN) throw new MillraceError('MR_DATA_BRANCH_MAIN', { dataset })
  const at = await versionOf(rt, request)
  return await move(rt, request, {
    ref: refs.dataset(dataset, name),
    from: null,
    to: at.digest,
    type: 'data.branched',
    sentence: `branch "${name}" of ${dataset} begins at ${shortDigest(at.digest)}, ${grouped(at.version.rows)} rows`,
  })
}

/** Gives a version a name. With `move` one that there is names another version from now on. Errors: MR_NAME, MR_DATA_VERSION, MR_DATA_EDIT_MOVED where there is one of that name. */
export async function createTag(
  rt: Pick<Runtime, 'store'>,
  request: RefRequest & { move?: boolean },
): Promise<RefResult> {
  const { dataset, name } = request
  checkName('tag', name)
  const at = await versionOf(rt, request)
  const ref = refs.tag(dataset, name)
  const before = request.move ? await rt.store.meta.ref(ref) : undefined
  return await move(rt, request, {
    ref,
    from: before?.digest ?? null,
    to: at.digest,
    type: 'data.tagged',
    sentence: `tag "${name}" of ${dataset} names ${shortDigest(at.digest)}, ${grouped(at.version.rows)} rows`,
  })
}

/** Takes a tag off; the version stays. Errors: MR_DATA_TAG. */
export async function dropTag(rt: Pick<Runtime, 'store'>, request: RefRequest): Promise<RefResult> {
  const { dataset, name } = request
  const known = await tagsOf(rt.store, dataset)
  const found = known.find(({ tag }) => tag === name)
  if (!found)
    throw new MillraceError('MR_DATA_TAG', { dataset, tag: name, known: known.map(({ tag }) => tag) })
  return await move(rt, request, {
    ref: refs.tag(dataset, name),
    from: found.digest,
    to: null,
    type: 'data.tag-dropped',
    sentence: `tag "${name}" of ${dataset} is gone; it named ${shortDigest(found.digest)}`,
  })
}

/** Errors: MR_DATA_VERSION for a version of another dataset. */
async function versionOf(
  rt: Pick<Runtime, 'store'>,
  { dataset, version }: RefRequest,
): Promise<NamedVersion> {
  if (version === undefined) return await branchHead(rt, dataset, MAIN)
  const found = await resolveVersion(rt.store, version)
  if (found.version.dataset === dataset) return found
  throw new MillraceError('MR_DATA_VERSION', { name: version, known: [`${dataset}@${MAIN}`] })
}

interface Move {
  ref: string
  from: Digest | null
  to: Digest | null
  type: string
  sentence: string
}

async function move(
  { store }: Pick<Runtime, 'store'>,
  { dataset, name, actor, reason, dryRun = false }: RefRequest,
  { ref, from, to, type, sentence }: Move,
): Promise<RefResult> {
  const version = (to ?? from)!
  if (from === to) return { done: false, dryRun, effects: [sentence], version }
  if (dryRun) return { done: false, dryRun, effects: [sentence], version }
  const result = await store.meta.commit({
    moves: [{ name: ref, from, to }],
    event: {
      type,
      subject: subjects.dataset(dataset),
      actor,
      reason: reason === '' ? sentence : `${sentence}: ${reason}`,
      data: { name, version },
    },
  })
  if (!result.ok) throw moved(dataset, name, from, result.conflict.holds)
  return { done: true, dryRun, effects: [sentence], version }
}
