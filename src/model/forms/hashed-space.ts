/** What the forms of models over hashed features share: the space, as small values and arrays of a file. */
import type { Json } from '../../core/canonical.ts'
import { allFinite, between, check, checkLength } from '../checks.ts'
import type { NamedArrays, SectionReader } from '../form.ts'
import type { HashedField, HashedSpace } from '../hashing.ts'

export const HASHED_LIMITS = {
  bitsMin: 8,
  bitsMax: 24,
  pairsMax: 4_096,
  edgesMax: 1_024,
} as const

const FIELD_KINDS = ['category', 'number', 'bins'] as const

export function spaceExtra({ bits, signed }: HashedSpace): Record<string, Json> {
  return { bits, signed }
}

export function spaceArrays({ fields, pairs }: HashedSpace): NamedArrays {
  const edges = fields.flatMap((field) => (field.kind === 'bins' ? Array.from(field.edges) : []))
  return [
    ['fieldKind', fields.map((field) => FIELD_KINDS.indexOf(field.kind))],
    ['salt', fields.map((field) => field.salt)],
    ['mean', fields.map((field) => (field.kind === 'number' ? field.mean : 0))],
    ['deviation', fields.map((field) => (field.kind === 'number' ? field.scale : 0))],
    ['edgeCount', fields.map((field) => (field.kind === 'bins' ? field.edges.length : 0))],
    ['edges', edges],
    ['pairs', pairs],
  ]
}

export function readSpace(
  nFeatures: number,
  extra: Record<string, Json>,
  arrays: SectionReader,
): HashedSpace {
  const bits = typeof extra.bits === 'number' ? extra.bits : Number.NaN
  const fields = readFields(nFeatures, arrays)
  return { bits, signed: extra.signed === true, fields, pairs: Int32Array.from(arrays.take('pairs')) }
}

function readFields(nFeatures: number, arrays: SectionReader): HashedField[] {
  const take = (name: string) => arrays.take(name, nFeatures)
  const [kinds, salts, means] = [take('fieldKind'), take('salt'), take('mean')]
  const [scales, counts] = [take('deviation'), take('edgeCount')]
  const edges = arrays.take('edges')
  let at = 0
  const fields = Array.from(kinds, (code, j): HashedField => {
    const salt = salts[j]
    const kind = FIELD_KINDS[code]
    if (kind === 'category') return { kind, salt }
    if (kind === 'number') return { kind, salt, mean: means[j], scale: scales[j] }
    check(kind === 'bins', 'fieldKind', j, `one of 0 to ${FIELD_KINDS.length - 1}`, code)
    between('edgeCount', j, counts[j], 1, HASHED_LIMITS.edgesMax)
    const own = Float64Array.from(edges.subarray(at, at + counts[j]))
    checkLength(`edges of field ${j}`, own.length, counts[j])
    at += counts[j]
    return { kind, salt, edges: own }
  })
  arrays.expect('edges', at, edges.length)
  return fields
}

/** Errors: MR_MODEL_INVALID. */
export function validateSpace({ bits, fields, pairs }: HashedSpace, nFeatures: number): void {
  between('bits', 0, bits, HASHED_LIMITS.bitsMin, HASHED_LIMITS.bitsMax)
  checkLength('fields', fields.length, nFeatures)
  fields.forEach((field, j) => {
    between('salt', j, field.salt, 0, 2 ** 32 - 1)
    if (field.kind === 'number') {
      allFinite('mean', [field.mean])
      positive('deviation', j, field.scale)
    }
    if (field.kind === 'bins')
      for (let e = 0; e < field.edges.length; e++)
        check(
          Number.isFinite(field.edges[e]) && (e === 0 || field.edges[e] > field.edges[e - 1]),
          `edges of field ${j}`,
          e,
          'finite and ascending',
          field.edges[e],
        )
  })
  between('pairs', 0, pairs.length, 0, 2 * HASHED_LIMITS.pairsMax)
  check(pairs.length % 2 === 0, 'pairs', pairs.length, 'an even number of fields', pairs.length)
  pairs.forEach((field, p) => {
    between('pairs', p, field, 0, nFeatures - 1)
  })
}

/** Errors: MR_MODEL_INVALID unless `got` is finite and above 0. */
export function positive(part: string, index: number, got: number): void {
  check(got > 0 && Number.isFinite(got), part, index, 'finite and above 0', got)
}
