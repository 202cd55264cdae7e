/** ORC files read by stripe and group of rows: the columns asked for, and only the groups in which a row may be wanted. */
import type { Refuse } from '../../model/import/refusal.ts'
import { decodeColumn } from './columns.ts'
import { mayHold, type OrcCondition } from './prune.ts'
import { type OrcSource, openOrcFile, refuseOrc } from './source.ts'
import { type RowRange, StripeReader } from './stripe.ts'
import { type OrcKind, type OrcTail, type OrcType, readTail } from './tail.ts'
import type { OrcColumn } from './values.ts'

/** A column of the rows; a file whose rows are no structs has one, named `value`. */
export interface OrcField {
  name: string
  type: OrcType
}

export interface OrcReader {
  tail: OrcTail
  fields: OrcField[]
  /** Rows in their order, by stripe or by a run of its groups. Conditions leave groups out that cannot hold such a row; rows that do not fulfil them may come all the same. */
  batches(options?: OrcRead): Iterable<OrcBatch>
  close(): void
}

export interface OrcRead {
  /** Default: all. */
  columns?: readonly string[]
  /** All of them must hold. */
  where?: readonly OrcCondition[]
}

export interface OrcBatch {
  /** Place of the first row in the file. */
  begin: number
  rows: number
  columns: OrcColumn[]
}

/** Opens a file by its path. Errors: MR_DATA_UNREADABLE, those of the file system. */
export function openOrc(path: string, name: string): OrcReader {
  const file = openOrcFile(path, name)
  try {
    return orcReader(file, name)
  } catch (error) {
    file.close()
    throw error
  }
}

/** Reads from any bytes. `name` is what errors call the file. Errors: MR_DATA_UNREADABLE. */
export function orcReader(source: OrcSource & { close?: () => void }, name: string): OrcReader {
  const refuse = refuseOrc(name)
  const tail = readTail(source, refuse)
  const fields = fieldsOf(tail)
  return {
    tail,
    fields,
    batches: (options) => batchesOf(source, tail, fields, options ?? {}, refuse),
    close: () => source.close?.(),
  }
}

function fieldsOf({ types }: OrcTail): OrcField[] {
  const root = types[0]!
  if (root.kind !== 'struct') return [{ name: 'value', type: root }]
  return root.children.map((id, i) => ({ name: root.names[i]!, type: types[id]! }))
}

/** A condition on a column by its id. */
type Known = OrcCondition & { id: number }

const NUMBERS: ReadonlySet<OrcKind> = new Set(['byte', 'short', 'int', 'long', 'float', 'double'])

function* batchesOf(
  source: OrcSource,
  tail: OrcTail,
  fields: readonly OrcField[],
  { columns, where = [] }: OrcRead,
  refuse: Refuse,
): Generator<OrcBatch> {
  const wanted = columns ? columns.map((name) => fieldNamed(fields, name, refuse)) : fields
  const conditions = where.flatMap((one): Known[] => {
    const { id, kind } = fieldNamed(fields, one.column, refuse).type
    return tail.areEndsTrue || NUMBERS.has(kind) ? [{ ...one, id }] : []
  })
  let first = 0
  for (const [i, stripe] of tail.stripes.entries()) {
    const known = tail.stripeStatistics[i]
    const may = conditions.every((one) => mayHold(one, known?.[one.id]))
    if (may && stripe.rows > 0) {
      const reader = new StripeReader(source, tail, stripe, refuse)
      for (const range of rangesOf(reader, conditions, tail.areBloomsWrong)) {
        const rows = range.end - range.begin
        yield {
          begin: first + range.begin,
          rows,
          columns: wanted.map(({ type }) => decodeColumn(reader, tail, type.id, range)),
        }
      }
    }
    first += stripe.rows
  }
}

function fieldNamed(fields: readonly OrcField[], name: string, refuse: Refuse): OrcField {
  const field = fields.find((one) => one.name === name)
  if (!field)
    throw refuse(`column "${name}"`, `one of ${fields.map((one) => one.name).join(', ')}`, 'none of these')
  return field
}

/** Runs of groups in which a row may fulfil all conditions. */
function rangesOf(reader: StripeReader, conditions: readonly Known[], areBloomsWrong: boolean): RowRange[] {
  const all = { begin: 0, end: reader.stripe.rows }
  if (conditions.length === 0) return [all]
  const may = conditions.map((one) => {
    const index = reader.index(one.id)
    const blooms = one.equals === undefined || areBloomsWrong ? undefined : reader.blooms(one.id)
    return (group: number) => !index || mayHold(one, index[group]?.statistics, blooms?.[group])
  })
  const ranges: RowRange[] = []
  for (let group = 0; group < reader.groups; group++) {
    if (!may.every((holds) => holds(group))) continue
    const { begin, end } = reader.groupRows(group)
    const last = ranges.at(-1)
    if (last?.end === begin) last.end = end
    else ranges.push({ begin, end })
  }
  return ranges
}
