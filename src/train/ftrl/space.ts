/** The hashed space of a model: how each feature becomes a slot and a value, decided once on the rows it first learns from. */
import { MillraceError } from '../../core/errors.ts'
import { HASHED_LIMITS } from '../../model/forms/hashed-space.ts'
import { type HashedField, type HashedSpace, murmur3 } from '../../model/hashing.ts'
import { quantileEdges } from '../../stats/histogram.ts'
import type { LearnRows } from '../learner.ts'

export interface FtrlData extends LearnRows {
  features: readonly { name: string; type: 'number' | 'category' }[]
}

export interface SpaceParams {
  /** The space has `2^bits` weights. Default: 18. */
  bits: number
  /** Whether hashes give values a sign. Default: false. */
  signed: boolean
  /** Numbers as bins of about equal counts, a weight each, or as values with one weight. Default: bins. */
  numbers: 'bins' | 'values'
  /** Pairs of features that have weights together, by name; `all` pairs every two. Default: none. */
  interactions: readonly (readonly [string, string])[] | 'all'
  /** Seed of the hashes. */
  seed: number
}

/** Bins of a number, and rows that their edges are learned from. */
const BINS = 32
const EDGE_ROWS = 100_000

/** Errors: MR_MODEL_PARAM for a pair of unknown features, or too many of them. */
export function hashedSpace(data: FtrlData, params: SpaceParams): HashedSpace {
  const fields = data.features.map(({ name, type }, j): HashedField => {
    const salt = murmur3(name, params.seed)
    if (type === 'category') return { kind: 'category', salt }
    return params.numbers === 'values' ? valueField(data.columns[j], salt) : binField(data.columns[j], salt)
  })
  return { bits: params.bits, signed: params.signed, fields, pairs: pairsOf(data, params) }
}

function binField(column: Float64Array, salt: number): HashedField {
  const finite = column.subarray(0, EDGE_ROWS).filter(Number.isFinite)
  if (finite.length === 0) return { kind: 'bins', salt, edges: Float64Array.of(0) }
  const distinct = [...new Set(finite)]
  const edges =
    distinct.length <= BINS ? distinct.sort((a, b) => a - b) : quantileEdges(finite, BINS).slice(0, -1)
  return { kind: 'bins', salt, edges: Float64Array.from(edges) }
}

function valueField(column: Float64Array, salt: number): HashedField {
  const { mean, deviation } = momentsOf(column)
  return { kind: 'number', salt, mean, scale: deviation > 0 ? deviation : 1 }
}

/** Mean and deviation of the finite values, by Welford's recurrence; 0 of none. */
function momentsOf(values: Float64Array): { mean: number; deviation: number } {
  let n = 0
  let mean = 0
  let squares = 0
  for (const x of values) {
    if (!Number.isFinite(x)) continue
    n++
    const delta = x - mean
    mean += delta / n
    squares += delta * (x - mean)
  }
  return { mean, deviation: n > 0 ? Math.sqrt(squares / n) : 0 }
}

/** Where the target lies and how wide it is. */
export function targetScale({ target }: Pick<FtrlData, 'target'>): { offset: number; scale: number } {
  const { mean, deviation } = momentsOf(target)
  return { offset: mean, scale: deviation > 0 ? deviation : 1 }
}

function pairsOf({ features }: FtrlData, { interactions }: SpaceParams): Int32Array {
  const names = features.map(({ name }) => name)
  const wanted =
    interactions === 'all'
      ? names.flatMap((_, a) => names.slice(a + 1).map((__, b): [number, number] => [a, a + 1 + b]))
      : interactions.map(([a, b]) => [indexOf(names, a), indexOf(names, b)])
  const { pairsMax } = HASHED_LIMITS
  if (wanted.length > pairsMax)
    throw new MillraceError('MR_MODEL_PARAM', {
      param: 'interactions',
      expected: `at most ${pairsMax} pairs of features`,
      got: String(wanted.length),
    })
  return Int32Array.from(wanted.flat())
}

function indexOf(names: readonly string[], wanted: string): number {
  const j = names.indexOf(wanted)
  if (j >= 0) return j
  const expected = `names of features (${names.slice(0, 20).join(', ')})`
  throw new MillraceError('MR_MODEL_PARAM', { param: 'interactions', expected, got: wanted })
}
