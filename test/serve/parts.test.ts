import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeVectors } from '../../src/core/class-vectors.ts'
import {
  decodeBlocks,
  type OutcomeBlock,
  observationsOf,
  outcomesOf,
  type PredictionBlock,
  sliceOutcomes,
  slicePredictions,
} from '../../src/core/log-blocks.ts'
import type { Digest } from '../../src/core/records.ts'
import { OnnxGraphWriter } from '../../src/model/export/onnx-writer.ts'
import { WireWriter } from '../../src/model/import/protobuf.ts'
import { BackOff } from '../../src/serve/back-off.ts'
import { Batcher } from '../../src/serve/batcher.ts'
import { IdMaker } from '../../src/serve/ids.ts'
import { bucketOf, LatencyHistogram, lowOf } from '../../src/serve/latency-histogram.ts'
import { onnxGraphs } from '../../src/serve/load-predictor.ts'
import { ServeMetrics } from '../../src/serve/metrics.ts'
import { type Held, ModelCache } from '../../src/serve/model-cache.ts'
import { encode, PredictionLog } from '../../src/serve/prediction-log.ts'
import { RecentIds } from '../../src/serve/recent-ids.ts'
import type { RoutedBundle } from '../../src/serve/router.ts'
import { ServeStats } from '../../src/serve/serve-stats.ts'
import { ShadowQueue } from '../../src/serve/shadow-queue.ts'
import type { Log } from '../../src/store/ports.ts'

const digest = (n: number) => `sha256:${n.toString(16).padStart(64, '0')}` as Digest

describe('ids', () => {
  test('sort by the order of making, never repeat, and stay so when the clock goes back', () => {
    let now = 1_000_000
    const maker = new IdMaker({ now: () => now }, new Uint8Array(8).fill(3))
    const ids: string[] = []
    for (const step of [0, 1, -5, 0, 3, 1000]) {
      now += step
      ids.push(...maker.many(700))
    }
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toEqual([...ids].sort())
    expect(ids.every((id) => /^[0-9A-HJKMNP-TV-Z]{26}$/.test(id))).toBe(true)
  })

  test('two makers at one moment do not meet', () => {
    const clock = { now: () => 5 }
    const both = [...new IdMaker(clock).many(1000), ...new IdMaker(clock).many(1000)]
    expect(new Set(both).size).toBe(2000)
  })
})

describe('latency histogram', () => {
  test('every microsecond falls in its bucket', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 29 }), (us) => {
        const bucket = bucketOf(us)
        expect(lowOf(bucket)).toBeLessThanOrEqual(us)
        expect(lowOf(bucket + 1)).toBeGreaterThan(us)
      }),
    )
  })

  test('quantiles are within a sixteenth of those of the sorted values, also when halves are merged', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.02, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (ms) => {
          const [a, b] = [new LatencyHistogram(), new LatencyHistogram()]
          ms.forEach((value, i) => {
            ;(i % 2 ? a : b).add(value)
          })
          a.merge(b)
          const sorted = [...ms].sort((x, y) => x - y)
          for (const share of [0.5, 0.99]) {
            const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]
            expect(Math.abs((a.quantileMs(share) as number) - exact)).toBeLessThanOrEqual(exact / 16 + 0.001)
          }
        },
      ),
    )
  })

  test('of few values says what one of many says, merged or cleared between', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: 0, max: 5_000, noNaN: true }), { maxLength: 60 }), (ms) => {
        const [one, many] = [new LatencyHistogram(), new LatencyHistogram()]
        many.add(1, 30)
        many.clear()
        for (const value of ms) {
          one.add(value)
          many.add(value)
          const sum = new LatencyHistogram()
          sum.merge(one)
          for (const share of [0, 0.3, 0.5, 1])
            expect([one.quantileMs(share), sum.quantileMs(share)]).toEqual(
              new Array(2).fill(many.quantileMs(share)),
            )
        }
      }),
    )
  })

  test('an empty one has no quantile', () => {
    expect(new LatencyHistogram().quantileMs(0.5)).toBeNull()
  })
})

describe('live numbers', () => {
  test('forget what is older than ten seconds and divide by the time that has passed', () => {
    let now = 0
    const stats = new ServeStats(() => now)
    for (; now < 20_000; now += 10) stats.record('late', 1, 5, 2)
    expect(stats.total().requestsPerSecond).toBeCloseTo(100, 0)
    expect(stats.of('late', 1).predictionsPerSecond).toBeCloseTo(500, -1)
    expect(stats.versions('late').get(1)?.latencyMsP50).toBeCloseTo(2, 0)
    now += 30_000
    expect(stats.total()).toEqual({
      requestsPerSecond: 0,
      predictionsPerSecond: 0,
      latencyMsP50: null,
      latencyMsP99: null,
    })
    expect(stats.of('never', 1).requestsPerSecond).toBe(0)
  })
})

