/** Lineage: every run event keeps the published schemas, in the order of the journal, at least once, whatever becomes of the server. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { refs, subjects } from '../../src/core/names.ts'
import type { Digest } from '../../src/core/records.ts'
import { type DatasetMerge, headOf, planMerge, recordMerge } from '../../src/data/index.ts'
import type { ProjectDef } from '../../src/define/types.ts'
import type { RunEvent } from '../../src/loop/lineage/facets.ts'
import { LineageSender } from '../../src/loop/lineage/sender.ts'
import { type LineageSettings, lineageSettings } from '../../src/loop/lineage/transport.ts'
import { call, check, col, datasetDef, lit, openPlace, type Place, rowCheck } from '../data/fixture.ts'
import { codeOf } from '../store/fixture.ts'

const SCHEMAS = join(import.meta.dirname, '../reference/openlineage/schemas')

/** Holds an event and each of its facets to the schemas they name. */
function validator(): (event: RunEvent) => void {
  const ajv = new Ajv2020({ strict: false })
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  ajv.addFormat('uri', { validate: (text: string) => URL.canParse(text) })
  ajv.addFormat('uuid', /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  for (const file of readdirSync(SCHEMAS))
    ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')) as object)
  const hold = (schema: string, value: unknown) => {
    const validate = ajv.getSchema(schema)
    if (validate === undefined) throw new Error(`no schema ${schema}`)
    expect(validate(value), JSON.stringify(validate.errors)).toBe(true)
  }
  return (event) => {
    hold(event.schemaURL, event)
    const sets = [event.inputs, event.outputs].flat()
    const facets = [
      ...[event.run.facets, event.job.facets],
      ...sets.flatMap(({ facets: own, inputFacets, outputFacets }) => [own, inputFacets, outputFacets]),
    ]
    for (const set of facets)
      for (const [name, facet] of Object.entries(set ?? {})) {
        const url = (facet as { _schemaURL: string })._schemaURL
        hold(url, facet)
        hold(url.split('#')[0]!, { [name]: facet })
      }
  }
}

const DEF = datasetDef({
  key: ['id'],
  mode: 'replace',
  parts: { by: 'rows', rowsMax: 1_000 },
  checks: [
    rowCheck('v is small', call('lt', col('v'), lit(100))),
    check('enough', { kind: 'rowCount', min: 2, max: 6 }, { onFail: 'stop' }),
  ],
})

/** A journal with an import, a delivery that was refused, a merge, one that was refused, and two events of models. */
async function makeJournal(): Promise<Place> {
  const place = await openPlace()
  const { store } = place
  const deliver = (name: string, ids: number[], branch?: string) => {
    place.file(name, `id,v,secret\n${ids.map((id) => `${id},${id === 4 ? 200 : id},s3cr3t`).join('\n')}\n`)
    return place.import(DEF, { files: [name], ...(branch && { branch }) })
  }
  await deliver('a.csv', [1, 2, 3, 4])
  expect(await codeOf(deliver('few.csv', [1]))).toBe('MR_DATA_REFUSED')
  const start = (await headOf(store, 'd'))!.digest
  const merge = async (branch: string, ours: number[], theirs: number[]) => {
    const from = (await headOf(store, 'd'))!.digest
    await store.meta.commit({
      moves: [{ name: refs.dataset('d', branch), from: null, to: from }],
      event: { type: 'data.branched', subject: subjects.dataset('d'), actor: 'test', reason: '', data: {} },
    })
    await deliver(`${branch}.csv`, theirs, branch)
    await deliver(`main-${branch}.csv`, ours)
    const [into, of] = [(await headOf(store, 'd'))!, (await headOf(store, 'd', branch))!]
    const spec = planMerge(DEF, into.version, { base: from, ours: into.digest, theirs: of.digest })
    const [run] = await place.jobs.run([spec])
    const done = await store.getRecord<DatasetMerge>(run!.record.outputs.merge!, 'DatasetMerge')
    return await recordMerge(store, {
      ...{ dataset: 'd', into: 'main', from: branch, ends: true, ours: into.digest, theirs: of.digest },
      ...{ merged: { spec, merge: done }, actor: 'test', now: 9, reason: 'both' },
    })
  }
  await merge('one', [1, 2, 3, 5], [1, 2, 3, 6])
  expect(await codeOf(merge('two', [1, 2, 3, 5, 6, 7], [1, 2, 3, 5, 6, 8]))).toBe('MR_DATA_MERGE_CHECKS')
  await train(place, start)
  return place
}

let made: Promise<Place> | undefined
const journal = (): Promise<Place> => {
  made ??= makeJournal()
  return made
}

async function train({ store }: Place, dataset: Digest): Promise<void> {
  const parent = await store.putRecord({
    ...{ kind: 'ModelVersion', model: 'm', trainedOn: { dataset: 'd', version: dataset, rows: 3 } },
    ...{
      signature: { inputs: [{ name: 'v', type: 'int', nullable: false }], outputs: [] },
      run: `sha256:${'1'.repeat(64)}`,
    },
  })
  const bundle = await store.putRecord({
    kind: 'ModelBundle',
    model: 'm',
    parent,
    members: {},
    held: {},
    version: 1,
  })
  const event = { subject: subjects.model('m'), actor: 'test', reason: 'why' }
  const edit = { branch: 'cleaned', base: dataset, version: dataset, run: `sha256:${'2'.repeat(64)}` }
  await store.meta.commit({
    event: { ...event, subject: subjects.dataset('d'), type: 'data.quarantined', data: edit },
  })
  await store.meta.commit({
    event: { ...event, type: 'train.finished', data: { bundle, version: 1, dataset } },
  })
  await store.meta.commit({
    event: { ...event, type: 'release.live', data: { routes: [{ version: 1, role: 'live', weight: 1 }] } },
  })
  await store.meta.commit({ event: { ...event, type: 'retrain.failed', data: { code: 'MR_TRAIN_NO_TIME' } } })
}

const senderTo = (place: Place, settings: LineageSettings, onFault?: (error: Error) => void) =>
  new LineageSender(
    { store: place.store, stateDir: join(place.dir, 'state'), project: { name: 'shop' } as ProjectDef },
    { ...settings, version: '1.2.3', retryMs: 1, ...(onFault && { onFault }) },
  )

test('imports, merges, trainings and releases are run events that keep the schemas, those that failed with why', async () => {
  const place = await journal()
  const lines: string[] = []
  const sender = senderTo(place, lineageSettings({}, 'stdout', (text) => lines.push(text))!)
  await sender.poll(undefined, 0)
  const events = lines.map((line) => JSON.parse(line) as RunEvent)
  const hold = validator()
  for (const event of events) hold(event)
  const ended = events.filter(({ eventType }) => eventType !== 'START')
  expect(ended.map(({ eventType, job }) => `${eventType} ${job.name}`)).toEqual([
    'COMPLETE data.import.d',
    'FAIL data.import.d',
    ...['COMPLETE data.import.d', 'COMPLETE data.import.d', 'COMPLETE data.merge.d'],
    ...['COMPLETE data.import.d', 'COMPLETE data.import.d', 'FAIL data.merge.d'],
    ...['COMPLETE data.edit.d', 'COMPLETE train.m', 'COMPLETE release.m', 'FAIL train.m'],
  ])
  expect(events.filter(({ eventType }) => eventType === 'START').map(({ run }) => run.runId)).toEqual(
    ended.map(({ run }) => run.runId),
  )
  const [imported, refused, , , merged] = ended as [RunEvent, RunEvent, RunEvent, RunEvent, RunEvent]
  const { facets, outputFacets } = imported.outputs[0]!
  expect(facets).toMatchObject({
    schema: {
      fields: [
        { name: 'id', type: 'int' },
        { name: 'v', type: 'int' },
        { name: 'secret', type: 'string' },
      ],
    },
    dataSource: { name: 'shop', uri: 'millrace://shop' },
    dataQualityMetrics: { rowCount: 3, columnMetrics: { v: { nullCount: 0, min: 1, max: 3 } } },
    columnLineage: { fields: { v: { inputFields: [{ namespace: 'file', name: 'a.csv', field: 'v' }] } } },
  })
  expect(outputFacets).toMatchObject({ outputStatistics: { rowCount: 3, fileCount: 1 } })
  expect(imported.inputs[0]!.inputFacets).toMatchObject({
    dataQualityAssertions: {
      assertions: [
        { name: 'v is small', success: false, severity: 'warn', actual: '0.75' },
        { name: 'enough', assertion: 'row_count', success: true, severity: 'error', actual: '4' },
        { name: 'unique key', assertion: 'unique', success: true },
      ],
    },
  })
  expect(refused.run.facets.errorMessage).toMatchObject({
    message: expect.stringContaining('MR_DATA_REFUSED: enough'),
  })
  expect(merged.inputs.map(({ name }) => name)).toEqual(['d', 'd@one'])
  const [training, release] = ended.slice(-3) as [RunEvent, RunEvent]
  expect(training.outputs[0]!.facets).toMatchObject({
    columnLineage: {
      fields: { prediction: { inputFields: [{ namespace: 'millrace://shop', name: 'd', field: 'v' }] } },
    },
  })
  expect(release.run.facets.parent).toMatchObject({
    run: { runId: training.run.runId },
    job: { name: 'train.m' },
  })
  // No value of a row is sent.
  expect(lines.join('')).not.toContain('s3cr3t')
})

/** A server that answers as it is told, and keeps what it took. */
async function serverOf(
  answer: (n: number) => number,
): Promise<{ server: Server; url: string; taken: RunEvent[]; asked: string[] }> {
  const taken: RunEvent[] = []
  const asked: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
      const status = answer(asked.length)
      if (status < 300) taken.push(JSON.parse(Buffer.concat(chunks).toString()) as RunEvent)
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken, asked }
}

