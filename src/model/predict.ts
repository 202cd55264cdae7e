/** A graph: what scores, and how its output is calibrated. Members of a family are their parent's graph plus trees of their own. */
import { assert } from '../core/errors.ts'
import { addEnsembles } from './combine.ts'
import type { DecodedModel } from './format.ts'
import { compileScorer, type FeatureRows, type Model, type Scorer } from './score.ts'

export type Graph = DecodedModel

const scorers = new WeakMap<Graph, Scorer>()

/** The scorer of a graph, compiled at first use. Owns scratch memory: not to be shared between threads. */
function scorerOf(graph: Graph): Scorer {
  let scorer = scorers.get(graph)
  if (!scorer) {
    scorer = compileScorer(graph.model, graph.calibration)
    scorers.set(graph, scorer)
  }
  return scorer
}

/** Calibrated outputs of rows of features, `[n * nOutputs]`. */
export function predictColumns(graph: Graph, rows: FeatureRows, n: number): Float64Array {
  const out = new Float64Array(n * graph.model.nOutputs)
  scorerOf(graph).scoreBatch(rows, n, out)
  return out
}

/** Raw scores of rows of features, before link and calibration, `[n * nOutputs]`. */
export function rawColumns(graph: Graph, rows: FeatureRows, n: number): Float64Array {
  const out = new Float64Array(n * graph.model.nOutputs)
  scorerOf(graph).rawBatch(rows, n, out)
  return out
}

/** A member of a family as one graph: the trees of its parent and its own, with its own calibration. */
export function memberGraph(parent: Model, own: Graph): Graph {
  assert(parent.kind === 'TreeEnsemble' && own.model.kind === 'TreeEnsemble', 'members are trees on trees')
  return { model: addEnsembles(parent, own.model), calibration: own.calibration }
}