test('metrics keep a bounded number of series and escape their labels', () => {
  const metrics = new ServeMetrics({ seriesMax: 3 })
  for (let v = 0; v < 10; v++)
    metrics.answered('la"te', v, 'live', 1, { requestS: 0.001, queueS: 0, computeS: 0.001 })
  const lines = metrics
    .text()
    .split('\n')
    .filter((line) => line.startsWith('millrace_predictions_total{'))
  expect(lines).toHaveLength(3)
  expect(lines[0]).toBe('millrace_predictions_total{model="la\\"te",version="7",route="live"} 1')
})

describe('model cache', () => {
  interface Toy extends Held {
    n: number
  }
  const toys = (bytes: (n: number) => number, over: Partial<Toy> = {}) => {
    const loads: number[] = []
    const disposed: number[] = []
    const load = async (d: Digest): Promise<Toy> => {
      const n = Number.parseInt(d.slice(7), 16)
      loads.push(n)
      await new Promise((resolve) => setImmediate(resolve))
      return { name: `toy ${n}`, n, bytes: bytes(n), dispose: () => disposed.push(n), ...over }
    }
    return { load, loads, disposed }
  }

  test('loads once for all who ask at the same time', async () => {
    const { load, loads } = toys(() => 1)
    const cache = new ModelCache(load, 10)
    const found = await Promise.all([1, 1, 1, 2].map((n) => cache.with(digest(n), (toy) => toy.n)))
    expect([found, loads]).toEqual([
      [1, 1, 1, 2],
      [1, 2],
    ])
    expect(cache.with(digest(1), (toy) => toy.n)).toBe(1)
  })

  test('lets the least recently used go and never exceeds its budget', async () => {
    const { load, disposed } = toys(() => 4)
    const cache = new ModelCache(load, 10)
    for (const n of [1, 2, 1, 3]) await cache.with(digest(n), () => undefined)
    expect(disposed).toEqual([2])
    expect(cache.numbers()).toMatchObject({ held: 2, bytes: 8, evictions: 1 })
  })

  test('does not dispose what a request still holds', async () => {
    const { load, disposed } = toys(() => 6)
    const cache = new ModelCache(load, 10)
    let done = () => {}
    const using = cache.with(digest(1), () => new Promise<void>((resolve) => (done = resolve)))
    await new Promise((resolve) => setTimeout(resolve, 5))
    await cache.with(digest(2), () => undefined)
    expect([cache.peek(digest(1)), disposed]).toEqual([undefined, []])
    done()
    await using
    expect(disposed).toEqual([1])
  })

  test('refuses a model that alone exceeds the budget, and says how much it takes', async () => {
    const { load, disposed } = toys(() => 50)
    const cache = new ModelCache(load, 10)
    await expect(cache.with(digest(1), () => 1)).rejects.toMatchObject({
      code: 'MR_SERVE_MODEL_TOO_LARGE',
      data: { bytes: 50, max: 10 },
    })
    expect([disposed, cache.numbers().bytes]).toEqual([[1], 0])
  })

  test('counts what models share once', async () => {
    const { load } = toys(() => 1, { shared: [{ key: 'parent', bytes: 5 }] })
    const cache = new ModelCache(load, 8)
    for (const n of [1, 2, 3]) await cache.with(digest(n), () => undefined)
    expect(cache.numbers().bytes).toBe(8)
    await cache.with(digest(4), () => undefined)
    expect(cache.numbers()).toMatchObject({ bytes: 8, held: 3 })
    cache.clear()
    expect(cache.numbers()).toMatchObject({ bytes: 0, held: 0 })
  })

  test('tries again after a load that failed, once a pause is over in which it says why', async () => {
    let fail = true
    let nowMs = 0
    const load = async () => {
      if (fail) throw new Error('torn')
      return { name: 'x', bytes: 1 }
    }
    const cache = new ModelCache(load, 10, new BackOff({ now: () => nowMs }))
    await expect(cache.with(digest(1), () => 1)).rejects.toThrow('torn')
    fail = false
    await expect(cache.with(digest(1), () => 1)).rejects.toMatchObject({
      code: 'MR_SERVE_LOAD_FAILED',
      data: { why: 'torn', retryAfterS: 1 },
    })
    nowMs = 1_000
    expect(await cache.with(digest(1), () => 1)).toBe(1)
  })

  test('lets what is kept for a way back go last', async () => {
    const { load, disposed } = toys(() => 4)
    const cache = new ModelCache(load, 10)
    await cache.with(digest(1), () => undefined)
    cache.keep('late', [digest(1)])
    for (const n of [2, 3, 4]) await cache.with(digest(n), () => undefined)
    expect(disposed).toEqual([2, 3])
    cache.keep('late', [digest(4)])
    await cache.with(digest(5), () => undefined)
    expect(disposed).toEqual([2, 3, 1])
  })

  test('under any order of use, bytes held are the sum of what is held and within the budget', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }), async (order) => {
        const { load } = toys((n) => n)
        const cache = new ModelCache(load, 12)
        for (const n of order) expect(await cache.with(digest(n), (toy) => toy.n)).toBe(n)
        const held = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((n) => cache.peek(digest(n)))
        expect(cache.numbers().bytes).toBe(held.reduce((sum, n) => sum + n, 0))
        expect(cache.numbers().bytes).toBeLessThanOrEqual(12)
      }),
      { numRuns: 40 },
    )
  })
})

