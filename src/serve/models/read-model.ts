/** A model file as it is read, before anything is made ready: what of it can be handed from one thread to another. */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { withoutMaps } from '../../model/graph/maps.ts'
import { externalFile } from '../../model/import/external-data.ts'
import type { ImportedModel } from '../../model/import/imported.ts'
import { isBounded } from '../../model/import/onnx-bounded.ts'
import { describeOnnx } from '../../model/import/onnx-describe.ts'
import { readOnnxFile } from '../../model/import/onnx-file.ts'
import { formatOfFile, readModelFile } from '../../model/import/open.ts'
import { plainFileBytes } from '../../model/repository/config-file.ts'
import { type PackedKernel, packScorer } from '../../model/score.ts'

export type ReadModel =
  | {
      kind: 'scored'
      imported: Omit<ImportedModel, 'withBase'>
    }
  | {
      kind: 'packed'
      /** Format and version in words. */
      source: string
      kernel: PackedKernel
    }
  | {
      kind: 'graph'
      /** The file as the runtime takes it. */
      bytes: Uint8Array
      /** Files beside it that hold tensors. */
      external: string[]
      /** Whether what it computes is bounded by the sizes of what it is given. */
      isBounded: boolean
      /** What is known to keep the runtime from running it. */
      problem?: { problem: string; fix: string }
    }

/** What is wanted of a file: `packed`, where it can be had, is a fifth of the bytes and of the work for who gets it; `whole` is for explanations. */
export type ReadAs = 'packed' | 'whole'

/** Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID, MR_REPOSITORY_CONFIG for what is no plain file. Cost: O(bytes), about 10 ns a byte of text. */
export function readModel(path: string, as: ReadAs = 'whole'): ReadModel {
  plainFileBytes(path)
  const bytes = readFileSync(path)
  if (formatOfFile(bytes) !== 'onnx') {
    const { withBase: _, ...imported } = readModelFile(bytes)
    const kernel = as === 'packed' ? packScorer(imported.model) : null
    return kernel ? { kind: 'packed', source: imported.source, kernel } : { kind: 'scored', imported }
  }
  const described = describeOnnx(readOnnxFile(bytes))
  const { external, problems } = described
  const folder = dirname(path)
  const files = [...new Set(external.map((tensor) => externalFile(folder, tensor)))]
  const own = files.length === 0 ? withoutMaps(bytes) : bytes
  return { kind: 'graph', bytes: own, external: files, isBounded: isBounded(described), problem: problems[0] }
}

/** Memory that can be handed over with a model, each piece once. */
export function buffersOf(read: ReadModel): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  const look = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength)
        buffers.add(value.buffer)
    } else if (value !== null && typeof value === 'object')
      for (const part of Object.values(value)) look(part)
  }
  look(read)
  return [...buffers]
}
