/**
 * Who is at work on a remote. A push relies on objects that it finds there and does not send again; a collection removes objects that nothing reaches. So neither
 * begins while the other is at work: each writes its own lease first, and then looks for leases of the other kind. A remote answers with what was written last, so
 * that of two which begin at the same time at least one sees the other. A lease is written anew every minute; one that was not for a quarter of an hour, by the clock of
 * the remote, is that of a process which ended, and is passed over, as is at once that of a process of this machine which is not there any more. No lock of the
 * other side is needed.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { MillraceError } from '../../core/errors.ts'
import { codeOf } from '../disk/fault.ts'
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
  const name = `${kind}-${machine()}-${process.pid}-${randomUUID()}.json`
  const text = `${JSON.stringify({ kind: 'RemoteLease', work: kind, host: hostname(), pid: process.pid })}\n`
  let keptAt = Date.now()
  const keep = async () => {
    // By the clock on the wall, which goes on while a machine sleeps.
    const begun = Date.now()
    await remote.leases.put(name, text)
    keptAt = begun
  }
  await keep()
  // One that hangs does not hold up the next.
  const keeping = new Set<Promise<void>>()
  const timer = setInterval(() => {
    const kept = keep()
      .catch(() => undefined)
      .finally(() => keeping.delete(kept))
    keeping.add(kept)
  }, STORE_LIMITS.leaseKeepMs)
  timer.unref()
  const end = async () => {
    clearInterval(timer)
    // What is written after the lease was removed would stand there for nobody.
    await Promise.all(keeping)
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
      if (Math.abs(Date.now() - keptAt) > STORE_LIMITS.leaseTrustMsMax)
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
    if (now - putAt <= STORE_LIMITS.leaseMsMax && !hasEndedHere(name))
      throw new MillraceError('MR_REMOTE_AT_WORK', {
        ...{ remote: remote.name, work: other },
        secondsAgo: Math.max(0, Math.round((now - putAt) / 1000)),
      })
    await remote.leases.remove(name)
  }
}

/** This machine since it was started, and the room of process numbers in it: only within one does a number that is not there mean that its process has ended. */
function machine(): string {
  const told = [hostname(), ...['/proc/sys/kernel/random/boot_id', '/proc/self/ns/pid'].map(contentOf)]
  return createHash('sha256').update(told.join('\n')).digest('hex').slice(0, 16)
}

function contentOf(path: string): string {
  try {
    return path.endsWith('/pid') ? readlinkSync(path) : readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function hasEndedHere(name: string): boolean {
  const [, where, pid] = /^[a-z]+-([0-9a-f]{16})-(\d+)-/.exec(name) ?? []
  if (where !== machine()) return false
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (thrown) {
    return codeOf(thrown) === 'ESRCH'
  }
}
