/** Branches of sets of files: refs that begin where another one is. */
import { shortDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import { checkName, MAIN, refs, subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { fileSetNames, type NamedFiles, requireBranch, resolveFileSet } from './versions.ts'

export interface FileBranchRequest {
  set: string
  branch: string
  /** Version that it begins at. Default: what `main` holds. */
  on?: string | undefined
  reason: string
  actor: string
  dryRun?: boolean
}

export interface FileBranchResult {
  done: boolean
  dryRun: boolean
  version: Digest
}

/** Branches of a set, `main` among them. */
export async function branchesOfFiles(store: Store, set: string): Promise<NamedFiles[]> {
  const names = (await fileSetNames(store)).filter((name) => name.startsWith(`${set}@`))
  return await Promise.all(names.map((name) => requireBranch(store, set, name.slice(set.length + 1))))
}

/** Makes a branch, or leaves it where it holds that version already. Errors: MR_FILES_VERSION, MR_FILES_MOVED where it holds another one, MR_NAME. */
export async function branchFiles(store: Store, request: FileBranchRequest): Promise<FileBranchResult> {
  const { set, branch, on = `${set}@${MAIN}`, dryRun = false } = request
  checkName('branch', branch)
  const { digest, version } = await resolveFileSet(store, on)
  if (version.set !== set)
    throw new MillraceError('MR_FILES_VERSION', { name: on, known: [`${set}@${MAIN}`] })
  const holds = (await store.meta.ref(refs.files(set, branch)))?.digest
  if (holds === digest || dryRun) return { done: false, dryRun, version: digest }
  await moveBranch(store, request, { from: null, to: digest })
  return { done: true, dryRun, version: digest }
}

/** Ends a branch; its versions stay as long as anything reaches them. Errors: MR_FILES_VERSION, MR_FILES_MOVED, MR_FILES_MAIN. */
export async function dropFileBranch(store: Store, request: FileBranchRequest): Promise<FileBranchResult> {
  const { set, branch, dryRun = false } = request
  if (branch === MAIN) throw new MillraceError('MR_FILES_MAIN', { name: set })
  const { digest } = await requireBranch(store, set, branch)
  if (!dryRun) await moveBranch(store, request, { from: digest, to: null })
  return { done: !dryRun, dryRun, version: digest }
}

async function moveBranch(
  store: Store,
  { set, branch, reason, actor }: FileBranchRequest,
  move: { from: Digest | null; to: Digest | null },
): Promise<void> {
  const result = await store.meta.commit({
    moves: [{ name: refs.files(set, branch), ...move }],
    event: {
      type: move.to === null ? 'files.branch-ended' : 'files.branched',
      subject: subjects.files(set),
      actor,
      reason,
      data: { branch, version: move.to ?? move.from },
    },
  })
  if (result.ok) return
  const { holds } = result.conflict
  throw new MillraceError('MR_FILES_MOVED', {
    name: set,
    branch,
    expected: move.from ? shortDigest(move.from) : 'none',
    holds: holds ? shortDigest(holds) : 'none',
  })
}
