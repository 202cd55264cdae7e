/** The attributes of `TreeEnsembleRegressor` for an ensemble of ours. */
import { floatBelow, ZERO_THRESHOLD } from '../float32.ts'
import type { TreeEnsemble } from '../trees.ts'
import type { AttributeValue } from './onnx-writer.ts'

interface Lists {
  tree: number[]
  node: number[]
  feature: number[]
  mode: string[]
  value: number[]
  yes: number[]
  no: number[]
  missingYes: number[]
  hits: number[]
}

/**
 * Splits of ours are `BRANCH_LEQ` (doubles, rounded down to float32) or `BRANCH_LT`; a set is a chain of `BRANCH_EQ` whose members share the node they
 * lead to; a split that takes 0 for missing is told from 0 first. Leaves are divided where the ensemble is a mean.
 */
export function treeAttributes(model: TreeEnsemble): Record<string, AttributeValue> {
  const lists: Lists = {
    tree: [],
    node: [],
    feature: [],
    mode: [],
    value: [],
    yes: [],
    no: [],
    missingYes: [],
    hits: [],
  }
  const target = { tree: [] as number[], node: [] as number[], id: [] as number[], weight: [] as number[] }
  model.roots.forEach((root, t) => {
    const end = model.roots[t + 1] ?? model.feature.length
    writeTree(model, { t, root, end, lists })
    for (let node = root; node < end; node++) {
      if (model.left[node] >= 0) continue
      target.tree.push(t)
      target.node.push(node - root)
      target.id.push(model.outputOf[t])
      target.weight.push(model.value[node] / (model.rules?.divisor ?? 1))
    }
  })
  return {
    n_targets: model.nOutputs,
    aggregate_function: 'SUM',
    post_transform: 'NONE',
    base_values: Float32Array.from(model.baseScores),
    nodes_treeids: Int32Array.from(lists.tree),
    nodes_nodeids: Int32Array.from(lists.node),
    nodes_featureids: Int32Array.from(lists.feature),
    nodes_modes: lists.mode,
    nodes_values: Float32Array.from(lists.value),
    nodes_truenodeids: Int32Array.from(lists.yes),
    nodes_falsenodeids: Int32Array.from(lists.no),
    nodes_missing_value_tracks_true: Int32Array.from(lists.missingYes),
    nodes_hitrates: Float32Array.from(lists.hits),
    target_treeids: Int32Array.from(target.tree),
    target_nodeids: Int32Array.from(target.node),
    target_ids: Int32Array.from(target.id),
    target_weights: Float32Array.from(target.weight),
  }
}

interface At {
  t: number
  root: number
  end: number
  lists: Lists
}

/** Nodes keep their place in the tree; what a split needs beside its own node comes after all of them. */
function writeTree(model: TreeEnsemble, at: At): void {
  const extra = { next: at.end - at.root }
  const rest: (() => void)[] = []
  for (let node = at.root; node < at.end; node++) {
    if (model.left[node] < 0) push(at, { node: node - at.root, mode: 'LEAF', hits: model.cover[node] })
    else writeSplit(model, node, at, extra, rest)
  }
  for (const write of rest) write()
}

interface Pushed {
  node: number
  mode: string
  hits?: number
  feature?: number
  value?: number
  yes?: number
  no?: number
  missingYes?: boolean
}

function push(
  { t, lists }: At,
  { node, mode, hits = 0, feature = 0, value = 0, yes = 0, no = 0, missingYes = false }: Pushed,
) {
  lists.tree.push(t)
  lists.node.push(node)
  lists.mode.push(mode)
  lists.feature.push(feature)
  lists.value.push(value)
  lists.yes.push(yes)
  lists.no.push(no)
  lists.missingYes.push(Number(missingYes))
  lists.hits.push(hits)
}

function writeSplit(
  model: TreeEnsemble,
  at: number,
  place: At,
  extra: { next: number },
  rest: (() => void)[],
): void {
  const feature = model.feature[at]
  const split: Split = {
    node: at - place.root,
    feature,
    hits: model.cover[at],
    left: model.left[at] - place.root,
    right: model.right[at] - place.root,
    missingLeft: model.missingLeft[at] === 1,
  }
  const { left, right, missingLeft } = split
  if (model.categorySet[at] >= 0) {
    const codes = codesOf(model.categorySets[model.categorySet[at]], !missingLeft)
    const [to, otherwise] = missingLeft ? [right, left] : [left, right]
    writeChain(
      codes.map((value) => ({ mode: 'BRANCH_EQ', value, to })),
      otherwise,
      split,
      place,
      extra,
      rest,
    )
    return
  }
  const test = thresholdOf(model, at)
  if (model.rules?.zeroMissing.includes(feature))
    writeChain(aroundZero(test, split), right, split, place, extra, rest)
  else
    push(place, {
      node: split.node,
      feature,
      hits: split.hits,
      yes: left,
      no: right,
      missingYes: missingLeft,
      ...test,
    })
}

interface Split {
  node: number
  feature: number
  hits: number
  left: number
  right: number
  missingLeft: boolean
}

/** One test of a chain, and where it leads; what fails it goes on to the next. */
interface Test {
  mode: string
  value: number
  to: number
  missingYes?: boolean
}

/** What counts as 0 lies between two floats, and goes where missing values go: tests in ascending order, what is above all goes right. */
function aroundZero(test: { mode: string; value: number }, { left, right, missingLeft }: Split): Test[] {
  const zero: Test = {
    mode: 'BRANCH_LEQ',
    value: ZERO_THRESHOLD,
    to: missingLeft ? left : right,
    missingYes: true,
  }
  const below = (to: number): Test => ({ mode: 'BRANCH_LT', value: -ZERO_THRESHOLD, to })
  if (test.value < -ZERO_THRESHOLD) return [{ ...test, to: left }, below(right), zero]
  const above: Test[] = test.value > ZERO_THRESHOLD ? [{ ...test, to: left }] : []
  return [below(left), zero, ...above]
}

function thresholdOf(model: TreeEnsemble, at: number): { mode: string; value: number } {
  const threshold = model.threshold[at]
  if (model.compare === 'lt-f32') return { mode: 'BRANCH_LT', value: Math.fround(threshold) }
  const rounded = Math.fround(threshold)
  return { mode: 'BRANCH_LEQ', value: rounded <= threshold ? rounded : floatBelow(rounded) }
}

/** Codes that are in a set, or that are not though its words reach them. */
function codesOf(set: Uint32Array, isIn: boolean): number[] {
  const codes: number[] = []
  for (let code = 0; code < set.length * 32; code++)
    if (((set[code >>> 5] >>> (code & 31)) & 1) === Number(isIn)) codes.push(code)
  return codes
}

/** ONNX Runtime takes a node for the yes of several, and for the no of one only: so tests lead to shared nodes by yes. */
function writeChain(
  tests: Test[],
  otherwise: number,
  { node, feature, hits }: Split,
  place: At,
  extra: { next: number },
  rest: (() => void)[],
): void {
  const [first = { mode: 'BRANCH_EQ', value: 0, to: otherwise }, ...others] = tests
  const numbers = others.map(() => extra.next++)
  const test =
    (at: number, { to, ...given }: Test, no: number) =>
    () =>
      push(place, { node: at, feature, hits, yes: to, no, ...given })
  test(node, first, numbers[0] ?? otherwise)()
  others.forEach((other, i) => {
    rest.push(test(numbers[i], other, numbers[i + 1] ?? otherwise))
  })
}
