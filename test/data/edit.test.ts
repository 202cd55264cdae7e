import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { DatasetVersion, Digest } from '../../src/core/records.ts'
import { log, readQuarantine, resolveVersion, rowSelection } from '../../src/data/index.ts'
import type { DatasetDef, ProjectDef } from '../../src/define/types.ts'
import { parseExpr } from '../../src/expr/parse.ts'
import {
  editQuarantine,
  editSpec,
  parseFix,
  type QuarantineRequest,
  runEdit,
} from '../../src/loop/quarantine.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { verify } from '../../src/loop/verify.ts'
import {
  allRows,
  call,
  check,
  col,
  datasetDef,
  headDigest,
  lit,
  openPlace,
  type Place,
  rowCheck,
} from './fixture.ts'

/** Rows 0 to 59 over two months; every tenth has a delay that is in seconds, every fifteenth has none, and row 7 is there twice. */
const ROWS = `SELECT i AS id, TIMESTAMP '2024-01-15' + INTERVAL (i) DAY AS at,
  CASE WHEN i % 15 = 14 THEN NULL WHEN i % 10 = 3 THEN 6000 + i * 60 ELSE i END AS delay, 'c' || (i % 3) AS carrier
  FROM (SELECT unnest(list_append(range(60), 7)) AS i)`

const DEF: DatasetDef = datasetDef({
  time: 'at',
  checks: [
    rowCheck('delay known', call('notNull', col('delay'))),
    rowCheck('delay in minutes', call('lt', col('delay'), lit(1000))),
    check('no copies', { kind: 'unique', columns: ['id'] }),
    check('enough', { kind: 'rowCount', min: 40 }, { onFail: 'stop' }),
  ],
})

async function setUp(def: DatasetDef = DEF): Promise<{ place: Place; rt: Runtime; version: DatasetVersion }> {
  const place = await openPlace()
  await place.parquet('rows.parquet', ROWS)
  const version = await place.import(def)
  const { store, jobs } = place
  const project = { datasets: [def], models: [] } as unknown as ProjectDef
  const rt = {
    project,
    store,
    jobs,
    folder: '.',
    clock: { now: () => 3_000_000 },
    query: async () => place.query,
  }
  return { place, rt: rt as unknown as Runtime, version }
}

const request = (over: Partial<QuarantineRequest>): QuarantineRequest => ({
  ...{ dataset: 'd', verb: 'release', reason: 'looked at it', actor: 'ana' },
  ...over,
})

const head = async ({ store }: Place): Promise<DatasetVersion> =>
  await store.getRecord<DatasetVersion>((await headDigest(store)) as Digest, 'DatasetVersion')

const idsOf = async (place: Place, version: DatasetVersion): Promise<number[]> =>
  (await allRows(place, version)).map(({ id }) => Number(id)).sort((a, b) => a - b)

