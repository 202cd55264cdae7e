/** Declared checks over a merged version as a whole: rows that each keep a check may break it together, as two halves of too many rows do. */
import { LIMITS } from '../core/limits.ts'
import type { DatasetVersion, Finding } from '../core/records.ts'
import type { CheckDef, DatasetDef } from '../define/types.ts'
import { partFiles } from '../engine/parts.ts'
import type { Store } from '../store/ports.ts'
import { findingOf, otherRows } from './check-data.ts'
import { relationFor } from './check-relation.ts'
import { otherRelation, ruleOf } from './check-run.ts'
import { judgeRows } from './check-scan.ts'
import type { CheckedRule } from './check-types.ts'
import { type Duck, openDuck } from './duck.ts'
import { inJobFolder } from './job-folder.ts'
import type { JudgedSide, MergeJudgement, VersionFigures } from './merge-types.ts'
import type { OtherRows } from './types.ts'

type Rows = Pick<DatasetVersion, 'schema' | 'parts'>

export interface JudgedVersions {
  dataset: string
  checks: readonly CheckDef[]
  /** Rows of the datasets that checks look keys up in. */
  others: Readonly<Record<string, OtherRows>>
  merged: Rows
  ours: Rows
  theirs: Rows
  /** Absent where both have none in common. */
  base?: Rows
}

/** What needs a period or a delivery is judged by imports alone. */
const isOfRows = ({ rule }: CheckDef): boolean => rule.kind !== 'inWindow'

/**
 * Judges all checks in one shared pass over the merged rows, and those that fail over the rows of both sides and of what they came from, so that it can be said what the merge broke. Reads only.
 * Cost: as `judgeRows`, and where something fails three passes more over the columns of what fails.
 */
export async function judgeSides(duck: Duck, store: Store, judged: JudgedVersions): Promise<MergeJudgement> {
  const figures = async (rows: Rows | undefined, checks: readonly CheckDef[]) =>
    await figuresOf(duck, store, judged, rows, checks)
  const checks = judged.checks.filter(isOfRows)
  const merged = await figures(judged.merged, checks)
  const failing = checks.filter((check, i) =>
    needsSides(judged.dataset, check, merged.rules[i]!, merged.rows),
  )
  if (failing.length === 0) return { merged }
  const { ours, theirs, base } = judged
  return {
    merged,
    ours: await figures(ours, failing),
    theirs: await figures(theirs, failing),
    base: await figures(base, failing),
  }
}

async function figuresOf(
  duck: Duck,
  store: Store,
  { dataset, others }: JudgedVersions,
  version: Rows | undefined,
  checks: readonly CheckDef[],
): Promise<VersionFigures> {
  const schema = version?.schema ?? { columns: [] }
  if (version === undefined) return { rows: 0, rules: checks.map(({ name }) => ({ check: name })) }
  const relation = await relationFor(duck, {
    kind: 'parts',
    schema,
    parts: await partFiles(store, version.parts),
  })
  const judgement = await judgeRows({
    ...{ duck, relation, checks, dataset, period: null, examples: 0 },
    others: (name, columns) => otherRelation(others, name, columns),
  })
  return { rows: relation.rows, rules: checks.map((check) => ruleOf(check, judgement)) }
}

/** The age of the newest row is judged when a merge is recorded. */
function needsSides(dataset: string, check: CheckDef, rule: CheckedRule, rows: number): boolean {
  if (check.onFail === 'quarantine') return (rule.tally?.failed ?? 0) > 0
  if (check.onFail !== 'stop') return false
  return rule.newestAt !== undefined || isBad(findingOf(dataset, check, rule, rows, 0))
}

export const isBad = (finding: Finding | undefined): boolean =>
  finding?.verdict === 'fail' || finding?.verdict === 'error'

/** As `judgeSides`, of a branch that is taken as it is, in an engine of its own. Undefined where nothing is declared. */
export async function judgeTaken(
  store: Store,
  def: DatasetDef,
  { ours, theirs }: Pick<JudgedVersions, 'ours' | 'theirs'>,
): Promise<MergeJudgement | undefined> {
  if (def.checks.length === 0) return undefined
  const others = await otherRows(store, def)
  return await inJobFolder({ name: 'merge', scratch: store.scratch }, async (folder) => {
    const duck = await openDuck(folder, LIMITS.importMemoryMb)
    try {
      const { name: dataset, checks } = def
      return await judgeSides(duck, store, {
        dataset,
        checks,
        others,
        merged: theirs,
        base: ours,
        ours,
        theirs,
      })
    } finally {
      duck.close()
    }
  })
}

/** Of a side, what a check came to; undefined where it was not asked. */
export function figureOn(
  judgement: MergeJudgement,
  side: JudgedSide,
  name: string,
): { rule: CheckedRule; rows: number } | undefined {
  const figures = judgement[side]
  const rule = figures?.rules.find(({ check }) => check === name)
  return rule && { rule, rows: figures!.rows }
}
