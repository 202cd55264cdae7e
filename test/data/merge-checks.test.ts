/** Checks of a whole table are judged again on what a merge makes, before anything moves. */
import { expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { Digest } from '../../src/core/records.ts'
import {
  type DatasetMerge,
  getVersion,
  headOf,
  judgeTaken,
  type MergeRecording,
  planMerge,
  recordMerge,
  verdictsOf,
} from '../../src/data/index.ts'
import type { CheckDef, DatasetDef } from '../../src/define/types.ts'
import { check, datasetDef, openPlace, type Place } from './fixture.ts'

interface Line {
  id: number
  v: number
  zip?: string
  city?: string
}

const csv = (rows: readonly Line[]): string =>
  `${['id,v,zip,city', ...rows.map(({ id, v, zip = 'z', city = 'c' }) => `${id},${v},${zip},${city}`)].join('\n')}\n`

const lines = (from: number, to: number, v = (id: number) => id): Line[] =>
  Array.from({ length: to - from }, (_, i) => ({ id: from + i, v: v(from + i) }))

const stop = (name: string, rule: CheckDef['rule']): CheckDef => check(name, rule, { onFail: 'stop' })

function defWith(checks: CheckDef[]): DatasetDef {
  return datasetDef({ key: ['id'], mode: 'replace', parts: { by: 'rows', rowsMax: 1_000 }, checks })
}

interface Merged {
  place: Place
  ours: Digest
  theirs: Digest
  recording: MergeRecording
  merge: DatasetMerge
}

/** Both sides import without checks, so that what the merge is judged by is its own matter. */
async function merged(
  checks: CheckDef[],
  base: Line[],
  sides: { ours: Line[]; theirs: Line[] },
  now = 9,
): Promise<Merged> {
  const place = await openPlace()
  const def = defWith(checks)
  const bare = defWith([])
  const deliver = async (rows: Line[], branch?: string, at = 1) => {
    place.file(`${branch ?? 'main'}-${at}.csv`, csv(rows))
    await place.import(bare, { files: [`${branch ?? 'main'}-${at}.csv`], now: at, ...(branch && { branch }) })
  }
  await deliver(base)
  const start = (await headOf(place.store, 'd'))!.digest
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d', 'other'), from: null, to: start }],
    event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
  })
  await deliver(sides.theirs, 'other', 2)
  await deliver(sides.ours, undefined, 3)
  const [ours, theirs] = [(await headOf(place.store, 'd'))!, (await headOf(place.store, 'd', 'other'))!]
  const spec = planMerge(def, ours.version, { base: start, ours: ours.digest, theirs: theirs.digest })
  const [run] = await place.jobs.run([spec])
  const merge = await place.store.getRecord<DatasetMerge>(run!.record.outputs.merge!, 'DatasetMerge')
  const recording = {
    ...{ dataset: 'd', into: 'main', from: 'other', ends: true, ours: ours.digest, theirs: theirs.digest },
    ...{ merged: { spec, merge }, actor: 'test', reason: 'both', now },
  }
  return { place, ours: ours.digest, theirs: theirs.digest, recording, merge }
}

const refused = async ({ place, recording, ours, theirs }: Merged) => {
  const { broken } = await verdictsOf(place.store, recording)
  await expect(recordMerge(place.store, recording)).rejects.toThrow('MR_DATA_MERGE_CHECKS')
  expect((await headOf(place.store, 'd'))!.digest).toBe(ours)
  expect((await headOf(place.store, 'd', 'other'))!.digest).toBe(theirs)
  return broken
}

