/** Probabilities of classes as the log keeps them: 4 bytes each, in base 64, so that a vector costs a fifth of its JSON. */

/** What a model said of one row: a class, and the probability of each. */
export interface Said {
  classes: readonly string[]
  /** The likeliest class. */
  label: string
  /** `[classes]`, rounded to single precision. */
  probabilities: Float32Array
}

/** Bytes turned into characters at once: more would be too many arguments of one call. */
const CHUNK = 8_192

/** Vectors `[n * nClasses]` as text. Little-endian, as every machine that runs this is. Cost: O(n). */
export function encodeVectors(probabilities: ArrayLike<number>): string {
  const bytes = new Uint8Array(Float32Array.from(probabilities).buffer)
  let text = ''
  for (let at = 0; at < bytes.length; at += CHUNK)
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK))
  return btoa(text)
}

/** The inverse of `encodeVectors`, rounded. Errors: throws on a text that is not base 64. */
export function decodeVectors(text: string): Float32Array {
  const chars = atob(text)
  const bytes = new Uint8Array(chars.length)
  for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i)
  return new Float32Array(bytes.buffer, 0, bytes.length >> 2)
}

/** Probability that was given to a class; 0 for one that the model does not know. */
export function probabilityOf({ classes, probabilities }: Said, label: string): number {
  const code = classes.indexOf(label)
  return code < 0 ? 0 : probabilities[code]
}
