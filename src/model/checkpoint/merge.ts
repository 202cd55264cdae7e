/** One checkpoint of several that were trained apart: a mean, or TIES. */
import { MillraceError } from '../../core/errors.ts'
import { NUMBER_TYPES, type NumberType } from './number-types.ts'
import { safetensorsHead, type TensorShape } from './safetensors.ts'
import type { ByteSource, TensorMap, TensorPlace } from './source.ts'

/** A safetensors file that is open. */
export interface Checkpoint {
  /** As messages name it. */
  name: string
  source: ByteSource
  map: TensorMap
}

export type MergeMethod =
  /** Mean of the models, by their weights. */
  | { kind: 'average' }
  /**
   * What each model learned beyond `base` is trimmed to its largest `density` (share of numbers), the sign that has more mass is elected number by number, and the
   * mean over models that agree with it is added to the base `scale` times. `trim` says over what the largest are found.
   */
  | { kind: 'ties'; base: Checkpoint; density: number; scale: number; trim: 'model' | 'tensor' }

export interface MergeRequest {
  models: readonly Checkpoint[]
  /** One for each model, above zero; default: all the same. */
  weights?: readonly number[]
  method: MergeMethod
  /** Takes the bytes of the merged file in order. */
  write: (bytes: Uint8Array) => Promise<void>
  onProgress?: (done: number, note: string) => void
  signal?: AbortSignal
}

export interface MergeResult {
  merged: number
  /** Tensors that were taken from the base, or the first model, as they are, and why. */
  kept: { name: string; why: string }[]
  bytes: number
}

/**
 * Merges checkpoints tensor by tensor, where type and shape agree; the others are kept from the base, or from the first model where there is none.
 *
 * Numbers are computed in double and rounded once to the type of the tensor. Of TIES, differences from the base are rounded to float32 first, as the authors' code
 * has them, and those of which the size is at least that of the n-th largest are kept, n = ⌊density · numbers⌋, with ties. A sign without mass is that of all elected
 * signs together. Weights multiply differences before signs are elected, and the mean is by weight.
 *
 * Missing: infinities and NaN go where arithmetic takes them. Cost: memory of the largest tensor for each model; one read of all, three with `trim: 'model'`.
 * Errors: MR_MERGE_MODELS, MR_CHECKPOINT. Source: Wortsman et al. 2022 (model soups, uniform); Yadav et al. 2023, TIES-Merging, algorithm 1.
 */
export async function mergeCheckpoints(request: MergeRequest): Promise<MergeResult> {
  checkRequest(request)
  const { models, method, write } = request
  const first = method.kind === 'ties' ? method.base : models[0]
  const tensors = [...first.map.tensors.values()]
  const head = safetensorsHead(tensors.map(shapeOf), first.map.metadata)
  const combine = await combinerOf(request)
  await write(head)
  const result: MergeResult = { merged: 0, kept: [], bytes: head.length }
  for (const [i, tensor] of tensors.entries()) {
    request.signal?.throwIfAborted()
    request.onProgress?.(i / tensors.length, tensor.name)
    const why = reasonToKeep(tensor, request)
    const bytes = why === undefined ? await combine(tensor) : await first.source.read(tensor.at, tensor.bytes)
    if (why === undefined) result.merged++
    else result.kept.push({ name: tensor.name, why })
    result.bytes += bytes.length
    await write(bytes)
  }
  return result
}

const shapeOf = ({ name, dtype, shape, bytes }: TensorPlace): TensorShape => ({ name, dtype, shape, bytes })

function checkRequest({ models, weights, method }: MergeRequest): void {
  const refuse = (what: string, got: string) => new MillraceError('MR_MERGE_MODELS', { what, got })
  if (models.length < (method.kind === 'ties' ? 1 : 2))
    throw refuse('two models or more', String(models.length))
  if (
    weights &&
    (weights.length !== models.length || weights.some((w) => !(w > 0 && w < Number.POSITIVE_INFINITY)))
  )
    throw refuse(`${models.length} weights above zero`, weights.join(', '))
  if (method.kind !== 'ties') return
  if (!(method.density > 0 && method.density <= 1))
    throw refuse('a density above 0 and up to 1', String(method.density))
  if (!Number.isFinite(method.scale)) throw refuse('a scale that is a number', String(method.scale))
}

/** Why a tensor is not merged; undefined where it is. */
function reasonToKeep(tensor: TensorPlace, { models }: MergeRequest): string | undefined {
  if (!NUMBER_TYPES[tensor.dtype]?.encode) return `${tensor.dtype} is not merged`
  for (const { name, map } of models) {
    const other = map.tensors.get(tensor.name)
    if (!other) return `${name} does not have it`
    if (other.dtype !== tensor.dtype || other.shape.join() !== tensor.shape.join())
      return `${name} has ${other.dtype} [${other.shape.join(', ')}]`
  }
  return undefined
}

type Combine = (tensor: TensorPlace) => Promise<Uint8Array>

async function combinerOf(request: MergeRequest): Promise<Combine> {
  const { models, method } = request
  const weights = request.weights ?? models.map(() => 1)
  if (method.kind === 'average') return (tensor) => averaged(tensor, models, weights)
  const { base, density, scale, trim } = method
  const isMerged = (tensor: TensorPlace) => reasonToKeep(tensor, request) === undefined
  const limits = trim === 'model' ? await modelLimits(base, models, { density, isMerged }) : undefined
  const signs = limits && (await electedSigns(base, models, { limits, weights, isMerged }))
  return async (tensor) => {
    const tasks = await differences(base, models, tensor)
    const own = limits ?? tasks.values.map((task) => largest(task, density))
    trimTo(tasks.values, own)
    return tiesOf(tasks, { weights, scale, majority: signs ?? sumOfSigns(tasks.values, weights) })
  }
}