test('two sides that each have few enough rows may have too many together: nothing moves, and the journal says why once', async () => {
  const all = await merged([stop('at most 25', { kind: 'rowCount', max: 25 })], lines(0, 10), {
    ours: lines(0, 20),
    theirs: [...lines(0, 10), ...lines(20, 28)],
  })
  const [broken] = await refused(all)
  expect(broken).toEqual({
    ...{ check: 'at most 25', limit: '<= 25', merged: '28 rows', ours: '20 rows', theirs: '18 rows' },
  })
  await expect(recordMerge(all.place.store, all.recording)).rejects.toThrow(
    'at most 25 (<= 25): 28 rows merged, 20 rows on main, 18 rows on other',
  )
  const events = await all.place.store.meta.events({ types: ['data.merge-refused'] })
  expect(events.map(({ subject, actor }) => [subject, actor])).toEqual([['datasets/d', 'test']])
})

test('quantiles and dependencies of columns are judged over the rows of both sides', async () => {
  const rules: [CheckDef['rule'], ours: Line[], theirs: Line[], figures: string[]][] = [
    [
      { kind: 'metric', metric: { of: 'quantile', columns: ['v'], q: 0.5 }, max: 6 },
      // The seventh of thirteen values on each side, the eighth of sixteen in all.
      [...lines(0, 10), ...lines(100, 103)],
      [...lines(0, 10), ...lines(200, 203)],
      ['7', '6', '6'],
    ],
    [
      // The least of equally frequent cities is right, so it is the row of ours that fails, which no delivery sees.
      { kind: 'determines', columns: ['zip'], column: 'city' },
      [...lines(0, 3), { id: 50, v: 1, zip: '1010', city: 'Wien' }],
      [...lines(0, 3), { id: 60, v: 1, zip: '1010', city: 'Linz' }],
      ['1 of 5 rows fail', '0 of 4 rows fail', '0 of 4 rows fail'],
    ],
  ]
  for (const [rule, ours, theirs, figures] of rules) {
    const base = rule.kind === 'metric' ? lines(0, 10) : lines(0, 3)
    const all = await merged([stop('rule', rule)], base, { ours, theirs })
    const [broken] = await refused(all)
    expect([broken!.merged, broken!.ours, broken!.theirs]).toEqual(figures)
  }
})

test('a correlation that both sides have may be gone in what they make together', async () => {
  // Along a falling line here, with a second stretch of it far off there: there the limit is missed already, and here it would be.
  const fall = (id: number) => -id
  const all = await merged(
    [stop('r', { kind: 'metric', metric: { of: 'correlation', columns: ['id', 'v'] }, max: -0.5 })],
    lines(0, 4, fall),
    { ours: lines(0, 8, fall), theirs: [...lines(0, 4, fall), ...lines(100, 110, (id) => 100 - id)] },
  )
  const [broken] = await refused(all)
  const theirs = [...lines(0, 4, fall), ...lines(100, 110, (id) => 100 - id)]
  expect(Number(broken!.merged)).toBeCloseTo(pearson([...lines(4, 8, fall), ...theirs]), 5)
  expect([broken!.ours, Number(broken!.theirs)]).toEqual(['-1', expect.closeTo(pearson(theirs), 5)])
})

