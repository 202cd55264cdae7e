/** Triage as the console sees it: rows chosen, branches made, tried in the background, merged and dropped. One try of a branch at a time. */
import { MAIN } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import { type BranchPage, branchesOf, dropBranch, mergeBranch, putAsideOnBranch } from '../loop/branches.ts'
import { editQuarantine, type QuarantineRequest } from '../loop/quarantine.ts'
import type { Runtime } from '../loop/runtime.ts'
import { chooseTriage, readTriage, type TriageFilter, triageOf } from '../loop/triage.ts'
import { SIGNALS } from '../loop/triage-signals.ts'
import { tryBranch, tryPlanOf } from '../loop/try-branch.ts'
import type { WorthReport } from '../train/worth/report.ts'
import type { ActionAsk } from './actions.ts'
import { Background } from './background.ts'
import type { ActionResult, BranchRow, TriageView, TriageWorth } from './contract.ts'
import { count, percent } from './views/words.ts'

const SLICES = 5

export class TriageDesk {
  readonly #rt: Runtime
  readonly #tries = new Background<{ model: string }>()

  constructor(rt: Runtime) {
    this.#rt = rt
  }

  /** Rows of a dataset, or of the data that train a model. Errors: MR_LOOP_UNKNOWN, MR_LOOP_NO_DATA, MR_EXPR_…. */
  async view(name: string, ask: TriageFilter & { from?: number; limit?: number }): Promise<TriageView> {
    const { report, worth, isBehind } = await triageOf(this.#rt, { name })
    const page = await readTriage(this.#rt, report, ask)
    const { dataset, version, rows, found, notes, model } = report
    return {
      name,
      dataset,
      model,
      models: this.#rt.project.models.filter(({ from }) => from === dataset).map((each) => each.name),
      version,
      isBehind,
      sentence: sentenceOf(report.counts, { rows, found, judged: worth?.rows }),
      rows,
      found,
      findings: SIGNALS.flatMap(({ name: finding, words }) =>
        report.counts[finding] === undefined
          ? []
          : [{ name: finding, words, rows: report.counts[finding], matched: page.counts[finding] ?? 0 }],
      ),
      columns: page.columns,
      page: page.rows,
      matched: page.matched,
      next: page.next,
      worth: worth && worthOf(worth),
      notes,
      branches: await this.branches(dataset),
    }
  }

  async branches(dataset: string): Promise<BranchRow[]> {
    return (await branchesOf(this.#rt, dataset)).map((branch) => this.#rowOf(branch))
  }

  #rowOf(page: BranchPage): BranchRow {
    const key = keyOf(page.dataset, page.branch)
    const tries = page.tries.map(({ model, verdict, sentence, cleanTest, rows, metrics, notes }) => ({
      ...{ model, verdict, sentence, cleanTest, rows, metrics, notes },
    }))
    return { ...page, tries, trying: this.#tries.running(key), failed: this.#tries.failed(key) }
  }

  /** Errors: as `putAsideOnBranch`. */
  async putAside(
    dataset: string,
    branch: string,
    name: string,
    filter: TriageFilter & { said: string },
    ask: ActionAsk,
  ): Promise<ActionResult> {
    const { said, ...chosen } = filter
    const { report } = await triageOf(this.#rt, { name })
    const rows = await chooseTriage(this.#rt, report, chosen)
    const { done, effects } = await putAsideOnBranch(this.#rt, {
      ...{ dataset, branch, version: report.version, rows },
      ...why(ask),
    })
    const command = `millrace data triage ${quote(name)} ${said} --quarantine ${quote(branch)}`
    return { done, dryRun: ask.dryRun, command, effects }
  }

  /** Begins a try, and says what it will do. Errors: as `tryPlanOf`. */
  async try(
    dataset: string,
    branch: string,
    model: string,
    cleanTest: boolean,
    ask: ActionAsk,
  ): Promise<ActionResult> {
    const plan = await tryPlanOf(this.#rt, { model, branch, cleanTest })
    const key = keyOf(dataset, branch)
    const command = `millrace data triage ${quote(model)} --try ${quote(branch)}${cleanTest ? ' --clean-test' : ''}`
    const isOn = this.#tries.running(key) !== null
    const effects = [
      `${model} is trained with and without ${count(Math.abs(plan.less))} rows: one split, one seed`,
      cleanTest
        ? 'both are tested on the test rows that the branch has kept'
        : 'both are tested on the same test rows, none of them cleaned away',
      ...(isOn ? ['a try of this branch goes on already'] : []),
    ]
    const { reason, actor } = why(ask)
    if (!ask.dryRun && !isOn)
      this.#tries.begin(key, { model }, (onProgress) =>
        tryBranch(this.#rt, { model, branch, cleanTest, reason, actor, onProgress }),
      )
    return { done: !ask.dryRun && !isOn, dryRun: ask.dryRun, command, effects }
  }

  /** Errors: as `mergeBranch`. */
  async merge(dataset: string, branch: string, ask: ActionAsk): Promise<ActionResult> {
    const { done, effects } = await mergeBranch(this.#rt, { dataset, branch, ...why(ask) })
    return {
      done,
      dryRun: ask.dryRun,
      command: `millrace data triage ${quote(dataset)} --merge ${quote(branch)}`,
      effects,
    }
  }

  /** Errors: as `dropBranch`. */
  async drop(dataset: string, branch: string, ask: ActionAsk): Promise<ActionResult> {
    const { done, effects } = await dropBranch(this.#rt, { dataset, branch, ...why(ask) })
    return {
      done,
      dryRun: ask.dryRun,
      command: `millrace data triage ${quote(dataset)} --drop ${quote(branch)}`,
      effects,
    }
  }

  /** Errors: as `editQuarantine`. */
  async edit(
    request: Omit<QuarantineRequest, 'reason' | 'actor' | 'dryRun'> & { said: string; version: Digest },
    ask: ActionAsk,
  ): Promise<ActionResult> {
    const { said, ...rest } = request
    const { dataset, branch = MAIN, verb } = rest
    const on = branch === MAIN ? dataset : `${dataset}@${branch}`
    const { done, effects } = await editQuarantine(this.#rt, { ...rest, ...why(ask) })
    return {
      done,
      dryRun: ask.dryRun,
      command: `millrace data quarantine ${quote(on)} ${verb} ${said}`.trim(),
      effects,
    }
  }
}

const keyOf = (dataset: string, branch: string): string => `${dataset}@${branch}`

const why = ({ dryRun, reason, actor }: ActionAsk) => ({
  ...{ dryRun, actor },
  reason: reason === '' ? 'by hand in the console' : reason,
})

/** A word of a command as a shell takes it. */
export const quote = (word: string): string =>
  /^[\w.,@:/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

function sentenceOf(
  counts: Readonly<Record<string, number>>,
  { rows, found, judged }: { rows: number; found: number; judged?: number },
): string {
  if (found === 0) return `Nothing speaks against any of ${count(rows)} rows.`
  const told = Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([name, n]) => `${count(n)} ${SIGNALS.find((one) => one.name === name)?.wordsOfRows ?? name}`)
  const by = judged === undefined ? 'rows were not judged by a model yet' : `${count(judged)} were judged`
  return `Something speaks against ${count(found)} of ${count(rows)} rows (${percent(found / rows)}): ${told.join(', ')}; ${by}.`
}

function worthOf({ rows, labels, neighbours, duplicates, outliers, slices }: WorthReport): TriageWorth {
  return {
    rows,
    labels: { judged: labels.judged, issues: labels.issues, noise: labels.noise },
    negative: neighbours.negative,
    copies: {
      exact: duplicates.exact.rows,
      near: duplicates.near.rows,
      conflicting: duplicates.conflicting,
    },
    outliers: outliers.rows,
    collect: slices
      .filter(({ interval }) => interval[0] > 0)
      .slice(0, SLICES)
      .map(({ feature, slice, rows: n, gain, interval }) => ({
        slice: `${feature}: ${slice}`,
        rows: n,
        gain,
        interval,
      })),
  }
}
