import { describe, expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { DatasetVersion, Digest, ModelVersion } from '../../src/core/records.ts'
import type { ModelDef } from '../../src/define/types.ts'
import { relationOf } from '../../src/engine/relation.ts'
import { parseExpr } from '../../src/expr/parse.ts'
import { raw, sql } from '../../src/expr/sql.ts'
import { branchesOf, dropBranch, mergeBranch, putAsideOnBranch } from '../../src/loop/branches.ts'
import { likenessOfRows } from '../../src/loop/likeness.ts'
import { editQuarantine, parseFix } from '../../src/loop/quarantine.ts'
import { chooseTriage, readTriage, triageOf } from '../../src/loop/triage.ts'
import { runTry, tryBranch, tryPlanOf } from '../../src/loop/try-branch.ts'
import { worthOfRows } from '../../src/loop/worth.ts'
import { openMatrix } from '../../src/model/matrix.ts'
import type { Prepared } from '../../src/train/specs.ts'
import type { OnceJobs } from '../fixtures/once-jobs.ts'
import type { Place } from '../fixtures/training-place.ts'
import { BY_TIME, rowsOf, setUpTriage as setUp } from '../fixtures/triage-place.ts'

const act = (over: object = {}) => ({
  dataset: 'd',
  branch: 'cleaned',
  reason: 'test',
  actor: 'ana',
  ...over,
})
const why = { reason: 'test', actor: 'ana' }

const rowsIn = async (place: Place, version: Digest, where = 'true'): Promise<{ row: number }[]> => {
  const record = await place.store.getRecord<DatasetVersion>(version, 'DatasetVersion')
  const rows = await place.query.rows<{ row: number }>(
    sql`select row from (select *, row_number() over () - 1 as row from (${await relationOf(place.store, record)})) where ${where} order by row`,
  )
  return rows.map(({ row }) => ({ row: Number(row) }))
}

const withReason = (rows: { row: number }[]) => rows.map(({ row }) => ({ row, reasons: ['label'] }))

describe('rows of a branch', () => {
  /** Targets and the first feature of each split, as prepared with and without the branch. */
  async function splits(place: Place, jobs: OnceJobs) {
    const prepared = jobs.done.filter(({ task }) => task === 'train.prepare')
    const found = []
    for (const spec of prepared) {
      const [{ record }] = await jobs.run([spec])
      const outputs = record.outputs as unknown as Prepared
      const matrix = openMatrix(await place.store.objects.path(outputs.matrix))
      const of = (split: 'train' | 'validate' | 'test') => Array.from(matrix.slice(split).columns[0]!)
      found.push({ train: of('train'), validate: of('validate'), test: of('test') })
      matrix.close()
    }
    return found as [(typeof found)[0], (typeof found)[0]]
  }

  test.each([
    ['by time', BY_TIME],
    ['at random', { by: 'random', validateShare: 0.2, testShare: 0.2 } as const],
  ])(
    'split %s leave training and validation alone, and come back by a fix into training',
    async (_, split) => {
      const { place, rt, version, jobs } = await setUp({}, { split })
      const chosen = await rowsIn(place, version, 'i % 3 = 0')
      await putAsideOnBranch(rt, { ...act(), version, rows: withReason(chosen) })
      const plan = await tryPlanOf(rt, { model: 'm', branch: 'cleaned' })
      const { report } = await runTry(rt, plan)
      const [base, branch] = await splits(place, jobs)
      expect(branch.test).toEqual(base.test)
      expect(branch.train.length + branch.validate.length + base.test.length).toBeLessThan(1001)
      for (const name of ['train', 'validate'] as const) {
        const left = new Set(branch[name])
        expect(base[name].filter((a) => left.has(a))).toEqual(branch[name])
        expect(base[name].length - branch[name].length).toBeGreaterThan(base[name].length * 0.25)
      }
      expect(report.rows.branch).toEqual({
        train: branch.train.length,
        validate: branch.validate.length,
        test: base.test.length,
      })
      expect(report.notes[0]).toContain('none of them is cleaned away')

      // A third of what is aside comes back with another value: it trains or validates, and never tests.
      const fix = { verb: 'fix' as const, set: [parseFix('a = 77')], where: parseExpr('i < 300') }
      const fixed = await editQuarantine(rt, { ...act(), ...fix })
      expect(fixed.outcome.added).toBeGreaterThan(80)
      jobs.done.splice(0)
      await runTry(rt, await tryPlanOf(rt, { model: 'm', branch: 'cleaned' }))
      const again = await splits(place, jobs)
      const withFix = again.at(-1)!
      expect(withFix.test).toEqual(base.test)
      expect([...withFix.train, ...withFix.validate].filter((a) => a === 77)).toHaveLength(
        fixed.outcome.added,
      )
      expect(withFix.train.filter((a) => a !== 77)).toEqual(branch.train)
    },
  )

  test('equal rows leave as often as they were put aside, and one that stays stays', async () => {
    const { place, rt, version, jobs } = await setUp()
    const twice = await rowsIn(place, version, 'i = 5')
    expect(twice).toHaveLength(2)
    await putAsideOnBranch(rt, { ...act(), version, rows: withReason(twice.slice(1)) })
    await runTry(rt, await tryPlanOf(rt, { model: 'm', branch: 'cleaned' }))
    const [base, branch] = await splits(place, jobs)
    const all = (s: typeof base) => s.train.length + s.validate.length + s.test.length
    // The copy lies in the time of the test, its twin in that of training: as multisets of rows they differ by their time.
    expect(all(base) - all(branch)).toBe(0)
    expect(branch.test).toEqual(base.test)
  })

  test('that put test rows aside are tested without them only when that is asked', async () => {
    const { place, rt, version } = await setUp()
    const chosen = await rowsIn(place, version, 'i % 2 = 0')
    await putAsideOnBranch(rt, { ...act(), version, rows: withReason(chosen) })
    const kept = await tryBranch(rt, { model: 'm', branch: 'cleaned', ...why })
    const cleaned = await tryBranch(rt, { model: 'm', branch: 'cleaned', cleanTest: true, ...why })
    expect(kept.report.rows.branch.test).toBe(kept.report.rows.base.test)
    expect(cleaned.report.rows.branch.test).toBe(cleaned.report.rows.base.test)
    expect(cleaned.report.rows.base.test).toBeLessThan(kept.report.rows.base.test * 0.6)
    expect(cleaned.report.rows.base.train).toBe(kept.report.rows.base.train)
    expect(cleaned.report.notes[0]).toContain('rows that it put aside do not test')
  })
})

describe('triage', () => {
  test('joins what is found of each row, worst first, and filters by finding, value and number', async () => {
    const { place, rt, version } = await setUp()
    const before = await triageOf(rt, { name: 'd' })
    expect(before.report.counts).toEqual({ check: (await rowsIn(place, version, 'a >= 2.5')).length })
    expect(before.worth).toBeNull()
    await worthOfRows(rt, { model: 'm', version, ...why })
    const { report, known } = await triageOf(rt, { name: 'm' })
    expect(known).toBe(false)
    expect((await triageOf(rt, { name: 'd' })).known).toBe(true)
    const page = await readTriage(rt, report, { limit: 1000 })
    expect(page.rows).toHaveLength(report.found)
    expect(page.next).toBeNull()
    const scores = page.rows.map(({ score }) => score)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    // Each finding stands where its own source says so, beside the row that has that number.
    const ref = await place.store.meta.ref(refs.worth('m'))
    const worth = await place.store.getRecord<{ kind: 'WorthReport'; findings: Digest }>(
      ref!.digest,
      'WorthReport',
    )
    const path = await place.store.objects.path(worth.findings)
    const judged = await place.query.rows<{
      row: number
      label_issue: boolean
      worth: number
      outlier: boolean
    }>(raw(`select * from read_parquet('${path}')`))
    const has = (name: string) =>
      new Set(page.rows.filter((r) => r.findings.includes(name)).map(({ row }) => row))
    expect(has('label')).toEqual(new Set(judged.filter((r) => r.label_issue).map((r) => Number(r.row))))
    expect(has('harmful')).toEqual(new Set(judged.filter((r) => r.worth < 0).map((r) => Number(r.row))))
    expect(has('outlier')).toEqual(new Set(judged.filter((r) => r.outlier).map((r) => Number(r.row))))
    const order = page.columns.map(({ name }) => name)
    for (const { values, checks } of page.rows)
      expect(checks).toEqual(Number(values[order.indexOf('a')]) >= 2.5 ? ['a below 2.5'] : [])

    const broken = { findings: ['label'], where: parseExpr("site = 'broken' and worth < 0") }
    const some = await readTriage(rt, report, { ...broken, limit: 5 })
    expect(some.matched).toBeGreaterThan(20)
    expect(some.next).toBe(5)
    for (const { values, worth: w } of some.rows) {
      expect(values[order.indexOf('site')]).toBe('broken')
      expect(w).toBeLessThan(0)
    }
    const second = await readTriage(rt, report, { ...broken, limit: 5, from: 5 })
    const both = await readTriage(rt, report, { ...broken, limit: 10 })
    expect([...some.rows, ...second.rows]).toEqual(both.rows)
    const top = await chooseTriage(rt, report, { ...broken, top: 7 })
    expect(top.map(({ row }) => row).sort()).toEqual(
      both.rows
        .slice(0, 7)
        .map(({ row }) => row)
        .sort(),
    )
    expect(new Set(top.flatMap(({ reasons }) => reasons))).toEqual(new Set(['label']))
    const clean = (await rowsIn(place, version)).find(({ row }) => !page.rows.some((r) => r.row === row))!
    expect(await chooseTriage(rt, report, { rows: [clean.row] })).toEqual([
      { row: clean.row, reasons: ['by hand'] },
    ])
    // A number twice is one row, and one that lacks what else is asked is not meant.
    expect(await chooseTriage(rt, report, { rows: [clean.row, clean.row] })).toHaveLength(1)
    expect(await chooseTriage(rt, report, { rows: [clean.row], findings: ['label'] })).toEqual([])
    await expect(readTriage(rt, report, { findings: ['lable'] })).rejects.toMatchObject({
      code: 'MR_LOOP_UNKNOWN',
    })
    await expect(triageOf(rt, { name: 'x' })).rejects.toMatchObject({ code: 'MR_LOOP_UNKNOWN' })
  })

  test('from worth to a merge: labels that a broken site turned are put aside, the model is better by more than noise, main moves once', async () => {
    const objectives: ModelDef['objectives'] = [
      { name: 'loss', metric: 'logLoss', goal: 'minimize', owner: 'ana' },
    ]
    const { place, rt, version } = await setUp({}, { objectives })
    await worthOfRows(rt, { model: 'm', version, ...why })
    const { report } = await triageOf(rt, { name: 'm' })
    const rows = await chooseTriage(rt, report, { findings: ['label'], where: parseExpr("site = 'broken'") })
    const foreseen = await putAsideOnBranch(rt, { ...act(), version, rows, dryRun: true })
    expect(await branchesOf(rt, 'd')).toEqual([])
    const made = await putAsideOnBranch(rt, { ...act(), version, rows })
    expect(made.effects).toEqual(foreseen.effects)
    expect((await putAsideOnBranch(rt, { ...act(), version, rows })).done).toBe(false)
    const { report: tried, known } = await tryBranch(rt, { model: 'm', branch: 'cleaned', ...why })
    expect(known).toBe(false)
    expect(tried.verdict).toBe('pass')
    expect(tried.metrics[0]).toMatchObject({ metric: 'logLoss', verdict: 'pass', higherIsBetter: false })
    expect(tried.metrics[0]!.gain!.interval[0]).toBeGreaterThan(0)
    // What each side is said to be is what its card says.
    const card = async (on: Digest) => {
      const plan = await tryPlanOf(rt, { model: 'm', branch: 'cleaned' })
      expect([plan.base, plan.version]).toContain(on)
      const fits = (rt.jobs as unknown as OnceJobs).done.filter(
        ({ task, inputs }) => task === 'train.fit' && inputs.version === on,
      )
      const [{ record }] = await rt.jobs.run(fits.slice(-1))
      return (await place.store.getRecord<ModelVersion>(record.outputs.model!, 'ModelVersion')).card.metrics
        .logLoss
    }
    expect(tried.metrics[0]!.base).toEqual(await card(version))
    expect(tried.metrics[0]!.branch).toEqual(await card(made.version as Digest))
    expect((await tryBranch(rt, { model: 'm', branch: 'cleaned', ...why })).known).toBe(true)

    const [page] = await branchesOf(rt, 'd')
    expect(page).toMatchObject({ branch: 'cleaned', base: version, aside: rows.length, isBehind: false })
    expect(page!.tries.map(({ verdict }) => verdict)).toEqual(['pass'])
    const merged = await mergeBranch(rt, act())
    expect(merged.done).toBe(true)
    expect((await place.store.meta.ref(refs.dataset('d')))?.digest).toBe(made.version)
    expect(await branchesOf(rt, 'd')).toEqual([])
    await expect(mergeBranch(rt, act())).rejects.toMatchObject({ code: 'MR_DATA_BRANCH' })
    const events = (await place.store.meta.events({}))
      .map(({ type }) => type)
      .filter((type) => /^(data|triage)/.test(type))
    expect(events).toEqual(['data.imported', 'data.quarantined', 'triage.tried', 'data.merged'])
    expect(await place.store.meta.verifyJournal()).toBeUndefined()
  }, 60_000)

  test('a branch takes more rows of its version, is refused on another, and ends without a trace in main', async () => {
    const { place, rt, version } = await setUp()
    const some = await rowsIn(place, version, 'i % 10 = 0')
    const twice = [...withReason(some), ...withReason(some)]
    expect((await putAsideOnBranch(rt, { ...act(), version, rows: twice })).outcome.removed).toBe(some.length)
    const more = (await rowsIn(place, version, 'i % 10 < 2')).map(({ row }) => ({
      row,
      reasons: ['outlier'],
    }))
    const both = await putAsideOnBranch(rt, { ...act(), version, rows: more })
    expect(both.outcome).toMatchObject({
      removed: more.length,
      byReason: { label: some.length, outlier: more.length },
    })
    await mergeBranch(rt, act())
    const next = (await place.store.meta.ref(refs.dataset('d')))!.digest
    await putAsideOnBranch(rt, { ...act(), version, rows: withReason(some) })
    await expect(
      putAsideOnBranch(rt, { ...act(), version: next, rows: [{ row: 0, reasons: ['x'] }] }),
    ).rejects.toMatchObject({
      code: 'MR_DATA_BRANCH_EDITED',
    })
    // Its rows are aside in main already, so that nothing is left to merge.
    const none = await mergeBranch(rt, act({ dryRun: true }))
    expect(none).toMatchObject({ done: false, version: next })
    expect(none.effects[0]).toBe('main has all that branch "cleaned" changed already')
    expect(await dropBranch(rt, act({ dryRun: true }))).toMatchObject({ done: false })
    expect(await dropBranch(rt, act())).toMatchObject({ done: true, version: null })
    expect((await place.store.meta.ref(refs.dataset('d')))?.digest).toBe(next)
    await expect(dropBranch(rt, act({ branch: 'main' }))).rejects.toMatchObject({
      code: 'MR_DATA_BRANCH_MAIN',
    })
    await expect(
      putAsideOnBranch(rt, { ...act({ branch: 'a/b' }), version, rows: withReason(some) }),
    ).rejects.toMatchObject({
      code: 'MR_NAME',
    })
    await expect(
      putAsideOnBranch(rt, { ...act(), version, rows: [{ row: 5000, reasons: [] }] }),
    ).rejects.toMatchObject({
      code: 'MR_DATA_SELECTION_ROWS',
    })
  })

  test('a branch of what main held before is merged row by row: what came meanwhile stays', async () => {
    const { place, rt, version } = await setUp()
    const chosen = await rowsIn(place, version, 'i % 7 = 0')
    await putAsideOnBranch(rt, { ...act(), version, rows: withReason(chosen) })
    // Main loses other rows meanwhile, and gains a copy of one that the branch has put aside.
    const others = await rowsIn(place, version, 'i % 5 = 0')
    await putAsideOnBranch(rt, { ...act({ branch: 'other' }), version, rows: withReason(others) })
    await mergeBranch(rt, act({ branch: 'other' }))
    const next = (await place.store.meta.ref(refs.dataset('d')))!.digest
    const both = await rowsIn(place, version, 'i % 7 = 0 and i % 5 <> 0')
    const foreseen = await mergeBranch(rt, act({ dryRun: true }))
    expect(foreseen.effects[0]).toBe(
      `0 rows added, 0 changed and ${both.length} taken out by branch "cleaned"`,
    )
    expect((await place.store.meta.ref(refs.dataset('d')))!.digest).toBe(next)
    const merged = await mergeBranch(rt, act())
    expect(merged.effects[0]).toBe(foreseen.effects[0])
    const main = await place.store.getRecord<DatasetVersion>(merged.version as Digest, 'DatasetVersion')
    expect(main.parents[0]).toBe(next)
    expect(await rowsIn(place, merged.version as Digest, 'i % 7 = 0 or i % 5 = 0')).toEqual([])
    const left = (await rowsIn(place, version, 'i % 7 <> 0 and i % 5 <> 0')).length
    expect(main).toMatchObject({ rows: left, rowsQuarantined: others.length + both.length })
  })

  test('rows put aside at random are not told to do good, but as seldom as an interval of 95 % is wrong', async () => {
    let told = 0
    for (let seed = 1; seed <= 20; seed++) {
      const { place, rt, version } = await setUp({ select: rowsOf({ noise: 0, seed, rows: 600 }), parts: 1 })
      const chosen = await rowsIn(place, version, `hash(i * 31 + ${seed}) % 10 = 0`)
      await putAsideOnBranch(rt, { ...act(), version, rows: withReason(chosen) })
      const { report } = await tryBranch(rt, { model: 'm', branch: 'cleaned', ...why })
      if (report.verdict === 'pass') told++
    }
    // A two-sided interval of 95 % is above 0 by chance in 2.5 % of tries: 4 of 20 or more have a chance below 0.2 %.
    expect(told).toBeLessThanOrEqual(3)
  }, 120_000)
})

test('findings of poison stand beside the others, and those of another version do not', async () => {
  const { place, rt, version } = await setUp()
  const { store, query } = place
  const path = `${store.scratch}/poison.parquet`
  await query.exec(
    raw(
      `copy (select i::integer as row, i % 100 = 0 as poison, 0.5 as poison_odds from range(0, 700) t(i)) to '${path}' (format parquet)`,
    ),
  )
  const { digest: findings } = await store.objects.putFile(path)
  const report = async (dataset: Digest) => {
    const to = await store.putRecord({ kind: 'PoisonReport', model: 'm', dataset, findings })
    const event = { type: 'poison.finished', subject: 'models/m', actor: 'test', reason: 'test', data: {} }
    await store.meta.commit({ moves: [{ name: refs.poison('m'), to }], event })
  }
  await report(findings)
  expect((await triageOf(rt, { name: 'm' })).report.counts.poison).toBeUndefined()
  await report(version)
  const found = await triageOf(rt, { name: 'm' })
  expect(found.report).toMatchObject({ counts: { poison: 7 }, sources: { poison: findings } })
  const { rows } = await readTriage(rt, found.report, { findings: ['poison'] })
  expect(rows.map(({ row }) => row).sort((a, b) => a - b)).toEqual([0, 100, 200, 300, 400, 500, 600])
})

describe('rows unlike the newest', () => {
  const shifted = (seed: number, isShifted: boolean) =>
    `select * replace (case when i < 250 and ${isShifted} then a + 6 else a end as a) from (${rowsOf({ noise: 0, seed })})`

  test('are those of a kind that no longer comes, and triage names them', async () => {
    const { place, rt, version } = await setUp({ select: shifted(1, true) })
    const { found, known } = await likenessOfRows(rt, { model: 'm', version, ...why })
    expect(known).toBe(false)
    expect(found.auc.interval[0]).toBeGreaterThan(0.55)
    const { report } = await triageOf(rt, { name: 'm', version })
    const page = await readTriage(rt, report, { findings: ['stale'], limit: 1000 })
    const i = page.columns.findIndex(({ name }) => name === 'i')
    const old = page.rows.filter(({ values }) => Number(values[i]) < 250)
    expect(page.matched).toBe(found.stale)
    expect(old.length / page.matched).toBeGreaterThan(0.97)
    expect(old.length).toBeGreaterThan(225)
    expect((await likenessOfRows(rt, { model: 'm', version, ...why })).known).toBe(true)
    expect(await place.store.meta.events({ types: ['likeness.finished'] })).toHaveLength(1)
  })

  test('are none where nothing has changed, over 12 seeds; and a feature that grows with time alone is left out', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { rt, version } = await setUp(
        { select: shifted(seed, false), parts: 1 },
        {
          features: ['a', 'b', 'i'].map((name) => ({ name, expr: { op: 'col', name } as const })),
        },
      )
      const { found } = await likenessOfRows(rt, { model: 'm', version, ...why })
      expect(found.leftOut).toEqual(['i'])
      expect(found.stale).toBe(0)
    }
  }, 60_000)
})
