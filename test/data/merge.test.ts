/** Two branches of a dataset made one: what each side changed alone is taken, and what both changed is a conflict, held against a merge written out in a few lines. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { Digest } from '../../src/core/records.ts'
import {
  type DatasetMerge,
  getVersion,
  headOf,
  type MergeRules,
  mergeBase,
  planMerge,
  recordMerge,
  relation,
} from '../../src/data/index.ts'
import type { DatasetDef } from '../../src/define/types.ts'
import { parseExpr } from '../../src/expr/parse.ts'
import { sql } from '../../src/expr/sql.ts'
import { datasetDef, openPlace, type Place, rowCheck } from './fixture.ts'
import { csvOf, type Row, rowsIn, tableArb, textsOf } from './tables.ts'

const read = { missing: [] }
const keyed: Partial<DatasetDef> = {
  key: ['id'],
  mode: 'replace',
  read,
  parts: { by: 'rows', rowsMax: 1_000 },
}

interface Branches {
  place: Place
  base: Digest
  ours: Digest
  theirs: Digest
}

/** A version, and one of each branch that came of it. */
async function branches(
  def: Partial<DatasetDef>,
  base: Row[],
  ours: Row[],
  theirs: Row[],
): Promise<Branches> {
  const place = await openPlace()
  for (const [name, rows] of Object.entries({ base, ours, theirs })) place.file(`${name}.csv`, csvOf(rows))
  await place.import(def, { files: ['base.csv'], now: 1 })
  const head = async (branch?: string) => (await headOf(place.store, 'd', branch))!.digest
  const start = await head()
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d', 'other'), from: null, to: start }],
    event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
  })
  await place.import(def, { files: ['theirs.csv'], branch: 'other', now: 2 })
  await place.import(def, { files: ['ours.csv'], now: 3 })
  return { place, base: start, ours: await head(), theirs: await head('other') }
}

async function merge(
  { place, base }: Branches,
  def: Partial<DatasetDef>,
  into: Digest,
  from: Digest,
  rules: MergeRules = {},
): Promise<DatasetMerge> {
  const { version } = (await headOf(place.store, 'd'))!
  const spec = planMerge(datasetDef(def), version, { base, ours: into, theirs: from }, rules)
  const [run] = await place.jobs.run([spec])
  return await place.store.getRecord<DatasetMerge>(run!.record.outputs.merge!, 'DatasetMerge')
}

/** Rows of a merge that has been carried out. */
async function mergedRows(place: Place, done: DatasetMerge): Promise<string[]> {
  const version = await getVersion(place.store, done.ours)
  const { schema, parts } = done.result!
  const digest = await place.store.putRecord({ ...version, schema, parts })
  return await rowsIn(place, digest)
}

// ---------------------------------------------------------------- the definition

type Side = Map<number, Row>
const CELLS = ['v', 't', 'at'] as const
const byId = (rows: readonly Row[]): Side => new Map(rows.map((row) => [row.id, row]))

/** Conflicts as `id column`, and the merged rows where each is decided for `theirs`. */
function definition(base: Side, ours: Side, theirs: Side): { conflicts: string[]; rows: Row[] } {
  const conflicts: string[] = []
  const rows: Row[] = []
  for (const id of new Set([...base.keys(), ...ours.keys(), ...theirs.keys()])) {
    const [b, o, t] = [base.get(id), ours.get(id), theirs.get(id)]
    const same = (x?: Row, y?: Row) => JSON.stringify(x) === JSON.stringify(y)
    if (same(b, t) || same(o, t)) o && rows.push(o)
    else if (same(b, o)) t && rows.push(t)
    else if (o && t) rows.push(cells(id, b, o, t, conflicts))
    else {
      conflicts.push(`${id} deleted`)
      if (t) rows.push(t)
    }
  }
  return { conflicts: conflicts.sort(), rows }
}

