/** Edits of a version by hand: rows are put aside, released, fixed or dropped. What is done is a spec; nothing here does it. */
import type { Json } from '../core/canonical.ts'
import { MillraceError } from '../core/errors.ts'
import type { ColumnType, DatasetVersion, Digest, RunSpec } from '../core/records.ts'
import { RULE_KINDS } from '../define/rule-kinds.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import type { ExprType } from '../expr/ast.ts'
import { resolve } from '../expr/resolve.ts'
import type { ColumnFix, EditAct, EditParams, RowSelection } from './edit-types.ts'
import { namedInputs } from './plan-import.ts'

export const EDIT_TASK = 'data.edit'
/** Raised when the same edit would give other parts. */
export const EDIT_CODE = '1'

/** The event that each act leaves in the journal. */
export const EVENT_OF: Record<EditAct['kind'], string> = {
  quarantine: 'data.quarantined',
  release: 'data.released',
  fix: 'data.fixed',
  drop: 'data.dropped',
}

/** All events whose versions an edit wrote. */
export const EDIT_EVENTS: readonly string[] = Object.values(EVENT_OF)

/** Rows that one edit may name. */
export const SELECTION_ROWS_MAX = 2_000_000

/**
 * What an edit will do, as a spec: the version and the chosen rows are inputs. Pure.
 * Errors: MR_DATA_FIX_COLUMN for a column that the dataset has not or that cannot be written, MR_EXPR_… for an expression that does not fit its column.
 */
export function planEdit(
  def: Pick<DatasetDef, 'name' | 'time' | 'key' | 'checks' | 'parts'>,
  edited: Pick<DatasetVersion, 'schema'>,
  inputs: { version: Digest; selection: Digest; others?: Readonly<Record<string, Digest>> },
  act: EditAct,
): RunSpec {
  const { version, selection, others = {} } = inputs
  if (act.kind === 'fix') for (const fix of act.set) checkFix(def.name, edited, fix)
  const params: EditParams = {
    dataset: def.name,
    time: def.time ?? null,
    key: def.key,
    checks: act.kind === 'fix' ? def.checks.filter(judgesRows).map(putsAside) : [],
    parts: def.parts,
    act,
  }
  return {
    kind: 'RunSpec',
    task: EDIT_TASK,
    code: EDIT_CODE,
    inputs: { version, selection, ...(act.kind === 'fix' && namedInputs(others)) },
    params: params as unknown as Json,
    seed: 0,
  }
}

const judgesRows = ({ rule }: CheckDef): boolean => RULE_KINDS[rule.kind].judges === 'rows'

/** A row that fails a check which stops deliveries stays aside: it must not come in, and nothing is delivered that could be stopped. */
const putsAside = (check: CheckDef): CheckDef =>
  check.onFail === 'stop' ? { ...check, onFail: 'quarantine' } : check

/** What an expression must yield to be written into a column. */
export const WRITTEN_AS: Record<ColumnType, ExprType> = {
  bool: 'bool',
  int: 'number',
  float: 'number',
  string: 'string',
  json: 'string',
  time: 'time',
  date: 'time',
}

function checkFix(
  dataset: string,
  { schema }: Pick<DatasetVersion, 'schema'>,
  { column, value }: ColumnFix,
): void {
  const found = schema.columns.find(({ name }) => name === column)
  const columns = schema.columns.map(({ name }) => name)
  if (!found) throw new MillraceError('MR_DATA_FIX_COLUMN', { dataset, column, columns })
  resolve(value, { schema, expect: WRITTEN_AS[found.type], place: `the new value of ${column}` })
}

export const editParams = (spec: RunSpec): EditParams => spec.params as unknown as EditParams

/** Rows with their reasons as a record: one text for the same rows whatever order they come in. Errors: MR_DATA_SELECTION_MAX. */
export function rowSelection(rows: readonly { row: number; reasons?: readonly string[] }[]): RowSelection {
  if (rows.length > SELECTION_ROWS_MAX)
    throw new MillraceError('MR_DATA_SELECTION_MAX', { rows: rows.length, max: SELECTION_ROWS_MAX })
  const sorted = rows.toSorted((a, b) => a.row - b.row)
  const texts = [...new Set(sorted.map(({ reasons = [] }) => JSON.stringify(reasons)))].sort()
  const codes = new Map(texts.map((text, code) => [text, code]))
  const isNamed = texts.some((text) => text !== '[]')
  return {
    kind: 'RowSelection',
    rows: sorted.map(({ row }) => row),
    reasons: isNamed ? texts.map((text) => JSON.parse(text) as string[]) : [],
    reasonOf: isNamed ? sorted.map(({ reasons = [] }) => codes.get(JSON.stringify(reasons))!) : [],
  }
}
