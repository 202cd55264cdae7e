/**
 * The process that reads a user's files. It owns a throw-away DuckDB and writes only into its job's folder, so that a hostile file can end this
 * process and nothing else. One job, sent by the parent; it dies with the parent and when it grows past its memory.
 */
import { mkdirSync } from 'node:fs'
import { MillraceError, plainError, toError } from '../core/errors.ts'
import { isDiskFull } from '../store/disk/fault.ts'
import { runCheck } from './check-run.ts'
import type { ChildJob, ChildMessage } from './child-types.ts'
import { type Duck, openDuck } from './duck.ts'
import { runEdit } from './edit-run.ts'
import { runImport } from './import-run.ts'
import { runInspect } from './inspect-run.ts'
import { isOutOfMemory } from './reader.ts'
import { runSketch } from './sketch-run.ts'
import { runSuggest } from './suggest/suggest-run.ts'

/** Share of the cap that DuckDB may fill before it spills; the rest is for Parquet buffers, code and JavaScript. */
const ENGINE_SHARE = 0.6
const WATCH_MS = 200

process.once('message', (job: ChildJob) => void serve(job))
process.once('disconnect', () => process.exit(1))

async function serve(job: ChildJob): Promise<void> {
  try {
    mkdirSync(job.folder, { recursive: true })
    const threads = job.op === 'check' ? job.threads : 1
    const duck = await openDuck(job.folder, Math.floor(job.memoryMb * ENGINE_SHARE), threads)
    watch(duck, job)
    await finish({ kind: 'done', result: await run(duck, job) })
  } catch (thrown) {
    await finish({ kind: 'failed', error: plainError(failureOf(toError(thrown), job)) })
  }
}

function run(duck: Duck, job: ChildJob) {
  const report = (done: number, note: string) =>
    void process.send!({ kind: 'progress', done, note } satisfies ChildMessage)
  switch (job.op) {
    case 'inspect':
      return runInspect(duck, job)
    case 'sketch':
      return runSketch(duck, job)
    case 'edit':
      return runEdit(duck, job, report)
    case 'suggest':
      return runSuggest(duck, job, report)
    case 'check':
      return runCheck(duck, job, report)
    case 'import':
      return runImport(duck, job, report)
  }
}

function failureOf(error: Error, job: ChildJob): Error {
  if (isOutOfMemory(error)) return outOfMemory(job, error)
  if (isDiskFull(error)) return new MillraceError('MR_NO_SPACE', { path: job.folder }, { cause: error })
  return error
}

function outOfMemory(job: ChildJob, cause?: Error): MillraceError {
  return new MillraceError(
    'MR_DATA_MEMORY',
    { what: `reading ${job.files.map((f) => f.name).join(', ')}`, limitMb: job.memoryMb },
    { cause },
  )
}

/** Tells the parent that rows move, and ends the process when it holds more than it may. */
function watch(duck: Duck, job: ChildJob): void {
  let processed = 0
  requireMemory(job)
  setInterval(() => {
    requireMemory(job)
    const now = duck.processed()
    if (now !== processed) process.send?.({ kind: 'progress', done: -1, note: '' } satisfies ChildMessage)
    processed = now
  }, WATCH_MS).unref()
}

function requireMemory(job: ChildJob): void {
  const grown = process.memoryUsage.rss() > job.memoryMb * 1024 * 1024
  if (grown) void finish({ kind: 'failed', error: plainError(outOfMemory(job)) })
}

function finish(message: ChildMessage): Promise<never> {
  return new Promise(() => process.send!(message, () => process.exit(message.kind === 'done' ? 0 : 2)))
}
