/**
 * Versions that take one another's place under load. MILLRACE_SWAPS says how many swaps, a fifth as many rollbacks. Each version answers by a number of its own, so that every answer says
 * which version it is of: none may be lost, doubled, or put together of two.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../../api/workers/fixture.ts'
import { initializer, input, logistic, model, node, output } from '../../engine/infer/onnx-bytes.ts'
import { type ModelsFixture, serveModels } from './fixture.ts'

const SWAPS = Number(process.env.MILLRACE_SWAPS ?? 25)
const ROLLBACKS = Math.max(2, Math.round(SWAPS / 5))
const FLOAT = 1

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels()
})
afterAll(() => f.close())

/** Answers its rows with the number of the version added. */
const adder = (version: number) =>
  model(
    node('Add', ['x', 'v'], ['y']),
    initializer('v', FLOAT, [1], Float32Array.of(version)),
    input('x', FLOAT, ['rows', 1]),
    output('y', FLOAT, ['rows', 1]),
  )
/** Not a number, whatever it is asked. */
const broken = model(
  node('Div', ['o', 'o'], ['n']),
  node('Add', ['x', 'n'], ['y']),
  initializer('o', FLOAT, [1], Float32Array.of(0)),
  input('x', FLOAT, ['rows', 1]),
  output('y', FLOAT, ['rows', 1]),
)
/** Fails, whatever it is asked: there is no place 7 in a table of 2. */
const failing = model(
  node('Gather', ['t', 'p'], ['g']),
  node('Add', ['x', 'g'], ['y']),
  initializer('t', FLOAT, [2], Float32Array.of(1, 2)),
  initializer('p', 7, [1], BigInt64Array.of(7n)),
  input('x', FLOAT, ['rows', 1]),
  output('y', FLOAT, ['rows', 1]),
)
/** Divides by what it is given: not a number of zeros, and right of everything else. */
const ratio = model(
  node('Div', ['x', 'x'], ['y']),
  input('x', FLOAT, ['rows', 1]),
  output('y', FLOAT, ['rows', 1]),
)

const load = (name: string) => f.post(`/v2/repository/models/${name}/load`, {})
const askOf = (rows: number[]) => ({
  inputs: [{ name: 'x', shape: [rows.length, 1], datatype: 'FP32', data: rows }],
})
const put = (version: number) => f.put(`swapped/${version}/model.onnx`, adder(version))

/** Clients that ask two rows each time, until they are stopped, and what they saw. */
function clients(n: number) {
  const seen = { answers: 0, lost: 0, doubled: 0, mixed: 0, wrong: 0 }
  const ids = new Set<string>()
  /** When each version was last answered. */
  const lastMs = new Map<number, number>()
  let stop = false
  const run = async (c: number) => {
    const client = new Client(f.url)
    for (let i = 0; !stop; i++) {
      const id = `${c}-${i}`
      const answered = await client
        .ask('/v2/models/swapped/infer', { id, ...askOf([i % 100, (i % 100) + 0.5]) })
        .catch(() => undefined)
      if (answered?.status !== 200) {
        seen.lost++
        continue
      }
      const { body } = answered
      const [a, b] = (body.outputs[0].data as number[]).map((y, row) => y - (i % 100) - row / 2)
      seen.answers++
      if (ids.has(body.id) || body.id !== id) seen.doubled++
      ids.add(body.id)
      if (Math.abs(a - b) > 1e-3) seen.mixed++
      if (Math.abs(a - Number(body.model_version)) > 1e-3) seen.wrong++
      lastMs.set(Number(body.model_version), performance.now())
    }
    client.close()
  }
  const running = Array.from({ length: n }, (_, c) => run(c))
  return {
    seen,
    lastMs,
    stop: async () => {
      stop = true
      await Promise.all(running)
    },
  }
}

const p99 = (ms: number[]) =>
  ms.sort((a, b) => a - b)[Math.min(ms.length - 1, Math.ceil(ms.length * 0.99) - 1)]

test(
  `${SWAPS} swaps and ${ROLLBACKS} rollbacks under load: no answer is lost, doubled, mixed of two versions or said to be of another, and after a rollback the old version answers no more`,
  async () => {
    put(1)
    await load('swapped')
    const asking = clients(6)
    const lateMs: number[] = []
    let version = 1
    const go = async (to: number) => {
      const from = version
      if (to > from) put(to)
      await sleep(30) // within which a file system may not tell two writings apart
      const calledMs = performance.now()
      expect((await load('swapped')).status).toBe(200)
      version = to
      await sleep(5)
      return async () => {
        await sleep(20)
        return Math.max(0, (asking.lastMs.get(from) ?? 0) - calledMs)
      }
    }
    for (let i = 1; i <= SWAPS; i++) {
      await go(version + 1)
      if (i % Math.round(SWAPS / ROLLBACKS) !== 0) continue
      const bad = version
      f.drop(`swapped/${bad}`)
      const late = await go(bad - 1)
      lateMs.push(await late())
      version = bad
    }
    await asking.stop()
    console.log(
      `  ${SWAPS} swaps, ${lateMs.length} rollbacks: ${JSON.stringify(asking.seen)}, rollback call to last answer of the old version p99 ${Math.round(p99(lateMs))} ms`,
    )
    expect(asking.seen).toMatchObject({ lost: 0, doubled: 0, mixed: 0, wrong: 0 })
    expect(asking.seen.answers).toBeGreaterThan(SWAPS)
    expect(p99(lateMs)).toBeLessThan(5_000)
  },
  60_000 + SWAPS * 1_000,
)

