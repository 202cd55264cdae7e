/** Answers in pieces: rows over server-sent events, the generate extension, and streams of tensors. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { encodeBinary } from '../../src/serve/oip/datatypes.ts'
import { rowsIn, sliceRows, withTexts } from '../../src/serve/oip/split-rows.ts'
import { type Fixture, logged, serving } from './fixture.ts'
import { type ModelsFixture, serveModels } from './models/fixture.ts'
import { rowModels } from './row-models.ts'

interface Event {
  event: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever JSON came
  data: any
}

const eventsOf = (text: string): Event[] =>
  text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, event = ''] = /^event: (.*)$/m.exec(block) ?? []
      return { event, data: JSON.parse((/^data: (.*)$/m.exec(block) as RegExpExecArray)[1]) }
    })

async function stream(url: string, body: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body),
  })
  const text = await answer.text()
  const type = answer.headers.get('content-type') ?? ''
  return { status: answer.status, type, text, events: type.includes('event-stream') ? eventsOf(text) : [] }
}

const rowsLogged = async (f: Fixture): Promise<number> =>
  (await logged<PredictionBlock>(f.store, 'predictions')).reduce((sum, { ids }) => sum + ids.length, 0)

/** Rows in the log once no more come. */
async function restOf(f: Fixture): Promise<number> {
  for (let before = await rowsLogged(f); ; ) {
    await delay(400)
    const now = await rowsLogged(f)
    if (now === before) return now
    before = now
  }
}

const hours = (n: number) => Array.from({ length: n }, (_, i) => i % 24)

describe('released models', () => {
  let f: Fixture
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined })
  })
  afterAll(() => f.close())

  test('many rows are answered in pieces, in their order, each in the log under its own id, and the end is said', async () => {
    const rows = hours(200).map((hour) => ({ hour }))
    const { status, type, events } = await stream(
      `${f.url}/predict/delay`,
      { rows },
      { 'x-request-id': 'many' },
    )
    expect([status, type]).toEqual([200, 'text/event-stream; charset=utf-8'])
    expect(events.at(-1)).toEqual({ event: 'done', data: { rows: 200 } })
    const pieces = events.slice(0, -1).map(({ data }) => data.predictions)
    expect(pieces.map((piece) => piece.length)).toEqual([64, 64, 64, 8])
    const answers = pieces.flat()
    expect(answers.map(({ value }) => value)).toEqual(rows.map(({ hour }) => (hour > 12 ? 15 : 10)))
    expect(answers.map(({ id }) => id)).toEqual(rows.map((_, i) => `many:${i}`))
    const ids = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap((block) => block.ids)
    expect(ids.filter((id) => id.startsWith('many:'))).toHaveLength(200)
  })

  test('rows that are ranked among each other are one piece', async () => {
    const rows = Array.from({ length: 100 }, (_, i) => ({ distance: i * 30, origin: 'x' }))
    const { events } = await stream(`${f.url}/predict/order`, { rows })
    expect(events).toHaveLength(2)
    expect(new Set(events[0].data.predictions.map(({ rank }: { rank: number }) => rank)).size).toBe(100)
  })

  test('what is refused before the first piece has its status; what goes wrong later is an event that names the row', async () => {
    const bad = await stream(`${f.url}/predict/delay`, { rows: [{ hour: 'noon' }] })
    expect([bad.status, JSON.parse(bad.text).code]).toEqual([400, 'MR_SERVE_FIELD'])
    expect((await stream(`${f.url}/predict/none`, { rows: [{}] })).status).toBe(404)
    const rows: object[] = hours(100).map((hour) => ({ hour }))
    rows[70] = { hour: 'noon' }
    const { events } = await stream(`${f.url}/predict/delay`, { rows })
    expect(events.map(({ event }) => event)).toEqual(['', 'error'])
    expect(events[1].data).toMatchObject({
      code: 'MR_SERVE_FIELD',
      detail: expect.stringContaining('row 70'),
    })
  })

  test('a client that goes away ends the work, and one that does not read is not written to without end', async () => {
    const before = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap(
      (block) => block.ids,
    ).length
    const rows = hours(90_000).map((hour) => ({ hour, distance: 1, origin: 'ATL' }))
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const asked = httpRequest(`${f.url}/predict/late?explain=1`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      })
      asked.on('response', resolve).on('error', reject).end(JSON.stringify({ rows }))
    })
    response.once('readable', () => undefined)
    const held = await restOf(f)
    expect(held - before).toBeLessThan(60_000)
    expect(f.server.station.metrics.requestsInFlight).toBeLessThanOrEqual(1)
    response.destroy()
    expect((await restOf(f)) - held).toBeLessThanOrEqual(2 * 64)
    expect(f.server.station.metrics.requestsInFlight).toBe(0)
  })

  test('generate takes inputs by name and answers outputs by name', async () => {
    const { body } = await f.post('/v2/models/late/generate', {
      id: 'g',
      hour: 15,
      origin: 'ORD',
      parameters: { threshold: 0.2 },
    })
    expect(body).toMatchObject({
      id: 'g',
      model_name: 'late',
      model_version: '3',
      label: true,
      parameters: { threshold: 0.2 },
    })
    expect(body.probability).toBeCloseTo(1 / (1 + Math.exp(-1.5)), 12)
    const many = await f.post('/v2/models/delay/generate', { hour: [15, 3] })
    expect(many.body.value).toEqual([15, 10])
    expect((await f.post('/v2/models/delay/generate', { id: 'x' })).body.code).toBe('MR_SERVE_BODY')
    const { events } = await stream(`${f.url}/v2/models/delay/generate_stream`, { hour: hours(100) })
    expect(events.map(({ data }) => data.value.length)).toEqual([64, 36])
  })

  test('tensors are answered in pieces by infer_stream', async () => {
    const inputs = [{ name: 'hour', datatype: 'INT64', shape: [100], data: hours(100) }]
    const { events } = await stream(`${f.url}/v2/models/delay/infer_stream`, { id: 't', inputs })
    expect(events.map(({ data }) => [data.id, data.model_version, data.outputs[0].shape[0]])).toEqual([
      ['t', '3', 64],
      ['t', '3', 36],
    ])
  })
})

