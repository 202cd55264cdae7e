/** Small tables for tests of versions: rows with a key, as CSV, and what a version has of them. */
import fc from 'fast-check'
import type { Digest } from '../../src/core/records.ts'
import { getVersion, relation } from '../../src/data/index.ts'
import { sql } from '../../src/expr/sql.ts'
import type { Place } from './fixture.ts'

export interface Row {
  id: number
  v: number | null
  t: string | null
  at: string
}

export const csvOf = (rows: readonly Row[]): string =>
  ['id,v,t,at', ...rows.map((r) => [r.id, r.v ?? '', r.t ?? '', r.at].join(','))].join('\n').concat('\n')

export const textOf = (r: Row): string => [r.id, r.v, r.t, r.at].join()
export const textsOf = (rows: Iterable<Row>): string[] => [...rows].map(textOf).sort()

/** Rows of a version as texts, in order. */
export async function rowsIn(place: Place, digest: Digest): Promise<string[]> {
  const rows = await place.query.rows<Row & Record<string, unknown>>(
    sql`select id, v, t, strftime("at", '%Y-%m-%d') as "at" from (${await relation(place.store, await getVersion(place.store, digest))})`,
  )
  return textsOf(rows)
}

const rowArb: fc.Arbitrary<Row> = fc.record({
  id: fc.integer({ min: 1, max: 30 }),
  v: fc.option(fc.integer({ min: -5, max: 5 })),
  t: fc.option(fc.constantFrom('a', 'b', 'c')),
  at: fc.constantFrom('2001-01-05', '2001-01-20', '2001-02-03'),
})

/** Rows whose keys differ. */
export const tableArb: fc.Arbitrary<Row[]> = fc
  .array(rowArb, { minLength: 2, maxLength: 40 })
  .map((rows) => [...new Map(rows.map((r) => [r.id, r])).values()])
