import { byCode, sideCodesMax, spreadHistogram } from './columns.ts'
import { type GrownTree, leafOfRow } from './grown-tree.ts'
import {
  addLeafValues,
  buildHistogram,
  type Codes,
  codesByColumn,
  countHistogram,
  drawRows,
  markLeaf,
  maxAbs,
  openRecords,
  partitionRows,
  quantise,
  subtractHistogram,
  sumBlocksByLeaf,
  withListed,
} from './kernels.ts'
import {
  addBlocks,
  blockRowsOf,
  type Histogram,
  type Machine,
  type MachineSetup,
  type RowSet,
} from './machine.ts'
import { NO_LEAF } from './sizes.ts'
import { byListCode, listByFeature } from './sparse.ts'

/** Sums over columns. */
type PlainHistogram = Histogram & { slots: Float64Array }

const slotsOf = (histogram: Histogram): Float64Array => (histogram as PlainHistogram).slots

/** The machine of plain loops: works everywhere, and tells what the others have to give. */
export function openPlainMachine({ rows, valid, objective }: MachineSetup): Machine {
  const { data } = rows
  const labels = { ...rows.labels, weights: rows.labels.weights?.slice() ?? null }
  const { nRows, plan } = data
  const score = rows.score.slice()
  const validScore = valid ? valid.score.slice() : null
  const indexes = new Int32Array(nRows)
  const spare = new Int32Array(nRows)
  const grads = new Float64Array(score.length)
  const hesses = new Float64Array(score.length)
  const leafOf = new Uint16Array(nRows)
  const records = openRecords(data)
  const columns = codesByColumn(data)
  const lists = data.sparse && listByFeature(data.sparse, plan.places)
  const listed = new Uint8Array(lists ? nRows : 0)
  const sides = new Uint8Array(sideCodesMax(plan))
  const pool: PlainHistogram[] = []
  const takeHistogram = (): PlainHistogram =>
    pool.pop() ?? { isHistogram: true, slots: new Float64Array(plan.nSlots) }
  const seen = new Float64Array(plan.featureSlots[data.nFeatures])
  const part = (values: Float64Array, output: number) => {
    const n = values.length / objective.nOutputs
    return values.subarray(output * n, (output + 1) * n)
  }
  let output = 0
  let grad = part(grads, 0)
  let hess = part(hesses, 0)
  const set = (begin: number, end: number): RowSet => ({ begins: [begin], ends: [end], nRows: end - begin })
  const markOthers = (tree: GrownTree) => {
    for (let row = 0; row < nRows; row++) {
      if (leafOf[row] === NO_LEAF) leafOf[row] = leafOfRow(tree, data, row)
    }
  }
  return {
    ranOn: { kernels: 'js', threads: 1 },
    leafOf,
    score,
    validScore,
    weights: labels.weights,
    gradients: (round) => objective.gradients(score, labels, grads, hesses, round),
    openOutput: (next) => {
      output = next
      grad = part(grads, output)
      hess = part(hesses, output)
      return { gradTop: maxAbs(grad), hessTop: maxAbs(hess) }
    },
    quantise: (gradScale, hessScale, { hessShift }, salt) =>
      quantise(grad, hess, gradScale, hessScale, hessShift, salt, records),
    drawRows: (share, salt) => set(0, drawRows(indexes, leafOf, share, salt)),
    buildHistogram: ({ begins, ends, nRows: size }, packing) => {
      const hist = takeHistogram()
      buildHistogram(hist.slots, records, packing, indexes, begins[0], ends[0], size === nRows)
      return hist
    },
    subtractHistogram: (from, part) => subtractHistogram(slotsOf(from), slotsOf(part)),
    dropHistogram: (histogram) => {
      pool.push(histogram as PlainHistogram)
    },
    readHistogram: (histogram) => spreadHistogram(plan, slotsOf(histogram), seen),
    countRows: ({ begins, ends }) => {
      const counts = takeHistogram()
      countHistogram(counts.slots, plan, columns, data.sparse, indexes, begins[0], ends[0])
      return counts
    },
    divideRows: ({ begins: [begin], ends: [end] }, feature, goesRight) => {
      const place = plan.places[feature]
      const divide = (column: Codes, sides: Uint8Array) =>
        partitionRows(indexes, begin, end, column, sides, spare)
      const middle =
        place.kind === 'sparse'
          ? withListed(lists!, feature, listed, () => divide(listed, byListCode(place, goesRight, sides)))
          : divide(columns[place.column], byCode(place, plan.columns[place.column].codes, goesRight, sides))
      return [set(begin, middle), set(middle, end)]
    },
    markLeaves: (leaves) => {
      leaves.forEach(({ begins, ends }, leaf) => {
        markLeaf(leafOf, indexes, begins[0], ends[0], leaf)
      })
    },
    sumLeaves: (nLeaves) => {
      const blockRows = blockRowsOf(nRows)
      const sums = sumBlocksByLeaf(leafOf, grad, hess, labels.weights, nLeaves, blockRows)
      return addBlocks(sums, Math.ceil(nRows / blockRows), nLeaves)
    },
    markOthers,
    addTree: (tree, values) => {
      addLeafValues(part(score, output), leafOf, values)
      if (!validScore) return
      const walked = part(validScore, output)
      for (let row = 0; row < walked.length; row++) walked[row] += values[leafOfRow(tree, valid!.data, row)]
    },
    close: () => {},
  }
}
