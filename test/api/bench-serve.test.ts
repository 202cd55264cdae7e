/** A served model measured from outside, over the protocol that every server of it speaks. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { benchServe } from '../../src/api/bench/bench-serve.ts'
import { openLoop } from '../../src/api/bench/load.ts'
import { payloadOf } from '../../src/api/bench/target.ts'
import { latencyPlot } from '../../src/cli/latency-plot.ts'
import { PLAIN } from '../../src/cli/paint.ts'
import { seededRng } from '../../src/core/rng.ts'
import { type ModelsFixture, serveModels } from '../serve/models/fixture.ts'

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels({ latencyMs: 500 })
})
afterAll(() => f.close())

test('a server is measured by its address: what sizes cost, each rate that is driven, and what to set', async () => {
  const steps: string[] = []
  const report = await benchServe({
    url: f.url,
    model: 'trees',
    seconds: 0.15,
    onStep: ({ what }) => steps.push(what),
  })
  expect(report).toMatchObject({ model: 'trees', server: { name: 'millrace' }, latencyMs: 500, here: null })
  expect(report.cost.sizes.map(({ rows }) => rows)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256])
  expect(report.rates.map(({ share }) => share)).toEqual([0.1, 0.25, 0.5, 0.7, 0.85, 1, 1.3, 2])
  expect(steps.length).toBe(10)
  for (const { offered, answered, refused, failed } of report.rates) {
    expect(failed).toBe(0)
    expect(answered + refused).toBeCloseTo(offered, 6)
  }
  expect(report.batching?.objectiveMs).toBe(500)
  expect(report.recommended.batchRows).toBeGreaterThanOrEqual(1)
  expect(report.words[0]).toMatch(/^One request of one row at a time takes .+ ms: [\d,.]+ a second\./)
})

test('which model is meant has to be said where there are several, and what does not answer is named', async () => {
  await expect(benchServe({ url: f.url })).rejects.toMatchObject({
    code: 'MR_SERVE_TARGET_MODEL',
    message: expect.stringContaining('late'),
  })
  await expect(benchServe({ url: f.url, model: 'nobody' })).rejects.toMatchObject({ code: 'MR_SERVE_TARGET' })
  await expect(benchServe({ url: 'http://127.0.0.1:9', model: 'm' })).rejects.toMatchObject({
    code: 'MR_SERVE_TARGET',
  })
})

describe('an open loop', () => {
  test('asks at its rate however long answers take, and counts what is refused and what fails apart', async () => {
    let sent = 0
    const load = await openLoop({
      rate: 400,
      seconds: 0.5,
      rng: seededRng(3),
      latencyMs: 1_000,
      send: async () => {
        const status = [200, 200, 429, 500][sent++ % 4]
        await new Promise((resolve) => setTimeout(resolve, 100))
        return status
      },
    })
    // 200 requests are expected: 4 standard deviations of a Poisson number of them
    expect(Math.abs(load.offered * 0.5 - 200)).toBeLessThan(4 * Math.sqrt(200))
    expect(load.offered * 0.5).toBe(sent)
    expect(load.answered + load.refused + load.failed).toBeCloseTo(load.offered, 9)
    expect(load.answered / load.offered).toBeCloseTo(0.5, 1)
    expect(load.goodput).toBe(load.answered)
    expect(load.latencyMs?.p50).toBeGreaterThanOrEqual(95)
  })
})

test('a payload has the shapes of the inputs, in text where it is short and in bytes where it is long', () => {
  const small = payloadOf([{ name: 'x', datatype: 'FP32', shape: [-1, 3] }], 2)
  const { inputs } = JSON.parse(small.body.toString())
  expect(inputs[0]).toMatchObject({ name: 'x', datatype: 'FP32', shape: [2, 3] })
  expect(inputs[0].data.length).toBe(6)
  const large = payloadOf([{ name: 'x', datatype: 'FP32', shape: [-1, 3, 224, 224] }], 1)
  const length = Number(large.headers['inference-header-content-length'])
  expect(JSON.parse(large.body.subarray(0, length).toString()).inputs[0].parameters).toEqual({
    binary_data_size: 3 * 224 * 224 * 4,
  })
  expect(large.body.length - length).toBe(3 * 224 * 224 * 4)
})

test('the plot has a mark for each point, the objective as a line, and says where one is', () => {
  const points = [
    { perSecond: 100, latencyMs: 5 },
    { perSecond: 1_000, latencyMs: 10, isHere: true, label: 'you are here' },
    { perSecond: 2_000, latencyMs: 80 },
  ]
  const lines = latencyPlot(points, 20, PLAIN)
  const text = lines.join('\n')
  expect(text.match(/●/g)).toHaveLength(2)
  expect(text).toContain('◆ you are here')
  expect(lines.find((line) => line.includes('┄'))).toContain('20 ms')
  const at = (sign: string) => lines.findIndex((line) => line.includes(sign))
  expect(at('┄')).toBeLessThan(at('◆'))
  expect(latencyPlot([], 20, PLAIN)).toEqual([])
})