const idsOf = (events: readonly RunEvent[]) => events.map(({ run, eventType }) => `${run.runId} ${eventType}`)

test('a server that fails half-way gets the rest later, in order, and nothing of it twice; what it will never take is passed over and counted', async () => {
  const place = await journal()
  const lines: string[] = []
  await senderTo(place, lineageSettings({}, 'stdout', (text) => lines.push(text))!).poll(undefined, 0)
  const all = lines.map((line) => JSON.parse(line) as RunEvent)
  // Fine for five, down for four, then it finds fault with one.
  const place5 = await serverOf((n) => (n > 5 && n < 10 ? 503 : n === 14 ? 422 : 201))
  const { server, url, taken, asked } = place5
  const env = { OPENLINEAGE_URL: url, OPENLINEAGE_API_KEY: 'key' }
  const faults: Error[] = []
  const settings = () => lineageSettings(env, undefined, () => {})!
  const first = await senderTo(place, settings(), (error) => faults.push(error)).poll()
  expect([first.sent, first.fault]).toEqual([5, expect.stringContaining('answered 503')])
  expect([faults.length, asked[0]]).toEqual([1, 'POST /api/v1/lineage Bearer key'])
  const second = await senderTo(place, settings()).poll()
  expect([second.fault, second.refused]).toEqual([undefined, 1])
  // The START of the entry that was under way is sent again, and one was refused.
  const ids = idsOf(taken)
  const expected = idsOf(all)
  expect([...new Set(ids)]).toEqual(expected.filter((id) => ids.includes(id)))
  expect([ids.length - new Set(ids).size, expected.length - new Set(ids).size]).toEqual([1, 1])
  const third = await senderTo(place, settings()).poll()
  expect([third.sent, third.refused]).toEqual([0, 0])
  await new Promise((done) => server.close(done))
  const gone = await senderTo(place, settings()).poll(undefined, 0)
  expect([gone.sent, gone.fault]).toEqual([0, expect.stringContaining(url)])
})

