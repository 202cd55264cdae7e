/** The best split of a leaf by each feature, as a machine finds it with all threads. */
import type { FeatureBins } from './binning.ts'
import { isPlain } from './leaf-value.ts'
import type { GbdtParams } from './params.ts'
import type { Scan, Split } from './search.ts'

/** Codes of a feature whose categories a scan can put in order. */
const SCANNED_CODES_MAX = 256

/** Doubles and words a feature of a scan. */
const DOUBLES = 7
const WORDS = 14

/** By feature, whether machines may find its best split in leaves that are plain; `null` where in none. */
export function scannable(features: readonly FeatureBins[], params: GbdtParams): Uint8Array | null {
  const limits = { value: 0, low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  if (params.randomBorders || !isPlain(limits, params)) return null
  return Uint8Array.from(features, ({ kind, nBins }, j) =>
    Number(kind === 'number' ? !params.monotone?.[j] : nBins < SCANNED_CODES_MAX),
  )
}

/** Gain of the best split by a feature, both sides taken together; `-Infinity` without one. */
export function scannedTotal({ doubles, words }: Scan, feature: number): number {
  return words[feature * WORDS + 4] < 0 ? Number.NEGATIVE_INFINITY : doubles[feature * DOUBLES]
}

/** The best split by a feature that has one. */
export function scannedSplit(
  { doubles, words }: Scan,
  feature: number,
  gain: number,
  { kind, nBins }: FeatureBins,
): Split {
  const at = feature * WORDS + 4
  const side = words[at + 1]
  return {
    gain,
    feature,
    bin: kind === 'number' ? words[at] : -1,
    leftBins: kind === 'number' ? null : bitsOf(words, at + 2, nBins + 1),
    missingLeft: side < 0 ? null : side === 1,
    leftPacked: doubles[feature * DOUBLES + 1],
  }
}

function bitsOf(words: Int32Array, from: number, n: number): Uint8Array {
  const bits = new Uint8Array(n)
  for (let i = 0; i < n; i++) bits[i] = (words[from + (i >> 5)] >>> (i & 31)) & 1
  return bits
}
