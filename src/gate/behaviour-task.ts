/** Task `gate.behaviour`: two bundles on the rows that tested one of them, scored from raw columns exactly as serving does. */
import { assert } from '../core/errors.ts'
import type { Digest, RunSpec } from '../core/records.ts'
import type { Task } from '../engine/ports.ts'
import { type Behaviour, behaviourOf } from './behaviour.ts'
import { openCandidate } from './candidate.ts'
import { scoreBundle } from './score-bundle.ts'

const CODE = 'behaviour-1'
/** Probability from which a yes is a yes where a model says nothing else. */
const THRESHOLD = 0.5

export interface BehaviourReport extends Behaviour {
  kind: 'BehaviourReport'
}

/** What the newer version was trained with, and what it is compared with. */
export interface BehaviourInputs {
  plan: Digest
  matrix: Digest
  rows: Digest
  parent: Digest
  before: Digest
  after: Digest
}

export function behaviourSpec(inputs: BehaviourInputs): RunSpec {
  return { kind: 'RunSpec', task: 'gate.behaviour', code: CODE, inputs: { ...inputs }, params: {}, seed: 0 }
}

export const behaviourTask: Task = {
  name: 'gate.behaviour',
  code: CODE,
  async run(context) {
    const { before, after } = context.spec.inputs
    assert(before && after, 'both bundles are inputs')
    const candidate = await openCandidate(context)
    try {
      context.progress(0.1, 'scoring the older version')
      const old = await scoreBundle(context, before, candidate)
      context.progress(0.4, 'scoring the newer version')
      const now = await scoreBundle(context, after, candidate)
      context.progress(0.7, 'comparing')
      const { target, groups } = candidate.matrix.slice('test')
      const names = [...new Set([...now.columns, ...old.columns])]
      const found = behaviourOf({
        task: candidate.plan.task,
        before: { ...old, threshold: old.threshold ?? THRESHOLD },
        after: { ...now, threshold: now.threshold ?? THRESHOLD },
        targets: target,
        groups,
        classes: candidate.plan.classes,
        columns: columnsOf(names, await candidate.rawRows(names)),
      })
      const report: BehaviourReport = { kind: 'BehaviourReport', ...found }
      return { outputs: { report: await context.store.putRecord(report) } }
    } finally {
      candidate.close()
    }
  },
}

const columnsOf = (names: readonly string[], rows: readonly Record<string, unknown>[]) =>
  Object.fromEntries(names.map((name) => [name, rows.map((row) => row[name])]))