/** Of id and v, as its definition says. */
function pearson(rows: readonly Line[]): number {
  const mean = (of: (row: Line) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length
  const [x, y] = [mean(({ id }) => id), mean(({ v }) => v)]
  const product = (a: (row: Line) => number, b: (row: Line) => number) =>
    rows.reduce((sum, row) => sum + a(row) * b(row), 0)
  const [dx, dy] = [({ id }: Line) => id - x, ({ v }: Line) => v - y]
  return product(dx, dy) / Math.sqrt(product(dx, dx) * product(dy, dy))
}

test('a check that fails on the branch already is not broken by the merge, and what fails without stopping is written down', async () => {
  const old = await merged(
    [
      stop('fresh', { kind: 'fresh', column: 'v', ageMsMax: 10 }),
      stop('few', { kind: 'rowCount', max: 5 }),
      check('mean', { kind: 'metric', metric: { of: 'mean', columns: ['v'] }, max: 0 }, { onFail: 'warn' }),
    ],
    lines(0, 10),
    { ours: lines(0, 11), theirs: [...lines(0, 10), ...lines(20, 22)] },
    1_000_000,
  )
  const { version } = await recordMerge(old.place.store, old.recording)
  const { findings } = await getVersion(old.place.store, version)
  expect(findings.map(({ check: name, verdict, value }) => [name, verdict, value])).toEqual([
    ['fresh', 'fail', 1_000_000 - 21],
    ['few', 'fail', 13],
    ['mean', 'fail', (55 + 20 + 21) / 13],
  ])
})

test('a branch that is taken as it is, is judged too', async () => {
  const place = await openPlace()
  const def = defWith([stop('few', { kind: 'rowCount', max: 11 })])
  place.file('a.csv', csv(lines(0, 10)))
  place.file('b.csv', csv(lines(0, 12)))
  await place.import(defWith([]), { files: ['a.csv'], now: 1 })
  const ours = (await headOf(place.store, 'd'))!
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d', 'other'), from: null, to: ours.digest }],
    event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
  })
  await place.import(defWith([]), { files: ['b.csv'], branch: 'other', now: 2 })
  const theirs = (await headOf(place.store, 'd', 'other'))!
  const judgement = await judgeTaken(place.store, def, { ours: ours.version, theirs: theirs.version })
  const recording = {
    ...{ dataset: 'd', into: 'main', from: 'other', ends: true, ours: ours.digest, theirs: theirs.digest },
    ...{ taken: { checks: def.checks, judgement }, actor: 'test', reason: 'both', now: 3 },
  }
  await expect(recordMerge(place.store, recording)).rejects.toThrow('12 rows merged, 10 rows on main')
  expect((await headOf(place.store, 'd'))!.digest).toBe(ours.digest)
})

test('history and drift are judged by the versions before, as far as the parts tell', async () => {
  const usual: CheckDef = stop('usual rows', {
    kind: 'usual',
    metric: { of: 'rows', columns: [] },
    pointsMin: 3,
  })
  const drift: CheckDef = stop('drift', {
    kind: 'drift',
    columns: ['v'],
    against: 'previous',
    alpha: 0.01,
    psiMin: 0.02,
  })
  const place = await openPlace()
  const [bare, def] = [defWith([]), defWith([usual, drift])]
  const deliver = async (name: string, rows: Line[], at: number, branch?: string) => {
    place.file(`${name}.csv`, csv(rows))
    await place.import(bare, { files: [`${name}.csv`], now: at, ...(branch && { branch }) })
  }
  const day = 86_400_000
  for (let i = 0; i < 6; i++) await deliver(`m${i}`, lines(0, 300 + (i % 2)), (i + 1) * day)
  const start = (await headOf(place.store, 'd'))!.digest
  await place.store.meta.commit({
    moves: [{ name: refs.dataset('d', 'other'), from: null, to: start }],
    event: { type: 'data.branched', subject: 'datasets/d', actor: 'test', reason: '', data: {} },
  })
  await deliver('t', [...lines(0, 301), ...lines(1_000, 1_400, (id) => id % 7)], 8 * day, 'other')
  await deliver('o', lines(0, 302), 9 * day)
  const [ours, theirs] = [(await headOf(place.store, 'd'))!, (await headOf(place.store, 'd', 'other'))!]
  const spec = planMerge(def, ours.version, { base: start, ours: ours.digest, theirs: theirs.digest })
  const [run] = await place.jobs.run([spec])
  const merge = await place.store.getRecord<DatasetMerge>(run!.record.outputs.merge!, 'DatasetMerge')
  const { broken } = await verdictsOf(place.store, {
    ...{ dataset: 'd', into: 'main', from: 'other', ends: true, ours: ours.digest, theirs: theirs.digest },
    ...{ merged: { spec, merge }, now: 10 * day },
  })
  expect(broken.map(({ check: name, merged: m, ours: o, theirs: t }) => [name, m, o, t])).toEqual([
    ['usual rows', '702', '302', '701'],
    [
      'drift',
      expect.stringMatching(/^stability index \d/),
      expect.stringMatching(/^stability index 0\.000\d/),
      expect.stringMatching(/^stability index \d/),
    ],
  ])
})
