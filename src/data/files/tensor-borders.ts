/** Model files are cut where their tensors begin and end, so that a changed tensor is all that is stored again. */
import { type FileHandle, open } from 'node:fs/promises'
import { posix } from 'node:path'
import { type ByteSource, bordersOf, type TensorMap } from '../../model/checkpoint/source.ts'
import { isModelFile, tensorMapOf } from '../../model/checkpoint/tensor-map.ts'
import { isPlain } from './entry.ts'
import type { FoundFile, FoundFiles } from './found-files.ts'

/** Bytes of a local file that is open. */
export async function fileSource(handle: FileHandle): Promise<ByteSource> {
  const { size } = await handle.stat()
  return {
    bytes: size,
    async read(at, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - at)))
      let done = 0
      while (done < bytes.length) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, at + done)
        if (bytesRead === 0) break
        done += bytesRead
      }
      return bytes.subarray(0, done)
    },
  }
}

/**
 * Offsets at which files are cut whatever they hold: undefined for what is no model file, nor one that a model beside it keeps its numbers in. A file that only
 * looks like a model is cut like any other.
 */
export interface ModelBorders {
  /** False where a file has none for sure. */
  mayHave(path: string): boolean
  of(file: FoundFile): Promise<readonly number[] | undefined>
}

export function modelBorders(files: FoundFiles): ModelBorders {
  const models: number[] = []
  for (let i = 0; i < files.length; i++)
    if (isModelFile(files.paths[i]) && isPlain(files.modeOf(i))) models.push(i)
  let external: Promise<Map<string, number[]>> | undefined
  return {
    mayHave: () => models.length > 0,
    async of(file) {
      if (models.length === 0) return undefined
      if (isModelFile(file.path)) return own(await mapOf(file))
      external ??= externalBorders(models.map((i) => files.at(i)))
      return (await external).get(file.path)
    },
  }
}

const own = (map: TensorMap | undefined): number[] | undefined => {
  const borders = map && bordersOf(map)
  return borders && borders.length > 0 ? borders : undefined
}

async function mapOf({ source, path }: FoundFile): Promise<TensorMap | undefined> {
  const handle = await open(source).catch(() => undefined)
  try {
    return handle && (await tensorMapOf(path, await fileSource(handle)))
  } catch {
    return undefined
  } finally {
    await handle?.close()
  }
}

/** Of files that models name beside them, by path in the set. */
async function externalBorders(models: readonly FoundFile[]): Promise<Map<string, number[]>> {
  const borders = new Map<string, number[]>()
  for (const model of models) {
    const map = await mapOf(model)
    const names = new Set([...(map?.tensors.values() ?? [])].flatMap(({ file }) => file ?? []))
    for (const name of names) {
      const path = posix.join(posix.dirname(model.path), name)
      const both = [...(borders.get(path) ?? []), ...bordersOf(map!, name)]
      borders.set(
        path,
        [...new Set(both)].sort((a, b) => a - b),
      )
    }
  }
  return borders
}