function cells(id: number, b: Row | undefined, o: Row, t: Row, conflicts: string[]): Row {
  const row = { ...o } as Record<string, unknown>
  for (const name of CELLS) {
    const [x, y, z] = [b?.[name] ?? null, o[name], t[name]]
    if (z === x || z === y) continue
    if (y !== x) conflicts.push(`${id} ${name}`)
    row[name] = z
  }
  return row as unknown as Row
}

test('a merge by key is what its definition says, and conflicts are exactly those', async () => {
  await fc.assert(
    fc.asyncProperty(tableArb, tableArb, tableArb, async (base, ours, theirs) => {
      const all = await branches(keyed, base, ours, theirs)
      const expected = definition(byId(base), byId(ours), byId(theirs))
      const open = await merge(all, keyed, all.ours, all.theirs)
      expect(open.open.cell + open.open.deleted).toBe(expected.conflicts.length)
      if (expected.conflicts.length <= 20)
        expect(open.sample.map(({ key, kind, column }) => `${key[0]} ${column ?? kind}`).sort()).toEqual(
          expected.conflicts,
        )
      const done = await merge(all, keyed, all.ours, all.theirs, { rest: 'theirs' })
      expect(await mergedRows(all.place, done)).toEqual(textsOf(expected.rows))
      if (expected.conflicts.length === 0) {
        const other = await merge(all, keyed, all.theirs, all.ours)
        expect(await mergedRows(all.place, other)).toEqual(textsOf(expected.rows))
      }
      const itself = await merge(all, keyed, all.ours, all.ours)
      expect(await mergedRows(all.place, itself)).toEqual(textsOf(ours))
    }),
    { numRuns: Number(process.env.MERGE_RUNS ?? 4) },
  )
}, 60_000)

const row = (id: number, v: number | null, t: string | null = 'a'): Row => ({ id, v, t, at: '2001-01-05' })

test('changes that do not touch make a version of both, with both as parents, and the branch ends', async () => {
  const base = [row(1, 1), row(2, 2), row(3, 3), row(4, 4)]
  const all = await branches(
    keyed,
    base,
    [row(1, 10), row(2, 2), row(3, 3), row(5, 5)],
    [row(1, 1, 'z'), row(2, 20), row(4, 4), row(6, 6)],
  )
  const { place, ours, theirs } = all
  expect(await mergeBase(place.store, ours, theirs)).toBe(all.base)
  const done = await merge(all, keyed, ours, theirs)
  expect([done.open, done.taken]).toEqual([
    { schema: 0, cell: 0, deleted: 0, check: 0 },
    { inserted: 1, updated: 2, deleted: 1 },
  ])
  const spec = planMerge(datasetDef(keyed), await getVersion(place.store, ours), {
    base: all.base,
    ours,
    theirs,
  })
  const recording = {
    dataset: 'd',
    into: 'main',
    from: 'other',
    ends: true,
    ours,
    theirs,
    merged: { spec, merge: done },
    actor: 'test',
    now: 9,
    reason: 'both',
  }
  const { version } = await recordMerge(place.store, recording)
  expect((await getVersion(place.store, version)).parents).toEqual([ours, theirs])
  expect(await rowsIn(place, version)).toEqual(textsOf([row(1, 10, 'z'), row(2, 20), row(5, 5), row(6, 6)]))
  expect(await headOf(place.store, 'd', 'other')).toBeUndefined()
  expect(await mergeBase(place.store, version, theirs)).toBe(theirs)
  expect(await mergeBase(place.store, theirs, version)).toBe(theirs)
  // Without the version that both came from nobody knows what was deleted; history that was cut before it is no matter.
  await place.store.objects.remove(all.base)
  await expect(mergeBase(place.store, ours, theirs)).rejects.toThrow('MR_DATA_MERGE_CUT')
  expect(await mergeBase(place.store, version, ours)).toBe(ours)
  await expect(recordMerge(place.store, recording)).rejects.toThrow('MR_DATA_EDIT_MOVED')
})

