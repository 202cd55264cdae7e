/** Names of workers say which process they live in, so that the leases of a dead process need not run out. */
import { hostname } from 'node:os'
import { LIMITS } from '../../core/limits.ts'
import type { JobTable } from '../../store/ports.ts'

let pools = 0

/** A prefix for the workers of one pool: host, process, and the number of the pool in it. */
export function newOwner(): string {
  return `${hostname()}:${process.pid}:${++pools}`
}

/**
 * Puts back what workers of dead processes of this host hold; counts as a try, so that work which kills its process does not
 * do so forever. Returns how many.
 */
export async function freeDead(jobs: JobTable, now: number): Promise<number> {
  const leased = await jobs.list({ state: 'leased' })
  const dead = leased.filter(({ worker }) => worker !== undefined && !lives(worker))
  for (const { id, fence } of dead) {
    const outcome = { state: 'failed', error: 'the process that did it died' } as const
    await jobs.finish(id, fence, outcome, now, LIMITS.jobTriesMax)
  }
  return dead.length
}

/** Whether the process of a worker may be alive; processes of other hosts always may. */
function lives(worker: string): boolean {
  const [host, pid] = worker.split(':')
  if (host !== hostname() || !pid) return true
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
