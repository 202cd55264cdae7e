/** Merges that wait to be decided, as the console sees them: the functions of the loop, told in the contract's words. */
import {
  type DraftChoice,
  type DraftFilter,
  type DraftTake,
  hasOpen,
  openError,
  REMOVED,
} from '../data/index.ts'
import type { DraftName } from '../loop/held-drafts.ts'
import { type DraftPage, MergeDrafts, sentenceOf } from '../loop/merge-drafts.ts'
import type { Runtime } from '../loop/runtime.ts'
import type { ActionAsk } from './actions.ts'
import type { ActionResult, MergeDecided, MergePage, MergeRow } from './contract.ts'
import { quote } from './triage-desk.ts'
import { count, plural } from './views/words.ts'

type Named = Required<DraftName>

export class MergeDesk {
  readonly #drafts: MergeDrafts

  constructor(rt: Runtime) {
    this.#drafts = new MergeDrafts(rt)
  }

  async list(dataset?: string): Promise<MergeRow[]> {
    return await this.#drafts.list(dataset)
  }

  /** Null where nothing is in conflict. Errors: as `MergeDrafts.begin`. */
  async begin(name: DraftName, ask: ActionAsk): Promise<{ merge: MergeRow | null }> {
    return { merge: await this.#drafts.begin(name, ask) }
  }

  /** Errors: as `MergeDrafts.page`. */
  async page(name: Named, ask: DraftFilter & { from?: number; limit?: number }): Promise<MergePage> {
    const page = await this.#drafts.page(name, ask)
    return {
      ...page,
      sentence: pageSentence(page),
      schema: page.schema.map((conflict) => ({ ...conflict, choices: choicesOf(conflict) })),
      counts: { rows: page.counts.rows, by: page.counts.by },
      steps: page.steps.map(({ act, ...step }) => ({
        ...step,
        words: sentenceOf({ act, n: step.n }),
        canUndo: act.type !== 'undo' && !step.isUndone,
      })),
    }
  }

  async decide(
    name: Named,
    choice: DraftChoice & DraftTake,
    ask: ActionAsk & { seen: number },
  ): Promise<MergeDecided> {
    return await this.#drafts.decide(name, choice, ask)
  }

  async decideColumn(
    name: Named,
    choice: { column: string; take: 'ours' | 'theirs' | 'nobody' },
    ask: ActionAsk,
  ): Promise<{ step: number }> {
    return { step: await this.#drafts.decideColumn(name, choice, ask) }
  }

  async undo(name: Named, step: number, ask: ActionAsk): Promise<{ step: number }> {
    return { step: await this.#drafts.undo(name, step, ask) }
  }

  /** Errors: MR_DATA_MERGE_OPEN with what is open or broken; the page has the rows. */
  async finish(name: Named, ask: ActionAsk): Promise<ActionResult> {
    const { dataset } = name
    const { done, effects, open, sample } = await this.#drafts.finish(name, why(ask))
    if (hasOpen({ open })) throw openError({ dataset, open, sample })
    return { done, dryRun: ask.dryRun, command: commandOf(name, '--decided'), effects }
  }

  /** Null where nothing is in conflict any more. */
  async renew(name: Named, ask: ActionAsk): Promise<{ merge: MergeRow | null }> {
    return { merge: await this.#drafts.renew(name, ask) }
  }

  async abandon(name: Named, ask: ActionAsk): Promise<ActionResult> {
    const { dataset, branch, into } = name
    const [page] = (await this.#drafts.list(dataset)).filter((m) => m.branch === branch && m.into === into)
    const effects = [
      `the merge of "${branch}" is no longer waiting; ${page ? plural(page.decided, 'decision') : 'its decisions'} stay in the journal alone`,
      `${into} and ${branch} stay as they are`,
    ]
    if (!ask.dryRun) await this.#drafts.abandon(name, why(ask))
    return { done: !ask.dryRun, dryRun: ask.dryRun, command: commandOf(name, '--abandon'), effects }
  }
}

const commandOf = ({ dataset, branch, into }: Named, end: string): string =>
  `millrace data merge ${quote(dataset)} ${quote(branch)}${into === 'main' ? '' : ` --into ${quote(into)}`} ${end}`

const why = ({ dryRun, reason, actor }: ActionAsk) => ({
  ...{ dryRun, actor },
  reason: reason === '' ? 'decided in the console' : reason,
})

function pageSentence({ conflicts, decided, counts, branch, into, moved, broken, step }: DraftPage): string {
  const left = conflicts - decided
  const of = `${count(decided)} of ${plural(conflicts, 'conflict')} in ${plural(counts.rows, 'row')} decided`
  if (moved.length > 0) return `${moved.join(' and ')} moved since this merge was begun: begin again. ${of}.`
  const all = `All ${plural(conflicts, 'conflict')} decided`
  if (left === 0 && broken?.step === step)
    return `${all}, but some merged rows would not keep a check as it is decided now.`
  if (left === 0) return `${all}: ${branch} can be merged into ${into}.`
  return `${of}; ${count(left)} ${left === 1 ? 'needs' : 'need'} you before ${branch} goes into ${into}.`
}

function choicesOf({
  ours,
  theirs,
}: {
  ours: string | null
  theirs: string | null
}): MergePage['schema'][number]['choices'] {
  if (theirs === REMOVED)
    return [
      { take: 'ours', words: 'keep the column as it is here' },
      { take: 'theirs', words: 'take the column away, with what was written into it here' },
    ]
  if (ours === REMOVED)
    return [{ take: 'ours', words: 'leave the column away, with what was written into it on the branch' }]
  return [{ take: 'ours', words: `keep it as ${ours}, without what the branch has in it as ${theirs}` }]
}
