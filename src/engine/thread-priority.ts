/** Threads of work that can wait: what answers requests goes first where both want a core. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'

/** Niceness: a thread of it has about a tenth of what one of none has, where both want the same core. */
const WAITING_NICE = 10

/**
 * The thread that calls gives way to others from now on, for good. Linux alone has priorities of threads; elsewhere, and where there is no /proc, nothing is changed.
 */
export function giveWay(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), WAITING_NICE)
  } catch {
    // all threads are as important then
  }
}
