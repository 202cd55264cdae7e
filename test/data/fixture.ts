/** A store in a temporary folder, a dataset with defaults, and files written by DuckDB. A test sets only what matters to it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { refs } from '../../src/core/names.ts'
import type { DatasetVersion, RunRecord } from '../../src/core/records.ts'
import { openDuck } from '../../src/data/duck.ts'
import { runEdit } from '../../src/data/edit-run.ts'
import { createEditTask, type EditParts } from '../../src/data/edit-task.ts'
import { runImport } from '../../src/data/import-run.ts'
import type { ReadFiles } from '../../src/data/import-task.ts'
import {
  createImportTask,
  createSketchTask,
  type ImportPorts,
  type ImportRequest,
  importData,
  relation,
} from '../../src/data/index.ts'
import { mergeTask } from '../../src/data/merge-task.ts'
import { runSketch } from '../../src/data/sketch-run.ts'
import type { CheckDef, DatasetDef } from '../../src/define/types.ts'
import { openQuery } from '../../src/engine/open.ts'
import type { Query, Task } from '../../src/engine/ports.ts'
import type { ExprNode } from '../../src/expr/ast.ts'
import { raw } from '../../src/expr/sql.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'

export interface Place extends ImportPorts {
  dir: string
  /** Folder of the source files. */
  folder: string
  store: Store
  query: Query
  file(name: string, content: string | Uint8Array): string
  /** Writes a Parquet file from a query. */
  parquet(name: string, sql: string): Promise<string>
  import(
    def?: Partial<DatasetDef>,
    request?: Partial<ImportRequest> & { files?: string[] },
  ): Promise<DatasetVersion>
}

const opened: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of opened.splice(0)) await close()
})

/** Reads in this process: faster than a child, for files that the test itself wrote. */
export const readHere: ReadFiles = async (job, options) =>
  await runImport(await openDuck(job.folder, 600), job, (done, note) => options.onProgress?.(done, note))

export const editHere: EditParts = async (job, options) =>
  await runEdit(await openDuck(job.folder, 600), job, (done, note) => options.onProgress?.(done, note))

export async function openPlace(task: Task = createImportTask(LIMITS, readHere)): Promise<Place> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-data-'))
  const folder = join(dir, 'files')
  mkdirSync(folder)
  const store = await openStore(join(dir, 'store'), { clock: { now: () => 1_000_000 } })
  const query = await openQuery('duckdb:', { threads: 1 })
  opened.push(async () => {
    await query.close()
    await store.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const sketchTask = createSketchTask(
    LIMITS,
    async (job) => await runSketch(await openDuck(job.folder, 600), job),
  )
  const jobs = jobsOf(store, [task, createEditTask(LIMITS, editHere), sketchTask, mergeTask])
  const write = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  return {
    dir,
    folder,
    store,
    query,
    jobs,
    file: write,
    parquet: async (name, sql) => {
      await query.exec(raw(`COPY (${sql}) TO '${join(folder, name)}' (FORMAT parquet)`))
      return join(folder, name)
    },
    import: async (def = {}, request = {}) => {
      const { version } = await importData({ store, jobs }, datasetDef(def), folder, {
        actor: 'test',
        now: 2_000_000,
        ...request,
      })
      return await store.getRecord<DatasetVersion>(version, 'DatasetVersion')
    },
  }
}

/** Runs each spec where it is asked for. */
export function jobsOf(store: Store, tasks: Task[]): ImportPorts['jobs'] {
  return {
    run: async (specs, options = {}) =>
      await Promise.all(
        specs.map(async (spec) => {
          const specDigest = digestOf(spec)
          const signal = options.signal ?? new AbortController().signal
          const progress = (done: number, note: string) =>
            options.onProgress?.({ spec: specDigest, task: spec.task, done, note })
          const query = () => Promise.reject(new Error('not asked for'))
          const { outputs } = await tasks
            .find(({ name }) => name === spec.task)!
            .run({
              store,
              spec,
              specDigest,
              signal,
              progress,
              query,
              infer: query,
            })
          const record: RunRecord = {
            kind: 'RunRecord',
            spec: specDigest,
            outputs,
            outcome: 'done',
            startedAt: 0,
            endedAt: 0,
          }
          return { spec: specDigest, record, cached: false }
        }),
      ),
  }
}

export function datasetDef(overrides: Partial<DatasetDef> = {}): DatasetDef {
  return {
    kind: 'DatasetDef',
    name: 'd',
    source: ['*.parquet'],
    key: [],
    checks: [],
    exclude: [],
    read: { missing: [] },
    parts: { by: 'month', rowsMax: 1000 },
    ...overrides,
  }
}

export const col = (name: string): ExprNode => ({ op: 'col', name })
export const lit = (value: null | boolean | number | string): ExprNode => ({ op: 'lit', value })
export const call = (fn: string, ...args: ExprNode[]): ExprNode => ({ op: 'call', fn, args })

export function rowCheck(name: string, holds: ExprNode, overrides: Partial<CheckDef> = {}): CheckDef {
  return { name, rule: { kind: 'row', holds }, atLeast: 1, onFail: 'quarantine', ...overrides }
}

export function check(name: string, rule: CheckDef['rule'], overrides: Partial<CheckDef> = {}): CheckDef {
  return { name, rule, atLeast: 1, onFail: 'quarantine', ...overrides }
}

export const headDigest = async (store: Store, dataset = 'd') =>
  (await store.meta.ref(refs.dataset(dataset)))?.digest

export async function allRows(place: Place, version: DatasetVersion): Promise<Record<string, unknown>[]> {
  return await place.query.rows(await relation(place.store, version))
}
