/** CPU time of the calling thread alone. */
import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

type ThreadUsage = () => { user: number; system: number }

/**
 * Milliseconds of CPU this thread has used, for differences. Node tells it itself from 23.9 on; Linux tells it per thread; elsewhere
 * the time the event loop was busy stands in. Threads of an engine that work for this one are not counted.
 */
export function threadCpuMs(): number {
  const usage = (process as unknown as { threadCpuUsage?: ThreadUsage }).threadCpuUsage?.()
  if (usage) return (usage.user + usage.system) / 1000
  return scheduledMs() ?? performance.eventLoopUtilization().active
}

function scheduledMs(): number | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  } catch {
    return undefined
  }
}
