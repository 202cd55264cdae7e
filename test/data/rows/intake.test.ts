/** Rows as they happen: taken whole or not at all, once a batch, and one dataset with what came as files. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { refs } from '../../../src/core/names.ts'
import type { DatasetVersion } from '../../../src/core/records.ts'
import { rowsOf } from '../../../src/data/rows/body.ts'
import { ROWS_LIMITS, RowIntake, RowStreams, retryHeld, sealRows } from '../../../src/data/rows/index.ts'
import type { DatasetDef } from '../../../src/define/types.ts'
import { relationOf } from '../../../src/engine/relation.ts'
import { sql } from '../../../src/expr/sql.ts'
import { allRows, call, check, col, datasetDef, lit, openPlace, type Place, rowCheck } from '../fixture.ts'

const STREAM = { sealRows: 1_000, sealEveryMs: 60_000, newColumns: 'refuse' } as const
const clock = { at: 1_000_000, now: () => clock.at }
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const post = (intake: RowIntake, rows: unknown, batch?: string) =>
  intake.take({ body: bytes(rows), format: 'json', batch })

async function streamed(overrides: Partial<DatasetDef> = {}) {
  const place = await openPlace()
  const def = datasetDef({
    stream: STREAM,
    source: [],
    parts: { by: 'rows', rowsMax: 1_000_000 },
    ...overrides,
  })
  const ports = { ...place, clock }
  return {
    place,
    def,
    ports,
    intake: await RowIntake.open(ports, def),
    request: { actor: 'test', now: 2_000_000 },
  }
}

async function head(place: Place): Promise<DatasetVersion> {
  const ref = await place.store.meta.ref(refs.dataset('d'))
  return await place.store.getRecord<DatasetVersion>(ref!.digest, 'DatasetVersion')
}

const bodies: [string, string, 'json' | 'lines', unknown][] = [
  ['an array', '[{"a":1},{"a":2}]', 'json', [{ a: 1 }, { a: 2 }]],
  ['one object', '{"a":1}', 'json', [{ a: 1 }]],
  ['lines', '\ufeff{"a":1}\r\n\n {"a":"}{\\n"}', 'lines', [{ a: 1 }, { a: '}{\n' }]],
  ['two objects in one line', '{"a":1},{"a":2}', 'lines', 'line 1: '],
  ['a broken line', '{"a":1}\n{"a":\n{"a":2}', 'lines', 'line 2: '],
  ['an array over lines', '{"a":[1\n2]}', 'lines', 'line 1: '],
  ['nothing', '', 'json', 'it is empty'],
  ['NaN', '[{"a":NaN}]', 'json', 'MR_ROWS_BODY'],
]
test.each(bodies)('a body that is %s', async (_, text, format, expected) => {
  const rows = rowsOf(Buffer.from(text), format)
  if (typeof expected === 'string') await expect(rows).rejects.toThrow(expected)
  else expect(await rows).toEqual(expected)
})

test('a body that is not UTF-8 is refused', async () => {
  await expect(rowsOf(Uint8Array.of(0x22, 0xff, 0x22), 'json')).rejects.toThrow('MR_ROWS_BODY')
})

describe('a stream', () => {
  test('goes on from a file with the same checks: history and stream are one dataset', async () => {
    const checks = [rowCheck('sane', call('lt', col('n'), lit(100)))]
    const { place, def, ports, intake, request } = await streamed({ checks, key: ['id'] })
    place.file(
      'a.csv',
      `id,n,at\n${Array.from({ length: 9 }, (_, i) => `${i},${i},2001-01-0${i + 1}\n`).join('')}`,
    )
    await place.import({ ...def, source: ['a.csv'] })
    await post(intake, [
      { id: 9, n: 1, at: '2001-02-01' },
      { id: 10, n: 500, at: null },
      { id: 3, n: 3, at: '2001-01-04' },
      { id: 4, n: 77, at: '2001-01-05' },
    ])
    const outcome = await sealRows(ports, def, request)
    expect(outcome).toMatchObject({ dataset: 'd', rows: 4 })
    const version = await head(place)
    expect(version.schema.columns.map(({ name, type }) => [name, type])).toEqual([
      ['id', 'int'],
      ['n', 'int'],
      ['at', 'date'],
    ])
    // Row 3 is there already, word for word; row 4 has a key that is taken; row 10 fails a check.
    expect([version.rows, version.rowsQuarantined, version.parents.length]).toEqual([10, 2, 1])
    expect(version.source).toBe('rows 1 to 4')
    await intake.refresh()
    expect(intake.status()).toMatchObject({
      waiting: { rows: 0, since: null },
      sealed: { rows: 4, at: 2_000_000 },
    })
    expect(await sealRows(ports, def, request)).toBeUndefined()
  })

  test('begins a dataset that has no file, and keeps equal rows of a dataset without a key', async () => {
    const { place, def, ports, intake, request } = await streamed({
      time: 'at',
      parts: { by: 'month', rowsMax: 9 },
    })
    await post(intake, [
      { at: 0, n: 1 },
      { at: '1970-02-01T00:00:00+01:00', n: 1.5, s: 'x' },
    ])
    await post(intake, [{ at: 0, n: 1 }])
    await sealRows(ports, def, request)
    await post(intake, [{ at: 0, n: 1, s: null }])
    await sealRows(ports, def, request)
    const version = await head(place)
    expect(version.parts.map(({ key, rows }) => [key, rows])).toEqual([['1970-01', 4]])
    expect((await allRows(place, version)).map(({ n, s }) => [n, s])).toEqual([
      [1, null],
      [1, null],
      [1, null],
      [1.5, 'x'],
    ])
    await expect(post(intake, [{ at: 0, n: 'x' }])).rejects.toThrow('MR_ROWS_FIELD: row 1, field "n"')
    await expect(post(intake, [{ at: 0 }, { m: 1 }])).rejects.toThrow('MR_ROWS_UNKNOWN_FIELD: row 2')
    await intake.refresh()
    expect(intake.waiting.rows).toBe(0)
  })

  test('takes a batch once: at once, after a seal, and after a restart', async () => {
    const { place, def, ports, intake, request } = await streamed()
    const both = await Promise.all([post(intake, [{ a: 1 }], 'b-1'), post(intake, [{ a: 1 }], 'b-1')])
    expect(both.map(({ repeated }) => repeated)).toEqual([false, true])
    await expect(post(intake, [{ a: 2 }], 'b-1')).rejects.toThrow('MR_ROWS_BATCH_REUSED')
    const waiting = await RowIntake.open(ports, def)
    expect(await post(waiting, [{ a: 1 }], 'b-1')).toEqual({
      dataset: 'd',
      rows: 1,
      batch: 'b-1',
      repeated: true,
    })
    await sealRows(ports, def, request)
    await post(intake, [{ a: 3 }], 'b-2')
    await sealRows(ports, def, request)
    for (const again of [intake, await RowIntake.open(ports, def)])
      expect((await post(again, [{ a: 1 }], 'b-1')).repeated).toBe(true)
    expect((await head(place)).rows).toBe(2)
    for (const name of ['', 'two words', 'ü', 'x'.repeat(201)])
      await expect(post(intake, [], name)).rejects.toThrow('MR_ROWS_BATCH')
  })

  test('whose rows are all there already moves on without a version', async () => {
    const { place, def, ports, intake, request } = await streamed({ key: ['a'] })
    await post(intake, [{ a: 1 }])
    await sealRows(ports, def, request)
    const before = await place.store.meta.ref(refs.dataset('d'))
    await post(intake, [{ a: 1 }, { a: 1 }])
    expect(await sealRows(ports, def, request)).toEqual({ dataset: 'd', rows: 2 })
    expect(await place.store.meta.ref(refs.dataset('d'))).toEqual(before)
    expect(await sealRows(ports, def, request)).toBeUndefined()
  })

  test('holds rows that a check refuses, goes on, and adds them when they are tried again', async () => {
    const few = check('few', { kind: 'rowCount', max: 2 }, { onFail: 'stop' })
    const { place, def, ports, intake, request } = await streamed({ checks: [few] })
    await post(intake, [{ a: 1 }])
    await sealRows(ports, def, request)
    await post(intake, [{ a: 2 }, { a: 3 }, { a: 4 }], 'three')
    const refused = await sealRows(ports, def, request)
    expect(refused).toMatchObject({ rows: 3, held: { rows: 3, code: 'MR_DATA_REFUSED' } })
    await post(intake, [{ a: 5 }])
    await sealRows(ports, def, request)
    expect((await head(place)).rows).toBe(2)
    expect((await retryHeld(ports, def, request))[0]).toMatchObject({
      rows: 3,
      held: { code: 'MR_DATA_REFUSED' },
    })
    await intake.refresh()
    expect(intake.status()).toMatchObject({ held: [{ rows: 3 }], sealed: { rows: 5 } })
    expect(await retryHeld(ports, { ...def, checks: [] }, request)).toMatchObject([{ rows: 3 }])
    expect((await head(place)).rows).toBe(5)
    await intake.refresh()
    expect(intake.status().held).toEqual([])
    expect((await post(intake, [{ a: 2 }, { a: 3 }, { a: 4 }], 'three')).repeated).toBe(true)
  })

  test('sealed by two at once is sealed once', async () => {
    const { place, def, ports, intake, request } = await streamed()
    await post(intake, [{ a: 1 }])
    const outcomes = await Promise.all([sealRows(ports, def, request), sealRows(ports, def, request)])
    expect(outcomes.filter(Boolean).length).toBe(1)
    expect((await head(place)).rows).toBe(1)
  })

  test('is sealed when enough rows wait, or the oldest has waited long enough', async () => {
    const { ports, def, place } = await streamed()
    const streams = new RowStreams(ports, [{ ...def, stream: { ...STREAM, sealRows: 3 } }])
    await streams.take('d', { body: bytes([{ a: 1 }, { a: 2 }]), format: 'json' })
    expect(await streams.sealDue()).toEqual([])
    await streams.take('d', { body: bytes([{ a: 3 }]), format: 'json' })
    expect(await streams.sealDue()).toMatchObject([{ rows: 3 }])
    await streams.take('d', { body: bytes([{ a: 4 }]), format: 'json' })
    expect(await streams.sealDue()).toEqual([])
    clock.at += STREAM.sealEveryMs
    expect(await streams.sealDue()).toMatchObject([{ rows: 1 }])
    expect((await head(place)).rows).toBe(4)
    await expect(streams.take('other', { body: bytes([]), format: 'json' })).rejects.toThrow('MR_ROWS_OFF')
    await streams.close()
  })

  test('of a dataset that is updated by key updates it; that of one whose files are the whole table adds to it', async () => {
    for (const [mode, expected] of [
      [
        'upsert',
        [
          [1, 5],
          [2, 2],
        ],
      ],
      [
        'replace',
        [
          [1, 1],
          [2, 2],
          [3, 3],
        ],
      ],
    ] as const) {
      const { place, def, ports, intake, request } = await streamed({ key: ['id'], mode })
      await post(intake, [
        { id: 1, n: 1 },
        { id: 2, n: 2 },
      ])
      await sealRows(ports, def, request)
      await post(intake, [mode === 'upsert' ? { id: 1, n: 5 } : { id: 3, n: 3 }])
      await sealRows(ports, def, request)
      const { rows } = await head(place)
      const found = await place.query.rows<{ id: number; n: number }>(
        sql`SELECT id, n FROM (${await relationOf(place.store, await head(place))}) ORDER BY id`,
      )
      expect([rows, found.map(({ id, n }) => [Number(id), Number(n)])]).toEqual([expected.length, expected])
    }
  })

  test('takes Arrow, whose types are those of the columns', async () => {
    const { place, def, ports, intake, request } = await streamed()
    const { streams, columns } = JSON.parse(
      readFileSync(new URL('../../reference/arrow/pyarrow.json', import.meta.url), 'utf8'),
    ) as { streams: Record<string, string>; columns: Record<string, unknown[]> }
    const send = () => intake.take({ body: Buffer.from(streams.old!, 'base64'), format: 'arrow' })
    expect((await send()).rows).toBe(4)
    await sealRows(ports, def, request)
    await send()
    await sealRows(ports, def, request)
    const rows = await allRows(place, await head(place))
    const texts = [...columns.text!, ...columns.text!]
    expect(rows.map(({ text }) => text).sort()).toEqual(texts.sort())
    await expect(intake.take({ body: Buffer.from('no'), format: 'arrow' })).rejects.toThrow('MR_ROWS_BODY')
  })

  test('refuses with 429 when more waits than may, and rows beyond the limit of a request', async () => {
    const { intake } = await streamed()
    await post(intake, [{ a: 1 }])
    const limits = ROWS_LIMITS as { backlogRowsMax: number; requestRowsMax: number }
    const { backlogRowsMax, requestRowsMax } = limits
    try {
      limits.backlogRowsMax = 1
      await expect(post(intake, [{ a: 1 }])).rejects.toMatchObject({
        code: 'MR_ROWS_BACKLOG',
        status: 429,
        data: { retryAfterS: 5 },
      })
      limits.backlogRowsMax = 2
      limits.requestRowsMax = 1
      await expect(post(intake, [{ a: 1 }, { a: 2 }])).rejects.toThrow('MR_LIMIT')
    } finally {
      Object.assign(limits, { backlogRowsMax, requestRowsMax })
    }
  })
})
