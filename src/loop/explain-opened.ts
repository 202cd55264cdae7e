/** A trained model opened to be explained: the version that answers, the rows it was trained and tested on, and its features as people write them. */
import { MillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { Digest, ModelBundle, ModelVersion, RunSpec } from '../core/records.ts'
import { featureRowFn } from '../expr/features.ts'
import type { ScoreMany } from '../model/effects/partial-dependence.ts'
import { type LoadedModel, loadModel } from '../model/load.ts'
import { type MatrixSlice, openMatrix } from '../model/matrix.ts'
import { rawColumns } from '../model/predict.ts'
import { liveRoute } from '../release/machine.ts'
import { currentRelease } from '../release/record.ts'
import type { RawRow } from '../serve/predictor.ts'
import { signatureCoercer } from '../serve/row-coercer.ts'
import { modelDef, type Runtime } from './runtime.ts'

/** Rows that stand for what is not known; rows that averages are over; rows whose leaves are compared. */
export const EXPLAIN_LIMITS = {
  backgroundRows: 200,
  rowsDefault: 1000,
  rowsMax: 20_000,
  neighbourRowsMax: 50_000,
} as const

export interface ExplainRequest {
  /** `late`, or `late/ATL` for a member of a family. */
  model: string
  /** Output to explain, by its class; the first without it. */
  class?: string
}

/** Value of a feature as people write it: a category by its name. */
export type Shown = number | string | null

export interface Opened {
  digest: Digest
  loaded: LoadedModel
  output: number
  className: string | null
  names: string[]
  train: MatrixSlice
  test: MatrixSlice
}

export interface Located {
  digest: Digest
  version: ModelVersion
  member: string | undefined
}

/** The version that answers now, or else the latest. */
export async function locate(
  rt: Pick<Runtime, 'store' | 'project'>,
  request: ExplainRequest,
): Promise<Located> {
  const { store } = rt
  const slash = request.model.indexOf('/')
  const def = modelDef(rt, slash < 0 ? request.model : request.model.slice(0, slash))
  const member = slash < 0 ? undefined : request.model.slice(slash + 1)
  const current = await currentRelease(store, def.name)
  const bundleDigest =
    (current && liveRoute(current.release)?.bundle) ?? (await store.meta.ref(refs.latest(def.name)))?.digest
  if (!bundleDigest) throw new MillraceError('MR_LOOP_NO_RELEASE', { model: def.name })
  const bundle = await store.getRecord<ModelBundle>(bundleDigest, 'ModelBundle')
  const digest = member === undefined ? bundle.parent : bundle.members[member]
  if (!digest)
    throw new MillraceError('MR_LOOP_UNKNOWN', {
      what: 'member',
      name: member ?? '',
      known: Object.keys(bundle.members),
    })
  return { digest, version: await store.getRecord<ModelVersion>(digest, 'ModelVersion'), member }
}

export function outputOf({ classes = [] }: ModelVersion, request: ExplainRequest): number {
  const output = request.class === undefined ? 0 : classes.indexOf(request.class)
  if (output < 0)
    throw new MillraceError('MR_LOOP_UNKNOWN', {
      what: 'class',
      name: request.class ?? '',
      known: [...classes],
    })
  return output
}

export async function open(rt: Pick<Runtime, 'store' | 'project'>, request: ExplainRequest): Promise<Opened> {
  return await openVersion(rt.store, await locate(rt, request), request)
}

export async function openVersion(
  store: Runtime['store'],
  { digest, version, member }: Located,
  request: ExplainRequest,
): Promise<Opened> {
  if (version.format === 'onnx')
    throw new MillraceError('MR_LOOP_EXPLAIN', {
      model: request.model,
      why: 'a graph that ONNX Runtime scores is explained one row at a time',
      fix: `give a row: millrace explain ${request.model} --row '{…}', or --prediction`,
    })
  const loaded = await loadModel(store, digest)
  const { train, test } = await slicesOf(store, version, request.model, member)
  const output = outputOf(version, request)
  const names = loaded.features.features.map(({ name }) => name)
  return { digest, loaded, output, className: version.classes?.[output] ?? null, names, train, test }
}

export async function slicesOf(
  store: Runtime['store'],
  version: ModelVersion,
  model: string,
  member: string | undefined,
) {
  const spec = (await store.objects.has(version.run))
    ? await store.getRecord<RunSpec>(version.run, 'RunSpec')
    : undefined
  const digest = spec?.inputs.matrix
  if (!digest || !(await store.objects.has(digest)))
    throw new MillraceError('MR_LOOP_EXPLAIN', {
      model,
      why: 'the rows that it was trained on are not in the store',
      fix: `train it here: millrace train ${model}`,
    })
  const matrix = openMatrix(await store.objects.path(digest))
  try {
    return { train: matrix.slice('train', member), test: matrix.slice('test', member) }
  } finally {
    matrix.close()
  }
}

/** At most `most` rows, spread evenly; whole groups from the first on where rows are ranked in groups. */
export function sampled(slice: MatrixSlice, most: number): MatrixSlice {
  if (slice.nRows <= most) return slice
  if (slice.groups) {
    const whole = slice.groups.findLastIndex((start) => start <= most)
    const nRows = whole > 0 ? slice.groups[whole] : (slice.groups[1] ?? slice.nRows)
    return {
      nRows,
      columns: slice.columns.map((column) => column.subarray(0, nRows)),
      target: slice.target.subarray(0, nRows),
      groups: slice.groups.filter((start) => start < nRows),
    }
  }
  const at = Int32Array.from({ length: most }, (_, k) => Math.floor((k * slice.nRows) / most))
  const pick = (column: Float64Array) => Float64Array.from(at, (i) => column[i])
  return { nRows: most, columns: slice.columns.map(pick), target: pick(slice.target) }
}

/** A model's columns and features, whoever scores it. */
export type Described = Pick<LoadedModel, 'version' | 'features'>

export function featuresOf({ version, features }: Described, row: RawRow): Float64Array {
  const coerced = signatureCoercer(version.signature.inputs)(row, 0)
  const x = new Float64Array(features.features.length)
  featureRowFn(features)(coerced as Parameters<ReturnType<typeof featureRowFn>>[0], x, 0)
  return x
}

export function rawScore({ graph }: LoadedModel, output: number): ScoreMany {
  const { nOutputs } = graph.model
  return (matrix, n) => {
    const all = rawColumns(graph, matrix, n)
    return nOutputs === 1 ? all : Float64Array.from({ length: n }, (_, i) => all[i * nOutputs + output])
  }
}

export function featureNamed(names: readonly string[], name: string): number {
  const j = names.indexOf(name)
  if (j < 0) throw new MillraceError('MR_LOOP_UNKNOWN', { what: 'feature', name, known: [...names] })
  return j
}

/** A category by its name; codes that training did not see as `other`. */
export function shownValue({ features }: Described, j: number, value: number): Shown {
  if (Number.isNaN(value)) return null
  const { type, state } = features.features[j]
  if (type !== 'category') return value
  return state?.values[value] ?? 'other'
}

export function shownRow(
  loaded: Described,
  names: readonly string[],
  x: Float64Array,
): Record<string, Shown> {
  return Object.fromEntries(names.map((name, j) => [name, shownValue(loaded, j, x[j])]))
}
