/** Float32 numbers by their order. */
const bits = new Int32Array(1)
const floats = new Float32Array(bits.buffer)

/** Numbers a float32 in the order of floats: neighbours differ by 1; 0 and -0 are 0. */
export function ordinalOf(x: number): number {
  floats[0] = x
  return bits[0] >= 0 ? bits[0] : -(bits[0] & 0x7fffffff)
}

/** The float32 of an ordinal. */
export function floatAt(ordinal: number): number {
  bits[0] = ordinal >= 0 ? ordinal : -ordinal | 0x80000000
  return floats[0]
}

/** The least float32 above `x`, itself one; infinity stays. */
export function floatAbove(x: number): number {
  return x === Number.POSITIVE_INFINITY ? x : floatAt(ordinalOf(x) + 1)
}

/** The greatest float32 below `x`, itself one; minus infinity stays. */
export function floatBelow(x: number): number {
  return x === Number.NEGATIVE_INFINITY ? x : floatAt(ordinalOf(x) - 1)
}

/** Numbers no farther from 0 than this are 0 to a source that takes 0 for missing: LightGBM's `kZeroThreshold`, a float32. */
export const ZERO_THRESHOLD = Math.fround(1e-35)