test('conflicts are decided by hand, by an expression for a column, or by a side', async () => {
  const base = [row(1, 1), row(2, 2), row(3, 3), row(4, 4)]
  const all = await branches(
    keyed,
    base,
    [row(1, 10, 'o'), row(2, 20), row(4, 40)],
    [row(1, 11, 't'), row(3, 31), row(4, 41)],
  )
  const { place, ours, theirs } = all
  const rows = async (rules: MergeRules) =>
    await mergedRows(place, await merge(all, keyed, ours, theirs, rules))
  const open = await merge(all, keyed, ours, theirs)
  expect(open.open).toEqual({ schema: 0, cell: 3, deleted: 2, check: 0 })
  expect(open.conflicts).toMatch(/^sha256:/)
  expect(await rows({ rest: 'ours' })).toEqual(textsOf([row(1, 10, 'o'), row(2, 20), row(4, 40)]))
  expect(await rows({ rest: 'theirs' })).toEqual(textsOf([row(1, 11, 't'), row(3, 31), row(4, 41)]))
  expect(await rows({ rest: 'base' })).toEqual(textsOf(base))
  const own: MergeRules = {
    rest: 'theirs',
    columns: { v: parseExpr('ours + theirs - base') },
    picks: [
      { key: ['1'], column: 't', take: 'base' },
      { key: ['2'], take: 'ours' },
    ],
  }
  expect(await rows(own)).toEqual(textsOf([row(1, 20, 'a'), row(2, 20), row(3, 31), row(4, 77)]))
  const part = await merge(all, keyed, ours, theirs, { columns: own.columns, picks: own.picks })
  expect(part.open).toEqual({ schema: 0, cell: 0, deleted: 1, check: 0 })
  expect(() =>
    planMerge(datasetDef(keyed), { schema: open.result?.schema ?? { columns: [] } }, all, {
      columns: { no: parseExpr('ours') },
    }),
  ).toThrow('MR_DATA_MERGE_COLUMN')
})

test('a merged row that breaks a check, or a value that has to be unique, is a conflict', async () => {
  const def: Partial<DatasetDef> = {
    ...keyed,
    checks: [
      rowCheck('v below 100 where t is b', parseExpr("t = 'a' or v < 100") as never),
      { name: 'v is unique', rule: { kind: 'unique', columns: ['v'] }, atLeast: 1, onFail: 'quarantine' },
    ],
  }
  const broken = await branches(def, [row(1, 1)], [row(1, 200)], [row(1, 1, 'b')])
  const rowMerge = await merge(broken, def, broken.ours, broken.theirs)
  expect([rowMerge.open.check, rowMerge.sample[0]!.check]).toEqual([1, 'v below 100 where t is b'])
  const twice = await branches(def, [row(1, 1)], [row(1, 1), row(2, 7)], [row(1, 1), row(3, 7)])
  const unique = await merge(twice, def, twice.ours, twice.theirs)
  expect([unique.open.check, unique.sample[0]!.check, unique.result]).toEqual([1, 'v is unique', undefined])
  expect(unique.sample[0]!.key).toEqual(['3'])
  const moved = await branches(def, [row(1, 1)], [row(1, 1), row(9, 9)], [row(3, 1)])
  expect((await merge(moved, def, moved.ours, moved.theirs)).open.check).toBe(0)
})

test('a cell that is given a value by hand has it, whether or not it was in conflict', async () => {
  const all = await branches(
    keyed,
    [row(1, 1), row(2, 2)],
    [row(1, 10), row(2, 5)],
    [row(1, 11), row(2, 2, 'z')],
  )
  const done = await merge(all, keyed, all.ours, all.theirs, {
    picks: [
      { key: ['1'], column: 'v', take: 'value', value: '77' },
      { key: ['2'], column: 't', take: 'value', value: null },
    ],
  })
  expect(await mergedRows(all.place, done)).toEqual(textsOf([row(1, 77), row(2, 5, null)]))
})