async function numbers({ source, map }: Checkpoint, tensor: TensorPlace): Promise<Float64Array> {
  const { at, bytes, dtype } = map.tensors.get(tensor.name)!
  return NUMBER_TYPES[dtype].decode(await source.read(at, bytes))
}

async function averaged(
  tensor: TensorPlace,
  models: readonly Checkpoint[],
  weights: readonly number[],
): Promise<Uint8Array> {
  const total = weights.reduce((sum, w) => sum + w, 0)
  const mean = new Float64Array(tensor.shape.reduce((n, size) => n * size, 1))
  for (const [k, model] of models.entries()) {
    const values = await numbers(model, tensor)
    for (let i = 0; i < mean.length; i++) mean[i] += weights[k] * values[i]
  }
  for (let i = 0; i < mean.length; i++) mean[i] /= total
  return NUMBER_TYPES[tensor.dtype].encode!(mean)
}

interface Tasks {
  base: Float64Array
  /** Differences of each model from the base, in float32. */
  values: Float32Array[]
  type: NumberType
}

async function differences(
  base: Checkpoint,
  models: readonly Checkpoint[],
  tensor: TensorPlace,
): Promise<Tasks> {
  const from = await numbers(base, tensor)
  const values = []
  for (const model of models) {
    const to = await numbers(model, tensor)
    values.push(Float32Array.from(to, (value, i) => value - from[i]))
  }
  return { base: from, values, type: NUMBER_TYPES[tensor.dtype] }
}

function trimTo(tasks: readonly Float32Array[], limits: readonly number[]): void {
  for (const [k, task] of tasks.entries())
    for (let i = 0; i < task.length; i++) if (!(Math.abs(task[i]) >= limits[k])) task[i] = 0
}

/** Size of the n-th largest, n = ⌊density · length⌋; infinity where that is none. */
function largest(task: Float32Array, density: number): number {
  const n = Math.floor(density * task.length)
  if (n === 0) return Number.POSITIVE_INFINITY
  return task.map(Math.abs).sort()[task.length - n]
}

interface WholeModel {
  isMerged: (tensor: TensorPlace) => boolean
}

/** Of each model, the size of its n-th largest difference over all tensors: found by the upper, then the lower half of the bits of a float32. */
async function modelLimits(
  base: Checkpoint,
  models: readonly Checkpoint[],
  { density, isMerged }: WholeModel & { density: number },
): Promise<number[]> {
  const tensors = [...base.map.tensors.values()].filter(isMerged)
  const limits: number[] = []
  for (const model of models) {
    const each = async (visit: (bits: number) => void) => {
      for (const tensor of tensors) {
        const { values } = await differences(base, [model], tensor)
        for (const bits of new Uint32Array(values[0].buffer)) visit(bits & 0x7fffffff)
      }
    }
    limits.push(await nthLargest(each, density))
  }
  return limits
}

const HALF = 0x10000

async function nthLargest(
  each: (visit: (bits: number) => void) => Promise<void>,
  density: number,
): Promise<number> {
  const upper = new Float64Array(HALF)
  let total = 0
  await each((bits) => {
    upper[bits >>> 16]++
    total++
  })
  const n = Math.floor(density * total)
  if (n === 0) return Number.POSITIVE_INFINITY
  const high = fromTop(upper, n)
  const lower = new Float64Array(HALF)
  await each((bits) => {
    if (bits >>> 16 === high.place) lower[bits & 0xffff]++
  })
  const pattern = new Uint32Array([high.place * HALF + fromTop(lower, high.left).place])
  return new Float32Array(pattern.buffer)[0]
}

/** The bin with the n-th largest, and which it is within that bin. */
function fromTop(counts: Float64Array, n: number): { place: number; left: number } {
  let left = n
  for (let place = counts.length - 1; place > 0; place--) {
    if (counts[place] >= left) return { place, left }
    left -= counts[place]
  }
  return { place: 0, left }
}

/** Sign that the elected signs of all tensors have together. */
async function electedSigns(
  base: Checkpoint,
  models: readonly Checkpoint[],
  { limits, weights, isMerged }: WholeModel & { limits: readonly number[]; weights: readonly number[] },
): Promise<number> {
  let sum = 0
  for (const tensor of [...base.map.tensors.values()].filter(isMerged)) {
    const { values } = await differences(base, models, tensor)
    trimTo(values, limits)
    sum += sumOfSigns(values, weights)
  }
  return sum
}

function sumOfSigns(tasks: readonly Float32Array[], weights: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < tasks[0].length; i++) sum += Math.sign(massAt(tasks, weights, i))
  return sum
}

function massAt(tasks: readonly Float32Array[], weights: readonly number[], i: number): number {
  let mass = 0
  for (let k = 0; k < tasks.length; k++) mass += weights[k] * tasks[k][i]
  return mass
}

/** Mean over the models that agree with the elected sign, added to the base. */
function tiesOf(
  { base, values: tasks, type }: Tasks,
  { weights, scale, majority }: { weights: readonly number[]; scale: number; majority: number },
): Uint8Array {
  const out = new Float64Array(base.length)
  for (let i = 0; i < out.length; i++) {
    const sign = Math.sign(massAt(tasks, weights, i)) || Math.sign(majority)
    let [sum, weight] = [0, 0]
    for (let k = 0; k < tasks.length; k++) {
      if (tasks[k][i] === 0 || Math.sign(tasks[k][i]) !== sign) continue
      sum += weights[k] * tasks[k][i]
      weight += weights[k]
    }
    out[i] = base[i] + (weight === 0 ? 0 : scale * (sum / weight))
  }
  return type.encode!(out)
}
