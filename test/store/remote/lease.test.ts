import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { STORE_LIMITS } from '../../../src/store/limits.ts'
import { takeLease } from '../../../src/store/remote/lease.ts'
import type { Remote } from '../../../src/store/remote/ports.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A remote whose leases are written when `answer` says so; the first at once. */
function slowRemote() {
  const there = new Set<string>()
  const waiting: (() => void)[] = []
  let puts = 0
  const leases: Remote['leases'] = {
    async put(name) {
      if (++puts > 1) await new Promise<void>((resolve) => waiting.push(resolve))
      there.add(name)
    },
    list: async () => [...there].map((name) => ({ name, putAt: 0 })),
    async remove(name) {
      there.delete(name)
    },
  }
  const remote = { name: 'slow', leases, now: async () => 0 } as Partial<Remote> as Remote
  return { remote, there, waiting }
}

it('leaves no lease behind that was being written anew as it ended', async () => {
  const { remote, there, waiting } = slowRemote()
  const lease = await takeLease(remote, 'push')
  expect(there.size).toBe(1)
  vi.advanceTimersByTime(STORE_LIMITS.leaseKeepMs)
  expect(waiting).toHaveLength(1)
  const ended = lease.end()
  await new Promise((resolve) => setTimeout(resolve, 5))
  waiting[0]!()
  await ended
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(there.size).toBe(0)
})

it('is written anew though the time before hangs', async () => {
  const { remote, there, waiting } = slowRemote()
  const lease = await takeLease(remote, 'push')
  vi.advanceTimersByTime(3 * STORE_LIMITS.leaseKeepMs)
  expect(waiting).toHaveLength(3)
  for (const answer of waiting) answer()
  await lease.end()
  expect(there.size).toBe(0)
})
