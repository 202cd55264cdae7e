import { EXP_FRACTIONS } from '../../stats/exp.ts'
import { type Crew, type Kernels, soloCrew, startCrew } from './crew.ts'
import { NODE_WORDS, treeDepth, writeNodeTable } from './grown-tree.ts'
import { headerWords, type Layout, layOut, RESULT_BYTES, STAGED_ROWS } from './layout.ts'
import { addBlocks, type Machine, type MachineSetup, type RowSet } from './machine.ts'
import { SLOTS } from './sizes.ts'
import { borrowMemory, instantiate, kernelModule, returnMemory, type SharedMemory } from './wasm.ts'

/** A training's memory and those who work on it. */
interface Shop {
  layout: Layout
  memory: SharedMemory
  kernels: Kernels
  crew: Crew
}

/** The machine of WebAssembly kernels on up to `nThreads` threads; `null` where the platform or the size of the data forbids it. */
export function openWasmMachine(setup: MachineSetup, nThreads: number): Machine | null {
  if (setup.rows.data.nFeatures === 0) return null
  const shop = openShop(setup, nThreads)
  return shop && machineOf(shop, setup)
}

function openShop(setup: MachineSetup, nThreads: number): Shop | null {
  const module = kernelModule()
  const layout = layOut(setup, nThreads)
  const memory = module && layout && borrowMemory(layout.end)
  if (!memory) return null
  const kernels = instantiate(module, memory)
  const { header } = layout
  const words = headerWords(layout)
  new Uint32Array(memory.buffer, header, words.length).set(words)
  kernels.configure(header)
  if (nThreads === 1) return { layout, memory, kernels, crew: soloCrew(kernels) }
  const crew = startCrew(kernels, { module, memory, header }, nThreads)
  return crew ? { layout, memory, kernels, crew } : openShop(setup, 1)
}

