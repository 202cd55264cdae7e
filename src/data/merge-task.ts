/** The task `data.merge`: what a branch changed, laid over another one row by row. */
import { grouped } from '../core/grouped.ts'
import { LIMITS } from '../core/limits.ts'
import type { DatasetVersion, Digest, RunSpec, Schema } from '../core/records.ts'
import { RULE_KINDS } from '../define/rule-kinds.ts'
import type { CheckDef } from '../define/types.ts'
import { partFiles } from '../engine/parts.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import type { Store } from '../store/ports.ts'
import { type Candidates, candidates, makeChanges, unionOf } from './changes.ts'
import { type Duck, literal, openDuck } from './duck.ts'
import { runImport } from './import-run.ts'
import { importOf, lastQuarantine, othersOf } from './import-task.ts'
import { inJobFolder } from './job-folder.ts'
import { mergeAside } from './merge-aside.ts'
import { judgeSides } from './merge-checks.ts'
import {
  findConflicts,
  joinSides,
  type MergeFiles,
  OURS,
  openConflicts,
  THEIRS,
  writeMerged,
  writeMultiset,
} from './merge-rows.ts'
import type { DatasetMerge, MergeParams, MergeSides } from './merge-types.ts'
import type { ImportJob, ImportParams } from './types.ts'

export const MERGE_TASK = 'data.merge'
/** Raised when the same merge would give other parts. */
export const MERGE_CODE = '1'

/** Runs in this process: all that it reads the store has written. Its output `merge` is a DatasetMerge. Errors: MR_EXPR_…, MR_CANCELLED, and those of the store. */
export const mergeTask: Task = { name: MERGE_TASK, code: MERGE_CODE, run: runTask }

const mergeParams = (spec: RunSpec): MergeParams => spec.params as unknown as MergeParams

async function runTask(context: TaskContext): Promise<{ outputs: Record<string, Digest> }> {
  const { store, spec, progress, signal } = context
  return await inJobFolder({ name: 'merge', scratch: store.scratch }, async (folder) => {
    const sides = await sidesOf(store, spec)
    const duck = await openDuck(folder, LIMITS.importMemoryMb)
    const stop = () => duck.interrupt()
    signal.addEventListener('abort', stop, { once: true })
    try {
      progress(0.05, 'comparing both sides')
      const merge = await mergeOf({ store, spec, duck, folder, sides, progress })
      return { outputs: { merge: await store.putRecord(merge) } }
    } finally {
      signal.removeEventListener('abort', stop)
      duck.close()
    }
  })
}

async function sidesOf(store: Store, { inputs }: RunSpec): Promise<MergeSides> {
  const version = (digest: Digest) => store.getRecord<DatasetVersion>(digest, 'DatasetVersion')
  const [ours, theirs] = await Promise.all([version(inputs.ours!), version(inputs.theirs!)])
  const nothing = { ...ours, parents: [], schema: { columns: [] }, parts: [], quarantine: [], rows: 0 }
  return { ours, theirs, base: inputs.base ? await version(inputs.base) : nothing }
}

interface Work {
  store: Store
  spec: RunSpec
  duck: Duck
  folder: string
  sides: MergeSides
  progress: TaskContext['progress']
}

async function mergeOf(work: Work): Promise<DatasetMerge> {
  const { store, spec, duck, folder, sides } = work
  const { dataset, key, rules, checks } = mergeParams(spec)
  const schema = mergedSchema(sides)
  const common = unionOf(unionOf(sides.base.schema, sides.ours.schema), { columns: schema.columns })
  const [ours, theirs] = [
    await candidates(store, sides.base, sides.ours, common),
    await candidates(store, sides.base, sides.theirs, common),
  ]
  const paths: MergeFiles = { rows: `${folder}/rows.parquet`, removals: `${folder}/removals.parquet` }
  const merge: DatasetMerge = {
    kind: 'DatasetMerge',
    dataset,
    base: spec.inputs.base ?? null,
    ours: spec.inputs.ours!,
    theirs: spec.inputs.theirs!,
    taken: { inserted: 0, updated: 0, deleted: 0 },
    decided: 0,
    open: { cell: 0, deleted: 0, check: 0 },
    sample: [],
  }
  if (key.length === 0) await writeMultiset(duck, { ours, theirs }, paths)
  else {
    const tables = { dataset, schema: common, key }
    await changesOf(duck, ours, key, OURS)
    await changesOf(duck, theirs, key, THEIRS)
    await joinSides(duck, tables, rules)
    merge.decided = await findConflicts(duck, tables, rules, checks)
    Object.assign(merge, await openConflicts(duck))
    if (Object.values(merge.open).some((n) => n > 0)) return await withConflicts(work, merge)
    await writeMerged(duck, tables, rules, paths)
  }
  work.progress(0.4, 'writing what is taken over')
  const result = await applied(work, schema, paths)
  return await asWhole(work, await judged(work, merge, result))
}

