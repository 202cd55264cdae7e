/**
 * Metrics of several processes as those of one, in the Prometheus text format 0.0.4: numbers of one name and labels are added. Counters of processes that ended stay counted, so
 * that no sum goes down when one is replaced.
 */

interface Family {
  /** HELP and TYPE lines. */
  head: string[]
  type: string
  series: Map<string, number>
}

type Families = Map<string, Family>

export class MergedMetrics {
  /** What processes had counted that are no more. */
  readonly #ended: Families = new Map()

  /** A process ended, whose metrics were these when they were last read. */
  retire(text: string): void {
    for (const [name, family] of parse(text)) if (isCounted(family)) add(this.#ended, name, family)
  }

  /** Sums of processes that there are, and of what those before them had counted. */
  text(texts: readonly string[]): string {
    const sums: Families = new Map()
    for (const text of texts) for (const [name, family] of parse(text)) add(sums, name, family)
    for (const [name, family] of this.#ended) add(sums, name, family)
    const lines = [...sums.values()].flatMap(({ head, series }) => [
      ...head,
      ...[...series].map(([key, value]) => `${key} ${value}`),
    ])
    return `${lines.join('\n')}\n`
  }
}

const isCounted = ({ type }: Family): boolean => type === 'counter' || type === 'histogram'

function add(into: Families, name: string, { head, type, series }: Family): void {
  const family = into.get(name) ?? { head, type, series: new Map() }
  into.set(name, family)
  for (const [key, value] of series) family.series.set(key, (family.series.get(key) ?? 0) + value)
}

/** Lines by the family that their TYPE line begins. */
function parse(text: string): Families {
  const families: Families = new Map()
  let family: Family | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) {
      const [, word, name, type = ''] = line.split(' ', 4)
      family = families.get(name) ?? { head: [], type: 'untyped', series: new Map() }
      families.set(name, family)
      family.head.push(line)
      if (word === 'TYPE') family.type = type
    } else if (line !== '' && family) {
      const at = line.lastIndexOf(' ')
      family.series.set(line.slice(0, at), Number(line.slice(at + 1)))
    }
  }
  return families
}
