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
  addPutAside,
  findConflicts,
  joinSides,
  type MergeFiles,
  type MergeTables,
  OURS,
  openConflicts,
  THEIRS,
  writeConflictRows,
  writeMerged,
  writeMultiset,
} from './merge-rows.ts'
import { planSchema, removedButChanged } from './merge-schema.ts'
import { type DatasetMerge, hasOpen, type MergeParams, type MergeSides } from './merge-types.ts'
import type { ImportJob, ImportParams } from './types.ts'

export const MERGE_TASK = 'data.merge'
/** Raised when the same merge would give other parts. */
export const MERGE_CODE = '3'

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
  const plan = planSchema(sides, rules)
  const common = unionOf(unionOf(sides.base.schema, sides.ours.schema), plan.schema)
  const [ours, theirs] = [
    await candidates(store, sides.base, sides.ours, common),
    await candidates(store, sides.base, plan.theirs, common),
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
    open: { schema: plan.open.length, cell: 0, deleted: 0, check: 0 },
    sample: plan.open,
  }
  if (key.length === 0) {
    if (plan.open.length > 0) return merge
    await writeMultiset(duck, { ours, theirs }, paths)
    return await carriedOut(work, merge, plan.schema, paths)
  }
  const { decisions } = spec.inputs
  const tables: MergeTables = {
    ...{ dataset, schema: common, merged: plan.schema, key, shared: plan.shared, oursOnly: plan.oursOnly },
    ...(decisions && { decisions: await store.objects.path(decisions) }),
  }
  await changesOf(duck, ours, key, OURS)
  await changesOf(duck, theirs, key, THEIRS)
  const removed = await removedButChanged(duck, sides, common, { ours: OURS, theirs: THEIRS }, rules)
  await joinSides(duck, tables, rules)
  merge.decided = await findConflicts(duck, tables, rules, checks)
  const found = await openConflicts(duck)
  const schema = [...plan.open, ...removed]
  merge.open = { ...found.open, schema: schema.length }
  merge.sample = [...schema, ...found.sample]
  if (hasOpen(merge)) return await withConflicts(work, merge, tables)
  await writeMerged(duck, tables, rules, paths)
  return await carriedOut(work, merge, plan.schema, paths)
}

async function carriedOut(
  work: Work,
  merge: DatasetMerge,
  schema: Schema,
  paths: MergeFiles,
): Promise<DatasetMerge> {
  work.progress(0.4, 'writing what is taken over')
  return await asWhole(work, await judged(work, merge, await applied(work, schema, paths)))
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

async function withConflicts(
  { store, duck, folder }: Work,
  merge: DatasetMerge,
  tables: MergeTables,
): Promise<DatasetMerge> {
  const path = `${folder}/conflicts.parquet`
  await duck.run(`COPY mr_open TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`)
  const rows = `${folder}/conflict-rows.parquet`
  const hasRows = await writeConflictRows(duck, tables, rows)
  return {
    ...merge,
    columns: tables.schema.columns,
    ...(hasRows && { rows: (await store.objects.putFile(rows)).digest }),
    conflicts: (await store.objects.putFile(path)).digest,
  }
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

/** Rows that a check puts aside make conflicts, each with its key where there is one; else what both put aside stays aside. */
async function judged(
  { store, spec, duck, sides, folder }: Work,
  merge: DatasetMerge,
  { result, record }: Awaited<ReturnType<typeof applied>>,
): Promise<DatasetMerge> {
  const { key } = mergeParams(spec)
  const aside = result.quarantine && record.quarantine.at(-1)
  if (result.delivered.quarantined > 0 && aside && key.length > 0) {
    await addPutAside(duck, key, await store.objects.path(aside.digest))
    const path = `${folder}/conflicts.parquet`
    await duck.run(`COPY mr_open TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`)
    return {
      ...merge,
      ...(await openConflicts(duck)),
      conflicts: (await store.objects.putFile(path)).digest,
    }
  }
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
