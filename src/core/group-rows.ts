/** Rows of groups as they come one by one, given back when a group is whole. */
import type { JoinedRow } from './log-join.ts'
import { Waiting } from './waiting.ts'

type GroupRow = Pick<JoinedRow, 'group' | 'groupRows'>

/** Groups that wait for rows; the oldest leave when there are more. */
const GROUPS_MAX = 5_000

/** Collects joined rows of a model that ranks: an order can only be judged when the outcome of every row of its group is known. Bounded. */
export class GroupRows<R extends GroupRow = GroupRow> {
  readonly #waiting = new Waiting<R[]>()

  /** The rows of the group that this row made whole. */
  add(row: R): R[] | undefined {
    const { group, groupRows } = row
    if (group === undefined || groupRows === undefined) return undefined
    const rows = this.#waiting.get(group) ?? []
    rows.push(row)
    if (rows.length >= groupRows) {
      this.#waiting.delete(group)
      return rows
    }
    this.#waiting.set(group, rows)
    if (this.#waiting.size > GROUPS_MAX) this.#waiting.dropOldest()
    return undefined
  }
}
