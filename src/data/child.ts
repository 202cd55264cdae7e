import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MillraceError, reviveError } from '../core/errors.ts'
import { workerUrl } from '../engine/worker-url.ts'
import type { CheckedResult, CheckJob } from './check-types.ts'
import type { ChildJob, ChildMessage, ChildResult } from './child-types.ts'
import type { EditJob, EditResult } from './edit-types.ts'
import type { SuggestJob, SuggestReport } from './suggest/types.ts'
import type { ImportJob, ImportResult, Inspection, InspectJob, SketchJob, SketchResult } from './types.ts'

export interface ChildOptions {
  signal?: AbortSignal
  stallMs: number
  onProgress?: (done: number, note: string) => void
}

const HEAP_MB = 256
const STDERR_CHARS = 4_000

/**
 * Runs one job in a process of its own and resolves with its result. The process is killed on cancel, when it makes no progress for `stallMs`, and
 * with its parent. Errors: those of the job, MR_DATA_STALLED, MR_DATA_MEMORY, MR_DATA_CRASHED, MR_CANCELLED, MR_DIST_MISSING.
 */
export function runChild(job: ImportJob, options: ChildOptions): Promise<ImportResult>
export function runChild(job: InspectJob, options: ChildOptions): Promise<Inspection>
export function runChild(job: SketchJob, options: ChildOptions): Promise<SketchResult>
export function runChild(job: SuggestJob, options: ChildOptions): Promise<SuggestReport>
export function runChild(job: CheckJob, options: ChildOptions): Promise<CheckedResult>
export function runChild(job: EditJob, options: ChildOptions): Promise<EditResult>
export function runChild(job: ChildJob, options: ChildOptions): Promise<ChildResult> {
  const what = job.files.map((f) => f.name).join(', ')
  if (options.signal?.aborted)
    return Promise.reject(new MillraceError('MR_CANCELLED', { what: `reading ${what}` }))
  const child = start(job)
  return new Promise((resolve, reject) => {
    const ended = follow(child, job, what, options, resolve, reject)
    child.send(job, (error) => {
      if (error) ended(new MillraceError('MR_DATA_CRASHED', { what, why: error.message }))
    })
  })
}

function childPath(): string {
  const twin = import.meta.url.endsWith('.ts') ? './import-child.ts' : './import-child.js'
  return fileURLToPath(workerUrl(new URL(twin, import.meta.url)))
}

function start(job: ChildJob): ChildProcess {
  return fork(childPath(), [], {
    execArgv: [`--max-old-space-size=${Math.min(HEAP_MB, Math.ceil(job.memoryMb / 2))}`],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH, TZ: 'UTC', SystemRoot: process.env.SystemRoot },
  })
}

function follow(
  child: ChildProcess,
  job: ChildJob,
  what: string,
  { signal, stallMs, onProgress }: ChildOptions,
  resolve: (result: ChildResult) => void,
  reject: (error: Error) => void,
): (error: Error) => void {
  let lastNote = ''
  let stderr = ''
  let outcome: (() => void) | undefined
  const end = (settle: () => void): void => {
    outcome ??= settle
    child.kill('SIGKILL')
  }
  const fail = (error: Error): void => end(() => reject(error))
  const onAbort = () => fail(new MillraceError('MR_CANCELLED', { what: `reading ${what}` }))
  const timer = setTimeout(
    () =>
      fail(
        new MillraceError('MR_DATA_STALLED', { what: `reading ${what}`, limitMs: stallMs, note: lastNote }),
      ),
    stallMs,
  )
  signal?.addEventListener('abort', onAbort, { once: true })
  child.stderr?.on('data', (chunk) => {
    stderr = (stderr + chunk).slice(-STDERR_CHARS)
  })
  child.on('message', (message: ChildMessage) => {
    timer.refresh()
    if (message.kind === 'done') return end(() => resolve(message.result))
    if (message.kind === 'failed') return fail(reviveError(message.error))
    if (message.done < 0) return
    lastNote = message.note
    onProgress?.(message.done, message.note)
  })
  child.on('error', (error) => fail(new MillraceError('MR_DATA_CRASHED', { what, why: error.message })))
  child.on('close', (code, killedBy) => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    if (outcome) outcome()
    else reject(deathOf(job, what, code, killedBy, stderr))
  })
  return fail
}

function deathOf(
  job: ChildJob,
  what: string,
  code: number | null,
  killedBy: string | null,
  stderr: string,
): Error {
  const starved = /heap out of memory|bad_alloc/i.test(stderr) || killedBy === 'SIGKILL'
  if (starved) return new MillraceError('MR_DATA_MEMORY', { what: `reading ${what}`, limitMb: job.memoryMb })
  return new MillraceError('MR_DATA_CRASHED', {
    what,
    why: killedBy ? `signal ${killedBy}` : `exit code ${code}`,
  })
}
