/**
 * Whether rows of a model stay apart: what a request is answered alone must be what it is answered behind the rows of another. An open first axis alone does not say so: it may
 * be the time of a sequence, or what a model takes the mean of.
 */
import type { OnnxTensor } from '../../core/tensors.ts'
import { fromHalf } from '../oip/half.ts'
import type { Tensors } from './tensor-model.ts'

/** Of the largest number of a tensor: kernels add in another order where there are more rows. */
const TOLERANCE = 1e-3
const HALF_TOLERANCE = 1e-2
/** A number and another, as their arrays have them; 1 and 0 of types that are not here. */
const FILLS: Record<string, [number | bigint, number | bigint] | undefined> = {
  float16: [0x3c00, 0x4000],
  float32: [1, 2],
  float64: [1, 2],
  int64: [1n, 0n],
  uint64: [1n, 0n],
}

/** Tensors of the same shapes that are not the same: other rows to be put before these. */
export function otherThan(feeds: Tensors, candidate: Tensors): Tensors {
  return isSame(feeds, candidate) ? filled(feeds) : candidate
}

function isSame(a: Tensors, b: Tensors): boolean {
  return Object.keys(a).every((name) => {
    const [left, right] = [a[name].data, b[name].data]
    return left.length === right.length && Array.prototype.every.call(left, (value, i) => value === right[i])
  })
}

/** All ones, which are places that tables usually have, as well as numbers; where it is ones already, twos, or zeros of what may be places. */
function filled(feeds: Tensors): Tensors {
  return Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, filledTensor(tensor)]))
}

function filledTensor({ type, dims, data }: OnnxTensor): OnnxTensor {
  if (Array.isArray(data)) return { type, dims, data: data.map((text) => (text === 'a' ? '' : 'a')) }
  const [one, next] = FILLS[type] ?? [1, 0]
  const isOnes = Array.prototype.every.call(data, (value) => value === one)
  const other = data.slice() as Float32Array
  other.fill((isOnes ? next : one) as number)
  return { type, dims, data: other as OnnxTensor['data'] }
}

/** Whether two answers are the same but for rounding. */
export function agree(a: Tensors, b: Tensors): boolean {
  return Object.entries(a).every(([name, tensor]) => name in b && tensorsAgree(tensor, b[name]))
}

function tensorsAgree({ type, data }: OnnxTensor, { data: other }: OnnxTensor): boolean {
  if (data.length !== other.length) return false
  if (!type.startsWith('float')) return Array.prototype.every.call(data, (value, i) => value === other[i])
  const show = type === 'float16' ? fromHalf : Number
  const [left, right] = [data, other].map((all) => Array.from(all as Float32Array, show))
  const largest = left.reduce((max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max), 0)
  const off = largest * (type === 'float16' ? HALF_TOLERANCE : TOLERANCE)
  return left.every((x, i) => Object.is(x, right[i]) || x === right[i] || Math.abs(x - right[i]) <= off)
}
