/** Branches of a dataset: chosen rows are put aside there while main stays as it is, until the branch is merged or dropped. */
import { shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { checkName, MAIN, refs, subjects } from '../core/names.ts'
import type { DatasetVersion, Digest, JournalEvent } from '../core/records.ts'
import {
  branchNames,
  type DatasetEdit,
  EDIT_EVENTS,
  type EditEventData,
  type EditOutcome,
  sentenceOf as editSentence,
  getVersion,
  headOf,
  importEvents,
  moved,
  type RowSelection,
  recordEdit,
} from '../data/index.ts'
import { asJson } from '../train/specs.ts'
import { mergeInto } from './merge.ts'
import { editSpec, runEdit } from './quarantine.ts'
import { datasetDef, type Runtime } from './runtime.ts'
import { branchAndBase, lastTry, type TryReport } from './try-branch.ts'

export interface ChosenRow {
  /** Number in the version. */
  row: number
  reasons: readonly string[]
}

export interface BranchRequest {
  dataset: string
  branch: string
  reason: string
  actor: string
  /** Says exactly what would come of it, and moves nothing. */
  dryRun?: boolean
}

export interface PutAsideRequest extends BranchRequest {
  /** The version whose rows were chosen. */
  version: Digest
  rows: readonly ChosenRow[]
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface BranchResult {
  done: boolean
  dryRun: boolean
  /** What happened or would, in sentences. */
  effects: string[]
  /** What the branch holds afterwards; null where it is gone. */
  version: Digest | null
}

/**
 * Puts chosen rows of a version aside on a branch: a new one, or one made of the same version, which keeps what it has put aside before. main is untouched.
 * Errors: MR_NAME, MR_DATA_BRANCH_MAIN, MR_DATA_BRANCH_EDITED when the branch is of another version or has edits of its own, MR_DATA_SELECTION, MR_DATA_EDIT_MOVED.
 */
export async function putAsideOnBranch(
  rt: Runtime,
  request: PutAsideRequest,
): Promise<BranchResult & { outcome: EditOutcome; base: Digest }> {
  const { dataset, branch, version, dryRun = false, actor, reason } = request
  checkBranch(dataset, branch)
  const def = datasetDef(rt, dataset)
  if (request.rows.length === 0)
    throw new MillraceError('MR_DATA_SELECTION', {
      what: `branch "${branch}"`,
      need: 'no row is meant by this filter',
    })
  const before = await headOf(rt.store, dataset, branch)
  const earlier = before && (await earlierOf(rt, request, before.digest))
  const rows = eachOnce([...(earlier ? await earlierRows(rt, earlier.selection) : []), ...request.rows])
  const base = { digest: version, version: await getVersion(rt.store, version) }
  checkRows(base.version, rows)
  const act = { kind: 'quarantine' } as const
  const spec = await editSpec(rt, def, base, rows, act)
  const outputs = await runEdit(rt, spec, request)
  const { outcome, ...edit } = await rt.store.getRecord<DatasetEdit>(outputs.edit!, 'DatasetEdit')
  const effects = [
    `${editSentence(act, outcome)} on branch "${branch}", which has ${grouped(edit.rows)} rows; main stays as it is`,
  ]
  const state = { dryRun, effects, outcome, base: version }
  const isKnown = earlier !== undefined && earlier.selection === spec.inputs.selection
  if (dryRun || isKnown) return { ...state, done: false, version: before?.digest ?? null }
  const recorded = await recordEdit(rt.store, {
    ...{ spec, outputs, branch, from: before?.digest ?? null, actor, reason, now: rt.clock.now() },
  })
  return { ...state, done: !recorded.known, version: recorded.version }
}

function checkBranch(dataset: string, branch: string): void {
  checkName('branch', branch)
  if (branch === MAIN) throw new MillraceError('MR_DATA_BRANCH_MAIN', { dataset })
}

function checkRows({ rows: n, dataset }: DatasetVersion, rows: readonly ChosenRow[]): void {
  const wrong = rows.find(({ row }) => !(Number.isInteger(row) && row >= 0 && row < n))
  if (wrong)
    throw new MillraceError('MR_DATA_SELECTION_ROWS', {
      version: `this version of ${dataset}`,
      row: wrong.row,
      rows: n,
    })
}

/** What made a branch that can take more rows of a version. Errors: MR_DATA_BRANCH_EDITED. */
async function earlierOf(
  { store }: Pick<Runtime, 'store'>,
  { dataset, branch, version }: PutAsideRequest,
  head: Digest,
): Promise<EditEventData> {
  const event = await eventOf(store, dataset, branch, head)
  const data = event?.data as unknown as EditEventData | undefined
  if (event?.type === 'data.quarantined' && data?.base === version) return data
  throw new MillraceError('MR_DATA_BRANCH_EDITED', { dataset, branch, version: shortDigest(version) })
}

/** Rows that the branch has put aside before. */
async function earlierRows({ store }: Pick<Runtime, 'store'>, selection: Digest): Promise<ChosenRow[]> {
  const { rows, reasons, reasonOf } = await store.getRecord<RowSelection>(selection, 'RowSelection')
  return rows.map((row, i) => ({ row, reasons: reasons[reasonOf[i]!] ?? [] }))
}

/** A row that is chosen twice is one row, for the reasons of both. */
function eachOnce(rows: readonly ChosenRow[]): ChosenRow[] {
  const all = new Map<number, Set<string>>()
  for (const { row, reasons } of rows) {
    const known = all.get(row) ?? new Set()
    for (const each of reasons) known.add(each)
    all.set(row, known)
  }
  return [...all].map(([row, reasons]) => ({ row, reasons: [...reasons].sort() }))
}

/** The edit that made what a branch holds. */
async function eventOf(
  store: Runtime['store'],
  dataset: string,
  branch: string,
  head: Digest,
): Promise<JournalEvent | undefined> {
  for await (const event of importEvents(store, dataset, EDIT_EVENTS)) {
    const data = event.data as unknown as EditEventData
    if (data.branch === branch && data.version === head) return event
  }
  return undefined
}

export interface BranchPage {
  dataset: string
  branch: string
  version: Digest
  base: Digest
  rows: number
  /** Rows that main had when the branch was made. */
  baseRows: number
  /** Rows aside on the branch that its base has not aside. */
  aside: number
  message: string
  changedAt: number
  /** main has moved since the branch was made. */
  isBehind: boolean
  /** Newest tries of what the branch holds now. */
  tries: TryReport[]
}

/** Branches of a dataset beside main, by name. */
export async function branchesOf(
  rt: Pick<Runtime, 'store' | 'project'>,
  dataset: string,
): Promise<BranchPage[]> {
  const names = await branchNames(rt.store, dataset)
  return await Promise.all(names.map((branch) => branchPage(rt, dataset, branch)))
}

/** Errors: MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN. */
async function branchPage(
  rt: Pick<Runtime, 'store' | 'project'>,
  dataset: string,
  branch: string,
): Promise<BranchPage> {
  const { head, base } = await branchAndBase(rt, dataset, branch)
  const main = await rt.store.meta.ref(refs.dataset(dataset))
  const models = rt.project.models.filter(({ from }) => from === dataset)
  const tries = await Promise.all(models.map(({ name }) => lastTry(rt, name, branch)))
  return {
    dataset,
    branch,
    version: head.digest,
    base: base.digest,
    rows: head.version.rows,
    baseRows: base.version.rows,
    aside: head.version.rowsQuarantined - base.version.rowsQuarantined,
    message: head.version.message,
    changedAt: head.version.createdAt,
    isBehind: main?.digest !== base.digest,
    tries: tries.filter((report): report is TryReport => report?.version === head.digest),
  }
}

/**
 * Merges a branch into main, and ends it, in one commit. The newest tries go into the event. Where main has moved since, what the branch changed is laid over it row by row
 * (`mergeInto`), so that what came meanwhile stays. Errors: MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN, and those of `mergeInto`.
 */
export async function mergeBranch(rt: Runtime, request: BranchRequest): Promise<BranchResult> {
  const { dataset, branch } = request
  const page = await branchPage(rt, dataset, branch)
  const tries = page.tries.map(({ model, verdict, sentence }) => ({ model, verdict, sentence }))
  const { done, dryRun, effects, version } = await mergeInto(rt, { ...request, data: { tries } })
  return { done, dryRun, effects: [...effects, ...triesOf(page)], version }
}

const triesOf = ({ tries }: BranchPage): string[] =>
  tries.length === 0
    ? ['no model was tried with it']
    : tries.map(({ model, sentence }) => `tried with ${model}: ${sentence}`)

/** Ends a branch; main is untouched, and what the branch held can still be named by its digest. Errors: MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN, MR_DATA_EDIT_MOVED. */
export async function dropBranch(rt: Runtime, request: BranchRequest): Promise<BranchResult> {
  const { dataset, branch, dryRun = false, actor, reason } = request
  const page = await branchPage(rt, dataset, branch)
  const effects = [`branch "${branch}" of ${dataset} ends: ${page.message}; main stays as it is`]
  if (dryRun) return { done: false, dryRun, effects, version: page.version }
  const result = await rt.store.meta.commit({
    moves: [
      { name: refs.dataset(dataset, branch), from: page.version, to: null },
      ...(await endedMerges(rt, request)),
    ],
    event: {
      type: 'data.branch-dropped',
      subject: subjects.dataset(dataset),
      actor,
      reason: `branch "${branch}" ends: ${reason}`,
      data: asJson({ branch, base: page.base, version: page.version }),
    },
  })
  if (!result.ok) throw moved(dataset, branch, page.version, result.conflict.holds)
  return { done: true, dryRun, effects, version: null }
}

/** Merges of the branch, and into it, that wait to be decided end with it. */
async function endedMerges({ store }: Pick<Runtime, 'store'>, { dataset, branch }: BranchRequest) {
  const waiting = await store.meta.refs(refs.merge(dataset, '', '').slice(0, -1))
  return waiting
    .filter(({ name }) => name.endsWith(`/${branch}`) || name.startsWith(refs.merge(dataset, '', branch)))
    .map(({ name, digest }) => ({ name, from: digest, to: null }))
}
