/** A file that is read from any byte on. */
export interface ByteSource {
  bytes: number
  /** `length` bytes from `at` on, or as many as there are. The caller may keep them. */
  read(at: number, length: number): Promise<Uint8Array>
}

/** Tensor of a model file, and where its numbers lie. */
export interface TensorPlace {
  name: string
  dtype: string
  shape: readonly number[]
  /** First byte in the file. */
  at: number
  bytes: number
  /** False where numbers are packed otherwise than one after another in little-endian. */
  isPlain: boolean
  /** File beside the model that has them instead; `at` is within that one. */
  file?: string
}

/** All tensors of a model file, by name. */
export interface TensorMap {
  tensors: ReadonlyMap<string, TensorPlace>
  /** Texts that the file has about itself. */
  metadata: Readonly<Record<string, string>>
}

/** Where a file is cut so that each of its own tensors is by itself: begins and ends, ascending, far enough apart. */
export function bordersOf({ tensors }: TensorMap, file?: string): number[] {
  const offsets = [...tensors.values()]
    .filter((tensor) => tensor.file === file)
    .flatMap(({ at, bytes }) => [at, at + bytes])
    .sort((a, b) => a - b)
  const borders: number[] = []
  for (const offset of offsets) if (offset - (borders.at(-1) ?? 0) >= BORDER_BYTES) borders.push(offset)
  return borders
}

/** Tensors below it share a chunk with their neighbours. */
const BORDER_BYTES = 4096
