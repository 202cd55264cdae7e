import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { serveByWorkers } from '../../../src/api/serve-models.ts'
import { RateDealer } from '../../../src/api/workers/rate-dealer.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { grantText, hashOf, newSecret } from '../../../src/serve/access/grant.ts'
import { parseRate, type Rate, RateBucket } from '../../../src/serve/access/rate-bucket.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'
import { Client, newFolder } from './fixture.ts'

const DEAL_MS = 100

interface Played {
  /** Acts that were taken, by second. */
  taken: number[]
}

/** Several processes with a dealer between them, on a clock of milliseconds; `asks` says how many acts a process is asked for in a millisecond. */
function play(
  rate: Rate,
  n: number,
  seconds: number,
  asks: (process: number, ms: number) => number,
  processesAt: (ms: number) => number[] = () => Array.from({ length: n }, (_, i) => i),
): Played {
  const dealer = new RateDealer()
  const buckets = new Map<number, RateBucket>()
  const taken = new Array<number>(seconds).fill(0)
  for (let ms = 0; ms < seconds * 1_000; ms++) {
    const processes = processesAt(ms)
    for (const i of processes) {
      if (!buckets.has(i)) buckets.set(i, new RateBucket(rate, ms, 1 / n))
      const bucket = buckets.get(i) as RateBucket
      for (let k = asks(i, ms); k > 0; k--) if (bucket.take(ms)) taken[Math.floor(ms / 1_000)]++
    }
    if (ms % DEAL_MS !== 0) continue
    for (const i of processes) {
      const use = buckets.get(i)?.use('shop', ms)
      if (use) dealer.heard(i, [use], processes, ms)
    }
    for (const [i, parts] of dealer.deal(processes, ms))
      for (const part of parts) buckets.get(i)?.deal(part, ms)
  }
  return { taken }
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

describe('a rate that several processes share', () => {
  const RATES = ['10/s', '100/s', '1000/s', '100/s,1', '50/s,200', '3/s,3']

  test.each(RATES)('%s is taken whole and no more, whoever is asked', (text) => {
    const rate = parseRate(text) as Rate
    const least = Math.ceil((4 * rate.perS) / 1_000)
    const demands: Record<string, (process: number, ms: number) => number> = {
      all: () => least,
      one: (i) => (i === 1 ? least : 0),
      unequal: (i, ms) => (ms % (1 + 9 * i) === 0 ? least : 0),
      moving: (i, ms) => (Math.floor(ms / 3_000) % 3 === i ? least : 0),
    }
    for (const [name, asks] of Object.entries(demands)) {
      const seconds = 30
      const { taken } = play(rate, 3, seconds, asks)
      expect(sum(taken), name).toBeLessThanOrEqual(1.02 * seconds * rate.perS + rate.burst + 3)
      // a burst of less than the time between two deals brings is lost where it moves
      const share = rate.burst < rate.perS / 10 ? 0.85 : 0.9
      expect(sum(taken.slice(1)), name).toBeGreaterThanOrEqual(share * (seconds - 1) * rate.perS)
    }
  })

  test('demand below the rate is hardly ever refused, though it jumps from process to process', () => {
    const rng = seededRng(7)
    let asked = 0
    const { taken } = play({ perS: 100, burst: 100 }, 3, 60, (i, ms) => {
      if (ms % 20 !== 0 || Math.floor(rng.next() * 3) !== i) return 0
      asked++
      return 1
    })
    expect(sum(taken)).toBeGreaterThanOrEqual(0.999 * asked)
  })

  test('is still one rate when processes are replaced again and again', () => {
    const { taken } = play(
      { perS: 100, burst: 20 },
      3,
      30,
      () => 1,
      (ms) => [0, 1, 2].map((i) => i + 3 * Math.floor((ms + 500 * i) / 5_000)),
    )
    expect(sum(taken)).toBeLessThanOrEqual(1.1 * 30 * 100 + 20 + 3)
    expect(sum(taken)).toBeGreaterThanOrEqual(0.9 * 30 * 100)
  })

  test('after a pause its burst is there again, in all processes together', () => {
    const { taken } = play({ perS: 10, burst: 30 }, 3, 20, (_, ms) => (ms < 5_000 || ms >= 15_000 ? 1 : 0))
    expect(taken[15]).toBeGreaterThanOrEqual(30)
    expect(taken[15]).toBeLessThanOrEqual(30 + 10 + 3)
  })
})

test('three real processes let through what the rate of a token says, and not three times as much', async () => {
  const folder = newFolder()
  folder.put('late/1/model.onnx', logistic([1, 0, 0], 0))
  const secret = newSecret()
  const rate = parseRate('200/s,60') as Rate
  const secrets = newFolder()
  const grant = grantText({ name: 'shop', hash: hashOf(secret), scopes: ['predict'], rate })
  secrets.put('tokens.jsonl', `${JSON.stringify(grant)}\n`)
  const served = await serveByWorkers({
    path: folder.root,
    port: 0,
    workers: 3,
    tokensFile: join(secrets.root, 'tokens.jsonl'),
  })
  const windows = 4
  const windowMs = 1_500
  const clients = Array.from(
    { length: 9 },
    () => new Client(served.address, { authorization: `Bearer ${secret}` }),
  )
  const statuses: { status: number; ms: number }[] = []
  const beganMs = performance.now()
  const untilMs = (windows + 0.5) * windowMs
  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() - beganMs < untilMs) {
        const { status } = await client.ask('/v2/models/late')
        statuses.push({ status, ms: performance.now() - beganMs })
        await sleep(3)
      }
    }),
  )
  const tookS = (performance.now() - beganMs) / 1_000
  for (const client of clients) client.close()
  await served.close()
  folder.drop()
  secrets.drop()
  const counted = (status: number, fromMs = 0, toMs = Number.POSITIVE_INFINITY) =>
    statuses.filter((one) => one.status === status && one.ms >= fromMs && one.ms < toMs).length
  expect(counted(200) + counted(429)).toBe(statuses.length)
  expect(counted(200)).toBeLessThanOrEqual(1.1 * (rate.perS * tookS + rate.burst))
  // once the burst is used up; a machine that stands still longer than a part's burst lasts loses some of one window
  const drainedMs = (statuses.find(({ status }) => status === 429)?.ms ?? Number.NaN) + 300
  const rates = Array.from({ length: windows }, (_, i) => {
    const fromMs = drainedMs + i * windowMs
    return fromMs + windowMs > untilMs ? 0 : (counted(200, fromMs, fromMs + windowMs) / windowMs) * 1_000
  })
  expect(Math.max(...rates)).toBeGreaterThanOrEqual(0.9 * rate.perS)
}, 60_000)
