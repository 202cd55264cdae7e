/** Threads that die under a server of models. MILLRACE_DEATHS says how many times; each is told by readiness, costs no answer, and is made good. */
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ModelsFixture, serveModels } from './fixture.ts'

const DEATHS = Number(process.env.MILLRACE_DEATHS ?? 25)
const ASK = { inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [0, 0, 0] }] }

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels()
})
afterAll(() => f.close())

/** Ends the thread that holds the models by a fault of its own, once it has done what came before: ending it in the middle of native code would end the process. */
async function kill(): Promise<void> {
  const pool = (await f.pool()) as unknown as {
    threads: ({ worker: Worker; ended: Promise<void> } | undefined)[]
  }
  const [thread] = pool.threads
  thread?.worker.postMessage(null)
  await thread?.ended
}

const threads = async () => (await f.get('/readyz')).body.threads as string[]

test(`${DEATHS} deaths under load: every request is answered, readiness says so, and each is made good within three seconds`, async () => {
  expect((await f.post('/v2/models/late/infer', ASK)).status).toBe(200)
  let stop = false
  const statuses = new Map<number, number>()
  const client = async () => {
    while (!stop) {
      const { status, body } = await f.post('/v2/models/late/infer', ASK)
      if (status === 200) expect(body.outputs[0].data).toEqual([0.5])
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const clients = [client(), client(), client()]
  let said = 0
  let slowestMs = 0
  for (let i = 0; i < DEATHS; i++) {
    const from = performance.now()
    await kill()
    if ((await threads()).length > 0) said++
    while ((await threads()).length > 0) expect(performance.now() - from).toBeLessThan(10_000)
    slowestMs = Math.max(slowestMs, performance.now() - from)
  }
  stop = true
  await Promise.all(clients)
  console.log(
    `  ${DEATHS} deaths: answers by status ${JSON.stringify([...statuses])}, slowest recovery ${Math.round(slowestMs)} ms`,
  )
  expect([...statuses.keys()]).toEqual([200])
  expect(said).toBeGreaterThan(0)
}, 600_000)

test('the live path says that a thread is gone before anyone asks a model', async () => {
  await f.post('/v2/models/late/infer', ASK)
  await kill()
  const [first] = await threads()
  if (first) expect(first).toMatch(/thread 0 .* is being replaced/)
  while ((await threads()).length > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  expect((await f.post('/v2/models/late/infer', ASK)).status).toBe(200)
})