test.each(['1.5', 'abc', '9223372036854775808'])(
  'no value of the column is refused by hand: %s',
  async (value) => {
    const all = await branches(keyed, [row(1, 1)], [row(1, 10)], [row(1, 11)])
    const picks = [{ key: ['1'], column: 'v', take: 'value' as const, value }]
    await expect(merge(all, keyed, all.ours, all.theirs, { picks })).rejects.toMatchObject({
      code: 'MR_DATA_MERGE_VALUE',
      data: { column: 'v', type: 'int', got: value },
    })
  },
)

/** Merges files that have columns of their own. */
async function columnsMerged(base: string, ours: string, theirs: string, rules: MergeRules = {}) {
  const place = await openPlace()
  for (const [name, text] of Object.entries({ base, ours, theirs })) place.file(`${name}.csv`, text)
  await place.import(keyed, { files: ['base.csv'], now: 1 })
  const head = async (branch?: string) => (await headOf(place.store, 'd', branch))!.digest
  const start = await head()
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d', 'other'), from: null, to: start }],
    event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
  })
  await place.import(keyed, { files: ['theirs.csv'], branch: 'other', now: 2 })
  await place.import(keyed, { files: ['ours.csv'], now: 3 })
  const all = { place, base: start, ours: await head(), theirs: await head('other') }
  const done = await merge(all, keyed, all.ours, all.theirs, rules)
  const rows = async () => {
    const version = await getVersion(place.store, done.ours)
    const { schema, parts } = done.result!
    const from = await relation(place.store, { ...version, schema, parts })
    return (await place.query.rows(sql`select * from (${from}) order by id`)).map((each) =>
      Object.values(each).join(' '),
    )
  }
  return { done, rows, schema: done.result?.schema.columns.map(({ name, type }) => `${name} ${type}`) }
}

test('columns are merged before rows: a column that one took away and the other wrote into, and one that both added with two types, are conflicts', async () => {
  const base = 'id,a,b\n1,1,x\n2,2,y'
  const apart = [base, 'id,a,b,c\n1,1,x,5\n2,2,y,6', 'id,a\n1,1\n2,9'] as const
  const both = await columnsMerged(...apart)
  expect([both.done.open.schema, both.schema]).toEqual([0, ['id int', 'a int', 'c int']])
  const removed = [base, 'id,a,b\n1,1,x\n2,2,changed', 'id,a\n1,1\n2,9'] as const
  const open = await columnsMerged(...removed)
  expect(open.done.open).toEqual({ schema: 1, cell: 0, deleted: 0, check: 0 })
  expect(open.done.sample[0]).toMatchObject({ kind: 'schema', column: 'b', theirs: 'taken away' })
  const kept = await columnsMerged(...removed, { schema: { b: 'ours' } })
  expect(kept.schema).toEqual(['id int', 'a int', 'b string'])
  expect(await kept.rows()).toEqual(['1 1 x', '2 9 changed'])
  expect((await columnsMerged(...removed, { schema: { b: 'theirs' } })).schema).toEqual(['id int', 'a int'])
  const typed = [base, 'id,a,b,n\n1,1,x,5\n2,2,y,6', 'id,a,b,n\n1,1,x,five\n2,3,y,six'] as const
  const two = await columnsMerged(...typed)
  expect(two.done.sample[0]).toMatchObject({ kind: 'schema', column: 'n', ours: 'int', theirs: 'string' })
  const decided = await columnsMerged(...typed, { schema: { n: 'ours' } })
  expect(decided.schema).toEqual(['id int', 'a int', 'b string', 'n int'])
  expect(await decided.rows()).toEqual(['1 1 x 5', '2 3 y 6'])
})

test('rows without a key are merged as multisets', async () => {
  const def: Partial<DatasetDef> = { mode: 'replace', read, parts: { by: 'rows', rowsMax: 1_000 } }
  const [a, b, c] = [row(1, 1), row(2, 2), row(3, null)]
  const all = await branches(def, [a, a, b], [a, b, c], [a, a, a, c])
  const done = await merge(all, def, all.ours, all.theirs)
  expect(await mergedRows(all.place, done)).toEqual(textsOf([a, a, c]))
})
