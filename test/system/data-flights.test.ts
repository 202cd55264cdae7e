/** The real file: what is known of its dirt, imported month by month and in one go. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { DatasetVersion } from '../../src/core/records.ts'
import { createImportTask, readQuarantine } from '../../src/data/index.ts'
import { call, check, col, headDigest, lit, openPlace, type Place, rowCheck } from '../data/fixture.ts'

const source = join(
  dirname(fileURLToPath(import.meta.resolve('vega-datasets'))),
  '..',
  'data',
  'flights-3m.parquet',
)
const def = {
  name: 'flights',
  source: [source],
  time: 'date',
  checks: [
    rowCheck('delay at least -120', call('ge', col('delay'), lit(-120)), { atLeast: 0.999 }),
    check('no repeats', { kind: 'unique', columns: [] }, { atLeast: 0.999 }),
  ],
}
const at = (month: number, day = 1) => Date.UTC(2001, month, day)
const digests = (version: DatasetVersion) => version.parts.map((p) => [p.key, p.rows, p.digest])

async function dirt(place: Place) {
  const { byReason, total } = await readQuarantine(
    place.store,
    place.query,
    (await headDigest(place.store, 'flights'))!,
  )
  return { byReason, total }
}

test('finds 3 impossible delays, 191 repeats and 6 strays, whether delivered by month or at once', async () => {
  const monthly = await openPlace(createImportTask())
  let last: DatasetVersion | undefined
  for (let month = 0; month < 6; month++) {
    const select = { fromAt: at(month), toAt: month === 5 ? at(6, 2) : at(month + 1) }
    last = await monthly.import(def, { select, period: { fromAt: at(month), toAt: at(month + 1) } })
  }
  const whole = await openPlace(createImportTask())
  const once = await whole.import(def, { period: { fromAt: at(0), toAt: at(6) } })
  const expected = { byReason: { 'no repeats': 191, 'in period': 6, 'delay at least -120': 3 }, total: 200 }
  expect(await dirt(monthly)).toEqual(expected)
  expect(await dirt(whole)).toEqual(expected)
  expect([last!.rows, once.rows]).toEqual([2_999_800, 2_999_800])
  expect(digests(last!)).toEqual(digests(once))
}, 60_000)
