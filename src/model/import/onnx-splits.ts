/** Splits of ONNX as splits of ours: each mode, with the steps that its column went through before, becomes a threshold on the input itself. */
import { floatAbove, floatAt, ordinalOf } from '../float32.ts'
import { doubleBelow } from '../tree-walk.ts'
import { type Columns, type Step, steppedValue } from './onnx-columns.ts'
import { onnxRefusal as refuse } from './onnx-file.ts'
import type { BranchMode, OnnxTree } from './onnx-trees.ts'
import { bitsOf, type TreeWriter } from './tree-writer.ts'

const MOST = ordinalOf(3.4028234663852886e38)

/** The place of a tree in its file, and which output of its leaves is written. */
export interface Written {
  tree: OnnxTree
  columns: Columns
  leaf: (node: number) => number
}

/** Writes a tree from a node on. `counted` is 0 in copies that no training row is counted for. */
export function writeOnnxNode(writer: TreeWriter, written: Written, node: number, counted = 1): void {
  const { tree, leaf } = written
  const mode = tree.mode[node]
  const cover = Math.max(0, tree.cover[node] || 0) * counted
  if (mode === 'leaf') {
    writer.leaf(leaf(node), cover)
    return
  }
  const { input, steps } = columnAt(written, node)
  const to =
    (yes: boolean, count = counted, from = node) =>
    () =>
      writeOnnxNode(writer, written, yes ? tree.yes[from] : tree.no[from], count)
  const split = { writer, to, input, cover, steps, isDouble: written.columns.isDouble }
  const test = { mode, value: tree.value[node], missingYes: tree.missingYes[node] }
  if (mode === 'member') writeMember(split, tree.members.get(node) ?? [], test.missingYes)
  else if (mode === 'eq') writeEqual(split, written, node)
  else if (mode === 'neq') writeMember({ ...split, to: (yes, count) => to(!yes, count) }, [test.value], false)
  else writeThreshold(split, test)
}

/** A chain of equalities that lead to one node is a set: this is how a converter writes categories. */
function writeEqual(split: Split, { tree }: Written, node: number): void {
  const values: number[] = []
  let last = node
  for (let next = node; isLike(tree, next, node); next = tree.no[next]) {
    if (values.length > tree.mode.length) throw refuse('nodes_falsenodeids', 'a tree', 'a cycle')
    values.push(tree.value[next])
    last = next
  }
  const { to } = split
  writeMember({ ...split, to: (yes, count) => to(yes, count, last) }, values, tree.missingYes[node])
}

function isLike(tree: OnnxTree, a: number, b: number): boolean {
  if (a === b) return true
  const same = tree.mode[a] === 'eq' && tree.feature[a] === tree.feature[b] && tree.yes[a] === tree.yes[b]
  return same && !tree.missingYes[a] && !tree.missingYes[b]
}

function columnAt({ tree, columns }: Written, node: number): Columns['columns'][number] {
  const column = columns.columns[tree.feature[node]]
  if (column) return column
  throw refuse(
    'nodes_featureids',
    `features from 0 to ${columns.columns.length - 1}`,
    String(tree.feature[node]),
  )
}

interface Split {
  writer: TreeWriter
  /** Writes the side that a yes, or a no, leads to. */
  to: (yes: boolean, counted?: number, from?: number) => () => void
  input: number
  cover: number
  steps: readonly Step[]
  isDouble: boolean
}

interface Test {
  mode: BranchMode
  value: number
  missingYes: boolean
}

// ---------------------------------------------------------------- thresholds

const HOLDS: Record<string, (x: number, t: number) => boolean> = {
  leq: (x, t) => x <= t,
  lt: (x, t) => x < t,
  gte: (x, t) => x >= t,
  gt: (x, t) => x > t,
}

function writeThreshold(split: Split, { mode, value, missingYes }: Test): void {
  if (Number.isNaN(value)) throw refuse('nodes_values', 'thresholds that are numbers', 'NaN')
  if (split.isDouble) writeDouble(split, { mode, value, missingYes })
  else writeFloat(split, { mode, value: Math.fround(value), missingYes })
}

/** Doubles: `x < t` is `x <= t'` with the double below `t`. */
function writeDouble(split: Split, { mode, value, missingYes }: Test): void {
  const belowIsYes = mode === 'leq' || mode === 'lt'
  const inclusive = mode === 'leq' || mode === 'gt'
  if (!inclusive && value === Number.NEGATIVE_INFINITY) writeConstant(split, !belowIsYes, missingYes)
  else writeBelow(split, inclusive ? value : doubleBelow(value), { belowIsYes, missingYes })
}

