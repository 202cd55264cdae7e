/** Who leaves when models take more than the memory: hit rates against LRU, shares of tenants, turns of loads. */
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { FairFlight } from '../../../src/serve/models/fair-flight.ts'
import { LoadQueue } from '../../../src/serve/models/load-queue.ts'
import { type Holder, MemoryBudget } from '../../../src/serve/models/memory-budget.ts'
import { SessionSizes } from '../../../src/serve/models/session-sizes.ts'
import { UNUSED, UseClock } from '../../../src/serve/models/use-score.ts'

interface Model extends Holder {
  name: string
  bytes: number
  size: number
  score: number
  isBusy: boolean
}

const modelOf = (name: string, size: number, tenant = ''): Model => ({
  name,
  tenant,
  size,
  bytes: 0,
  score: UNUSED,
  isBusy: false,
})

/** Asks for models one after the other, as the loader does, and gives the share of asks that found theirs held. */
function ours(models: readonly Model[], bytesMax: number, asks: readonly number[], from = 0): number {
  const budget = new MemoryBudget<Model>(bytesMax)
  const clock = new UseClock(10 * models.length)
  let hits = 0
  asks.forEach((i, at) => {
    const model = models[i]
    model.score = clock.use(model.score)
    if (model.bytes > 0) hits += Number(at >= from)
    else {
      const leavers = budget.leavers(model, model.size)
      if (!Array.isArray(leavers)) throw new Error('no room')
      for (const other of leavers) budget.hold(other, 0)
      budget.hold(model, model.size)
    }
  })
  expect(budget.bytes).toBeLessThanOrEqual(bytesMax)
  return hits / (asks.length - from)
}

function lru(models: readonly Model[], bytesMax: number, asks: readonly number[], from = 0): number {
  const held = new Map<number, number>()
  let [bytes, hits] = [0, 0]
  asks.forEach((i, at) => {
    const size = held.get(i)
    if (size !== undefined) {
      hits += Number(at >= from)
      held.delete(i)
    } else bytes += models[i].size
    held.set(i, models[i].size)
    for (const [oldest, of] of held) {
      if (bytes <= bytesMax) break
      held.delete(oldest)
      bytes -= of
    }
  })
  return hits / (asks.length - from)
}

/** Draws from `1 / rank` over `n`, ranks given to models by `order`. */
function zipf(n: number, count: number, seed: number, order = (rank: number) => rank): number[] {
  const rng = seededRng(seed)
  const cumulative = new Float64Array(n)
  let sum = 0
  for (let rank = 0; rank < n; rank++) cumulative[rank] = sum += 1 / (rank + 1)
  return Array.from({ length: count }, () => {
    const u = rng.next() * sum
    let [low, high] = [0, n - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulative[middle] < u) low = middle + 1
      else high = middle
    }
    return order(low)
  })
}

const fleet = (n: number, seed: number): Model[] => {
  const rng = seededRng(seed)
  return Array.from({ length: n }, (_, i) => modelOf(`m${i}`, 80_000 + Math.floor(240_000 * rng.next())))
}
const bytesOf = (models: readonly Model[]) => models.reduce((sum, { size }) => sum + size, 0)

describe('hit rates against LRU of the same memory', () => {
  const N = 2_000
  const both = (asks: number[], share: number, from = 0) => {
    const bytesMax = bytesOf(fleet(N, 1)) * share
    return {
      ours: ours(fleet(N, 1), bytesMax, asks, from),
      lru: lru(fleet(N, 1), bytesMax, asks, from),
    }
  }

  test('under Zipf traffic it finds more than LRU, at every size of memory', () => {
    for (const share of [0.1, 0.3, 0.6]) {
      const rates = both(zipf(N, 60_000, 7), share, 20_000)
      console.log(`Zipf, memory for ${share}: ours ${rates.ours.toFixed(4)}, LRU ${rates.lru.toFixed(4)}`)
      expect(rates.ours).toBeGreaterThan(rates.lru)
    }
  })

  test('scans of every model once do not push out what is hot', () => {
    const hot = zipf(N, 60_000, 11)
    const asks = hot.flatMap((model, i) => (i % 2 === 0 ? [model] : [model, (i >> 1) % N]))
    const rates = both(asks, 0.2, 30_000)
    console.log(`Zipf with scans: ours ${rates.ours.toFixed(4)}, LRU ${rates.lru.toFixed(4)}`)
    expect(rates.ours).toBeGreaterThan(1.05 * rates.lru)
  })

  test('where demand moves to other models it follows within a few half-lives', () => {
    const before = zipf(N, 60_000, 13)
    const after = zipf(N, 60_000, 17, (rank) => (rank + N / 2) % N)
    const rates = both([...before, ...after], 0.3, 80_000)
    console.log(`moved demand, later: ours ${rates.ours.toFixed(4)}, LRU ${rates.lru.toFixed(4)}`)
    expect(rates.ours).toBeGreaterThan(0.97 * rates.lru)
  })
})