describe('batcher', () => {
  const options = { model: 'm', width: 2, batchRowsMax: 8, queueRowsMax: 30 }
  const sums = (seen: number[]) => async (matrix: Float64Array, nRows: number) => {
    seen.push(nRows)
    return Float64Array.from({ length: nRows }, (_, i) => matrix[2 * i] + matrix[2 * i + 1])
  }
  const rows = (...values: number[]) => Float64Array.from(values.flatMap((value) => [value, 1]))

  test('answers each request with its own rows, whatever was scored beside it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 20 }), {
          minLength: 1,
          maxLength: 3,
        }),
        async (requests) => {
          fc.pre(requests.flat().length <= 30)
          const seen: number[] = []
          const batcher = new Batcher(sums(seen), options)
          const answers = await Promise.all(requests.map((r) => batcher.score(rows(...r), r.length)))
          expect(answers.map((a) => [...a])).toEqual(requests.map((r) => r.map((value) => value + 1)))
          expect(Math.max(...seen)).toBeLessThanOrEqual(8)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('asks the first alone, to learn what a call costs, and puts together what comes meanwhile', async () => {
    const seen: number[] = []
    const batcher = new Batcher(sums(seen), options)
    await Promise.all([batcher.score(rows(1), 1), batcher.score(rows(2, 3), 2), batcher.score(rows(4), 1)])
    expect(seen).toEqual([1, 3])
  })

  test('refuses at once when its queue is full, and takes rows again when it has drained', async () => {
    const batcher = new Batcher(sums([]), options)
    const first = Promise.all(Array.from({ length: 10 }, () => batcher.score(rows(1, 2, 3), 3)))
    await expect(batcher.score(rows(1), 1)).rejects.toMatchObject({ code: 'MR_SERVE_BUSY', status: 429 })
    await first
    expect([...(await batcher.score(rows(1), 1))]).toEqual([2])
  })

  test('a batch that fails fails each of its requests', async () => {
    const batcher = new Batcher(async () => Promise.reject(new Error('worker died')), options)
    const both = await Promise.allSettled([batcher.score(rows(1), 1), batcher.score(rows(2), 1)])
    expect(both.map((result) => result.status)).toEqual(['rejected', 'rejected'])
  })
})

