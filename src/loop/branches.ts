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
import { relationOf } from '../engine/relation.ts'
import { listParam, quoted, raw, sql } from '../expr/sql.ts'
import { asJson } from '../train/specs.ts'
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
 * Makes what a branch holds the newest version of main, and ends the branch, in one commit. The newest tries go into the event. Where main has moved since, rows of main
 * that equal those which the branch has put aside are put aside of it first, so that what came meanwhile stays.
 * Errors: MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN, MR_DATA_BRANCH_BEHIND when main has moved and the branch has edits of its own, MR_DATA_EDIT_MOVED.
 */
export async function mergeBranch(rt: Runtime, request: BranchRequest): Promise<BranchResult> {
  const { dataset, branch, dryRun = false, actor, reason } = request
  const before = await branchPage(rt, dataset, branch)
  const again = before.isBehind ? await madeAgain(rt, request, before) : undefined
  if (again && dryRun)
    return { done: false, dryRun, effects: [...again, ...triesOf(before)], version: before.version }
  const page = again ? { ...(await branchPage(rt, dataset, branch)), tries: before.tries } : before
  const text = `branch "${branch}" is main now: ${page.message}`
  const effects = [
    ...(again ?? []),
    `main of ${dataset} goes from ${grouped(page.baseRows)} to ${grouped(page.rows)} rows (${page.message}), and branch "${branch}" ends`,
    ...triesOf(page),
  ]
  if (dryRun) return { done: false, dryRun, effects, version: page.version }
  const result = await rt.store.meta.commit({
    moves: [
      { name: refs.dataset(dataset), from: page.base, to: page.version },
      { name: refs.dataset(dataset, branch), from: page.version, to: null },
    ],
    event: {
      type: 'data.merged',
      subject: subjects.dataset(dataset),
      actor,
      reason: `${text}: ${reason}`,
      data: asJson({
        branch,
        base: page.base,
        version: page.version,
        rows: page.rows,
        tries: page.tries.map(({ model, verdict, sentence }) => ({ model, verdict, sentence })),
      }),
    },
  })
  if (!result.ok) throw movedBefore(page, result.conflict)
  return { done: true, dryRun, effects, version: page.version }
}

/** The error of a merge that came second, by what moved meanwhile: main or the branch. */
function movedBefore(
  { dataset, branch, base, version }: BranchPage,
  { name, holds }: { name: string; holds: Digest | null },
): MillraceError {
  return name === refs.dataset(dataset)
    ? moved(dataset, MAIN, base, holds)
    : moved(dataset, branch, version, holds)
}

const triesOf = ({ tries }: BranchPage): string[] =>
  tries.length === 0
    ? ['no model was tried with it']
    : tries.map(({ model, sentence }) => `tried with ${model}: ${sentence}`)

/** The branch made again of what main holds now. Says what that does or would do. Errors: MR_DATA_BRANCH_BEHIND. */
async function madeAgain(rt: Runtime, request: BranchRequest, page: BranchPage): Promise<string[]> {
  const { dataset, branch, actor, reason, dryRun } = request
  const main = await headOf(rt.store, dataset)
  const event = await eventOf(rt.store, dataset, branch, page.version)
  const data = event?.data as unknown as EditEventData | undefined
  const isPlain = event?.type === 'data.quarantined' && data?.base === page.base
  const rows =
    main && isPlain
      ? await equalRows(rt, await getVersion(rt.store, page.base), main.version, data!.selection)
      : []
  if (!main || rows.length === 0)
    throw new MillraceError('MR_DATA_BRANCH_BEHIND', {
      ...{ dataset, branch, base: shortDigest(page.base) },
      main: main ? shortDigest(main.digest) : 'nothing',
    })
  const spec = await editSpec(rt, datasetDef(rt, dataset), main, rows, { kind: 'quarantine' })
  const outputs = await runEdit(rt, spec, {})
  if (!dryRun)
    await recordEdit(rt.store, {
      ...{ spec, outputs, branch, from: page.version, actor, now: rt.clock.now() },
      reason: `main has moved since: ${reason}`,
    })
  return [
    `main has moved since the branch was made: ${grouped(rows.length)} of its ${grouped(data!.chosen)} rows are in what main holds now, and are put aside of that`,
  ]
}

/** Rows of main that equal rows which were chosen of an older version, as many of each kind, with their reasons. Cost: one scan of both. */
async function equalRows(
  { store, query }: Pick<Runtime, 'store' | 'query'>,
  base: DatasetVersion,
  main: DatasetVersion,
  selection: Digest,
): Promise<ChosenRow[]> {
  const { rows, reasons, reasonOf } = await store.getRecord<RowSelection>(selection, 'RowSelection')
  const names = main.schema.columns.map(({ name }) => quoted(name))
  const kind = raw(names.join(', '))
  const same = raw(names.map((name) => `m.${name} is not distinct from l.${name}`).join(' and '))
  const numbered = async (version: DatasetVersion) =>
    sql`select *, row_number() over () - 1 as mr_row from (${await relationOf(store, { ...version, schema: main.schema })})`
  const list = (values: readonly number[]) => sql`unnest(${listParam(values, 'bigint')})`
  const lost = sql`select ${kind}, mr_reason, row_number() over (partition by ${kind} order by b.mr_row) as mr_copy
    from (${await numbered(base)}) b join (select ${list(rows)} as mr_row, ${list(reasonOf.length > 0 ? reasonOf : rows.map(() => 0))} as mr_reason) c on c.mr_row = b.mr_row`
  const found = await (await query()).rows<{ row: number; reason: number }>(
    sql`with l as (${lost}), m as (select *, row_number() over (partition by ${kind} order by mr_row) as mr_copy
        from (${await numbered(main)}) m where exists (select 1 from l where ${same}))
      select m.mr_row as row, l.mr_reason as reason from m join l on ${same} and m.mr_copy = l.mr_copy order by 1`,
  )
  return found.map(({ row, reason }) => ({ row: Number(row), reasons: reasons[Number(reason)] ?? [] }))
}

/** Ends a branch; main is untouched, and what the branch held can still be named by its digest. Errors: MR_DATA_BRANCH, MR_DATA_BRANCH_MAIN, MR_DATA_EDIT_MOVED. */
export async function dropBranch(rt: Runtime, request: BranchRequest): Promise<BranchResult> {
  const { dataset, branch, dryRun = false, actor, reason } = request
  const page = await branchPage(rt, dataset, branch)
  const effects = [`branch "${branch}" of ${dataset} ends: ${page.message}; main stays as it is`]
  if (dryRun) return { done: false, dryRun, effects, version: page.version }
  const result = await rt.store.meta.commit({
    moves: [{ name: refs.dataset(dataset, branch), from: page.version, to: null }],
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