function machineOf(shop: Shop, setup: MachineSetup): Machine {
  const { rows, valid, params, objective } = setup
  const { layout, memory, kernels, crew } = shop
  const { nThreads, nRows, nOutputs, nFeatures, nValid, nBlocks, histBytes } = layout
  const doubles = (at: number, n: number): Float64Array => new Float64Array(memory.buffer, at, n)
  const score = doubles(layout.score, nRows * nOutputs)
  const grad = doubles(layout.grad, nRows * nOutputs)
  const hess = doubles(layout.hess, nRows * nOutputs)
  const validScore = valid ? doubles(layout.validScore, nValid * nOutputs) : null
  const ranges = new Uint32Array(memory.buffer, layout.ranges, nThreads * 2)
  const leafRanges = new Uint32Array(memory.buffer, layout.leafRanges, params.leaves * nThreads * 2)
  const results = doubles(layout.results, (nThreads * RESULT_BYTES) / 8)
  const middles = new Uint32Array(memory.buffer, layout.results, (nThreads * RESULT_BYTES) / 4)
  const sides = new Uint8Array(memory.buffer, layout.sides, SLOTS)
  const leafValues = doubles(layout.leafValues, params.leaves)
  const nodes = new Int32Array(memory.buffer, layout.nodes, 2 * params.leaves * NODE_WORDS)
  const pool = Array.from({ length: layout.nHistograms }, (_, i) =>
    doubles(layout.histograms + i * histBytes, histBytes / 8),
  )
  const seen = new Float64Array(histBytes / 8)
  const every = Array.from({ length: nThreads }, (_, t) => t)
  let output = 0
  copyIn(shop, setup)

  const writeRanges = (set: RowSet, out: Uint32Array, at: number) => {
    for (let t = 0; t < nThreads; t++) {
      out[at + 2 * t] = set.begins[t]
      out[at + 2 * t + 1] = set.ends[t]
    }
  }
  const top = (word: number) => Math.max(...every.map((t) => results[(t * RESULT_BYTES) / 8 + word]))
  return {
    ranOn: { kernels: 'wasm', threads: nThreads },
    leafOf: new Uint16Array(memory.buffer, layout.leafOf, nRows),
    score,
    validScore,
    gradients: (round) => {
      if (objective.kernel) crew.run(objective.kernel.name, ...objective.kernel.args)
      else objective.gradients(score, rows.labels, grad, hess, round)
    },
    openOutput: (next) => {
      output = next
      if (!objective.kernel?.leavesTops) crew.run('openOutput', output)
      return { gradTop: top(0), hessTop: top(1) }
    },
    quantise: (gradScale, hessScale, { unit, hessShift }, salt) =>
      crew.run('quantise', gradScale, hessScale, hessShift, Math.log2(unit), salt | 0),
    drawRows: (share, salt) => {
      crew.run('drawRows', share, salt | 0)
      return rowSet(
        every.map((t) => ranges[2 * t]),
        every.map((t) => ranges[2 * t + 1]),
      )
    },
    buildHistogram: (set) => {
      const hist = pool.pop()!
      writeRanges(set, ranges, 0)
      crew.run('histogram')
      kernels.mergeHistograms(hist.byteOffset)
      return hist
    },
    subtractHistogram: (from, part) => kernels.subtractHistogram(from.byteOffset, part.byteOffset),
    dropHistogram: (histogram) => {
      pool.push(histogram)
    },
    readHistogram: (histogram) => {
      seen.set(histogram)
      return seen
    },
    countRows: (set) => {
      writeRanges(set, ranges, 0)
      crew.run('countRows')
      const counts = new Int32Array(nFeatures * SLOTS)
      for (const t of every) {
        const part = new Int32Array(memory.buffer, layout.partials + t * histBytes, counts.length)
        for (let i = 0; i < counts.length; i++) counts[i] += part[i]
      }
      return counts
    },
    divideRows: (set, feature, goesRight) => {
      for (let bin = 0; bin < SLOTS; bin++) sides[bin] = goesRight[bin] * 4
      writeRanges(set, ranges, 0)
      crew.run('partition', feature)
      const middle = every.map((t) => middles[(t * RESULT_BYTES) / 4])
      return [rowSet(set.begins, middle), rowSet(middle, set.ends)]
    },
    markLeaves: (leaves) => {
      leaves.forEach((set, leaf) => {
        writeRanges(set, leafRanges, leaf * nThreads * 2)
      })
      crew.run('markLeaves', leaves.length)
    },
    sumLeaves: (nLeaves) => {
      crew.run('sumLeaves', nLeaves)
      return addBlocks(doubles(layout.sums, nBlocks * (nLeaves + 1) * 3), nBlocks, nLeaves)
    },
    markOthers: (tree) => {
      writeNodeTable(tree, rows.data.features, nodes)
      crew.run('markOthers', treeDepth(tree))
    },
    addTree: (tree, values) => {
      leafValues.set(values)
      crew.run('addLeafValues')
      if (!valid) return
      writeNodeTable(tree, rows.data.features, nodes)
      const scores = layout.validScore + output * nValid * 8
      crew.run('walkRows', layout.validBins, layout.rowBytes, nValid, scores, treeDepth(tree))
    },
    close: () => {
      if (crew.close()) returnMemory(memory)
    },
  }
}

function rowSet(begins: number[], ends: number[]): RowSet {
  return { begins, ends, nRows: ends.reduce((sum, end, t) => sum + end - begins[t], 0) }
}

function copyIn({ layout, memory, kernels }: Shop, { rows, valid }: MachineSetup): void {
  const put = (at: number, values: Float64Array) =>
    new Float64Array(memory.buffer, at, values.length).set(values)
  put(layout.fractions, EXP_FRACTIONS)
  put(layout.score, rows.score)
  put(layout.target, rows.labels.target)
  if (rows.labels.weights) put(layout.weights, rows.labels.weights)
  const { rowBytes, nRows } = layout
  for (let from = 0; from < nRows; from += STAGED_ROWS) {
    const end = Math.min(nRows, from + STAGED_ROWS)
    const bytes = rows.data.bytes.subarray(from * rowBytes, end * rowBytes)
    new Uint8Array(memory.buffer, layout.staging, bytes.length).set(bytes)
    kernels.spreadBins(layout.staging, rowBytes, from, end)
  }
  if (!valid) return
  new Uint8Array(memory.buffer, layout.validBins, layout.nValid * rowBytes).set(
    valid.data.bytes.subarray(0, layout.nValid * rowBytes),
  )
  put(layout.validScore, valid.score)
}
