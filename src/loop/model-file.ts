/** Model files that a config names, made objects of the store, so that a run says by digest what it read. */
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isMillraceError, MillraceError, toError } from '../core/errors.ts'
import { trainerFile } from '../define/trainer-traits.ts'
import type { ModelDef } from '../define/types.ts'
import { checkFileBytes } from '../model/import/imported.ts'
import type { Runtime } from './runtime.ts'

/** The model with the digest of its trainer's file, which is put into the store; others are as they are. Errors: MR_TRAIN_IMPORTED_FILE, MR_MODEL_IMPORT. */
export async function withModelFile(
  rt: Pick<Runtime, 'folder' | 'store'>,
  model: ModelDef,
): Promise<ModelDef> {
  const file = trainerFile(model.trainer)
  if (file === undefined) return model
  const digest = await rt.store.objects.put(await readModelBytes(resolve(rt.folder, file), file))
  return { ...model, trainer: { ...model.trainer, digest } as ModelDef['trainer'] }
}

/** Bytes of a model file. Errors: MR_TRAIN_IMPORTED_FILE, and MR_MODEL_IMPORT when it is too large to be read. */
export async function readModelBytes(path: string, named: string = path): Promise<Uint8Array> {
  try {
    checkFileBytes(named, (await stat(path)).size)
    return await readFile(path)
  } catch (thrown) {
    if (isMillraceError(thrown)) throw thrown
    const { message } = toError(thrown)
    throw new MillraceError('MR_TRAIN_IMPORTED_FILE', { file: named, reason: message }, { cause: thrown })
  }
}
