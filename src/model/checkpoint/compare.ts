/** Which tensors of two model files differ, and by how much. */
import { NUMBER_TYPES } from './number-types.ts'
import type { ByteSource, TensorMap, TensorPlace } from './source.ts'

export interface ChangedTensor {
  name: string
  dtype: string
  shape: readonly number[]
  /** Of numbers that are finite on both sides; absent where numbers cannot be read one by one. */
  maxAbs?: number
  meanAbs?: number
  /** Euclidean length of the change, and of what was there before; as `maxAbs`. */
  norm?: number
  normBefore?: number
  /** Numbers that differ, infinities and NaN among them. */
  nChanged?: number
}

export interface TensorDiff {
  added: { name: string; dtype: string; shape: readonly number[] }[]
  removed: { name: string; dtype: string; shape: readonly number[] }[]
  reshaped: { name: string; before: string; after: string }[]
  changed: ChangedTensor[]
  /** Tensors that are the same to the bit. */
  same: number
}

export interface TensorSide {
  map: TensorMap
  /** Gives the file that a tensor's numbers are in: the model's own without a name. */
  source(file?: string): Promise<ByteSource>
  /** A text that is the same only where a stretch has the same bytes; undefined where it is not known without reading. */
  mark?(tensor: TensorPlace): string | undefined
}

const STEP_BYTES = 4 * 1024 * 1024

/**
 * Compares tensors by name. Numbers are read where bytes are not known to be the same.
 *
 * `maxAbs`, `meanAbs`: of |after − before| in double, over numbers that are finite in both. Missing: NaN equals NaN; a number that is finite on one side alone
 * counts as changed and not in the differences. Cost: one read of both tensors that differ, 4 MiB at a time.
 */
export async function diffTensors(before: TensorSide, after: TensorSide): Promise<TensorDiff> {
  const diff: TensorDiff = { added: [], removed: [], reshaped: [], changed: [], same: 0 }
  for (const tensor of before.map.tensors.values())
    if (!after.map.tensors.has(tensor.name)) diff.removed.push(named(tensor))
  for (const tensor of after.map.tensors.values()) {
    const was = before.map.tensors.get(tensor.name)
    if (!was) diff.added.push(named(tensor))
    else if (textOf(was) !== textOf(tensor))
      diff.reshaped.push({ name: tensor.name, before: textOf(was), after: textOf(tensor) })
    else {
      const changed = await compareTensor([before, was], [after, tensor])
      if (changed) diff.changed.push(changed)
      else diff.same++
    }
  }
  return diff
}

const named = ({ name, dtype, shape }: TensorPlace) => ({ name, dtype, shape })
const textOf = ({ dtype, shape }: TensorPlace): string => `${dtype} [${shape.join(', ')}]`

type Sided = [side: TensorSide, tensor: TensorPlace]

async function compareTensor([sideA, a]: Sided, [sideB, b]: Sided): Promise<ChangedTensor | undefined> {
  const mark = sideA.mark?.(a)
  if (mark !== undefined && mark === sideB.mark?.(b)) return undefined
  const type = a.isPlain && b.isPlain ? NUMBER_TYPES[a.dtype] : undefined
  const [left, right] = [await sideA.source(a.file), await sideB.source(b.file)]
  const sum = { ...nothing(), isSame: a.bytes === b.bytes }
  for (let at = 0; at < Math.min(a.bytes, b.bytes); at += STEP_BYTES) {
    const length = Math.min(STEP_BYTES, a.bytes - at)
    const [x, y] = [await left.read(a.at + at, length), await right.read(b.at + at, length)]
    if (!sameBytes(x, y)) sum.isSame = false
    if (type) addDifferences(sum, type.decode(x), type.decode(y))
  }
  if (sum.isSame) return undefined
  return { ...named(b), ...(type && toldOf(sum)) }
}

interface Sums {
  max: number
  total: number
  squares: number
  squaresBefore: number
  n: number
  nChanged: number
}

const nothing = (): Sums => ({ max: 0, total: 0, squares: 0, squaresBefore: 0, n: 0, nChanged: 0 })

const toldOf = ({ max, total, squares, squaresBefore, n, nChanged }: Sums) => ({
  maxAbs: max,
  meanAbs: n === 0 ? 0 : total / n,
  norm: Math.sqrt(squares),
  normBefore: Math.sqrt(squaresBefore),
  nChanged,
})

/** As `diffTensors`, of arrays in memory; those without values are left out. Cost: O(values). */
export function diffArrays(before: readonly NamedValues[], after: readonly NamedValues[]): TensorDiff {
  const filled = (list: readonly NamedValues[]) => new Map(list.filter(([, values]) => values.length > 0))
  const [left, right] = [filled(before), filled(after)]
  const told = (name: string, { length }: ArrayLike<number>) => ({ name, dtype: 'number', shape: [length] })
  const diff: TensorDiff = { added: [], removed: [], reshaped: [], changed: [], same: 0 }
  for (const [name, values] of left) if (!right.has(name)) diff.removed.push(told(name, values))
  for (const [name, values] of right) {
    const was = left.get(name)
    if (!was) diff.added.push(told(name, values))
    else if (was.length !== values.length)
      diff.reshaped.push({ name, before: `[${was.length}]`, after: `[${values.length}]` })
    else {
      const sum = nothing()
      addDifferences(sum, was, values)
      if (sum.nChanged === 0) diff.same++
      else diff.changed.push({ ...told(name, values), ...toldOf(sum) })
    }
  }
  return diff
}

export type NamedValues = [name: string, values: ArrayLike<number>]

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function addDifferences(sum: Sums, a: ArrayLike<number>, b: ArrayLike<number>): void {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (!Object.is(a[i], b[i])) sum.nChanged++
    if (!Number.isFinite(a[i]) || !Number.isFinite(b[i])) continue
    const difference = Math.abs(b[i] - a[i])
    sum.n++
    sum.total += difference
    sum.squares += difference * difference
    sum.squaresBefore += a[i] * a[i]
    if (difference > sum.max) sum.max = difference
  }
}
