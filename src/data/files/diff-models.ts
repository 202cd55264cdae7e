/** Which tensors changed in the model files that two versions have. */
import { posix } from 'node:path'
import { isMillraceError } from '../../core/errors.ts'
import { diffTensors, type TensorDiff, type TensorSide } from '../../model/checkpoint/compare.ts'
import type { TensorPlace } from '../../model/checkpoint/source.ts'
import { isModelFile, tensorMapOf } from '../../model/checkpoint/tensor-map.ts'
import type { Store } from '../../store/ports.ts'
import type { FilesDiff } from './diff-files.ts'
import type { FileEntry } from './entry.ts'
import { Packs } from './packs.ts'
import { StoredFile } from './stored-file.ts'
import { readTree } from './tree.ts'
import type { NamedFiles } from './versions.ts'

export interface ModelDiff extends TensorDiff {
  path: string
}

/**
 * Compares the tensors of model files that are in both versions and changed, or whose numbers lie in files beside them that did. Files that are no models after
 * all are left out. Cost: reads the tensors that changed.
 */
export async function diffModels(
  store: Store,
  [a, b]: readonly [NamedFiles, NamedFiles],
  { changed }: FilesDiff,
): Promise<ModelDiff[]> {
  if (changed.length === 0) return []
  const packs = new Packs(store)
  try {
    const touched = new Set(changed.map(({ after }) => after.path))
    const [left, right] = await Promise.all([a, b].map(async ({ version }) => entriesOf(store, version.tree)))
    const found: ModelDiff[] = []
    for (const [path, after] of right) {
      const before = left.get(path)
      if (!before || !isModelFile(path)) continue
      const diff = await diffModel({ store, packs, touched }, [left, before], [right, after])
      if (diff) found.push({ path, ...diff })
    }
    return found
  } finally {
    packs.close()
  }
}

type Entries = ReadonlyMap<string, FileEntry>

async function entriesOf(store: Store, tree: NamedFiles['version']['tree']): Promise<Entries> {
  return new Map((await readTree(store, tree)).map((entry) => [entry.path, entry]))
}

interface Opened {
  store: Store
  packs: Packs
  touched: ReadonlySet<string>
}

async function diffModel(
  opened: Opened,
  before: readonly [Entries, FileEntry],
  after: readonly [Entries, FileEntry],
): Promise<TensorDiff | undefined> {
  try {
    const right = await sideOf(opened, ...after)
    const isTouched =
      opened.touched.has(after[1].path) || right.files.some((path) => opened.touched.has(path))
    return isTouched ? await diffTensors(await sideOf(opened, ...before), right) : undefined
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_CHECKPOINT')) return undefined
    throw thrown
  }
}

/** A model file of a version; `files` are those that hold its numbers beside it. */
async function sideOf(
  { store, packs }: Opened,
  entries: Entries,
  entry: FileEntry,
): Promise<TensorSide & { files: string[] }> {
  const main = await StoredFile.open(store, packs, entry)
  const map = await tensorMapOf(entry.path, main)
  const names = new Set([...map.tensors.values()].flatMap(({ file }) => file ?? []))
  const others = new Map<string, StoredFile>()
  for (const name of names) {
    const beside = entries.get(pathBeside(entry.path, name))
    if (beside) others.set(name, await StoredFile.open(store, packs, beside))
  }
  const fileOf = ({ file }: Pick<TensorPlace, 'file'>) => (file === undefined ? main : others.get(file))
  return {
    map,
    files: [...names].map((name) => pathBeside(entry.path, name)),
    source: async (file) => fileOf({ file }) ?? NO_BYTES,
    mark: (tensor) => fileOf(tensor)?.digestsOf(tensor.at, tensor.bytes),
  }
}

const NO_BYTES = { bytes: 0, read: async () => new Uint8Array(0) }

const pathBeside = (model: string, name: string): string => posix.join(posix.dirname(model), name)
