/**
 * Names near a mistaken one, best first: at most three, whose edit distance (insertions, deletions, substitutions, swaps of neighbours; letter
 * case ignored) is at most a third of the longer name's length, rounded up.
 * Cost: O(names × length²).
 */
export function closeNames(name: string, names: readonly string[]): string[] {
  return names
    .map((other) => ({ other, distance: editDistance(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ other, distance }) => distance <= Math.ceil(Math.max(name.length, other.length) / 3))
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
    .slice(0, 3)
    .map(({ other }) => other)
}

/** Optimal string alignment distance. */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const now = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(last[j]! + 1, now[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2]! + 1)
      now.push(best)
    }
    before = last
    last = now
  }
  return last[b.length]!
}
