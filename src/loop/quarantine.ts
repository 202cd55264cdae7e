/** Rows that were put aside: released as they are, fixed, or dropped. Each act is a run, a new version and an event with its reason. */
import { shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN } from '../core/names.ts'
import type { DatasetVersion, Digest, RunSpec } from '../core/records.ts'
import {
  branchNames,
  type ColumnFix,
  chooseQuarantined,
  type DatasetEdit,
  type EditAct,
  type EditOutcome,
  headOf,
  moved,
  type NamedVersion,
  othersOf,
  planEdit,
  type QuarantineFilter,
  recordEdit,
  rowSelection,
  sentenceOf,
} from '../data/index.ts'
import type { DatasetDef } from '../define/types.ts'
import { parseExpr } from '../expr/parse.ts'
import { datasetDef, type Runtime } from './runtime.ts'

export type QuarantineVerb = 'release' | 'fix' | 'drop'

export interface QuarantineRequest extends QuarantineFilter {
  dataset: string
  /** Default: `main`. */
  branch?: string
  verb: QuarantineVerb
  /** Every row that is aside, where no row, reason or filter is named. */
  all?: boolean
  /** New values, of `fix`. */
  set?: ColumnFix[]
  /** Version whose rows were looked at: refused when the branch has moved on since. */
  version?: Digest
  /** Why, for the journal. */
  reason: string
  actor: string
  /** Says exactly what would come of it, and moves nothing. */
  dryRun?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface QuarantineResult {
  done: boolean
  dryRun: boolean
  /** What happened or would, in sentences. */
  effects: string[]
  outcome: EditOutcome
  /** Newest version of the branch. */
  version: Digest
  rows: number
  rowsQuarantined: number
}

const NOTHING: EditOutcome = { chosen: 0, added: 0, removed: 0, aside: 0, byReason: {} }

/**
 * Carries out an act on rows that were put aside. The same act on the same version is done once.
 * Errors: MR_LOOP_UNKNOWN, MR_LOOP_NO_DATA, MR_DATA_BRANCH, MR_DATA_SELECTION when no rows are named, MR_DATA_EDIT_MOVED, MR_DATA_FIX_COLUMN, MR_DATA_FIX_VALUE, MR_EXPR_….
 */
export async function editQuarantine(rt: Runtime, request: QuarantineRequest): Promise<QuarantineResult> {
  const { dataset, branch = MAIN, dryRun = false, signal } = request
  const def = datasetDef(rt, dataset)
  const head = await branchHead(rt, dataset, branch)
  if (request.version !== undefined && request.version !== head.digest)
    throw moved(dataset, branch, request.version, head.digest)
  checkNamed(request)
  const chosen = await chooseQuarantined(rt.store, await rt.query(), head.version, request, signal)
  const state = { dryRun, version: head.digest, ...countsOf(head.version) }
  if (chosen.length === 0)
    return { ...state, done: false, effects: ['no row that is aside is meant by this'], outcome: NOTHING }
  const act = actOf(request)
  const spec = await editSpec(rt, def, head, chosen, act)
  const outputs = await runEdit(rt, spec, request)
  const edit = await rt.store.getRecord<DatasetEdit>(outputs.edit!, 'DatasetEdit')
  const effects = effectsOf(act, edit)
  if (dryRun) return { ...state, done: false, effects, outcome: edit.outcome, ...countsOf(edit) }
  const { actor, reason } = request
  const { version, known } = await recordEdit(rt.store, {
    ...{ spec, outputs, branch, actor, reason, now: rt.clock.now() },
  })
  return { done: !known, dryRun, effects, outcome: edit.outcome, version, ...countsOf(edit) }
}

const countsOf = ({ rows, rowsQuarantined }: Pick<DatasetVersion, 'rows' | 'rowsQuarantined'>) => ({
  rows,
  rowsQuarantined,
})

/** Newest version of a branch. Errors: MR_LOOP_NO_DATA, MR_DATA_BRANCH. */
export async function branchHead(
  rt: Pick<Runtime, 'store'>,
  dataset: string,
  branch: string,
): Promise<NamedVersion> {
  const head = await headOf(rt.store, dataset, branch)
  if (head) return head
  if (branch === MAIN) throw new MillraceError('MR_LOOP_NO_DATA', { dataset })
  throw new MillraceError('MR_DATA_BRANCH', { dataset, branch, known: await branchNames(rt.store, dataset) })
}

const HOW = 'by number, by the reason they were put aside for, by a filter, or all of them'

function checkNamed({ verb, rows, reasons, where, all, set }: QuarantineRequest): void {
  if (!rows && !reasons && !where && !all)
    throw new MillraceError('MR_DATA_SELECTION', { what: `${verb} of rows that were put aside`, need: HOW })
  if (verb === 'fix' && !set?.length)
    throw new MillraceError('MR_DATA_SELECTION', {
      what: 'a fix',
      need: 'name what is set, such as --set "delay = delay / 60"',
    })
}

function actOf({ verb, set = [] }: QuarantineRequest): EditAct {
  return verb === 'fix' ? { kind: verb, set } : { kind: verb }
}

/** The spec of an edit, whose rows are put into the store as a record. */
export async function editSpec(
  { store }: Pick<Runtime, 'store'>,
  def: DatasetDef,
  { digest, version }: NamedVersion,
  chosen: readonly { row: number; reasons?: readonly string[] }[],
  act: EditAct,
): Promise<RunSpec> {
  const selection = await store.putRecord(rowSelection(chosen))
  const others = await othersOf(store, def)
  return planEdit(def, version, { version: digest, selection, others }, act)
}

/** Runs the spec of an edit, or finds what it came to. */
export async function runEdit(
  { jobs }: Pick<Runtime, 'jobs'>,
  spec: RunSpec,
  { signal, onProgress }: Pick<QuarantineRequest, 'signal' | 'onProgress'>,
): Promise<Record<string, Digest>> {
  const [outcome] = await jobs.run([spec], {
    signal,
    onProgress: onProgress && (({ done, note }) => onProgress(done, note)),
  })
  return outcome!.record.outputs
}

function effectsOf(act: EditAct, { outcome, parent, rows, rowsQuarantined }: DatasetEdit): string[] {
  return [
    sentenceOf(act, outcome),
    `after it ${grouped(rows)} rows, ${grouped(rowsQuarantined)} aside; ${shortDigest(parent)} stays as it is`,
  ]
}

/** `delay = delay / 60` as what is set, to what. Errors: MR_DATA_SELECTION, MR_EXPR_SYNTAX. */
export function parseFix(text: string): ColumnFix {
  const [, name, value] = /^\s*(`[^`]+`|[^=`]+?)\s*=(?!=)\s*([\s\S]+)$/.exec(text) ?? []
  if (name === undefined || value === undefined)
    throw new MillraceError('MR_DATA_SELECTION', {
      what: 'what is set',
      need: 'a column, = and an expression, such as "delay = delay / 60"',
    })
  return { column: name.replaceAll('`', '').trim(), value: parseExpr(value) }
}
