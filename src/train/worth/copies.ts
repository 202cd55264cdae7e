/** Rows that are there more than once, or as good as. */
import type { PointRows } from '../../stats/distance-blocks.ts'
import { nearCopies } from '../../stats/near-copies.ts'
import { nearRows, type Outliers, type RowGroups } from '../../stats/near-rows.ts'
import type { DuplicateReport } from './report.ts'

export interface Copies {
  exact: RowGroups
  near: RowGroups
  /** 1 for rows in a group whose labels contradict one another. */
  conflicting: Uint8Array
  report: DuplicateReport
}

/** Near are rows of equal categories that lie nearer than chance lets one pair in twenty such sets of rows lie. */
export function copiesOf(
  points: PointRows,
  outliers: Outliers,
  k: number,
  targets: Float64Array,
  differ: (a: number, b: number) => boolean,
): Copies {
  const exact = nearRows(points, 0)
  const { near, radius } = nearCopies(points, outliers, { k })
  const conflicting = conflictsOf(near, targets, differ)
  return {
    exact,
    near,
    conflicting,
    report: {
      exact: { rows: exact.nRows, groups: exact.nGroups },
      near: { rows: near.nRows, groups: near.nGroups, radius },
      conflicting: conflicting.reduce((n, flag) => n + flag, 0),
    },
  }
}

/** Rows in a group of which the least and the largest label, or any two classes, differ. */
function conflictsOf(
  { groupOf, nGroups }: RowGroups,
  targets: Float64Array,
  differ: (a: number, b: number) => boolean,
): Uint8Array {
  const least = new Float64Array(nGroups).fill(Number.POSITIVE_INFINITY)
  const most = new Float64Array(nGroups).fill(Number.NEGATIVE_INFINITY)
  groupOf.forEach((group, i) => {
    if (group < 0) return
    least[group] = Math.min(least[group], targets[i])
    most[group] = Math.max(most[group], targets[i])
  })
  return Uint8Array.from(groupOf, (group) => Number(group >= 0 && differ(least[group], most[group])))
}
