/**
 * Merges that wait to be decided. A merge with conflicts is begun at what both branches hold; every decision is a step that names the one before, and the newest is under
 * `merges/<dataset>@<into>/<branch>`. A step is taken by compare-and-set and laid anew over what others decided meanwhile, so that two people lose nothing; one that would decide what
 * somebody decided since it was looked at is refused. States: waiting → merged, or abandoned. Nothing of the branches moves before.
 */
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { MAIN, refs, subjects } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import {
  bringTo,
  brokenRows,
  checkTake,
  countDraft,
  type DatasetMerge,
  type DraftAct,
  type DraftChoice,
  type DraftCounts,
  type DraftFilter,
  type DraftPreview,
  type DraftRows,
  type DraftTables,
  type DraftTake,
  headOf,
  type MergeConflict,
  type MergeDraft,
  mergeBase,
  othersOf,
  planMerge,
  previewOf,
  readDraftRows,
  schemaConflicts,
  standing,
  writeDecisions,
} from '../data/index.ts'
import { asJson } from '../train/specs.ts'
import { type BrokenRows, type DraftName, draftAt, type Held, HeldDrafts, StepLost } from './held-drafts.ts'
import { type MergeResult, mergeInto } from './merge.ts'
import { branchHead } from './quarantine.ts'
import { datasetDef, type Runtime } from './runtime.ts'

export interface Who {
  actor: string
  reason: string
}

export interface DraftHead {
  dataset: string
  branch: string
  into: string
  base: Digest | null
  ours: Digest
  theirs: Digest
  step: number
  by: string
  beganAt: number
  changedAt: number
  /** Branches that moved since it was begun. */
  moved: string[]
  conflicts: number
  decided: number
}

export interface DraftPage extends DraftHead, DraftRows {
  columns: { name: string; type: string }[]
  counts: DraftCounts
  schema: (MergeConflict & { take: 'ours' | 'theirs' | null })[]
  /** Newest steps first. */
  steps: { step: number; act: DraftAct; n: number; by: string; at: number; isUndone: boolean }[]
  broken: BrokenRows | null
}

export interface Decided extends DraftPreview {
  done: boolean
  dryRun: boolean
  step: number
}

const STEPS_SHOWN = 50
const BROKEN_MAX = 200

export class MergeDrafts {
  readonly #rt: Runtime
  readonly #held: HeldDrafts

  constructor(rt: Runtime) {
    this.#rt = rt
    this.#held = new HeldDrafts(rt)
  }

