import { MillraceError } from '../../core/errors.ts'
import type { OutputTree } from './ensemble.ts'
import { openTree } from './grown-tree.ts'
import type { Rows } from './machine.ts'
import type { GbdtParams } from './params.ts'
import type { Split } from './search.ts'
import type { Course } from './stopping.ts'

/** The rounds of a training that was broken off. */
export interface Checkpoint {
  round: number
  trees: OutputTree[]
  /** Trees after each round that grew one. */
  nTrees: number[]
}

interface TreeText {
  splits: ((Omit<Split, 'leftBins'> & { leftBins: number[] | null }) | null)[]
  left: number[]
  right: number[]
  missingLeft: boolean[]
  leafOfNode: number[]
  leafNodes: number[]
  leafRows: number[]
  leafValues: number[]
  covers: number[]
  output: number
}

/** What a checkpoint fits: it is replayed on the same rows only. */
function keyOf({ data, labels }: Rows, params: GbdtParams): string {
  const { nRows, nFeatures, features, words, sparse } = data
  let sum = 0
  for (const all of sparse ? [words, sparse.starts, sparse.slots] : [words]) {
    for (let i = 0; i < all.length; i++) sum = (Math.imul(sum, 31) + all[i]) | 0
  }
  let target = 0
  for (let i = 0; i < labels.target.length; i++) target += labels.target[i] * (1 + (i & 7))
  return JSON.stringify([params, nRows, nFeatures, features.map(({ nBins }) => nBins), sum, target])
}

/** JSON in UTF-8; numbers come back bit for bit. Cost: O(nodes) and one pass over the rows. */
export function writeCheckpoint(
  { round, trees, course }: { round: number; trees: readonly OutputTree[]; course: Course },
  rows: Rows,
  params: GbdtParams,
): Uint8Array {
  const text = { key: keyOf(rows, params), round, nTrees: course.nTrees, trees: trees.map(textOf) }
  return new TextEncoder().encode(JSON.stringify(text))
}

/** Errors: MR_MODEL_PARAM when the bytes are no checkpoint of the same rows and parameters. */
export function readCheckpoint(bytes: Uint8Array, rows: Rows, params: GbdtParams): Checkpoint {
  const text = parsed(bytes)
  if (text?.key !== keyOf(rows, params)) {
    throw new MillraceError('MR_MODEL_PARAM', {
      param: 'checkpoint',
      expected: 'one of the same rows and parameters',
      got: text ? 'one of others' : 'no checkpoint',
    })
  }
  return { round: text.round, nTrees: text.nTrees, trees: text.trees.map(treeOf) }
}

function parsed(
  bytes: Uint8Array,
): { key: string; round: number; nTrees: number[]; trees: TreeText[] } | null {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return null
  }
}

function textOf({ tree, values, covers, output }: OutputTree): TreeText {
  const { left, right, missingLeft, leafOfNode, leafNodes, leafRows } = tree
  return {
    splits: tree.splits.map(
      (split) => split && { ...split, leftBins: split.leftBins && [...split.leftBins] },
    ),
    left,
    right,
    missingLeft,
    leafOfNode,
    leafNodes,
    leafRows,
    leafValues: [...values],
    covers: [...covers],
    output,
  }
}

function treeOf({ splits, leafValues, covers, output, ...rest }: TreeText): OutputTree {
  return {
    tree: {
      ...openTree(),
      ...rest,
      splits: splits.map(
        (split) => split && { ...split, leftBins: split.leftBins && Uint8Array.from(split.leftBins) },
      ),
    },
    values: Float64Array.from(leafValues),
    covers: Float64Array.from(covers),
    output,
  }
}