describe('rows that were put aside', () => {
  test('are listed with numbers and reasons, by reason and by filter, page by page', async () => {
    const { place, version } = await setUp()
    const digest = (await headDigest(place.store)) as Digest
    expect(version).toMatchObject({ rows: 50, rowsQuarantined: 11 })
    const all = await readQuarantine(place.store, place.query, digest)
    expect(all).toMatchObject({ total: 11, matched: 11, next: null })
    expect(all.byReason).toEqual({ 'delay in minutes': 6, 'delay known': 4, 'no copies': 1 })
    const first = await readQuarantine(place.store, place.query, digest, { limit: 4 })
    const second = await readQuarantine(place.store, place.query, digest, {
      limit: 40,
      before: first.next as number,
    })
    expect([...first.rows, ...second.rows]).toEqual(all.rows)
    const some = await readQuarantine(place.store, place.query, digest, {
      reasons: ['delay in minutes'],
      where: parseExpr("carrier = 'c0' and id > 20"),
    })
    expect(some.rows.map(({ values }) => values[0])).toEqual([33])
  })

  test('are fixed by an expression: those that keep the checks come in where they belong, in one version with its event', async () => {
    const { place, rt, version } = await setUp()
    const base = await headDigest(place.store)
    const fix = request({
      verb: 'fix',
      reasons: ['delay in minutes'],
      set: [parseFix('delay = delay / 60')],
      reason: 'carrier c0 sent seconds',
    })
    const foreseen = await editQuarantine(rt, { ...fix, dryRun: true })
    expect(foreseen).toMatchObject({ done: false, rows: 56, rowsQuarantined: 5, version: base })
    expect(await headDigest(place.store)).toBe(base)

    const result = await editQuarantine(rt, fix)
    expect(result).toMatchObject({ done: true, outcome: { chosen: 6, added: 6, aside: -6 } })
    expect(result.effects).toEqual(foreseen.effects)
    const after = await head(place)
    expect(after.parents).toEqual([base])
    expect(after).toMatchObject({
      rows: 56,
      rowsQuarantined: 5,
      message: 'delay of 6 rows set anew, 6 taken',
    })
    const rows = await allRows(place, after)
    expect(rows.find(({ id }) => Number(id) === 13)?.delay).toBe((6000 + 13 * 60) / 60)
    // Rows are where an import would have put them: by month, in one order.
    for (const part of after.parts) {
      const [found] = await place.query.rows<{ a: string; b: string; sorted: boolean }>({
        text: `SELECT strftime(min("at"), '%Y-%m') AS a, strftime(max("at"), '%Y-%m') AS b, list("at") = list_sort(list("at")) AS sorted FROM read_parquet(?)`,
        params: [await place.store.objects.path(part.digest)],
      })
      expect(found).toEqual({ a: part.key, b: part.key, sorted: true })
      expect(Object.keys(part.stats)).toEqual(Object.keys(version.parts[0].stats))
    }
    const [event] = await place.store.meta.events({ types: ['data.fixed'] })
    expect(event).toMatchObject({ subject: 'datasets/d', actor: 'ana' })
    expect(event.reason).toBe('delay of 6 rows set anew, 6 taken: carrier c0 sent seconds')
  })

  test('stay aside with the reasons that are left when a fix does not mend them', async () => {
    const { place, rt } = await setUp()
    const set = [parseFix('delay = when id > 30 then 5 otherwise delay')]
    const result = await editQuarantine(rt, request({ verb: 'fix', reasons: ['delay in minutes'], set }))
    expect(result.outcome).toMatchObject({
      chosen: 6,
      added: 3,
      aside: -3,
      byReason: { 'delay in minutes': 3 },
    })
    const left = await readQuarantine(place.store, place.query, result.version, {})
    expect(left.byReason).toEqual({ 'delay in minutes': 3, 'delay known': 4, 'no copies': 1 })
    // A copy stays one whatever else is set, and a check of the whole delivery does not stop a fix of one row.
    const copy = await editQuarantine(
      rt,
      request({ verb: 'fix', reasons: ['no copies'], set: [parseFix("carrier = 'c9'")] }),
    )
    expect(copy.outcome).toMatchObject({ chosen: 1, added: 0, byReason: { 'no copies': 1 } })
    const renamed = await editQuarantine(
      rt,
      request({ verb: 'fix', reasons: ['no copies'], set: [parseFix('id = 700')] }),
    )
    expect(renamed.outcome).toMatchObject({ chosen: 1, added: 1 })
  })

  test('are released as they are, and dropped, and the rest is untouched', async () => {
    const { place, rt, version } = await setUp()
    const released = await editQuarantine(rt, request({ reasons: ['delay known'] }))
    expect(released.outcome).toMatchObject({ chosen: 4, added: 4 })
    const after = await head(place)
    expect(await idsOf(place, after)).toEqual(
      [...(await idsOf(place, version)), 14, 29, 44, 59].sort((a, b) => a - b),
    )
    const dropped = await editQuarantine(rt, request({ verb: 'drop', where: parseExpr('id >= 30') }))
    expect(dropped).toMatchObject({ rows: 54, rowsQuarantined: 4 })
    expect((await head(place)).parts).toEqual(after.parts)
    const rest = await editQuarantine(rt, request({ verb: 'drop', all: true, reason: 'not needed' }))
    expect(rest).toMatchObject({ rows: 54, rowsQuarantined: 0 })
    expect((await head(place)).quarantine).toEqual([])
    const none = await editQuarantine(rt, request({ verb: 'drop', all: true }))
    expect(none).toMatchObject({ done: false, effects: ['no row that is aside is meant by this'] })
    expect((await log(place.store, 'd')).map((row) => row.message)).toHaveLength(4)
    // What comes next goes on as before, with parts and keys of its own.
    await place.parquet(
      'more.parquet',
      "SELECT 900 AS id, TIMESTAMP '2024-02-03' AS at, 9999 AS delay, 'c1' AS carrier",
    )
    const more = await place.import({ ...DEF, checks: DEF.checks.slice(0, 3) })
    expect(more).toMatchObject({ rows: 54, rowsQuarantined: 1 })
  })

  test('an act is done once: again it finds its event, and from an old look it is refused', async () => {
    const { place, rt } = await setUp()
    const { store, jobs } = place
    const base = await resolveVersion(store, 'd')
    const spec = await editSpec(rt, DEF, base, [{ row: 0 }, { row: 1 }], { kind: 'drop' })
    const outputs = await runEdit({ jobs } as Runtime, spec, {})
    // A crash between the run and its record: the same request does the rest, and only once.
    const drop = request({ verb: 'drop', rows: [1, 0], version: base.digest })
    const done = await editQuarantine(rt, drop)
    expect(done).toMatchObject({ done: true, rowsQuarantined: 9 })
    const { recordEdit } = await import('../../src/data/index.ts')
    const again = await recordEdit(store, { spec, outputs, actor: 'ana', reason: 'again', now: 9 })
    expect(again).toMatchObject({ known: true, version: done.version })
    expect(await store.meta.events({ types: ['data.dropped'] })).toHaveLength(1)
    await expect(editQuarantine(rt, drop)).rejects.toMatchObject({ code: 'MR_DATA_EDIT_MOVED', status: 409 })
  })

  test('faults of a request are told before anything runs', async () => {
    const { rt } = await setUp()
    const code = async (over: Partial<QuarantineRequest>) =>
      await editQuarantine(rt, request(over)).then(
        () => 'done',
        (thrown) => thrown.code,
      )
    expect(await code({})).toBe('MR_DATA_SELECTION')
    expect(await code({ verb: 'fix', all: true })).toBe('MR_DATA_SELECTION')
    expect(await code({ rows: [11] })).toBe('MR_DATA_SELECTION_ROWS')
    expect(await code({ branch: 'other', all: true })).toBe('MR_DATA_BRANCH')
    expect(await code({ verb: 'fix', all: true, set: [parseFix('delay = carrier')] })).toBe('MR_EXPR_TYPE')
    expect(await code({ verb: 'fix', all: true, set: [parseFix('dealy = 1')] })).toBe('MR_DATA_FIX_COLUMN')
    for (const value of ['1.5', '1e300'])
      expect(await code({ verb: 'fix', all: true, set: [parseFix(`id = ${value}`)] })).toBe(
        'MR_DATA_FIX_VALUE',
      )
    expect(await code({ all: true, where: parseExpr('dealy > 1') })).toBe('MR_EXPR_UNKNOWN_COLUMN')
    expect(() => parseFix('delay')).toThrow('MR_DATA_SELECTION')
    expect(parseFix("at = '2024-03-01'").column).toBe('at')
    expect(
      await code({ verb: 'fix', all: true, set: [parseFix("at = '2024-03-01'"), parseFix('delay = null')] }),
    ).toBe('done')
  })
})

