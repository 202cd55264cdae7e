/** Two versions of a set of files made one, path by path. */
import { type FileEntry, isPlain, isSameEntry, MODE } from './entry.ts'
import { byPath } from './paths.ts'

export type FileSide = 'ours' | 'theirs' | 'base'
export const FILE_SIDES: readonly FileSide[] = ['ours', 'theirs', 'base']

/** A path in the three versions; undefined where it is not in one. */
export interface ThreeEntries {
  base?: FileEntry | undefined
  ours?: FileEntry | undefined
  theirs?: FileEntry | undefined
}

/**
 * Why a path has no one answer: both changed it to other bytes, both added it, one removed and the other changed it, or a file of one is where the other has a folder
 * (then that path stands for all that is below it).
 */
export type PathConflictKind = 'changed' | 'added' | 'removed' | 'folder'

export interface PathConflict extends ThreeEntries {
  path: string
  kind: PathConflictKind
}

export interface MergedPaths {
  /** Ordered by path; those of open conflicts are as in ours. */
  entries: FileEntry[]
  /** What is open, ordered by path. */
  open: PathConflict[]
  decided: number
  /** What was taken of theirs. */
  taken: { added: number; changed: number; removed: number }
}

export interface PathRules {
  /** Side of all conflicts that are not picked. */
  rest?: FileSide | undefined
  /** Side, or an entry made by hand, of single paths. */
  picks?: ReadonlyMap<string, FileSide | FileEntry>
}

type Decision = { entry: FileEntry | undefined } | { conflict: PathConflictKind }

/**
 * Merges paths. What one side alone changed is taken; of a file both of whose bytes and mode moved, each is taken from the side that moved it. A file that was moved
 * is one that went and one that came. A folder that is no longer empty is no entry. Pure. Cost: O(n log n).
 */
export function mergePaths(
  sides: { base: readonly FileEntry[]; ours: readonly FileEntry[]; theirs: readonly FileEntry[] },
  rules: PathRules = {},
): MergedPaths {
  const paths = new Map<string, ThreeEntries & { path: string }>()
  for (const side of FILE_SIDES)
    for (const entry of sides[side]) {
      const three = paths.get(entry.path) ?? { path: entry.path }
      three[side] = entry
      paths.set(entry.path, three)
    }
  const ordered = [...paths.values()].sort(byPath)
  const merged: MergedPaths = {
    entries: [],
    open: [],
    decided: 0,
    taken: { added: 0, changed: 0, removed: 0 },
  }
  const clashing = clashes(ordered)
  for (const three of ordered) {
    const clash = clashing.get(three.path)
    const decision: Decision = clash === undefined ? decide(three) : { conflict: 'folder' }
    addDecided(merged, three, decision, { rules, named: clash ?? three.path })
  }
  return { ...merged, entries: withoutFilledFolders(merged.entries) }
}

function decide({ base, ours, theirs }: ThreeEntries): Decision {
  if (isSame(ours, theirs) || isSame(base, theirs)) return { entry: ours }
  if (isSame(base, ours)) return { entry: theirs }
  if (!ours || !theirs) return { conflict: 'removed' }
  return (base && mergedEntry(base, ours, theirs)) ?? { conflict: base ? 'changed' : 'added' }
}

const isSame = (a: FileEntry | undefined, b: FileEntry | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && isSameEntry(a, b))

/** A file whose bytes one side changed, and whose mode the other. */
function mergedEntry(base: FileEntry, ours: FileEntry, theirs: FileEntry): Decision | undefined {
  if (![base, ours, theirs].every(({ mode }) => isPlain(mode))) return undefined
  const mode = ours.mode === base.mode ? theirs.mode : ours.mode
  if (ours.digest === base.digest || ours.digest === theirs.digest) return { entry: { ...theirs, mode } }
  return theirs.digest === base.digest ? { entry: { ...ours, mode } } : undefined
}

/**
 * Paths that no merge can have together, by the path that names the clash: what one side has as a file lies above what the other has below it. Found among what each
 * path would be by itself.
 */
function clashes(ordered: readonly (ThreeEntries & { path: string })[]): Map<string, string> {
  const standing = new Map<string, ThreeEntries & { path: string }>()
  for (const three of ordered) if (mayStand(three)) standing.set(three.path, three)
  const found = new Map<string, string>()
  for (const path of standing.keys()) {
    const above = fileAbove(path, standing)
    if (above === undefined) continue
    found.set(above, above)
    found.set(path, above)
  }
  return found
}

/** Whether the merge would have a path, or might by a decision. */
function mayStand(three: ThreeEntries): boolean {
  const decision = decide(three)
  return 'conflict' in decision || decision.entry !== undefined
}

function fileAbove(path: string, standing: ReadonlyMap<string, ThreeEntries>): string | undefined {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const above = standing.get(path.slice(0, slash))
    const sides = [above?.ours, above?.theirs]
    if (sides.some((entry) => entry !== undefined && entry.mode !== MODE.folder)) return path.slice(0, slash)
  }
  return undefined
}

function addDecided(
  merged: MergedPaths,
  three: ThreeEntries & { path: string },
  decision: Decision,
  { rules, named }: { rules: PathRules; named: string },
): void {
  const choice = rules.picks?.get(named) ?? rules.rest
  let entry: FileEntry | undefined
  if ('entry' in decision) entry = decision.entry
  else if (choice === undefined) {
    if (named === three.path) merged.open.push({ ...three, kind: decision.conflict })
    entry = three.ours
  } else {
    if (named === three.path) merged.decided++
    // An entry by hand stands at its own path alone; what clashes with it goes.
    entry = typeof choice === 'string' ? three[choice] : choice.path === three.path ? choice : undefined
  }
  if (entry) merged.entries.push(entry)
  count(merged.taken, three.ours, entry)
}

function count(taken: MergedPaths['taken'], ours: FileEntry | undefined, entry: FileEntry | undefined): void {
  if (isSame(ours, entry)) return
  if (!ours) taken.added++
  else if (!entry) taken.removed++
  else taken.changed++
}

function withoutFilledFolders(entries: readonly FileEntry[]): FileEntry[] {
  const filled = new Set<string>()
  for (const { path } of entries)
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
      filled.add(path.slice(0, slash))
  return entries.filter(({ path, mode }) => mode !== MODE.folder || !filled.has(path))
}
