/** Real models in a store: trees and features as training writes them, made by hand so that their answers are known. */

import { canonicalJson } from '../../src/core/canonical.ts'
import type { Digest, SignatureField } from '../../src/core/records.ts'
import { col } from '../../src/expr/builder.ts'
import { FITTED_VERSION, type FittedFeatures } from '../../src/expr/features.ts'
import { encodeModel } from '../../src/model/format.ts'
import type { Calibration, TreeEnsemble } from '../../src/model/trees.ts'
import type { Store } from '../../src/store/ports.ts'
import { putBundle, release, route, versionRecord } from './fixture.ts'

export const FLIGHT_INPUTS: SignatureField[] = [
  { name: 'date', type: 'time', nullable: false },
  { name: 'distance', type: 'float', nullable: true },
  { name: 'origin', type: 'string', nullable: true },
]

/** hour of `date`, `distance`, learned late rate of `origin`. */
export function flightFeatures(): FittedFeatures {
  const node = (expr: { toJSON(): unknown }) => JSON.parse(JSON.stringify(expr))
  return {
    kind: 'FittedFeatures',
    version: FITTED_VERSION,
    columns: FLIGHT_INPUTS,
    features: [
      { name: 'hour', type: 'number', expr: node(col('date').hour()) },
      { name: 'distance', type: 'number', expr: node(col('distance')) },
      {
        name: 'origin',
        type: 'number',
        expr: { op: 'fit', fn: 'rate', arg: { op: 'col', name: 'origin' }, params: {} },
        state: { kind: 'rate', values: ['ATL', 'ORD'], rates: [0.3, 0.4], prior: 0.2, smoothing: 20 },
      },
    ],
  }
}

/** One stump a tree: `feature <= threshold ? low : high`, missing goes low. */
export function stumps(
  list: [feature: number, threshold: number, low: number, high: number][],
  baseScore: number,
): TreeEnsemble {
  const n = list.length * 3
  const trees: TreeEnsemble = {
    kind: 'TreeEnsemble',
    nFeatures: 3,
    nOutputs: 1,
    outputOf: new Int32Array(list.length),
    roots: Int32Array.from(list, (_, t) => t * 3),
    feature: new Int32Array(n),
    threshold: new Float64Array(n),
    left: new Int32Array(n).fill(-1),
    right: new Int32Array(n).fill(-1),
    missingLeft: new Uint8Array(n),
    value: new Float64Array(n),
    cover: new Float64Array(n).fill(1),
    categorySet: new Int32Array(n).fill(-1),
    categorySets: [],
    compare: 'le',
    baseScores: Float64Array.of(baseScore),
    link: 'sigmoid',
  }
  list.forEach(([feature, threshold, low, high], t) => {
    const at = t * 3
    trees.feature[at] = feature
    trees.threshold[at] = threshold
    trees.left[at] = at + 1
    trees.right[at] = at + 2
    trees.missingLeft[at] = 1
    trees.cover[at] = 2
    trees.value[at + 1] = low
    trees.value[at + 2] = high
  })
  return trees
}

export const NO_MAP: Calibration = { kind: 'none', x: [], y: [] }

export async function putTrees(
  store: Store,
  model: string,
  trees: TreeEnsemble,
  over: { base?: Digest; calibration?: Calibration; features?: FittedFeatures } = {},
): Promise<{ version: Digest; graph: Digest }> {
  const graph = await store.objects.put(encodeModel(trees, over.calibration ?? NO_MAP))
  const fitted = over.features ?? flightFeatures()
  const features = await store.putRecord(JSON.parse(canonicalJson(fitted)))
  const record = versionRecord(model, graph, {
    format: 'trees',
    features,
    base: over.base,
    signature: { inputs: FLIGHT_INPUTS, outputs: [{ name: 'probability', type: 'float', description: '' }] },
  })
  return { graph, version: await store.putRecord(JSON.parse(canonicalJson(record))) }
}

/** Family `late`: hour > 12 adds 1 to a base of -1.5, distance > 1000 adds 0.5; ATL adds 0.25 more for its rate. */
export async function lateFamily(store: Store): Promise<void> {
  const parent = await putTrees(
    store,
    'late',
    stumps(
      [
        [0, 12, 0, 1],
        [1, 1000, 0, 0.5],
      ],
      -1.5,
    ),
  )
  const atl = await putTrees(store, 'late/ATL', stumps([[2, 0.25, 0, 0.25]], 0), { base: parent.graph })
  const bundle = await putBundle(store, 'late', 1, parent.version, { ATL: atl.version })
  await release(store, 'late', [route(bundle, 1)])
}