  /** Merges that wait, of a dataset or of all. */
  async list(dataset?: string): Promise<DraftHead[]> {
    const prefix = dataset === undefined ? 'merges/' : refs.merge(dataset, '', '').slice(0, -1)
    const waiting = await this.#rt.store.meta.refs(prefix)
    return await Promise.all(
      waiting.map(async ({ digest }) => {
        const { kind: _, ...name } = await draftAt(this.#rt, digest)
        return await this.#held.with(name, async (tables, head) => await this.#headOf(tables, head))
      }),
    )
  }

  /**
   * Begins a merge at what both branches hold now; one that waits already is given as it is. Null where nothing is in conflict: merge it. Errors: those of `mergeInto`, and
   * MR_DATA_NO_KEY where rows have no key.
   */
  async begin(
    { dataset, branch, into = MAIN }: DraftName,
    who: Who & { keep?: boolean },
  ): Promise<DraftHead | null> {
    const name = refs.merge(dataset, branch, into)
    if (await this.#rt.store.meta.ref(name))
      return await this.#held.with({ dataset, branch, into }, (t, h) => this.#headOf(t, h))
    const first = await this.#firstStep({ dataset, branch, into }, who)
    if (!first) return null
    await this.#put(first, null, `merge of branch "${branch}" waits to be decided`, who.reason)
    return await this.#held.with({ dataset, branch, into }, (t, h) => this.#headOf(t, h))
  }

  async #firstStep(
    { dataset, branch, into }: Required<DraftName>,
    { actor, keep = false }: Who & { keep?: boolean },
  ): Promise<MergeDraft | undefined> {
    const { store, jobs, clock } = this.#rt
    const def = datasetDef(this.#rt, dataset)
    const [ours, theirs] = [
      await branchHead(this.#rt, dataset, into),
      await branchHead(this.#rt, dataset, branch),
    ]
    const base = await mergeBase(store, ours.digest, theirs.digest)
    if (base === ours.digest || base === theirs.digest) return undefined
    const spec = planMerge({ ...def, key: ours.version.key ?? def.key }, ours.version, {
      ...{ base, ours: ours.digest, theirs: theirs.digest, others: await othersOf(store, def) },
    })
    const [run] = await jobs.run([spec])
    const merge = run!.record.outputs.merge!
    const { result } = await store.getRecord<DatasetMerge>(merge, 'DatasetMerge')
    if (result) return undefined
    const now = clock.now()
    return {
      kind: 'MergeDraft',
      ...{ dataset, branch, into, keep, base: base ?? null, ours: ours.digest, theirs: theirs.digest, merge },
      ...{ step: 0, before: null, act: { type: 'begin' }, n: 0, by: actor, began: now, at: now },
    }
  }

  /** One page of a merge. Errors: MR_DATA_MERGE_ABSENT, MR_EXPR_…. */
  async page(name: DraftName, ask: DraftFilter & { from?: number; limit?: number } = {}): Promise<DraftPage> {
    return await this.#held.with(name, async (tables, head, held) => {
      const counts = await countDraft(tables)
      const ids = (held.broken?.rows ?? []).flatMap(({ row }) => (row === null ? [] : [row]))
      const rows = await readDraftRows(tables, { ...ask, broken: ids })
      const known = new Set(standing(tables.steps).map(({ step }) => step))
      return {
        ...(await this.#headOf(tables, head, counts)),
        ...rows,
        counts,
        columns: tables.columns.map(({ name: column, type }) => ({ name: column, type })),
        schema: schemaConflicts(tables).map((conflict) => ({
          ...conflict,
          take: tables.schema.get(conflict.column!) ?? null,
        })),
        steps: tables.steps
          .slice(1)
          .reverse()
          .slice(0, STEPS_SHOWN)
          .map(({ step, act, n, by, at }) => ({
            step,
            act,
            n,
            by,
            at,
            isUndone: act.type !== 'undo' && !known.has(step),
          })),
        broken: held.broken,
      }
    })
  }

  /**
   * Decides conflicts, or says with `dryRun` what would come of it. `seen` is the newest step that was looked at. Errors: MR_DATA_MERGE_ABSENT, MR_DATA_MERGE_DECIDED,
   * MR_DATA_MERGE_VALUE, MR_DATA_MERGE_COLUMN, MR_DATA_FIX_VALUE, MR_EXPR_….
   */
  async decide(
    name: DraftName,
    choice: DraftChoice & DraftTake,
    { seen, dryRun = false, ...who }: Who & { seen: number; dryRun?: boolean },
  ): Promise<Decided> {
    return await this.#held.with(name, async (tables, head, held) => {
      await checkTake(tables, choice)
      const { meanwhile, ...preview } = await previewOf(tables, choice, seen)
      if (meanwhile.n > 0) {
        const by = tables.steps.find(({ step }) => step === meanwhile.step)?.by ?? 'somebody'
        throw new MillraceError('MR_DATA_MERGE_DECIDED', { n: meanwhile.n, by })
      }
      if (dryRun || preview.n === 0) return { ...preview, done: false, dryRun, step: head.step }
      const act: DraftAct = { type: 'decide', ...choice }
      const step = await this.#step(held, head, { act, n: preview.n }, who)
      return { ...preview, done: true, dryRun, step: step.step }
    })
  }

  /** Decides a column that both sides changed. Errors: MR_DATA_MERGE_ABSENT, MR_DATA_MERGE_COLUMN. */
  async decideColumn(
    name: DraftName,
    { column, take }: { column: string; take: 'ours' | 'theirs' | 'nobody' },
    who: Who,
  ): Promise<number> {
    return await this.#held.with(name, async (tables, head, held) => {
      const known = schemaConflicts(tables)
      if (!known.some((conflict) => conflict.column === column))
        throw new MillraceError('MR_DATA_MERGE_COLUMN', {
          ...{ dataset: head.dataset, column, columns: known.map((conflict) => conflict.column!) },
        })
      return (await this.#step(held, head, { act: { type: 'schema', column, take }, n: 1 }, who)).step
    })
  }

