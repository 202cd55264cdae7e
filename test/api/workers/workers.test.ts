/** Several real processes on one port. MILLRACE_PROCESS_DEATHS says how many times one of them is ended by SIGKILL. */
import { connect as connectHttp2 } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServedByWorkers, serveByWorkers } from '../../../src/api/serve-models.ts'
import { logistic, slow } from '../../engine/infer/onnx-bytes.ts'
import { lightgbm } from '../../serve/models/fixture.ts'
import { Client, type Folder, newFolder } from './fixture.ts'

const DEATHS = Number(process.env.MILLRACE_PROCESS_DEATHS ?? 2)
const WORKERS = 2
const ASK = { inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [2, 3, 5] }] }
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

let folder: Folder
let served: ServedByWorkers
let client: Client
const loaded: string[] = []
beforeAll(async () => {
  folder = newFolder()
  folder.put('late/1/model.onnx', logistic([1, 0, 0], 0))
  folder.put('slow.onnx', slow(40_000))
  folder.put('trees.txt', lightgbm.text)
  served = await serveByWorkers({ path: folder.root, port: 0, grpcPort: 0, workers: WORKERS, threads: 2 })
  await served.load((model, error) => loaded.push(error ? `${model}: ${error.message}` : model))
  client = new Client(served.address)
}, 60_000)
afterAll(async () => {
  client.close()
  await served.close()
  folder.drop()
})

const y = async (one = client) => (await one.ask('/v2/models/late/infer', ASK)).body.outputs[0].data[0]
/** One new connection for each of many requests, so that every process is asked. */
const everywhere = async (path: string, body?: unknown) =>
  await Promise.all(
    Array.from({ length: 2 * WORKERS }, async () => {
      const one = new Client(served.address)
      return await one.ask(path, body).finally(() => one.close())
    }),
  )
const connections = async () => {
  const { body } = await client.ask('/metrics')
  return [...(body as string).matchAll(/millrace_worker_connections\{worker="\d",wire="http"\} (\d+)/g)].map(
    ([, n]) => Number(n),
  )
}
const quantile = (values: number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]
const untilReady = async () => {
  while (!served.ready()) await sleep(5)
}

test('a model is said to be loaded when all processes have it', () => {
  expect(loaded.sort()).toEqual(['late', 'slow', 'trees'])
  expect(served.pids()).toHaveLength(WORKERS)
})

test('connections that are kept are spread evenly, and metrics are of all processes together', async () => {
  const clients = Array.from({ length: 11 }, () => new Client(served.address))
  for (const one of clients) for (let i = 0; i < 3; i++) expect(await y(one)).toBeCloseTo(sigmoid(2), 6)
  const { body } = await client.ask('/metrics')
  expect(body).toMatch(/millrace_predictions_total\{model="late",version="1",route="live"\} 33\n/)
  expect(body).toMatch(/millrace_workers 2\n/)
  expect(await connections()).toEqual([6, 6])
  for (const one of clients.slice(0, 6)) one.close()
  await expect.poll(async () => (await connections()).reduce((a, b) => a + b)).toBe(6)
  for (const one of Array.from({ length: 6 }, () => new Client(served.address))) {
    await y(one)
    clients.push(one)
  }
  expect(await connections()).toEqual([6, 6])
  for (const one of clients) one.close()
})

test('gRPC is shared too', async () => {
  const session = connectHttp2(`http://${served.grpcAddress}`)
  const stream = session.request({
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ServerReady',
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.end(Buffer.alloc(5))
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  session.close()
  expect([...Buffer.concat(chunks)]).toEqual([0, 0, 0, 0, 2, 8, 1])
})

describe('by name', () => {
  test('a load answers when all processes have the version, an unload when none has it, and a process that comes later does as the others', async () => {
    const versions = async () =>
      (await everywhere('/v2/models/late/infer', ASK)).map(({ status, body }) =>
        status === 200 ? body.model_version : body.code,
      )
    folder.put('late/2/model.onnx', logistic([0, 1, 0], 0))
    expect(await versions()).toEqual(Array(2 * WORKERS).fill('1'))
    expect((await client.ask('/v2/repository/models/late/load', {})).status).toBe(200)
    expect(await versions()).toEqual(Array(2 * WORKERS).fill('2'))
    expect((await client.ask('/v2/repository/models/late/unload', {})).status).toBe(200)
    expect(await versions()).toEqual(Array(2 * WORKERS).fill('MR_SERVE_UNLOADED'))
    process.kill(served.pids()[0], 'SIGKILL')
    await expect.poll(() => served.ready()).toBe(false)
    await untilReady()
    expect(await versions()).toEqual(Array(2 * WORKERS).fill('MR_SERVE_UNLOADED'))
    client.close()
    expect((await client.ask('/v2/repository/models/late/load', {})).status).toBe(200)
    expect(await versions()).toEqual(Array(2 * WORKERS).fill('2'))
  }, 60_000)

  test('a folder that nobody loaded is not served by a process that comes later', async () => {
    folder.put('late/3/model.onnx', logistic([0, 0, 1], 0))
    process.kill(served.pids()[0], 'SIGKILL')
    await expect.poll(() => served.ready()).toBe(false)
    await untilReady()
    client.close()
    const answers = await everywhere('/v2/models/late/infer', ASK)
    expect(answers.map(({ body }) => body.model_version)).toEqual(Array(2 * WORKERS).fill('2'))
  }, 60_000)

  test('what cannot be loaded is refused by name, and all stay with what they have', async () => {
    folder.put('late/4/model.onnx', 'broken')
    const { status, body } = await client.ask('/v2/repository/models/late/load', {})
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'MR_MODEL_IMPORT' })
    const answers = await everywhere('/v2/models/late/infer', ASK)
    expect(answers.map(({ body: one }) => one.model_version)).toEqual(Array(2 * WORKERS).fill('2'))
  })
})

