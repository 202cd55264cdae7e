/** A graph: what scores, and how its output is calibrated. Members of a family are their parent's graph plus trees of their own. */
import { assert } from '../core/errors.ts'
import type { DecodedModel } from './format.ts'
import { compileScorer, type FeatureRows, type Model, type Scorer } from './score.ts'
import type { LinearModel, TreeEnsemble } from './trees.ts'

export type Graph = DecodedModel

const scorers = new WeakMap<Graph, Scorer>()

/** The scorer of a graph, compiled at first use. Owns scratch memory: not to be shared between threads. */
export function scorerOf(graph: Graph): Scorer {
  let scorer = scorers.get(graph)
  if (!scorer) {
    scorer = compileScorer(graph.model, graph.calibration)
    scorers.set(graph, scorer)
  }
  return scorer
}

/** Calibrated outputs of rows of features. */
export function predictColumns(graph: Graph, rows: FeatureRows, n: number): Float64Array {
  const out = new Float64Array(n)
  scorerOf(graph).scoreBatch(rows, n, out)
  return out
}

/** Raw scores of rows of features, before link and calibration. */
export function rawColumns(graph: Graph, rows: FeatureRows, n: number): Float64Array {
  const out = new Float64Array(n)
  scorerOf(graph).rawBatch(rows, n, out)
  return out
}

/** One model whose raw score is the sum of both. Both take the same features; link and comparison are those of the first. */
export function addModels(base: Model, added: Model): Model {
  assert(base.nFeatures === added.nFeatures, 'models that are added take the same features')
  if (base.kind === 'TreeEnsemble' && added.kind === 'TreeEnsemble') return addEnsembles(base, added)
  assert(
    base.kind === 'LinearModel' && added.kind === 'LinearModel',
    'trees are added to trees, linear models to linear models',
  )
  return addLinear(base, added)
}

function addEnsembles(base: TreeEnsemble, added: TreeEnsemble): TreeEnsemble {
  assert(base.compare === added.compare, 'ensembles that are added compare alike')
  const shift = base.feature.length
  const sets = base.categorySets.length
  const child = (i: number) => (i < 0 ? i : i + shift)
  const set = (i: number) => (i < 0 ? i : i + sets)
  return {
    ...base,
    roots: joined(
      base.roots,
      added.roots.map((root) => root + shift),
    ),
    feature: joined(base.feature, added.feature),
    threshold: joined(base.threshold, added.threshold),
    left: joined(base.left, added.left.map(child)),
    right: joined(base.right, added.right.map(child)),
    missingLeft: joined(base.missingLeft, added.missingLeft),
    value: joined(base.value, added.value),
    cover: joined(base.cover, added.cover),
    categorySet: joined(base.categorySet, added.categorySet.map(set)),
    categorySets: [...base.categorySets, ...added.categorySets],
    baseScore: base.baseScore + added.baseScore,
  }
}

function addLinear(base: LinearModel, added: LinearModel): LinearModel {
  return {
    ...base,
    weights: base.weights.map((w, i) => w + added.weights[i]),
    intercept: base.intercept + added.intercept,
  }
}

function joined<A extends Int32Array | Float64Array | Uint8Array>(a: A, b: A): A {
  const out = new (a.constructor as new (length: number) => A)(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
