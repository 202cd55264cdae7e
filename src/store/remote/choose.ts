import { MillraceError } from '../../core/errors.ts'
import { VERSIONED } from '../../core/names.ts'

/** What travels when nothing is named: versions of datasets and of sets of files, and tags. */
const DEFAULT_PREFIXES = [...VERSIONED, 'tags/']

/** Never travel by name: secrets of this machine, its runs and streams, what it knows of remotes, and stand-ins, which go along with what needs them. */
const OWN = /^(tokens|runs|remotes|holds|alerts|checkpoints|rows|stand-ins)\//

/**
 * Beginnings of the refs that names stand for: `flights` is all branches and tags of a dataset or a set of files, `flights@main` one branch, `models/late` all refs of
 * a model, `tags/flights@v1` that ref. Without names: everything that has versions, and tags.
 */
export function prefixesOf(names: readonly string[]): string[] {
  if (names.length === 0) return DEFAULT_PREFIXES
  return [...new Set(names.flatMap(prefixesOfName))]
}

function prefixesOfName(name: string): string[] {
  const whole = name.includes('@') ? name : `${name}@`
  return name.includes('/') ? [whole] : DEFAULT_PREFIXES.map((prefix) => `${prefix}${whole}`)
}

/** Whether a ref is meant by names. */
export function isChosen(name: string, names: readonly string[]): boolean {
  if (OWN.test(name)) return false
  return prefixesOf(names).some((prefix) =>
    prefix.endsWith('@') || prefix.endsWith('/') ? name.startsWith(prefix) : name === prefix,
  )
}

/** Errors: MR_REMOTE_NOTHING when one of the names stands for none of the refs. */
export function requireAll(names: readonly string[], refs: readonly { name: string }[], where: string): void {
  const nothing = names.find((name) => !refs.some((ref) => isChosen(ref.name, [name])))
  if (nothing === undefined) return
  const known = refs.map(({ name }) => name).filter((name) => !OWN.test(name))
  throw new MillraceError('MR_REMOTE_NOTHING', { name: nothing, where, known })
}