test(
  `${DEATHS} processes ended by SIGKILL under load: readiness says so within a second, every request is answered by itself or asked again, and each is replaced within three seconds`,
  async () => {
    await untilReady()
    let stop = false
    let cut = 0
    const statuses = new Map<number, number>()
    const slowest = { said: 0, askMs: 0 }
    const recoveredMs: number[] = []
    const ask = async () => {
      const one = new Client(served.address)
      while (!stop) {
        const from = performance.now()
        const answer = await one.ask('/v2/models/late/infer', ASK).catch(() => undefined)
        slowest.askMs = Math.max(slowest.askMs, performance.now() - from)
        if (!answer) cut++
        else statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        if (answer?.status === 200) expect(answer.body.outputs[0].data[0]).toBeCloseTo(sigmoid(3), 6)
        await sleep(5)
      }
      one.close()
    }
    const clients = Array.from({ length: 6 }, ask)
    for (let i = 0; i < DEATHS; i++) {
      const pids = served.pids()
      const from = performance.now()
      process.kill(pids[i % pids.length], 'SIGKILL')
      while (served.ready() && performance.now() - from < 5_000) await sleep(1)
      slowest.said = Math.max(slowest.said, performance.now() - from)
      const said = await client.ask('/readyz').catch(() => undefined)
      if (said?.status === 503)
        expect(said.body.workers.problems.join()).toMatch(/worker \d (was ended by SIGKILL|is being started)/)
      while (!served.ready()) await sleep(5)
      recoveredMs.push(performance.now() - from)
      await sleep(1_200) // in which there is a spare again
    }
    stop = true
    await Promise.all(clients)
    const ms = (x: number) => `${Math.round(x)} ms`
    console.log(
      `  ${DEATHS} processes killed: answers by status ${JSON.stringify([...statuses])}, ${cut} connections cut, said after ${ms(slowest.said)}, recovered after ${ms(quantile(recoveredMs, 0.5))} (median), ${ms(quantile(recoveredMs, 1))} (slowest), slowest request ${ms(slowest.askMs)}`,
    )
    expect([...statuses.keys()]).toEqual([200])
    expect(cut).toBeLessThanOrEqual(6 * DEATHS)
    expect(slowest.said).toBeLessThan(1_000)
  },
  60_000 + DEATHS * 10_000,
)

test('a process that ends is replaced by one that has its models already', async () => {
  const spare = async () =>
    /millrace_workers_spare [12]\n/.test((await client.ask('/metrics')).body as string)
  await expect.poll(spare, { timeout: 20_000 }).toBe(true)
  const [input] = (await client.ask('/v2/models/trees')).body.inputs
  const row = { ...input, shape: [1, input.shape[1]], data: new Array(input.shape[1]).fill(0) }
  folder.put('trees.txt', 'what nobody could load')
  const [pid] = served.pids()
  process.kill(pid, 'SIGKILL')
  await expect.poll(() => served.pids().includes(pid)).toBe(false)
  await untilReady()
  client.close()
  const answers = await everywhere('/v2/models/trees/infer', { inputs: [row] })
  expect(answers.map(({ status }) => status)).toEqual(Array(2 * WORKERS).fill(200))
  folder.put('trees.txt', lightgbm.text)
}, 30_000)

test('a process that stands still is said within a second and gets no connections, until it goes on', async () => {
  await untilReady()
  const [pid] = served.pids()
  const from = performance.now()
  process.kill(pid, 'SIGSTOP')
  try {
    while (served.ready()) await sleep(5)
    expect(performance.now() - from).toBeLessThan(1_500)
    const answers = await everywhere('/v2/models/late/infer', ASK)
    expect(answers.map(({ status }) => status)).toEqual(Array(2 * WORKERS).fill(200))
    const { body } = (await everywhere('/readyz'))[0]
    expect(body.workers.problems[0]).toMatch(/worker \d says nothing for \d+ ms/)
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  await untilReady()
}, 30_000)

test('closing answers what is under way and leaves no process', async () => {
  const scalar = { inputs: [{ name: 'x', shape: [], datatype: 'FP32', data: [0] }] }
  const pids = served.pids()
  const clients = Array.from({ length: 4 }, () => new Client(served.address))
  const asked = clients.map((one) => one.ask('/v2/models/slow/infer', scalar))
  const underWay = async () =>
    /millrace_requests_in_flight (\d+)/.exec((await client.ask('/metrics')).body as string)?.[1]
  await expect.poll(underWay, { interval: 20 }).toBe('4')
  const closed = served.close()
  const answers = await Promise.all(asked)
  await closed
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow()
  for (const one of clients) one.close()
}, 30_000)