describe('shares of memory', () => {
  const filled = (tenants: string[], each: number, bytesMax: number) => {
    const budget = new MemoryBudget<Model>(bytesMax)
    const models = tenants.flatMap((tenant) =>
      Array.from({ length: each }, (_, i) => ({ ...modelOf(`${tenant}${i}`, 10, tenant), score: i })),
    )
    for (const model of models) budget.hold(model, model.size)
    return { budget, models }
  }

  test('alone, a tenant has it all; when another comes, it gives way down to its share and no further', () => {
    const { budget } = filled(['a'], 10, 100)
    const take = (name: string, score: number) => {
      const model = { ...modelOf(name, 10, 'b'), score }
      const leavers = budget.leavers(model, 10)
      if (!Array.isArray(leavers)) throw new Error('no room')
      for (const one of leavers) budget.hold(one, 0)
      budget.hold(model, 10)
      return leavers.map((one) => one.name)
    }
    const gone = Array.from({ length: 7 }, (_, i) => take(`b${i}`, -1)).flat()
    expect(gone.slice(0, 5)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
    expect(gone.slice(5).every((name) => name.startsWith('b'))).toBe(true)
    expect([budget.bytesOf('a'), budget.bytesOf('b')]).toEqual([50, 50])
  })

  test('what is in use never leaves, and who is refused is told what is in the way', () => {
    const { budget, models } = filled(['a'], 10, 100)
    for (const model of models) model.isBusy = true
    expect(budget.leavers(modelOf('new', 30), 30)).toMatchObject({ needBytes: 30, freeBytes: 0 })
    models[7].isBusy = false
    models[9].isBusy = false
    expect(budget.leavers(modelOf('new', 20), 20)).toEqual([models[7], models[9]])
    const refused = budget.leavers(modelOf('new', 30), 30)
    expect(Array.isArray(refused) ? [] : refused.inTheWay).toHaveLength(8)
  })

  test('of two used alike the larger leaves first', () => {
    const budget = new MemoryBudget<Model>(1_000_000)
    const [small, large] = [modelOf('small', 10_000), modelOf('large', 900_000)]
    for (const model of [small, large]) {
      model.score = 1
      budget.hold(model, model.size)
    }
    expect(budget.leaver(modelOf('new', 1))).toBe(large)
  })
})

describe('turns of loads', () => {
  test('tenants take turns, however many one asks for, and no more run at once than may', async () => {
    const queue = new LoadQueue({ concurrency: 2, waitingMax: 100 })
    const order: string[] = []
    let [running, most] = [0, 0]
    const load = (tenant: string, name: string) =>
      queue.run(tenant, async () => {
        most = Math.max(most, ++running)
        order.push(name)
        await new Promise((resolve) => setImmediate(resolve))
        running--
      })
    const many = Array.from({ length: 20 }, (_, i) => load('many', `many${i}`))
    const few = [load('few', 'few0'), load('few', 'few1')]
    await Promise.all([...many, ...few])
    expect(most).toBe(2)
    expect(order).toHaveLength(22)
    expect(order.indexOf('few0')).toBeLessThan(5)
    expect(order.indexOf('few1')).toBeLessThan(7)
  })

  test('beyond what may wait it refuses, and a load that fails gives its turn on', async () => {
    const queue = new LoadQueue({ concurrency: 1, waitingMax: 1 })
    const first = queue.run('a', async () => Promise.reject(new Error('broken')))
    const second = queue.run('a', async () => 2)
    await expect(queue.run('a', async () => 3)).rejects.toMatchObject({ code: 'MR_SERVE_BUSY' })
    await expect(first).rejects.toThrow('broken')
    expect(await second).toBe(2)
    expect(await queue.run('a', async () => 4)).toBe(4)
  })
})

test('sizes of sessions come near to what they take, over noise and a wrong expectation', () => {
  const rng = seededRng(5)
  const sizes = new SessionSizes()
  let [taken, said] = [0, 0]
  for (let i = 0; i < 400; i++) {
    const expected = 200_000 + 2_000_000 * rng.next()
    const real = 1.7 * expected
    sizes.add(expected, real + 400_000 * rng.normal())
    if (i < 100) continue
    taken += real
    said += sizes.bytes(expected)
  }
  expect(Math.abs(said / taken - 1)).toBeLessThan(0.15)
})

test('a tenant that asks a lot is refused at its share, and room is left for one that comes', () => {
  const flight = new FairFlight(100)
  const ends = Array.from({ length: 100 }, () => flight.enter('a'))
  expect(() => flight.enter('a')).toThrow('at its limit of 100')
  for (const end of ends.splice(0, 70)) end()
  const others = Array.from({ length: 33 }, () => flight.enter('b'))
  expect(() => flight.enter('b')).toThrow('at its limit of 33')
  flight.enter('c')()
  for (const end of [...ends, ...others]) end()
  expect([flight.of('a'), flight.of('b'), flight.of('c')]).toEqual([0, 0, 0])
})
