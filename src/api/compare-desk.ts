/** Versions of models compared, as the console sees it: what they are made of at once, what they answer by a run in the background. One comparison of a pair at a time. */
import { isMillraceError } from '../core/errors.ts'
import {
  type BehaviourPlan,
  behaviourBetween,
  knownBehaviour,
  type OpenedVersion,
  openedVersions,
  planBehaviour,
} from '../loop/behaviour.ts'
import { modelDef, type Runtime } from '../loop/runtime.ts'
import { versionsBetween } from '../loop/version-diff.ts'
import type { ActionAsk } from './actions.ts'
import { Background, problemOf } from './background.ts'
import type { ActionResult, ModelDiff, Problem } from './contract.ts'
import { quote } from './triage-desk.ts'
import { modelDiffView } from './views/model-diff.ts'
import { remember } from './views/remember.ts'

/** Pairs whose making is kept; each is read from two models. */
const DIFFS_KEPT = 64

export class CompareDesk {
  readonly #rt: Runtime
  readonly #comparing = new Background()

  constructor(rt: Runtime) {
    this.#rt = rt
  }

  /** Errors: those of `namedVersion`, and of reading a model. */
  async view(name: string, from: string, to: string): Promise<ModelDiff> {
    const { model, named, command } = this.#asked(name, from, to)
    const key = pairOf(await openedVersions(this.#rt, named))
    const { plan, refused } = await this.#planned(named)
    const make = () => versionsBetween(this.#rt, named)
    const diff = await remember(this.#rt.store, 'modelDiff', key, make, DIFFS_KEPT)
    const known = plan && (await knownBehaviour(this.#rt, plan))
    return {
      ...(await modelDiffView(this.#rt, { model, diff, report: known?.report })),
      comparing: this.#comparing.running(key),
      failed: this.#comparing.failed(key),
      refused,
      command,
    }
  }

  /** What cannot be compared by its answers is still told by what it is made of. */
  async #planned(named: Named): Promise<{ plan?: BehaviourPlan; refused: Problem | null }> {
    try {
      return { plan: await planBehaviour(this.#rt, named), refused: null }
    } catch (thrown) {
      if (!isMillraceError(thrown, 'MR_LOOP_COMPARE')) throw thrown
      return { refused: problemOf(thrown) }
    }
  }

  /** Begins to compare what they answer, and says what it will do. Errors: as `planBehaviour`. */
  async begin(name: string, from: string, to: string, { dryRun }: ActionAsk): Promise<ActionResult> {
    const { named, command } = this.#asked(name, from, to)
    const plan = await planBehaviour(this.#rt, named)
    const key = pairOf([plan.before, plan.after])
    const isKnown = (await knownBehaviour(this.#rt, plan)) !== undefined
    const isOn = this.#comparing.running(key) !== null
    const begins = !dryRun && !isKnown && !isOn
    if (begins)
      this.#comparing.begin(key, {}, (onProgress) => behaviourBetween(this.#rt, { ...named, onProgress }))
    return {
      done: begins,
      dryRun,
      command,
      effects: isKnown
        ? ['these two were compared before: nothing is run again']
        : isOn
          ? ['they are being compared already']
          : [`both versions answer the rows that tested v${plan.after.bundle.version}; nothing else changes`],
    }
  }

  /** A member is compared as part of its family. */
  #asked(name: string, from: string, to: string) {
    const model = modelDef(this.#rt, name).name
    const [before, after] = [from, to].map((which) => `${model}@${/^\d+$/.test(which) ? `v${which}` : which}`)
    const named = { before: before!, after: after! }
    return { model, named, command: `millrace model diff ${quote(named.before)} ${quote(named.after)}` }
  }
}

interface Named {
  before: string
  after: string
}

const pairOf = ([before, after]: readonly OpenedVersion[]): string => `${before!.digest} ${after!.digest}`
