/** Released models over columns of every type, of each task, small enough that their answers are known by arithmetic. */
import { canonicalJson } from '../../src/core/canonical.ts'
import type { ModelVersion, SignatureField } from '../../src/core/records.ts'
import { col, when } from '../../src/expr/builder.ts'
import { FITTED_VERSION, type FittedFeatures } from '../../src/expr/features.ts'
import { encodeModel } from '../../src/model/format.ts'
import type { TreeEnsemble } from '../../src/model/trees.ts'
import type { Store } from '../../src/store/ports.ts'
import { putBundle, release, route, versionRecord } from './fixture.ts'
import { NO_MAP, stumps } from './real-models.ts'

export const COLUMNS: SignatureField[] = [
  { name: 'hour', type: 'int', nullable: true },
  { name: 'distance', type: 'float', nullable: true },
  { name: 'weekend', type: 'bool', nullable: true },
  { name: 'origin', type: 'string', nullable: true },
  { name: 'date', type: 'time', nullable: true },
]

/** hour, distance, weekend as 0 or 1, learned late rate of origin (0.3 ATL, 0.4 ORD, 0.2 any other and none), month of date. */
function features(): FittedFeatures {
  const node = (expr: { toJSON(): unknown }) => JSON.parse(JSON.stringify(expr))
  return {
    kind: 'FittedFeatures',
    version: FITTED_VERSION,
    columns: COLUMNS,
    features: [
      { name: 'hour', type: 'number', expr: node(col('hour')) },
      { name: 'distance', type: 'number', expr: node(col('distance')) },
      { name: 'weekend', type: 'number', expr: node(when(col('weekend')).then(1).otherwise(0)) },
      {
        name: 'origin',
        type: 'number',
        expr: { op: 'fit', fn: 'rate', arg: { op: 'col', name: 'origin' }, params: {} },
        state: { kind: 'rate', values: ['ATL', 'ORD'], rates: [0.3, 0.4], prior: 0.2, smoothing: 20 },
      },
      { name: 'month', type: 'number', expr: node(col('date').month()) },
    ],
  }
}

/** Each stump adds its second number where its feature is above the threshold, its first where it is not or is missing. */
const late = (): TreeEnsemble => ({
  ...stumps(
    [
      [0, 12, 0, 1],
      [1, 1000, 0, 0.5],
      [2, 0.5, 0, 0.25],
      [3, 0.35, 0, 2],
      [4, 6, 0, 4],
    ],
    -1.5,
  ),
  nFeatures: 5,
})

/** Raw scores: class a from hour, b from distance, c is 0.5. */
const kinds = (): TreeEnsemble => ({
  ...stumps(
    [
      [0, 12, 0, 2],
      [1, 1000, 0, 1],
    ],
    0,
  ),
  nFeatures: 5,
  nOutputs: 3,
  outputOf: Int32Array.of(0, 1),
  baseScores: Float64Array.of(0, 0, 0.5),
  link: 'softmax',
})

/** A delay of 10, and 5 more after noon. */
const delay = (): TreeEnsemble => ({ ...stumps([[0, 12, 0, 5]], 10), nFeatures: 5, link: 'identity' })

/** Nearer is better: 1 up to a distance of 1000, else 0. */
const order = (): TreeEnsemble => ({ ...stumps([[1, 1000, 1, 0]], 0), nFeatures: 5, link: 'identity' })

const CLASSES = ['a', 'b', 'c']

async function put(store: Store, model: string, trees: TreeEnsemble, over: Partial<ModelVersion>) {
  const graph = await store.objects.put(encodeModel(trees, NO_MAP))
  const fitted = await store.putRecord(JSON.parse(canonicalJson(features())))
  const record = versionRecord(model, graph, {
    format: 'trees',
    features: fitted,
    signature: { inputs: COLUMNS, outputs: [{ name: 'output', type: 'float', description: '' }] },
    ...over,
  })
  const version = await store.putRecord(JSON.parse(canonicalJson(record)))
  await release(store, model, [route(await putBundle(store, model, 3, version), 3)])
}

/** `late` binary, `kinds` of three classes, `delay` a number, `order` a ranking by origin. */
export async function rowModels(store: Store): Promise<void> {
  await put(store, 'late', late(), { task: 'binary' })
  await put(store, 'kinds', kinds(), { task: 'multiclass', classes: CLASSES })
  await put(store, 'delay', delay(), { task: 'regression' })
  await put(store, 'order', order(), { task: 'ranking', group: 'origin' })
}
