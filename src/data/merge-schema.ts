/** Columns of a merge, before its rows: what one side alone did to them is done, and where the sides contradict one another it is a conflict. */
import type { Column, DatasetVersion, Schema } from '../core/records.ts'
import type { Duck } from './duck.ts'
import type { MergeConflict, MergeRules, MergeSides } from './merge-types.ts'

/** How columns are merged. */
export interface SchemaPlan {
  /** Columns of the merged version. */
  schema: Schema
  /** The other side as it is read: without columns whose type is another one than that of ours. */
  theirs: DatasetVersion
  /** Columns that are merged cell by cell: those that both sides have. */
  shared: ReadonlySet<string>
  /** Columns of the result that the other side does not have. */
  oursOnly: ReadonlySet<string>
  /** Columns that both have under one name with two types, and nobody has decided. */
  open: MergeConflict[]
}

const namesOf = ({ schema }: Pick<DatasetVersion, 'schema'>): Set<string> =>
  new Set(schema.columns.map(({ name }) => name))

const decidedFor = (name: string, { schema, rest }: MergeRules) => schema?.[name] ?? rest

/** Pure. Columns of ours but those that the other side took away, and the new ones of the other side. */
export function planSchema({ base, ours, theirs }: MergeSides, rules: MergeRules): SchemaPlan {
  const [inBase, inOurs] = [namesOf(base), namesOf(ours)]
  const clashing = ours.schema.columns.filter((column) => typeIn(theirs, column.name, column))
  const read = without(theirs, new Set(clashing.map(({ name }) => name)))
  const inTheirs = namesOf(read)
  const isClash = (name: string) => clashing.some((column) => column.name === name)
  const stays = (name: string) =>
    inTheirs.has(name) || !inBase.has(name) || isClash(name) || decidedFor(name, rules) === 'ours'
  const kept = ours.schema.columns.filter(({ name }) => stays(name))
  const come = read.schema.columns.filter(({ name }) => !inOurs.has(name) && !inBase.has(name))
  const shared = kept.filter(({ name }) => inTheirs.has(name)).map(({ name }) => name)
  return {
    schema: { columns: [...kept, ...come] },
    theirs: read,
    shared: new Set(shared),
    oursOnly: new Set(kept.map(({ name }) => name).filter((name) => !inTheirs.has(name))),
    open: clashing
      .filter(({ name }) => decidedFor(name, rules) !== 'ours')
      .map(({ name, type }) => conflict(name, typeOf(base, name), type, typeOf(theirs, name))),
  }
}

/** The type that the other side has a column in, where it is another one. */
function typeIn({ schema }: DatasetVersion, name: string, { type }: Column): string | undefined {
  const other = schema.columns.find((column) => column.name === name)?.type
  return other === type ? undefined : other
}

const typeOf = ({ schema }: DatasetVersion, name: string): string | null =>
  schema.columns.find((column) => column.name === name)?.type ?? null

function without(version: DatasetVersion, names: ReadonlySet<string>): DatasetVersion {
  if (names.size === 0) return version
  return { ...version, schema: { columns: version.schema.columns.filter(({ name }) => !names.has(name)) } }
}

function conflict(
  column: string,
  base: string | null,
  ours: string | null,
  theirs: string | null,
): MergeConflict {
  return { kind: 'schema', key: [], column, base, ours, theirs, check: null }
}

/** What a side did with a column that the other one took away, and what it was to the other. */
export const REMOVED = 'taken away'
const changedText = (rows: number): string => `changed in ${rows} ${rows === 1 ? 'row' : 'rows'}`

/**
 * Columns that one side took away while the other wrote into them, where nobody has decided. Ours can be taken in both cases; theirs only where it is theirs that took it away,
 * since what ours does not hold any more cannot be taken back row by row.
 */
export async function removedButChanged(
  duck: Duck,
  { base, ours, theirs }: MergeSides,
  common: Schema,
  tables: { ours: string; theirs: string },
  rules: MergeRules,
): Promise<MergeConflict[]> {
  const [inOurs, inTheirs] = [namesOf(ours), namesOf(theirs)]
  const found: MergeConflict[] = []
  for (const { name, type } of base.schema.columns) {
    if (inOurs.has(name) === inTheirs.has(name)) continue
    const decided = decidedFor(name, rules)
    if (decided === 'ours' || (decided === 'theirs' && inOurs.has(name))) continue
    const place = common.columns.findIndex((column) => column.name === name)
    const table = inOurs.has(name) ? tables.ours : tables.theirs
    const { n } = await duck.one<{ n: number }>(
      `SELECT count(*) AS n FROM ${table} WHERE kind <> 'delete' AND list_contains(changed, ${place})`,
    )
    if (n === 0) continue
    const [own, other] = [changedText(n), REMOVED]
    found.push(
      conflict(name, type, ...(inOurs.has(name) ? ([own, other] as const) : ([other, own] as const))),
    )
  }
  return found
}
