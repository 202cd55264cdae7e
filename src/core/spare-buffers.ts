/**
 * Memory for large arrays that is used again. A new one of some hundred kilobytes costs little by itself, but a few dozen of them bring on the garbage collector, whose turns take longer than
 * all the copying. Who takes one gives it back when nothing reads it any more; one that is not given back is collected as any other.
 */

export const SPARE_LIMITS = {
  /** Smaller arrays are made anew. */
  bytesMin: 64 * 1024,
  /** Bytes that wait to be used again, in all. */
  heldBytesMax: 32 * 1024 * 1024,
} as const

/** One is taken for an array of at least this part of it. */
const FILLED_MIN = 0.5
/** Sizes go by steps, so that arrays of about the same size share. */
const STEP_BYTES = 64 * 1024

export class SpareBuffers {
  readonly #free: ArrayBuffer[] = []
  #heldBytes = 0

  /** Bytes that wait to be used again. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Memory of at least so many bytes, of any content. Cost: O(those that wait). */
  take(bytes: number): ArrayBuffer {
    const fits = ({ byteLength }: ArrayBuffer) => byteLength >= bytes && bytes >= FILLED_MIN * byteLength
    const at = this.#free.findLastIndex(fits)
    if (at < 0) return new ArrayBuffer(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES)
    const [found] = this.#free.splice(at, 1)
    this.#heldBytes -= found.byteLength
    return found
  }

  /** Nothing reads these any more. Small ones, and those beyond what may wait, are let go. */
  give(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) {
      const { byteLength } = buffer
      if (byteLength < SPARE_LIMITS.bytesMin) continue
      if (this.#heldBytes + byteLength > SPARE_LIMITS.heldBytesMax) continue
      this.#free.push(buffer)
      this.#heldBytes += byteLength
    }
  }
}