describe('rows of a version', () => {
  async function putAside(place: Place, rt: Runtime, rows: { row: number; reasons: string[] }[]) {
    const base = await resolveVersion(place.store, 'd')
    const spec = await editSpec(rt, DEF, base, rows, { kind: 'quarantine' })
    const outputs = await runEdit(place as unknown as Runtime, spec, {})
    const { recordEdit } = await import('../../src/data/index.ts')
    const recording = {
      spec,
      outputs,
      branch: 'cleaned',
      from: null,
      actor: 'ana',
      reason: 'label errors',
      now: 5,
    }
    return { base, spec, ...(await recordEdit(place.store, recording)) }
  }

  test('are put aside on a branch: main stays, parts without them keep their digests, and they can come back to the same bytes', async () => {
    const { place, rt, version } = await setUp()
    const first = version.parts[0].rows
    const chosen = [first + 2, first, first + 5].map((row) => ({
      row,
      reasons: ['label', 'outlier'].slice(0, 1 + (row % 2)),
    }))
    const { version: digest, base, event } = await putAside(place, rt, chosen)
    expect(await headDigest(place.store)).toBe(base.digest)
    const branch = await place.store.getRecord<DatasetVersion>(digest, 'DatasetVersion')
    expect(branch.parts[0]).toEqual(version.parts[0])
    expect(branch.parts[1].digest).not.toBe(version.parts[1].digest)
    expect(branch).toMatchObject({ rows: version.rows - 3, rowsQuarantined: version.rowsQuarantined + 3 })
    expect(event).toMatchObject({
      type: 'data.quarantined',
      data: { branch: 'cleaned', base: base.digest, removed: 3 },
    })
    const before = await allRows(place, version)
    const gone = chosen.map(({ row }) => before[row]).map(({ id }) => Number(id))
    expect(await idsOf(place, branch)).toEqual(
      (await idsOf(place, version)).filter((id) => !gone.includes(id)),
    )
    const found = await readQuarantine(place.store, place.query, digest, { reasons: ['label'] })
    expect(found.matched).toBe(3)
    expect(found.rows.map(({ values }) => Number(values[0])).sort()).toEqual(gone.sort())
    expect((await resolveVersion(place.store, 'd@cleaned')).digest).toBe(digest)
    expect((await resolveVersion(place.store, 'd@cleaned~1')).digest).toBe(base.digest)

    const back = await editQuarantine(rt, request({ branch: 'cleaned', reasons: ['label'] }))
    const whole = await place.store.getRecord<DatasetVersion>(back.version, 'DatasetVersion')
    expect(whole.parts).toEqual(version.parts)
    expect(await headDigest(place.store)).toBe(base.digest)
  })

  test('the same choice in another order is the same spec, and a whole part may leave', async () => {
    const { place, rt, version } = await setUp()
    const rows = Array.from({ length: version.parts[0].rows }, (_, row) => ({ row, reasons: ['stale'] }))
    expect(digestOf(rowSelection(rows))).toBe(digestOf(rowSelection(rows.toReversed())))
    const { version: digest } = await putAside(place, rt, rows)
    const branch = await place.store.getRecord<DatasetVersion>(digest, 'DatasetVersion')
    expect(branch.parts).toEqual(version.parts.slice(1))
    expect(branch.window?.fromAt).toBeGreaterThan(version.window?.fromAt as number)
  })

  test('blocks of rows keep their numbers when one before them is emptied', async () => {
    const def = datasetDef({ parts: { by: 'rows', rowsMax: 20 } })
    const { place, rt } = await setUp(def)
    const base = await resolveVersion(place.store, 'd')
    expect(base.version.parts.map(({ key, rows }) => [key, rows])).toEqual([
      ['rows-000000', 20],
      ['rows-000001', 20],
      ['rows-000002', 20],
      ['rows-000003', 1],
    ])
    const all = Array.from({ length: 20 }, (_, i) => ({ row: 20 + i, reasons: ['x'] }))
    const spec = await editSpec(rt, def, base, all, { kind: 'quarantine' })
    const outputs = await runEdit(place as unknown as Runtime, spec, {})
    const { recordEdit } = await import('../../src/data/index.ts')
    await recordEdit(place.store, { spec, outputs, actor: 'a', reason: 'r', now: 5 })
    await place.parquet('rows2.parquet', ROWS.replace('range(60)', 'range(100, 130)'))
    const next = await place.import(def)
    expect(next.parts.map(({ key, rows }) => [key, rows])).toEqual([
      ['rows-000000', 20],
      ['rows-000002', 20],
      ['rows-000003', 20],
      ['rows-000004', 12],
    ])
    expect(await idsOf(place, next)).toHaveLength(72)
  })

  test('parts that an edit wrote are made again, to the same bytes, when they are damaged', async () => {
    const { place, rt } = await setUp()
    await putAside(place, rt, [{ row: 3, reasons: ['label'] }])
    const { version } = await resolveVersion(place.store, 'd@cleaned')
    await place.store.objects.remove(version.parts[0].digest)
    await place.store.objects.remove(version.quarantine.at(-1)!.digest)
    const names = ['d@cleaned']
    expect((await verify(place, { actor: 'a', names })).bad).toHaveLength(2)
    const repaired = await verify(place, { actor: 'a', names, repair: true })
    expect(repaired.left).toEqual([])
    expect(repaired.repaired).toHaveLength(2)
    expect((await verify(place, { actor: 'a', names })).bad).toEqual([])
  }, 60_000)
})
