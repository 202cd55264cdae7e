/** Which model of a bundle answers which row: rows of one member are scored together. */
import { MillraceError } from '../core/errors.ts'
import type { Digest, ModelBundle } from '../core/records.ts'
import { fieldOf, type RawRow } from './predictor.ts'

/** Rows that one model version answers, by index into the request. */
export interface MemberGroup {
  digest: Digest
  /** '' when the parent answers. */
  member: string
  rows: number[]
}

/**
 * Divides rows by the value of the bundle's column: the member of that key when there is one, else the parent. A stated member takes all rows;
 * one that was trained but is held back is answered by the parent. Errors: MR_SERVE_MEMBER_UNKNOWN for a stated member that never was.
 */
export function groupByMember(bundle: ModelBundle, rows: readonly RawRow[], stated?: string): MemberGroup[] {
  if (stated !== undefined) return [{ ...statedMember(bundle, stated), rows: rows.map((_, i) => i) }]
  const { each } = bundle
  const groups = new Map<string, MemberGroup>()
  for (let i = 0; i < rows.length; i++) {
    const member = each === undefined ? '' : memberOf(bundle, fieldOf(rows[i], each))
    const group = groups.get(member)
    if (group) group.rows.push(i)
    else groups.set(member, { digest: bundle.members[member] ?? bundle.parent, member, rows: [i] })
  }
  return [...groups.values()]
}

function memberOf(bundle: ModelBundle, value: unknown): string {
  if (value === null || typeof value === 'object') return ''
  const key = String(value)
  return key !== '' && Object.hasOwn(bundle.members, key) ? key : ''
}

function statedMember(bundle: ModelBundle, member: string): { digest: Digest; member: string } {
  if (Object.hasOwn(bundle.members, member)) return { digest: bundle.members[member], member }
  if (Object.hasOwn(bundle.held, member)) return { digest: bundle.parent, member: '' }
  const { model, each } = bundle
  throw new MillraceError('MR_SERVE_MEMBER_UNKNOWN', { model, member: member.slice(0, 64), each: each ?? '' })
}
