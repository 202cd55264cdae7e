import { describe, expect, it } from 'vitest'
import type { JobTable, Store } from '../../src/store/ports.ts'
import { digestNo } from '../store/fixture.ts'

type With = (work: (store: Store, dir: string) => Promise<void>) => Promise<void>

const LEASE_MS = 100

/** Laws of `JobTable`, for every adapter. Times are plain numbers: nothing here waits. */
export function jobsContract(name: string, withStore: With): void {
  const withJobs = (work: (jobs: JobTable) => Promise<void>) => withStore(({ meta }) => work(meta.jobs))
  const [a, b, c, d] = [1, 2, 3, 4].map(digestNo)

  describe(`jobs on ${name}`, () => {
    it('queues a spec once and gives it to one worker', () =>
      withJobs(async (jobs) => {
        expect(await jobs.enqueue([{ id: a, task: 'train' }], 10)).toBe(1)
        expect(await jobs.enqueue([{ id: a, task: 'train' }], 11)).toBe(0)
        const job = await jobs.claim('w1', 20, LEASE_MS)
        expect(job).toEqual({
          id: a,
          task: 'train',
          state: 'leased',
          needs: [],
          priority: 0,
          tries: 1,
          fence: 1,
          queuedAt: 10,
          worker: 'w1',
          leaseUntil: 120,
        })
        expect(await jobs.claim('w2', 20, LEASE_MS)).toBeUndefined()
        expect(await jobs.finish(a, 1, { state: 'done' }, 30, 3)).toBe(true)
        expect(await jobs.get([a, b])).toMatchObject([{ id: a, state: 'done', endedAt: 30 }])
        expect(await jobs.enqueue([{ id: a, task: 'train' }], 40)).toBe(0)
        expect(await jobs.enqueue([{ id: a, task: 'train', again: true }], 50)).toBe(1)
      }))

    it('gives the most urgent first, then the oldest, then in the order of the call', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue(
          [
            { id: d, task: 't' },
            { id: c, task: 't' },
          ],
          10,
        )
        await jobs.enqueue(
          [
            { id: b, task: 't' },
            { id: a, task: 't', priority: 5 },
          ],
          20,
        )
        const order = []
        for (let i = 0; i < 4; i++) order.push((await jobs.claim('w', 30, LEASE_MS))?.id)
        expect(order).toEqual([a, d, c, b])
      }))

    it('holds a job back until all it needs is done', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue(
          [
            { id: a, task: 'gate', needs: [b, c], priority: 9 },
            { id: b, task: 'train' },
          ],
          10,
        )
        expect((await jobs.claim('w', 20, LEASE_MS))?.id).toBe(b)
        await jobs.finish(b, 1, { state: 'done' }, 21, 3)
        expect(await jobs.claim('w', 22, LEASE_MS)).toBeUndefined()
        await jobs.enqueue([{ id: c, task: 'train' }], 23)
        expect((await jobs.claim('w', 24, LEASE_MS))?.id).toBe(c)
        await jobs.finish(c, 1, { state: 'done' }, 25, 3)
        expect(await jobs.claim('w', 26, LEASE_MS)).toMatchObject({ id: a, needs: [b, c] })
      }))

    it('lets another worker take over when the lease ran out, and fences off the first', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue([{ id: a, task: 't' }], 10)
        const first = (await jobs.claim('slow', 20, LEASE_MS))!
        expect(await jobs.claim('other', 119, LEASE_MS)).toBeUndefined()
        const second = (await jobs.claim('other', 120, LEASE_MS))!
        expect(second).toMatchObject({ id: a, worker: 'other', fence: 2, tries: 2 })
        expect(await jobs.heartbeat(a, first.fence, 121, LEASE_MS)).toBe(false)
        expect(await jobs.finish(a, first.fence, { state: 'done' }, 121, 3)).toBe(false)
        expect(await jobs.finish(a, second.fence, { state: 'done' }, 122, 3)).toBe(true)
      }))

    it('keeps a lease alive by heartbeats that carry progress', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue([{ id: a, task: 't' }], 10)
        const { fence } = (await jobs.claim('w', 20, LEASE_MS))!
        expect(await jobs.heartbeat(a, fence, 100, LEASE_MS, { done: 0.5, note: 'tree 100 of 200' })).toBe(
          true,
        )
        expect(await jobs.claim('other', 150, LEASE_MS)).toBeUndefined()
        expect(await jobs.list({ state: 'leased' })).toMatchObject([
          { leaseUntil: 200, progress: { done: 0.5, note: 'tree 100 of 200' } },
        ])
      }))

    it('tries a failed job again until its tries are used up', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue([{ id: a, task: 't' }], 10)
        for (const expected of ['queued', 'queued', 'failed']) {
          const { fence } = (await jobs.claim('w', 20, LEASE_MS))!
          expect(await jobs.finish(a, fence, { state: 'failed', error: 'out of luck' }, 30, 3)).toBe(true)
          expect(await jobs.get([a])).toMatchObject([{ state: expected, error: 'out of luck' }])
        }
        expect(await jobs.claim('w', 40, LEASE_MS)).toBeUndefined()
        expect(await jobs.enqueue([{ id: a, task: 't' }], 50)).toBe(1)
        const again = (await jobs.claim('w', 60, LEASE_MS))!
        expect(again).toMatchObject({ tries: 1, fence: 4 })
        expect(again.error).toBeUndefined()
      }))

    it('fails what needs a failed job, through any depth, with the first reason', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue(
          [
            { id: a, task: 'train' },
            { id: b, task: 'gate', needs: [a] },
            { id: c, task: 'release', needs: [b] },
          ],
          10,
        )
        const { fence } = (await jobs.claim('w', 20, LEASE_MS))!
        await jobs.finish(a, fence, { state: 'failed', error: 'one class only' }, 30, 1)
        const reason = 'needs train 000000000000, which failed: one class only'
        expect(await jobs.get([b, c])).toMatchObject([
          { state: 'failed', error: reason, endedAt: 30 },
          { state: 'failed', error: reason },
        ])
        await jobs.enqueue([{ id: d, task: 'report', needs: [a] }], 40)
        expect(await jobs.get([d])).toMatchObject([{ state: 'failed', error: reason }])
        expect(
          await jobs.enqueue(
            [
              { id: a, task: 'train' },
              { id: d, task: 'report', needs: [a] },
            ],
            50,
          ),
        ).toBe(2)
        expect(await jobs.get([a, d])).toMatchObject([{ state: 'queued' }, { state: 'queued' }])
      }))

    it('cancels queued jobs at once and leased ones at their next heartbeat', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue(
          [
            { id: a, task: 't' },
            { id: b, task: 't' },
            { id: c, task: 't', needs: [b] },
          ],
          10,
        )
        const { fence } = (await jobs.claim('w', 20, LEASE_MS))!
        await jobs.cancel([a, b], 30)
        expect(await jobs.heartbeat(a, fence, 31, LEASE_MS)).toBe(false)
        expect(await jobs.finish(a, fence, { state: 'done' }, 32, 3)).toBe(false)
        expect((await jobs.get([a, b, c])).map(({ state }) => state)).toEqual([
          'cancelled',
          'cancelled',
          'cancelled',
        ])
        expect(await jobs.claim('w', 500, LEASE_MS)).toBeUndefined()
      }))

    it('puts back what a worker held when it stops, without counting the try', () =>
      withJobs(async (jobs) => {
        await jobs.enqueue([{ id: a, task: 't' }], 10)
        await jobs.claim('w', 20, LEASE_MS)
        expect(await jobs.release('other')).toBe(0)
        expect(await jobs.release('w')).toBe(1)
        expect(await jobs.heartbeat(a, 1, 21, LEASE_MS)).toBe(false)
        expect(await jobs.claim('next', 22, LEASE_MS)).toMatchObject({ worker: 'next', tries: 1, fence: 2 })
      }))

    it('gives each of many jobs to exactly one of many workers', () =>
      withJobs(async (jobs) => {
        const ids = Array.from({ length: 700 }, (_, i) => digestNo(i + 1))
        expect(
          await jobs.enqueue(
            ids.map((id) => ({ id, task: 't' })),
            10,
          ),
        ).toBe(700)
        const claimed: string[] = []
        const work = async (worker: string) => {
          for (let i = 0; i < 20; i++) claimed.push((await jobs.claim(worker, 20, LEASE_MS))!.id)
        }
        await Promise.all(['w1', 'w2', 'w3', 'w4'].map(work))
        expect(new Set(claimed).size).toBe(80)
        expect(await jobs.get(ids)).toHaveLength(700)
        expect(await jobs.list({ limit: 5 })).toHaveLength(5)
      }))
  })
}
