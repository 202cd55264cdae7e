import { col } from 'millrace'
import { expect, test } from 'vitest'
import { shapesView } from '../../src/api/index.ts'
import { refs } from '../../src/core/names.ts'
import type { ModelBundle } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { encodeModel } from '../../src/model/format.ts'
import { trainEbm } from '../../src/train/ebm/train.ts'
import { FLIGHT_INPUTS, flightFeatures, NO_MAP } from '../serve/real-models.ts'
import { type ApiFixture, move, openProject, plain, putFamily, putModel } from './fixture.ts'

const ROWS = 2000

/** Tables over hour, distance and origin as a category: a step at noon, one for ORD, nothing from the distance. */
async function putTables(f: ApiFixture): Promise<void> {
  const rng = seededRng(5)
  const column = (of: () => number) => Float64Array.from({ length: ROWS }, of)
  const hour = column(() => rng.nextInt(24))
  const distance = column(() => rng.nextInt(3000))
  const origin = column(() => rng.nextInt(2))
  const target = Float64Array.from(hour, (h, i) => (h >= 12 ? 2 : 0) + origin[i])
  const { model } = trainEbm(
    { nRows: ROWS, columns: [hour, distance, origin], categorical: [false, false, true], target },
    { loss: 'l2', interactions: 1, bags: 2, rounds: 200 },
  )
  const fitted = flightFeatures()
  fitted.features[2] = {
    name: 'origin',
    type: 'category',
    expr: JSON.parse(JSON.stringify(col('origin').category())),
    state: { kind: 'category', values: ['ATL', 'ORD'] },
  }
  const parent = await putModel(f.store, 'late', {
    graph: await f.store.objects.put(encodeModel(model, NO_MAP)),
    features: await f.store.putRecord(plain({ ...fitted, columns: FLIGHT_INPUTS })),
  })
  const latest = await f.store.meta.ref(refs.latest('late'))
  const bundle = await f.store.getRecord<ModelBundle>(latest?.digest as never, 'ModelBundle')
  await move(f.store, 'train.finished', 'models/late', {
    [refs.latest('late')]: await f.store.putRecord(plain({ ...bundle, parent, members: {} })),
  })
}

test('shapes are null for a model without tables, and of one with tables its effects slot by slot', async () => {
  const f = await openProject()
  try {
    expect(await shapesView(f.rt, 'late')).toBeNull()
    await putFamily(f.store)
    expect(await shapesView(f.rt, 'late')).toBeNull()
    await putTables(f)
    const shapes = await shapesView(f.rt, 'late')
    const singles = shapes?.terms.filter(({ features }) => features.length === 1) ?? []
    expect(singles.map(({ features }) => features[0])).toEqual(['hour', 'origin', 'distance'])
    for (const { slots } of singles) {
      expect(slots.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
      expect(slots.at(-1)?.label).toBe('missing or other')
    }
    const [hour, origin] = singles
    const at = (h: number) =>
      hour.slots.find(({ from, to }) => (from ?? -1) < h && h <= (to ?? 99))?.value ?? 0
    expect(at(15) - at(5)).toBeCloseTo(2, 1)
    const [atl, ord] = ['ATL', 'ORD'].map(
      (name) => origin.slots.find(({ label }) => label === name)?.value ?? 0,
    )
    expect(ord - atl).toBeCloseTo(1, 1)
    expect(shapes?.terms.find(({ features }) => features.length === 2)?.slots).toEqual([])
    await expect(shapesView(f.rt, 'late', 'snow')).rejects.toThrow('MR_LOOP_UNKNOWN')
    await expect(shapesView(f.rt, 'none')).rejects.toThrow('MR_LOOP_UNKNOWN')
  } finally {
    await f.drop()
  }
})