test('a version that is gone back to is there at once, unless something else lies in its place', async () => {
  const loads = () => f.server.backend.shelf.numbers().loads
  const answer = async () => (await f.post('/v2/models/back/infer', askOf([1]))).body.outputs[0].data[0]
  f.put('back/1/model.onnx', adder(1))
  await sleep(30)
  await load('back')
  const go = async (version: number) => {
    f.put(`back/${version}/model.onnx`, adder(version))
    await sleep(30)
    await load('back')
    expect(await answer()).toBe(version + 1)
    f.drop(`back/${version}`)
  }
  await go(2)
  const before = loads()
  await load('back')
  expect([await answer(), loads() - before]).toEqual([2, 0])
  await go(3)
  f.put('back/1/model.onnx', adder(7))
  await load('back')
  expect([await answer(), loads() - before]).toEqual([8, 2])
})

describe('a version that would take the place of one that answers is asked first', () => {
  const answerOf = async (x = 1) => {
    const { status, body } = await f.post('/v2/models/tried/infer', askOf([x]))
    return status === 200 ? [body.model_version, body.outputs[0].data[0]] : body.code
  }

  test('and is not routed when it gives NaN or fails for whatever it is asked', async () => {
    f.put('tried/1/model.onnx', adder(1))
    await load('tried')
    for (const bytes of [broken, failing]) {
      f.put('tried/2/model.onnx', bytes)
      const { status, body } = await load('tried')
      expect({ status, code: body.code }).toEqual({ status: 409, code: 'MR_SERVE_UNFIT' })
      expect(await answerOf()).toEqual(['1', 2])
    }
    f.put('tried/2/model.onnx', adder(2))
    expect((await load('tried')).status).toBe(200)
    expect(await answerOf()).toEqual(['2', 3])
  })

  test('also where a file was changed in its place', async () => {
    f.put('tried/2/model.onnx', broken)
    expect((await load('tried')).body.code).toBe('MR_SERVE_UNFIT')
    expect(await answerOf()).toEqual(['2', 3])
  })

  test('zeros alone do not condemn it, and what the one before could not answer either does not', async () => {
    f.put('tried/2/model.onnx', ratio)
    expect((await load('tried')).status).toBe(200)
    expect(await answerOf(5)).toEqual(['2', 1])
    f.put('odd/1/model.onnx', failing)
    await load('odd')
    f.put('odd/2/model.onnx', broken)
    expect((await load('odd')).status).toBe(200)
  })

  test('a first version is asked too where that is wanted, and none where it is not', async () => {
    const strict = await serveModels({ trial: 'all' })
    strict.put('m.onnx', broken)
    expect((await strict.post('/v2/repository/models/m/load', {})).body.code).toBe('MR_SERVE_UNFIT')
    expect((await strict.get('/readyz')).body.models.m).toMatch(/MR_SERVE_UNFIT/)
    await strict.close()
    const lax = await serveModels({ trial: 'none' })
    lax.put('m.onnx', adder(1))
    await lax.post('/v2/repository/models/m/load', {})
    lax.put('m.onnx', broken)
    expect((await lax.post('/v2/repository/models/m/load', {})).status).toBe(200)
    await lax.close()
  })
})

test('a model that cannot be loaded is not tried again at each request: who asks is told why and when, until it is loaded by name', async () => {
  f.put('bad/1/model.onnx', 'broken')
  await load('bad')
  const asks = () => f.post('/v2/models/bad/infer', askOf([1]))
  const { status, body } = await asks()
  expect({ status, code: body.code, retryable: body.retryable }).toEqual({
    status: 503,
    code: 'MR_SERVE_LOAD_FAILED',
    retryable: true,
  })
  expect(body.detail).toMatch(/could not be loaded \(once\): MR_MODEL_IMPORT/)
  f.put('bad/1/model.onnx', logistic([1, 0, 0], 0))
  expect((await asks()).body.code).toBe('MR_SERVE_LOAD_FAILED')
  expect((await load('bad')).status).toBe(200)
  expect((await asks()).body.code).not.toBe('MR_SERVE_LOAD_FAILED')
})