describe('ONNX graphs', () => {
  const tensor = (data: number[], dims: number[]) => ({
    type: 'float32',
    dims,
    data: Float32Array.from(data),
  })
  const value = (name: string, type = 'float32') => ({ name, type, shape: [] })
  const pool = (signature: object, outputs: object) => ({
    load: async () => signature,
    run: async () => outputs,
    unload: async () => undefined,
  })
  const open = (signature: object, outputs: object, bytes = new OnnxGraphWriter().file({})) =>
    onnxGraphs(pool(signature, outputs) as never).open({
      bytes,
      digest: digest(1),
      nFeatures: 2,
    })

  test('reads one column, or the second of two', async () => {
    const one = { inputs: [value('x')], outputs: [value('y')] }
    const matrix = new Float64Array(4)
    const single = await open(one, { y: tensor([0.5, 0.25], [2, 1]) })
    expect([...(await single.run(matrix, 2))]).toEqual([0.5, 0.25])
    const labelled = await open(one, {
      label: { type: 'int64', dims: [2], data: BigInt64Array.from([1n, 0n]) },
      p: tensor([0.25, 0.75, 0.5, 0.5], [2, 2]),
    })
    expect([...(await labelled.run(matrix, 2))]).toEqual([0.75, 0.5])
  })

  test('refuses graphs of another form', async () => {
    await expect(
      open({ inputs: [value('a'), value('b'), value('c')], outputs: [] }, {}),
    ).rejects.toMatchObject({ code: 'MR_SERVE_GRAPH' })
    await expect(open({ inputs: [value('a', 'string')], outputs: [] }, {})).rejects.toMatchObject({
      code: 'MR_SERVE_GRAPH',
    })
    const three = await open({ inputs: [value('x')], outputs: [] }, { p: tensor([1, 2, 3], [1, 3]) })
    await expect(three.run(new Float64Array(2), 1)).rejects.toMatchObject({ code: 'MR_SERVE_GRAPH' })
  })
})

test('ONNX graphs with data in other files, or operators that no runtime knows, are refused before one loads them', async () => {
  const pool = {
    load: async () => expect.unreachable(),
    run: async () => ({}),
    unload: async () => undefined,
  }
  const open = (bytes: Uint8Array) =>
    onnxGraphs(pool as never).open({ bytes, digest: digest(1), nFeatures: 2 })
  const location = new WireWriter().text(1, 'location').text(2, '/etc/passwd')
  const tensor = new WireWriter().int(1, 4).int(2, 1).text(8, 'w').message(13, location).int(14, 1)
  const outside = new WireWriter().int(1, 8).message(7, new WireWriter().message(5, tensor)).done()
  await expect(open(outside)).rejects.toMatchObject({ code: 'MR_SERVE_GRAPH' })
  const custom = new OnnxGraphWriter()
  custom.node('Magic', ['x'], {}, { domain: 'com.example' })
  await expect(open(custom.file({}))).rejects.toThrow(/com\.example\.Magic/)
})

describe('log blocks', () => {
  const predictions = fc
    .array(
      fc.record({
        id: fc.string(),
        member: fc.constantFrom('', 'ATL'),
        x: fc.option(fc.string()),
        output: fc.double({ noNaN: true, noDefaultInfinity: true }),
      }),
      { minLength: 1, maxLength: 40 },
    )
    .map(
      (rows): PredictionBlock => ({
        kind: 'predictions',
        model: 'late',
        at: 7,
        ids: rows.map((row) => row.id),
        members: rows.map((row) => row.member),
        versions: rows.map(() => 3),
        modelVersions: [digest(1), digest(2)],
        modelVersion: rows.map((row) => (row.member === '' ? 0 : 1)),
        routes: rows.map(() => 'live'),
        inputs: { x: rows.map((row) => row.x) },
        outputs: rows.map((row) => (Object.is(row.output, -0) ? 0 : row.output)),
      }),
    )

  test('rows survive being cut into records of any size and read back', () => {
    fc.assert(
      fc.property(predictions, fc.integer({ min: 600, max: 5000 }), (block, bytesMax) => {
        const records = encode(block, slicePredictions, bytesMax)
        expect(records.every((record) => Buffer.byteLength(record) <= bytesMax)).toBe(true)
        const rows = decodeBlocks(records).flatMap((part) => observationsOf(part as PredictionBlock))
        expect(rows).toEqual(observationsOf(block))
      }),
    )
  })

  test('classes, their probabilities and groups survive being cut, and blocks without them read as before', () => {
    const classed = predictions.chain((block) =>
      fc
        .array(fc.float({ min: 0, max: 1, noNaN: true }), {
          minLength: 3 * block.ids.length,
          maxLength: 3 * block.ids.length,
        })
        .map(
          (values): PredictionBlock => ({
            ...block,
            classes: ['a', 'b', 'ç'],
            labels: block.ids.map((_, i) => i % 3),
            vectors: encodeVectors(values.map((v) => (Object.is(v, -0) ? 0 : v))),
            groups: block.ids.map((_, i) => `g${i >> 1}`),
          }),
        ),
    )
    fc.assert(
      fc.property(classed, fc.integer({ min: 900, max: 5000 }), (block, bytesMax) => {
        const parts = decodeBlocks(encode(block, slicePredictions, bytesMax)) as PredictionBlock[]
        const rows = parts.flatMap(observationsOf)
        expect(rows).toEqual(observationsOf(block))
        expect(rows[0].label).toBe('a')
        expect(Object.keys(rows[0].probabilities ?? {})).toEqual(['a', 'b', 'ç'])
        expect(parts.flatMap((part) => part.groups)).toEqual(block.groups)
      }),
    )
  })

  test('outcomes keep their times', () => {
    const block: OutcomeBlock = {
      kind: 'outcomes',
      model: 'late',
      at: 9,
      ids: ['a', 'b', 'c'],
      values: [0, 1, 2],
      ats: [1, 2, 3],
    }
    const parts = [sliceOutcomes(block, 0, 1), sliceOutcomes(block, 1, 3)]
    expect(parts.flatMap(outcomesOf)).toEqual(outcomesOf(block))
    expect(outcomesOf({ ...block, ats: undefined })[0].at).toBe(9)
    expect(decodeBlocks(['{"kind":"other"}', JSON.stringify(block)])).toEqual([block])
  })
})