/** Adds what the declared checks come to over all merged rows. */
async function asWhole(
  { store, spec, duck, sides, progress }: Work,
  merge: DatasetMerge,
): Promise<DatasetMerge> {
  const { dataset, judged: checks } = mergeParams(spec)
  if (merge.result === undefined || checks === undefined) return merge
  progress(0.85, `judging ${checks.length} checks over ${grouped(merge.result.rows)} rows`)
  const judgement = await judgeSides(duck, store, {
    ...{ dataset, checks, others: await othersOf(store, spec), merged: merge.result },
    ...{ ours: sides.ours, theirs: sides.theirs },
    ...(spec.inputs.base && { base: sides.base }),
  })
  return { ...merge, judgement }
}

async function changesOf(duck: Duck, found: Candidates, key: readonly string[], name: string): Promise<void> {
  await makeChanges({ exec: (statement) => duck.run(statement) }, found, key, name)
}

/** Columns of ours but those that the other side took away, and the new ones of the other side. */
function mergedSchema({ base, ours, theirs }: MergeSides): Schema {
  const has = ({ schema }: DatasetVersion, name: string) => schema.columns.some((c) => c.name === name)
  return {
    columns: [
      ...ours.schema.columns.filter(({ name }) => has(theirs, name) || !has(base, name)),
      ...theirs.schema.columns.filter(({ name }) => !has(ours, name) && !has(base, name)),
    ],
  }
}

async function withConflicts({ store, duck, folder }: Work, merge: DatasetMerge): Promise<DatasetMerge> {
  const path = `${folder}/conflicts.parquet`
  await duck.run(`COPY mr_open TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`)
  return { ...merge, conflicts: (await store.objects.putFile(path)).digest }
}

/** The rows go the way of a delivery onto ours, with the checks that see a row among others. */
async function applied(
  { store, spec, duck, folder, sides, progress }: Work,
  schema: Schema,
  paths: MergeFiles,
) {
  const { key, checks, judged: _, ...rest } = mergeParams(spec)
  const files = [
    { path: paths.rows, name: 'the rows of the other branch', format: 'parquet' as const, gzip: false },
  ]
  const params: ImportParams = {
    ...rest,
    key,
    checks: checks.filter(seesOthers),
    read: { missing: [] },
    files: files.map(({ name, format, gzip }) => ({ input: 'rows', name, format, gzip })),
    select: null,
    period: null,
    message: '',
    ...(key.length > 0 && { mode: 'upsert' as const }),
  }
  const parent = {
    schema,
    parts: await partFiles(store, sides.ours.parts),
    quarantineParts: lastQuarantine(sides.ours),
  }
  const job: ImportJob = {
    op: 'import',
    files,
    params,
    parent,
    others: await othersOf(store, spec),
    removals: paths.removals,
    folder,
    memoryMb: LIMITS.importMemoryMb,
  }
  const result = await runImport(duck, job, (done, note) => progress(0.4 + 0.45 * done, note))
  const planned: RunSpec = { ...spec, inputs: { parent: spec.inputs.ours! }, params: params as never }
  return { result, record: await importOf(store, planned, { ...sides.ours, schema }, result) }
}

const seesOthers = ({ rule }: CheckDef): boolean =>
  RULE_KINDS[rule.kind].judges === 'rows' && rule.kind !== 'row'

/** Rows that a check puts aside make conflicts; else what both put aside stays aside. */
async function judged(
  { store, duck, sides, folder }: Work,
  merge: DatasetMerge,
  { result, record }: Awaited<ReturnType<typeof applied>>,
): Promise<DatasetMerge> {
  if (result.delivered.quarantined > 0) {
    const broken = Object.entries(result.byCheck).filter(([, n]) => n > 0)
    const none = { key: [], column: null, base: null, ours: null, theirs: null }
    return {
      ...merge,
      open: { ...merge.open, check: result.delivered.quarantined },
      sample: broken.map(([check]) => ({ kind: 'check', ...none, check })),
    }
  }
  const quarantine = await mergeAside(store, duck, sides, record.schema, folder)
  const rowsQuarantined = quarantine.reduce((n, part) => n + part.rows, 0)
  const { added: inserted, updated = 0, deleted = 0 } = result.delivered
  return {
    ...merge,
    taken: { inserted, updated, deleted },
    result: { ...record, quarantine, rowsQuarantined },
  }
}
