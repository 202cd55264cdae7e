/** What changed between two versions, by key and by row: laid over the first it gives the second. */

import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { datasetDiffView } from '../../src/api/views/index.ts'
import type { DatasetVersion, Digest } from '../../src/core/records.ts'
import { diff } from '../../src/data/index.ts'
import type { DatasetDef } from '../../src/define/types.ts'
import { raw } from '../../src/expr/sql.ts'
import { headDigest, openPlace, type Place } from './fixture.ts'
import { csvOf, type Row, rowsIn, tableArb, textOf } from './tables.ts'

const read = { missing: [] }
const layouts: Partial<DatasetDef>[] = [
  { key: ['id'], read, parts: { by: 'rows', rowsMax: 1_000 } },
  { key: ['id'], time: 'at', parts: { by: 'month', rowsMax: 1_000 }, read },
  { read, parts: { by: 'rows', rowsMax: 1_000 } },
]

test('laid over the first version, what changed gives the second', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...layouts), tableArb, tableArb, tableArb, async (layout, a, b, c) => {
      const place = await openPlace()
      const versions: Digest[] = []
      for (const [i, table] of [a, b, c, b].entries()) {
        place.file(`${i}.csv`, csvOf(table))
        await place.import({ ...layout, mode: 'replace' }, { files: [`${i}.csv`] })
        versions.push((await headDigest(place.store))!)
      }
      for (const [from, to] of [
        [0, 1],
        [1, 2],
        [0, 2],
        [3, 0],
        [1, 3],
      ] as const) {
        const path = join(place.dir, `${from}-${to}.parquet`)
        const found = await diff(place.store, place.query, versions[from]!, versions[to]!, { path })
        const rows = await rowsIn(place, versions[from]!)
        const after = apply(rows, await changesIn(place, path))
        expect(after).toEqual(await rowsIn(place, versions[to]!))
        expect(rows.length + found.rowsAdded - found.rowsRemoved).toBe(after.length)
        if (from === 1 && to === 3) expect([found.rowsAdded, found.rowsRemoved]).toEqual([0, 0])
      }
    }),
    { numRuns: Number(process.env.DIFF_RUNS ?? 4) },
  )
}, 60_000)

type Change = Row & { _change: string; _changed?: string; [before: `_before_${string}`]: unknown }

async function changesIn(place: Place, path: string): Promise<Change[]> {
  return (await place.query.rows(
    raw(`select * replace (strftime("at", '%Y-%m-%d') as "at") from read_parquet('${path}')`),
  )) as unknown as Change[]
}

function apply(rows: readonly string[], changes: readonly Change[]): string[] {
  const left = [...rows]
  for (const change of changes) {
    if (change._change === 'delete') left.splice(left.indexOf(textOf(change)), 1)
    if (change._change === 'update')
      left.splice(
        left.findIndex((row) => row.startsWith(`${change.id},`)),
        1,
      )
  }
  return [...left, ...changes.filter((c) => c._change !== 'delete').map(textOf)].sort()
}

test('says which cells changed, and what they were', async () => {
  const place = await openPlace()
  place.file('a.csv', 'id,v,t\n1,10,x\n2,20,y\n3,30,z\n')
  place.file('b.csv', 'id,v,t,w\n1,10,x,7\n2,21,,8\n4,40,q,9\n')
  const def: Partial<DatasetDef> = { key: ['id'], mode: 'replace', read }
  await place.import(def, { files: ['a.csv'] })
  const from = (await headDigest(place.store))!
  await place.import(def, { files: ['b.csv'] })
  const found = await diff(place.store, place.query, from, (await headDigest(place.store))!)
  expect(found.keyed).toEqual({
    key: ['id'],
    inserted: 1,
    deleted: 1,
    updated: 2,
    cells: [
      { column: 'w', rows: 2 },
      { column: 'v', rows: 1 },
      { column: 't', rows: 1 },
    ],
    sample: expect.arrayContaining([
      { key: { id: 1 }, cells: { w: { from: null, to: 7 } } },
      {
        key: { id: 2 },
        cells: { v: { from: 20, to: 21 }, t: { from: 'y', to: null }, w: { from: null, to: 8 } },
      },
    ]),
  })
  expect(found.sample).toEqual({
    added: [{ id: 4, v: 40, t: 'q', w: 9 }],
    removed: [{ id: 3, v: 30, t: 'z', w: null }],
  })
  expect(found.schema.added).toEqual(['w'])
  const other = await diff(place.store, place.query, from, (await headDigest(place.store))!, { key: ['t'] })
  expect([other.keyed!.inserted, other.keyed!.deleted, other.keyed!.updated]).toEqual([2, 2, 1])
  await expect(diff(place.store, place.query, from, from, { key: ['no'] })).rejects.toThrow(
    'MR_DATA_KEY_COLUMN',
  )
})

test('shows days and moments as such, on the page as in the terminal', async () => {
  const place = await openPlace()
  const def: Partial<DatasetDef> = { key: ['day'], mode: 'replace', read }
  place.file('a.csv', 'day,at,n\n2024-02-29,2024-02-29 08:15:00,1\n2024-03-01,2024-03-01 09:00:00,2\n')
  place.file('b.csv', 'day,at,n\n2024-03-01,2024-03-01 10:30:00,2\n')
  await place.import(def, { files: ['a.csv'] })
  const from = (await headDigest(place.store))!
  await place.import(def, { files: ['b.csv'] })
  const to = (await headDigest(place.store))!
  const { dataset } = await place.store.getRecord<DatasetVersion>(to, 'DatasetVersion')
  const rt = { store: place.store, query: async () => place.query }
  const { keyed, sample } = await datasetDiffView(rt, dataset, from, to)
  expect(sample).toEqual({ added: [], removed: [{ day: '2024-02-29', at: '2024-02-29 08:15:00', n: 1 }] })
  expect(keyed!.sample).toEqual([
    {
      key: { day: '2024-03-01' },
      cells: { at: { from: '2024-03-01 09:00:00', to: '2024-03-01 10:30:00' } },
    },
  ])
})
