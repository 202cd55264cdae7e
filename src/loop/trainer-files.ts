/** Files that a trainer brings: read once into the store, so that a run names just what it runs. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import type { ModelDef } from '../define/types.ts'
import type { Runtime } from './runtime.ts'

/** What a program may bring; data belong into a dataset, libraries into its environment. */
export const TRAINER_FILES = { filesMax: 1_000, bytesMax: 64 * 1024 * 1024 }

/** Folders of tools, which are no part of a program. */
const LEFT_OUT = new Set(['node_modules', '__pycache__', 'venv'])

/**
 * The model with the digests of its trainer's files, which are in the store then; a trainer without files is as it is.
 * Errors: MR_TRAIN_FILES for paths that are absent or outside of the config's folder, for too many and for too large ones.
 */
export async function withTrainerFiles(
  rt: Pick<Runtime, 'folder' | 'store'>,
  model: ModelDef,
): Promise<ModelDef> {
  const { trainer } = model
  if (!('files' in trainer)) return model
  const root = await realpath(rt.folder)
  const contents: Record<string, Digest> = {}
  let bytes = 0
  for (const named of trainer.files) {
    for (const path of await filesBelow(root, named)) {
      const content = await readFile(join(root, path))
      bytes += content.length
      if (bytes > TRAINER_FILES.bytesMax || Object.keys(contents).length >= TRAINER_FILES.filesMax)
        throw new MillraceError('MR_TRAIN_FILES', {
          path: named,
          why: `makes more than ${TRAINER_FILES.filesMax} files or ${TRAINER_FILES.bytesMax} bytes`,
        })
      contents[path] = await rt.store.objects.put(content)
    }
  }
  return { ...model, trainer: { ...trainer, contents } }
}

/** Paths from the root, with slashes, in one order; links that lead out are refused. */
async function filesBelow(root: string, named: string): Promise<string[]> {
  const at = await realpath(join(root, named)).catch(() => {
    throw new MillraceError('MR_TRAIN_FILES', { path: named, why: 'is not there' })
  })
  const path = relative(root, at)
  if (path.startsWith('..') || path === '')
    throw new MillraceError('MR_TRAIN_FILES', { path: named, why: 'is not below the folder of the config' })
  if ((await stat(at)).isFile()) return [path.split(sep).join('/')]
  const names = (await readdir(at)).filter((name) => !name.startsWith('.') && !LEFT_OUT.has(name)).sort()
  const below = await Promise.all(names.map((name) => filesBelow(root, join(path, name))))
  return below.flat()
}