/**
 * Floats: whether the test holds changes once along the input, as every step keeps or turns the order; the float where it changes is searched
 * by halves. A step that turns the order turns the sides.
 */
function writeFloat(split: Split, test: Test): void {
  if (split.steps.length === 0) writePlain(split, test)
  else writeStepped(split, test)
}

function writeStepped(split: Split, { mode, value, missingYes: tracked }: Test): void {
  const holds = (x: number) => HOLDS[mode](steppedValue(split.steps, x), value)
  const imputed = steppedValue(split.steps, Number.NaN)
  const missingYes = Number.isNaN(imputed) ? tracked : HOLDS[mode](imputed, value)
  const belowIsYes = holds(floatAt(-MOST))
  let below = -MOST
  let above = MOST
  const isConstant = holds(floatAt(MOST)) === belowIsYes
  while (!isConstant && above - below > 1) {
    const middle = Math.floor((below + above) / 2)
    if (holds(floatAt(middle)) === belowIsYes) below = middle
    else above = middle
  }
  if (isConstant) writeConstant(split, belowIsYes, missingYes)
  else writeBelow(split, floatAt(above), { belowIsYes, missingYes })
}

/** Without steps; infinities count as the numbers they are. Thresholds of ours are `x < t` in float32. */
function writePlain(split: Split, { mode, value, missingYes }: Test): void {
  const belowIsYes = mode === 'leq' || mode === 'lt'
  const inclusive = mode === 'leq' || mode === 'gt'
  if (inclusive && value === Number.POSITIVE_INFINITY) writeConstant(split, belowIsYes, missingYes)
  else writeBelow(split, inclusive ? floatAbove(value) : value, { belowIsYes, missingYes })
}

/** Rows at or below (doubles), or below (floats), go left. */
function writeBelow(
  { writer, to, input, cover }: Split,
  threshold: number,
  { belowIsYes, missingYes }: { belowIsYes: boolean; missingYes: boolean },
): void {
  const missingLeft = missingYes === belowIsYes
  writer.split({ feature: input, test: threshold, missingLeft, cover }, to(belowIsYes), to(!belowIsYes))
}

/** All present values go one way; missing ones may go the other. */
function writeConstant(split: Split, presentYes: boolean, missingYes: boolean): void {
  if (presentYes === missingYes) split.to(presentYes)()
  else tellMissing(split, split.to(missingYes), split.to(presentYes))
}

/** A split of the missing (left) from the present. */
function tellMissing(
  { writer, input, cover, isDouble }: Split,
  missing: () => void,
  present: () => void,
): void {
  const split = { feature: input, cover }
  if (isDouble)
    writer.split({ ...split, test: Number.POSITIVE_INFINITY, missingLeft: false }, present, missing)
  else writer.split({ ...split, test: Number.NEGATIVE_INFINITY, missingLeft: true }, missing, present)
}

// ---------------------------------------------------------------- members

/** Codes up to this are kept as a set of bits. */
const CODES_MAX = 2 ** 20

/** Equality with one or several values: a set where all are codes of categories, else an interval of one number. */
function writeMember(split: Split, values: readonly number[], missingYes: boolean): void {
  if (split.steps.some(({ kind }) => kind !== 'impute'))
    throw refuse('nodes_modes', 'thresholds on columns that were scaled', 'a test of equality')
  const imputed = steppedValue(split.steps, Number.NaN)
  const missing = Number.isNaN(imputed) ? missingYes : values.includes(imputed)
  if (missing) {
    tellMissing(split, split.to(true, 0), () => writePresent(split, values))
    return
  }
  writePresent(split, values)
}

function writePresent(split: Split, values: readonly number[]): void {
  const codes = values.filter((value) => Number.isInteger(value) && value >= 0 && value < CODES_MAX)
  const others = values.filter((value) => !codes.includes(value))
  const { writer, input, cover, to } = split
  const rest = () => writeIntervals(split, others)
  if (codes.length === 0) rest()
  else writer.split({ feature: input, test: bitsOf(codes), missingLeft: false, cover }, to(true), rest)
}

/** `x == t` as two thresholds, one after the other. */
function writeIntervals(split: Split, values: readonly number[]): void {
  const { to } = split
  if (values.length === 0) {
    to(false)()
    return
  }
  const [value, ...rest] = values
  const next = () => writeIntervals(split, rest)
  const atMost = { mode: 'leq', value, missingYes: false } as const
  const below = { mode: 'lt', value, missingYes: true } as const
  const inside: Split = { ...split, to: (yes) => (yes ? next : to(true)) }
  const outer: Split = {
    ...split,
    to: (yes) => (yes ? () => writeThreshold({ ...inside, steps: [] }, below) : next),
  }
  writeThreshold({ ...outer, steps: [] }, atMost)
}