describe('policies of the log', () => {
  const block = (id: string): PredictionBlock => ({
    kind: 'predictions',
    model: 'late',
    at: 1,
    ids: [id],
    members: [''],
    versions: [1],
    modelVersions: [digest(1)],
    modelVersion: [0],
    routes: ['live'],
    inputs: {},
    outputs: [0.5],
  })
  const slowLog = () => {
    const appends: string[][] = []
    let open = () => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    const log = {
      append: async (_: string, records: string[]) => {
        appends.push(records)
        await gate
        return { segment: 0, offset: 0 }
      },
    } as unknown as Log
    return { log, appends, open }
  }

  test('a durable answer waits for the disk', async () => {
    const { log, open } = slowLog()
    let answered = false
    const waiting = new PredictionLog(log, { recordBytesMax: 10_000 }).predictions([block('a')]).then(() => {
      answered = true
    })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(answered).toBe(false)
    open()
    await waiting
  })

  test('relaxed answers do not wait, and those of a moment are one append', async () => {
    const { log, appends, open } = slowLog()
    const predictions = new PredictionLog(log, {
      recordBytesMax: 10_000,
      policyOf: () => ({ durable: false }),
    })
    const heard: string[] = []
    predictions.onPredictions((b) => heard.push(b.ids[0]))
    for (const id of ['a', 'b', 'c']) await predictions.predictions([block(id)])
    expect([appends.length, heard]).toEqual([0, []])
    open()
    await predictions.drained()
    expect([appends.map((records) => records.length), heard]).toEqual([[3], ['a', 'b', 'c']])
  })

  test('a relaxed append that fails is told by readiness, not swallowed', async () => {
    const log = { append: async () => Promise.reject(new Error('disk full')) } as unknown as Log
    const predictions = new PredictionLog(log, {
      recordBytesMax: 10_000,
      policyOf: () => ({ durable: false }),
    })
    await predictions.predictions([block('a')])
    await predictions.drained()
    await new Promise((resolve) => setImmediate(resolve))
    expect(predictions.relaxedError?.message).toBe('disk full')
    const durable = new PredictionLog(log, { recordBytesMax: 10_000 })
    await expect(durable.predictions([block('a')])).rejects.toThrow('disk full')
  })
})

test('shadows beyond their queue are dropped and counted, and those within it are all asked', async () => {
  let dropped = 0
  let written = 0
  const queue = new ShadowQueue({
    write: async () => {
      written++
    },
    answered: () => undefined,
    failed: () => undefined,
    dropped: (rows) => {
      dropped += rows
    },
  })
  const shadow = {} as RoutedBundle
  const score = async () => ({}) as PredictionBlock
  for (let i = 0; i < 30; i++) queue.add({ model: 'late', routes: [shadow], rows: 1000, score })
  queue.add({ model: 'late', routes: [], rows: 1000, score })
  await queue.settled()
  expect([written, dropped]).toEqual([20, 10_000])
  queue.add({ model: 'late', routes: [shadow], rows: 1, score })
  await queue.settled()
  expect(written).toBe(21)
})

test('recent ids remember at least half of what they may hold, and never more', () => {
  const recent = new RecentIds(100)
  for (let i = 0; i < 1000; i++) recent.add(`id${i}`)
  const known = Array.from({ length: 1000 }, (_, i) => recent.has(`id${i}`)).filter(Boolean).length
  expect(known).toBeGreaterThanOrEqual(50)
  expect(known).toBeLessThanOrEqual(100)
  expect(recent.has('id999')).toBe(true)
})