  /** Takes a step back; what was decided before it counts again. Errors: MR_DATA_MERGE_ABSENT, MR_DATA_MERGE_STEP. */
  async undo(name: DraftName, step: number, who: Who): Promise<number> {
    return await this.#held.with(name, async (tables, head, held) => {
      const why = tables.steps.every((each) => each.step !== step || each.act.type === 'begin')
        ? 'there is none'
        : standing(tables.steps).some((each) => each.step === step)
          ? undefined
          : 'it was taken back already'
      if (why !== undefined) throw new MillraceError('MR_DATA_MERGE_STEP', { step, why })
      const { n } = tables.steps.find((each) => each.step === step)!
      return (await this.#step(held, head, { act: { type: 'undo', step }, n }, who)).step
    })
  }

  /**
   * Merges as it was decided: all checks run again. What is open or broken is part of the answer, and nothing moves then. Errors: MR_DATA_MERGE_ABSENT, MR_DATA_MERGE_STALE, MR_DATA_MERGE_DECIDED,
   * MR_DATA_EDIT_MOVED, and those of `mergeInto`.
   */
  async finish(
    name: DraftName,
    { dryRun = false, ...who }: Who & { dryRun?: boolean },
  ): Promise<MergeResult> {
    const result = await this.#held.with(name, async (tables, head, held) => {
      const { dataset, branch, into, keep, ours, theirs } = head
      const decisions = await this.#decisions(tables)
      const step = held.at!
      held.broken = null
      const merged = await mergeInto(this.#rt, {
        ...{ dataset, branch, into, keep, ...who, dryRun, answerOpen: true },
        decided: { ours, theirs, step, ...(decisions && { decisions }) },
        rules: { schema: Object.fromEntries(tables.schema) },
      })
      const rows = merged.conflicts ? await brokenRows(tables, merged.conflicts, BROKEN_MAX) : []
      if (rows.length > 0) held.broken = { step: head.step, rows }
      return merged
    })
    if (result.done) await this.#held.forget(name)
    return result
  }

  async #decisions(tables: DraftTables): Promise<Digest | undefined> {
    const { store } = this.#rt
    const path = `${store.scratch}/${tables.name}-decisions.parquet`
    const isAny = await writeDecisions(tables, path)
    const { digest } = await store.objects.putFile(path)
    return isAny ? digest : undefined
  }

  /** Begins again at what the branches hold now; decisions about cells that are as they were are kept. Null where nothing is in conflict any more: the merge that waited ends. */
  async renew(name: DraftName, who: Who): Promise<DraftHead | null> {
    const { dataset, branch, into = MAIN } = name
    const state = await this.#held.with(name, async (tables, head, held) => ({
      decisions: await this.#decisions(tables),
      step: held.at!,
      keep: head.keep,
    }))
    const first = await this.#firstStep({ dataset, branch, into }, { ...who, keep: state.keep })
    if (!first) {
      await this.#end(name, state.step, `merge of branch "${branch}" has no conflict any more`, who)
      return null
    }
    await this.#put(first, state.step, `merge of branch "${branch}" begins again`, who.reason)
    await this.#held.forget(name)
    return await this.#held.with(name, async (tables, head, held) => {
      if (!state.decisions) return await this.#headOf(tables, head)
      const act: DraftAct = { type: 'carry', decisions: state.decisions }
      return await this.#headOf(tables, await this.#step(held, head, { act, n: 0 }, who))
    })
  }

  /** Ends a merge that waits; both branches stay as they are. Errors: MR_DATA_MERGE_ABSENT. */
  async abandon(name: DraftName, who: Who): Promise<void> {
    const step = await this.#held.with(name, async (_, __, held) => held.at!)
    await this.#end(name, step, `merge of branch "${name.branch}" is abandoned`, who)
  }

  async #end(name: DraftName, step: Digest, sentence: string, { actor, reason }: Who): Promise<void> {
    const { dataset, branch, into = MAIN } = name
    const result = await this.#rt.store.meta.commit({
      moves: [{ name: refs.merge(dataset, branch, into), from: step, to: null }],
      event: {
        type: 'data.merge-ended',
        subject: subjects.dataset(dataset),
        actor,
        reason: `${sentence}: ${reason}`,
        data: asJson({ branch, into, step }),
      },
    })
    if (!result.ok) throw new MillraceError('MR_DATA_MERGE_DECIDED', { n: 1, by: 'somebody' })
    await this.#held.forget(name)
  }

  // ---------------------------------------------------------------- steps

  /** Takes a step after the newest. One that another process took meanwhile is seen by the next call: the caller is told to look again. */
  async #step(
    held: Held,
    head: MergeDraft,
    { act, n }: { act: DraftAct; n: number },
    { actor, reason }: Who,
  ): Promise<MergeDraft> {
    const { tables, at: before = null } = held
    const next: MergeDraft = {
      ...head,
      ...{ step: head.step + 1, before, act, n, by: actor, at: this.#rt.clock.now() },
    }
    held.at = await this.#put(next, before, sentenceOf(next), reason)
    await bringTo(tables, [...tables.steps, next])
    return next
  }

  async #put(next: MergeDraft, from: Digest | null, sentence: string, reason: string): Promise<Digest> {
    const { store } = this.#rt
    const { dataset, branch, into, step, by } = next
    const digest = await store.putRecord(next)
    const result = await store.meta.commit({
      moves: [{ name: refs.merge(dataset, branch, into), from, to: digest }],
      event: {
        type: step === 0 ? 'data.merge-begun' : 'data.merge-decided',
        subject: subjects.dataset(dataset),
        actor: by,
        reason: reason === '' ? sentence : `${sentence}: ${reason}`,
        data: asJson({ branch, into, step, n: next.n, draft: digest }),
      },
    })
    if (!result.ok) throw new StepLost()
    return digest
  }

  async #headOf(tables: DraftTables, head: MergeDraft, known?: DraftCounts): Promise<DraftHead> {
    const { dataset, branch, into, base, ours, theirs, step } = head
    const { conflicts, decided } = known ?? (await countDraft(tables))
    const holds = await Promise.all([into, branch].map((name) => headOf(this.#rt.store, dataset, name)))
    const moved = [into, branch].filter((_, i) => holds[i]?.digest !== [ours, theirs][i])
    const first = tables.steps[0]!
    return {
      ...{
        dataset,
        branch,
        into,
        base,
        ours,
        theirs,
        step,
        by: first.by,
        beganAt: first.at,
        changedAt: head.at,
      },
      ...{ moved, conflicts, decided },
    }
  }
}

const PLURAL = (n: number): string => `${grouped(n)} ${n === 1 ? 'conflict' : 'conflicts'}`

/** A step in words, without a full stop. */
export function sentenceOf({ act, n }: Pick<MergeDraft, 'act' | 'n'>): string {
  if (act.type === 'begin') return 'begun'
  if (act.type === 'undo') return `step ${act.step} taken back`
  if (act.type === 'carry') return 'decisions kept from the merge before'
  if (act.type === 'schema')
    return act.take === 'nobody'
      ? `column ${act.column} is open again`
      : `column ${act.column} as ${SIDE[act.take]}`
  const of = [
    act.column === undefined ? '' : ` of ${act.column}`,
    act.where === undefined ? '' : ` where ${act.where}`,
  ].join('')
  if (act.take === 'nobody') return `${PLURAL(n)}${of} open again`
  if (act.take === 'expression') return `${PLURAL(n)}${of} by ${act.expression}`
  if (act.take === 'value') return `${PLURAL(n)}${of} by hand`
  return `${PLURAL(n)}${of} as ${SIDE[act.take]}`
}

const SIDE = { ours: 'it is here', theirs: 'it is on the branch', base: 'it was before' } as const
