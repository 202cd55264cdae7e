/**
 * Who is at work on a remote. A push relies on objects that it finds there and does not send again; a collection removes objects that nothing reaches. So neither
 * begins while the other is at work: each writes its own lease first, and then looks for leases of the other kind. A remote answers with what was written last, so
 * that of two which begin at the same time at least one sees the other. A lease is written anew every few minutes; one that was not for an hour, by the clock of
 * the remote, is that of a process which ended, and is passed over. No lock of the other side is needed.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { MillraceError } from '../../core/errors.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Remote } from './ports.ts'

export type LeaseKind = 'push' | 'gc'

export interface Lease {
  /** Errors: MR_REMOTE_LEASE where it could not be kept, so that others may think this one has ended. */
  require(): void
  /** Ends it. A failure is passed over: the lease ends by itself. */
  end(): Promise<void>
}

const OTHER: Record<LeaseKind, LeaseKind> = { push: 'gc', gc: 'push' }

/** Takes a lease, and keeps it until it is ended. Errors: MR_REMOTE_AT_WORK while one of the other kind is alive. */
export async function takeLease(remote: Remote, kind: LeaseKind): Promise<Lease> {
  const name = `${kind}-${randomUUID()}.json`
  const text = `${JSON.stringify({ kind: 'RemoteLease', work: kind, host: hostname(), pid: process.pid })}\n`
  let keptAt = performance.now()
  const keep = async () => {
    const begun = performance.now()
    await remote.leases.put(name, text)
    keptAt = begun
  }
  await keep()
  const timer = setInterval(() => void keep().catch(() => undefined), STORE_LIMITS.leaseKeepMs)
  timer.unref()
  const end = async () => {
    clearInterval(timer)
    await remote.leases.remove(name).catch(() => undefined)
  }
  try {
    await refuseOther(remote, OTHER[kind])
  } catch (thrown) {
    await end()
    throw thrown
  }
  return {
    require() {
      if (performance.now() - keptAt > STORE_LIMITS.leaseTrustMsMax)
        throw new MillraceError('MR_REMOTE_LEASE', { remote: remote.name })
    },
    end,
  }
}

async function refuseOther(remote: Remote, other: LeaseKind): Promise<void> {
  const leases = (await remote.leases.list()).filter(({ name }) => name.startsWith(`${other}-`))
  if (leases.length === 0) return
  const now = await remote.now()
  for (const { name, putAt } of leases) {
    if (now - putAt <= STORE_LIMITS.leaseMsMax)
      throw new MillraceError('MR_REMOTE_AT_WORK', {
        ...{ remote: remote.name, work: other },
        secondsAgo: Math.max(0, Math.round((now - putAt) / 1000)),
      })
    await remote.leases.remove(name)
  }
}