test('a server that does not answer is waited for no longer than it is asked to, and is no fault then', async () => {
  const place = await journal()
  const server = createServer(() => {})
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const env = { OPENLINEAGE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  const faults: Error[] = []
  const sender = senderTo(place, lineageSettings(env, undefined, () => {})!, (error) => faults.push(error))
  const begunMs = performance.now()
  const turn = await sender.poll(AbortSignal.timeout(100), 0)
  expect(performance.now() - begunMs).toBeLessThan(3_000)
  expect([turn, faults]).toEqual([{ sent: 0, refused: 0, seq: expect.any(Number) }, []])
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

test('how far it came is written when it came further, and not each time that it looks', async () => {
  const place = await journal()
  const target = `file:${join(place.dir, 'further.jsonl')}`
  const sender = senderTo(place, lineageSettings({}, target, () => {})!)
  await sender.poll()
  const folder = join(place.dir, 'state', 'lineage')
  const written = () =>
    readdirSync(folder)
      .map((name) => `${name} ${statSync(join(folder, name)).ino}`)
      .sort()
  const before = written()
  expect((await sender.poll()).sent).toBe(0)
  expect(written()).toEqual(before)
})

test('a file gets one event a line, and the environment is read as the clients of OpenLineage do', async () => {
  const place = await journal()
  const dir = mkdtempSync(join(tmpdir(), 'millrace-lineage-'))
  const path = join(dir, 'deep', 'events.jsonl')
  const env = {
    OPENLINEAGE__TRANSPORT__TYPE: 'file',
    OPENLINEAGE__TRANSPORT__LOG_FILE_PATH: path,
    OPENLINEAGE_NAMESPACE: 'team',
  }
  const turn = await senderTo(place, lineageSettings(env, undefined, () => {})!).poll()
  const events = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent)
  expect([events.length, events[0]!.job.namespace]).toEqual([turn.sent, 'team'])
  rmSync(dir, { recursive: true })
  expect(lineageSettings({}, undefined, () => {})).toBeUndefined()
  expect(lineageSettings({ ...env, OPENLINEAGE_DISABLED: 'true' }, undefined, () => {})).toBeUndefined()
  const url = lineageSettings(
    { OPENLINEAGE_URL: 'http://me:pw@h:5000/base', OPENLINEAGE_ENDPOINT: 'x/y' },
    undefined,
    () => {},
  )
  expect(url!.transport.target).toBe('http://h:5000/base/x/y')
  for (const to of ['ftp://x', 'file:', 'nowhere'])
    expect(await codeOf(Promise.resolve().then(() => lineageSettings({}, to, () => {})))).toBe(
      'MR_LINEAGE_TARGET',
    )
})
