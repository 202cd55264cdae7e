/** A worker thread: takes one spec at a time, runs its task with a store and a query engine of its own, and keeps both warm. */

import { parentPort, workerData } from 'node:worker_threads'
import { assert, MillraceError, plainError } from '../../core/errors.ts'
import type { Digest, RunSpec } from '../../core/records.ts'
import { quoted } from '../../expr/sql.ts'
import { openStore } from '../../store/open.ts'
import type { Store } from '../../store/ports.ts'
import type { Onnx } from '../infer/onnx.ts'
import { openQuery } from '../open.ts'
import type { Query, Task, TaskContext } from '../ports.ts'
import { threadCpuMs } from './cpu.ts'
import type { FromWorker, Plain, ToWorker, WorkerSetup } from './messages.ts'

/** Progress is told at most this often. */
const PROGRESS_MS = 100

assert(parentPort, 'this module runs in a worker thread')
const port = parentPort
const setup = workerData as WorkerSetup

let tasks: Promise<Map<string, Task>> | undefined
let store: Promise<Store> | undefined
let query: Promise<Query> | undefined
let infer: Promise<Onnx> | undefined
/** The engine, when the job that runs has asked for it; and the clearing of what the last such job left in it. */
let used: Query | undefined
let swept: Promise<void> | undefined
let current: { id: Digest; abort: AbortController } | undefined

port.on('message', (message: ToWorker) => {
  if (message.type === 'run') void run(message.id, message.spec)
  else if (message.type === 'abort' && current?.id === message.id) void stop(current.abort)
  else if (message.type === 'close') void close()
})

async function run(id: Digest, spec: RunSpec): Promise<void> {
  const abort = new AbortController()
  current = { id, abort }
  const startedAt = Date.now()
  const cpuFrom = threadCpuMs()
  const spent = () => ({ startedAt, endedAt: Date.now(), cpuMs: Math.round(threadCpuMs() - cpuFrom) })
  let task: Task
  try {
    task = await taskOf(spec)
  } catch (thrown) {
    return answer({ type: 'refused', id, error: plain(thrown) })
  }
  try {
    const { outputs, note } = await task.run(await contextOf(id, spec, abort.signal))
    answer({ type: 'done', id, outputs, note, ...spent() })
  } catch (thrown) {
    const error = abort.signal.aborted
      ? new MillraceError('MR_CANCELLED', { what: `task "${spec.task}"` })
      : thrown
    answer({ type: 'failed', id, error: plain(error), ...spent() })
  } finally {
    current = undefined
    if (used) swept = sweep(used)
    used = undefined
  }
}

/** Tells the task to stop and interrupts what its engine does; the engine is not used again. */
async function stop(abort: AbortController): Promise<void> {
  abort.abort()
  if (!used) return
  const open = used
  used = undefined
  query = undefined
  await open.close()
}

function answer(message: FromWorker): void {
  port.postMessage(message)
}

/** Only what can cross the thread. */
function plain(thrown: unknown): Plain {
  const { data, ...error } = plainError(thrown)
  try {
    return { ...error, data: structuredClone(data) }
  } catch {
    return { message: error.message, stack: error.stack }
  }
}

async function taskOf(spec: RunSpec): Promise<Task> {
  tasks ??= loadTasks()
  const known = await tasks
  const task = known.get(spec.task)
  if (!task) throw new MillraceError('MR_TASK_UNKNOWN', { task: spec.task, known: [...known.keys()] })
  if (task.code !== spec.code) {
    throw new MillraceError('MR_TASK_CODE', { task: spec.task, want: spec.code, have: task.code })
  }
  return task
}

async function loadTasks(): Promise<Map<string, Task>> {
  const module = (await import(setup.tasksModule)) as { default: Task[] }
  return new Map(module.default.map((task) => [task.name, task]))
}

async function contextOf(id: Digest, spec: RunSpec, signal: AbortSignal): Promise<TaskContext> {
  store ??= openStore(setup.storeUrl, { clock: { now: Date.now } })
  const own = { query: ownQuery, infer: ownInfer, progress: progressOf(id) }
  return { store: await store, spec, specDigest: id, ...own, signal }
}

/** Batches of a large network may take their time: nobody waits for one answer here. */
const INFER_STUCK_MS = 120_000

function ownInfer(): Promise<Onnx> {
  infer ??= import('../infer/onnx.ts').then(({ openOnnx }) =>
    openOnnx({ workers: 1, stuckMs: INFER_STUCK_MS }),
  )
  infer.catch(() => {
    infer = undefined
  })
  return infer
}

async function ownQuery(): Promise<Query> {
  current?.abort.signal.throwIfAborted()
  await swept
  const { scratch } = await store!
  query ??= openQuery('duckdb:', {
    memoryMb: setup.queryMemoryMb,
    threads: setup.queryThreads,
    tempDir: scratch,
  })
  used = await query
  return used
}

function progressOf(id: Digest): TaskContext['progress'] {
  let toldAt = 0
  return (done, note) => {
    const now = performance.now()
    if (now - toldAt < PROGRESS_MS && done < 1) return
    toldAt = now
    answer({ type: 'progress', id, done, note })
  }
}

/** Views and tables of one job are not seen by the next; an engine that cannot be swept is replaced. */
async function sweep(open: Query): Promise<void> {
  try {
    const left = await open.rows<{ kind: string; name: string }>({ text: LEFT, params: [] })
    for (const { kind, name } of left) {
      await open.exec({ text: `DROP ${kind} IF EXISTS ${quoted(name)} CASCADE`, params: [] })
    }
  } catch {
    query = undefined
    await open.close()
  }
}

const LEFT = `SELECT 'VIEW' AS kind, view_name AS name FROM duckdb_views() WHERE NOT internal
  UNION ALL SELECT 'TABLE', table_name FROM duckdb_tables() WHERE NOT internal`

async function close(): Promise<void> {
  const open = await Promise.allSettled([query, store, infer])
  await Promise.allSettled(open.map((o) => (o.status === 'fulfilled' ? o.value?.close() : undefined)))
  port.close()
}
