/** A project that is open: its definition, its store, its workers and its clock. Everything the loop does goes through one of these. */
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import type { DatasetDef, ModelDef, ProjectDef } from '../define/types.ts'
import { createJobs } from '../engine/jobs/jobs.ts'
import { openQuery } from '../engine/open.ts'
import type { Jobs, Query } from '../engine/ports.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/ports.ts'

export interface Runtime {
  project: ProjectDef
  /** Folder of the config: sources are relative to it. */
  folder: string
  stateDir: string
  store: Store
  jobs: Jobs
  /** Time of the business: what windows, releases and predictions are dated by. A replay moves it; otherwise it is the wall clock. */
  clock: Clock
  /** The main thread's own engine, opened at first use. */
  query(): Promise<Query>
  close(): Promise<void>
}

export interface RuntimeOptions {
  project: ProjectDef
  folder: string
  /** Default: `.millrace` in the project's folder. */
  stateDir?: string
  clock?: Clock
  /** Worker threads; default: one for each core, two at least. */
  workers?: number
  memoryMb?: number
}

export const wallClock: Clock = { now: () => Date.now() }

export async function openRuntime(options: RuntimeOptions): Promise<Runtime> {
  const {
    project,
    folder,
    clock = wallClock,
    workers = Math.max(2, availableParallelism()),
    memoryMb = 2048,
  } = options
  const stateDir = resolve(options.stateDir ?? join(folder, '.millrace'))
  const store = await openStore({ dir: stateDir }, { clock: wallClock, limits: project.limits })
  const jobs = createJobs({
    store,
    storeUrl: stateDir,
    tasksModule: new URL(import.meta.url.endsWith('.ts') ? './tasks.ts' : './tasks.js', import.meta.url),
    workers,
    clock: wallClock,
    memoryMb,
  })
  let query: Promise<Query> | undefined
  return {
    project,
    folder,
    stateDir,
    store,
    jobs,
    clock,
    query: () => {
      query ??= openQuery('duckdb:', { memoryMb: 512, threads: 2, tempDir: store.scratch })
      return query
    },
    async close() {
      await jobs.close()
      if (query) await (await query).close()
      await store.close()
    },
  }
}

export function modelDef(rt: Pick<Runtime, 'project'>, name: string): ModelDef {
  const family = name.split('/')[0]
  const found = rt.project.models.find((m) => m.name === family)
  if (!found)
    throw new MillraceError('MR_LOOP_UNKNOWN', {
      what: 'model',
      name,
      known: rt.project.models.map((m) => m.name),
    })
  return found
}

export function datasetDef(rt: Pick<Runtime, 'project'>, name: string): DatasetDef {
  const found = rt.project.datasets.find((d) => d.name === name)
  if (!found)
    throw new MillraceError('MR_LOOP_UNKNOWN', {
      what: 'dataset',
      name,
      known: rt.project.datasets.map((d) => d.name),
    })
  return found
}

/** A clock that is moved by hand, for replays of the past; it never goes back. */
export function steppedClock(startAt: number): Clock & { set(at: number): void } {
  let now = startAt
  return {
    now: () => now,
    set: (at) => {
      now = Math.max(now, at)
    },
  }
}
