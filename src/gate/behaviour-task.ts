/** Task `gate.behaviour`: two bundles on the rows that tested one of them, scored from raw columns exactly as serving does. */
import type { Digest, RunSpec } from '../core/records.ts'
import type { Task } from '../engine/ports.ts'
import { LABEL_THRESHOLD } from '../model/measures/binary.ts'
import { type Behaviour, behaviourOf, movedRows } from './behaviour.ts'
import { openCandidate } from './candidate.ts'
import { writeMovedRows } from './moved-rows-file.ts'
import { type OpenBundle, openBundle, scoreBundle } from './score-bundle.ts'

const CODE = 'behaviour-2'

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
    const candidate = await openCandidate(context)
    const bundles = [await openBundle(context, before), await openBundle(context, after)] as const
    try {
      const { task, classes } = candidate.plan
      const names = [...new Set(bundles.toReversed().flatMap(({ columns }) => columns))]
      context.progress(0.1, 'reading the rows')
      const rows = await candidate.rawRows(names)
      const sideOf = async (bundle: OpenBundle) => ({
        outputs: await scoreBundle(context, bundle, rows, classes),
        threshold: bundle.parent.version.threshold ?? LABEL_THRESHOLD,
      })
      context.progress(0.4, 'scoring both versions')
      const sides = { before: await sideOf(bundles[0]), after: await sideOf(bundles[1]) }
      context.progress(0.7, 'comparing')
      const { target: targets, groups } = candidate.matrix.slice('test')
      const times = timesOf(bundles)
      const columns = Object.fromEntries(
        names.map((name) => [name, rows.map((row) => (times.has(name) ? dated(row[name]) : row[name]))]),
      )
      const input = { task, classes, ...sides, targets, groups, columns }
      const report: BehaviourReport = { kind: 'BehaviourReport', ...behaviourOf(input) }
      context.progress(0.9, 'writing what each row was answered')
      const rowsMoved = await writeMovedRows(context, movedRows(input))
      return { outputs: { report: await context.store.putRecord(report), rows: rowsMoved } }
    } finally {
      candidate.close()
      for (const { parent } of bundles) parent.close()
    }
  },
}

/** Columns whose numbers are moments. */
function timesOf(bundles: readonly OpenBundle[]): Set<string> {
  const columns = bundles.flatMap(({ parent }) => parent.features.columns)
  return new Set(columns.filter(({ type }) => type === 'time' || type === 'date').map(({ name }) => name))
}

const dated = (value: unknown): unknown => (typeof value === 'number' ? new Date(value) : value)
