/** Long lists in nodes: cut by what they hold, so that one change makes few nodes new. */

export interface ListRule {
  /** About so many in a group. */
  items: number
  itemsMax: number
}

/**
 * Cuts a list after items whose hash falls on a multiple of `items`, never below a quarter of that, and at `itemsMax`. The cuts depend on the items near them
 * alone.
 */
export function cutList<T>(list: readonly T[], hashOf: (item: T) => number, rule: ListRule): T[][] {
  const groups: T[][] = []
  let group: T[] = []
  for (const item of list) {
    group.push(item)
    if (!isCutAfter(group, hashOf, rule)) continue
    groups.push(group)
    group = []
  }
  if (group.length > 0) groups.push(group)
  return groups
}

/** Whether a list is cut after the last item of a group that begins at a cut. */
export function isCutAfter<T>(
  group: readonly T[],
  hashOf: (item: T) => number,
  { items, itemsMax }: ListRule,
): boolean {
  if (group.length >= itemsMax) return true
  return group.length >= items / 4 && hashOf(group[group.length - 1]) % items === 0
}

/** FNV-1a of a text's code units, with a last mix (Murmur3), as a whole number below 2^32. */
export function hashText(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
