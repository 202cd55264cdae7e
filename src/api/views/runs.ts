/** The work: what waits, what is being done, what was done and how long it took. */
import { refs } from '../../core/names.ts'
import type { Digest, RunRecord, RunSpec } from '../../core/records.ts'
import type { Job, JobState, Store } from '../../store/ports.ts'
import type { RunRow } from '../contract.ts'
import type { Project } from './model-state.ts'
import { remember } from './remember.ts'

export const RUNS_MAX = 1000
const RUNS_DEFAULT = 100
/** Ended runs whose row is kept: three full answers. */
const ROWS_KEPT = 3 * RUNS_MAX

/** Runs at work first, then those that wait, then those that ended, newest first. */
export async function runsView(
  { store }: Pick<Project, 'store'>,
  ask: { limit?: number } = {},
): Promise<RunRow[]> {
  const { limit = RUNS_DEFAULT } = ask
  const open = await openRuns(store, limit)
  const known = new Set(open.map((run) => run.spec))
  const ended = (await store.meta.refs(refs.run('sha256:')))
    .filter(({ name }) => !known.has(specOf(name)))
    .sort((a, b) => b.seq - a.seq)
    .slice(0, Math.max(0, limit - open.length))
  const rows = await Promise.all(
    ended.map(({ name, digest }) =>
      remember(store, 'run', digest, () => endedRun(store, specOf(name), digest), ROWS_KEPT),
    ),
  )
  return [...open, ...rows]
}

const PREFIX = refs.run('sha256:')

function specOf(name: string): Digest {
  return `sha256:${name.slice(PREFIX.length)}`
}

/** Jobs of the table that have not ended well: their records are not written, or say less. */
async function openRuns(store: Store, limit: number): Promise<RunRow[]> {
  const states: JobState[] = ['leased', 'queued', 'cancelled']
  const lists = await Promise.all(states.map((state) => store.meta.jobs.list({ state, limit })))
  return await Promise.all(
    lists
      .flat()
      .slice(0, limit)
      .map((job) => openRun(store, job)),
  )
}

async function openRun(store: Store, job: Job): Promise<RunRow> {
  const spec = await specRecord(store, job.id)
  return {
    spec: job.id,
    task: job.task,
    title: titleOf(job.task, spec),
    state: job.state,
    startedAt: job.state === 'queued' ? null : job.queuedAt,
    endedAt: job.endedAt ?? null,
    cpuMs: null,
    progress: job.progress ?? null,
    error: job.error ?? null,
  }
}

async function endedRun(store: Store, spec: Digest, digest: Digest): Promise<RunRow> {
  const [record, asked] = await Promise.all([
    store.getRecord<RunRecord>(digest, 'RunRecord'),
    specRecord(store, spec),
  ])
  const task = asked?.task ?? 'unknown'
  return {
    spec,
    task,
    title: titleOf(task, asked),
    state: record.outcome,
    startedAt: record.startedAt,
    endedAt: record.endedAt,
    cpuMs: record.cpuMs ?? null,
    progress: null,
    error: record.error
      ? `${record.error.code}: ${record.error.message.replace(`${record.error.code}: `, '')}`
      : null,
  }
}

/** The spec of a run; undefined when its object was removed. */
async function specRecord(store: Store, spec: Digest): Promise<RunSpec | undefined> {
  return (await store.objects.has(spec)) ? await store.getRecord<RunSpec>(spec, 'RunSpec') : undefined
}

const VERBS: Record<string, string> = {
  'data.import': 'Import into',
  'train.prepare': 'Prepare rows for',
  'train.fit': 'Train',
  'gate.bundle': 'Gate',
}

/** `Train late/ATL`, `Import into flights`. */
function titleOf(task: string, spec: RunSpec | undefined): string {
  const verb = VERBS[task]
  const about = aboutOf(spec)
  if (verb === undefined || about === '') return about === '' ? task : `${task} ${about}`
  return `${verb} ${about}`
}

function aboutOf(spec: RunSpec | undefined): string {
  const params = (spec?.params ?? {}) as Record<string, unknown>
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const nested = (params.dataset as { name?: unknown } | undefined)?.name
  const model = text(params.model)
  const member = text(params.member)
  if (model !== '') return member === '' ? model : `${model}/${member}`
  return text(params.dataset) || text(nested)
}
