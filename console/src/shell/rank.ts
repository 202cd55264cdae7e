/** Which names answer a search, best first: whole name, beginning, beginning of a word, inside, letters in order. */
export interface Findable {
  label: string
}

export function rank<T extends Findable>(items: readonly T[], query: string, max: number): T[] {
  const asked = query.trim().toLowerCase()
  if (asked === '') return items.slice(0, max)
  const scored = items
    .map((item, i) => ({ item, i, score: scoreOf(item.label.toLowerCase(), asked) }))
    .filter((entry) => entry.score > 0)
  return scored
    .sort((a, b) => b.score - a.score || a.item.label.length - b.item.label.length || a.i - b.i)
    .slice(0, max)
    .map((entry) => entry.item)
}

function scoreOf(label: string, asked: string): number {
  if (label === asked) return 5
  if (label.startsWith(asked)) return 4
  const place = label.indexOf(asked)
  if (place > 0) return /[\s/_.:-]/.test(label[place - 1]!) ? 3 : 2
  return lettersInOrder(label, asked) ? 1 : 0
}

function lettersInOrder(label: string, asked: string): boolean {
  let at = 0
  for (const letter of label) if (letter === asked[at]) at += 1
  return at === asked.length
}