describe('models of others', () => {
  let f: ModelsFixture
  beforeAll(async () => {
    f = await serveModels()
  })
  afterAll(() => f.close())

  test('rows are asked in pieces that the model takes, all by one version', async () => {
    const data = Array.from({ length: 10 }, (_, i) => [0, i, 0])
    const { events } = await stream(`${f.url}/v2/models/late/infer_stream`, {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [10, 3], data }],
    })
    expect(events.map((event) => event.data.outputs[0].shape)).toEqual([
      [4, 1],
      [4, 1],
      [2, 1],
    ])
    expect(new Set(events.map(({ data: { model_version, id } }) => `${model_version} ${id}`)).size).toBe(1)
    events
      .flatMap((event) => event.data.outputs[0].data)
      .forEach((y, i) => {
        expect(y).toBeCloseTo(1 / (1 + Math.exp(-i)), 5)
      })
  })

  test('generate: one row without its axis, and several', async () => {
    const one = (await f.post('/v2/models/late/generate', { x: [0, 2, 0] })).body as Record<string, number>
    expect(one.y).toBeCloseTo(1 / (1 + Math.exp(-2)), 5)
    const { events } = await stream(`${f.url}/v2/models/texts/generate_stream`, {
      s: Array.from({ length: 70 }, (_, i) => `t${i}`),
    })
    expect(events.map(({ data }) => data.t.length)).toEqual([64, 6])
    expect((await f.post('/v2/models/late/generate', { z: 1 })).body.code).toBe('MR_SERVE_TENSOR')
  })
})

test('tensors are cut at rows, whatever they are made of', () => {
  const texts = encodeBinary('BYTES', ['a', 'bb', '', 'dddd', 'e', 'f'])
  const inputs = [
    { name: 'm', datatype: 'FP32', shape: [3, 2], values: encodeBinary('FP32', [1, 2, 3, 4, 5, 6]) },
    { name: 't', datatype: 'BYTES', shape: [3, 2], values: texts },
    { name: 'j', datatype: 'INT64', shape: [3], values: [7, 8, 9] },
  ]
  expect(rowsIn(inputs)).toBe(3)
  expect(rowsIn([...inputs, { name: 'o', datatype: 'INT64', shape: [2], values: [1, 2] }])).toBeUndefined()
  const [m, t, j] = sliceRows(withTexts(inputs), 1, 3)
  expect([m.shape, t.shape, j.shape]).toEqual([[2, 2], [2, 2], [2]])
  expect(m.values).toEqual(encodeBinary('FP32', [3, 4, 5, 6]))
  expect([t.values, j.values]).toEqual([
    ['', 'dddd', 'e', 'f'],
    [8, 9],
  ])
})
