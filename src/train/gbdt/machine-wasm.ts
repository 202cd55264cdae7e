import { EXP_FRACTIONS } from '../../stats/exp.ts'
import type { FeatureBins } from './binning.ts'
import { byCode, type ColumnPlan, type Place, sideCodesMax } from './columns.ts'
import { type Crew, type Kernels, soloCrew, startCrew } from './crew.ts'
import { NODE_WORDS, type NodeTable, treeDepth, WIDE_WORDS, writeNodeTable } from './grown-tree.ts'
import {
  COLUMN_WORDS,
  FEATURE_WORDS,
  headerWords,
  type Layout,
  layOut,
  RESULT_BYTES,
  SCAN_BYTES,
  SCAN_LEAVES,
  SCAN_OUT_BYTES,
  SCAN_RULES,
  STAGED_ROWS,
} from './layout.ts'
import {
  addBlocks,
  type Histogram,
  type Machine,
  type MachineSetup,
  type RowSet,
  type Rows,
  type Scale,
  type ScanLeaf,
} from './machine.ts'
import type { GbdtParams } from './params.ts'
import type { Scan } from './search.ts'
import { byListCode, listByFeature, type SparseRows } from './sparse.ts'
import { borrowMemory, instantiate, kernelModule, returnMemory, type SharedMemory } from './wasm.ts'

/** Where the sums of a leaf over columns begin, in bytes. */
type PlacedHistogram = Histogram & { at: number }

const placeOf = (histogram: Histogram): number => (histogram as PlacedHistogram).at

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
  const { features, plan } = rows.data
  const doubles = (at: number, n: number): Float64Array => new Float64Array(memory.buffer, at, n)
  const score = doubles(layout.score, nRows * nOutputs)
  const grad = doubles(layout.grad, nRows * nOutputs)
  const hess = doubles(layout.hess, nRows * nOutputs)
  const labels = { ...rows.labels, weights: rows.labels.weights && doubles(layout.weights, nRows) }
  const validScore = valid ? doubles(layout.validScore, nValid * nOutputs) : null
  const ranges = new Uint32Array(memory.buffer, layout.ranges, nThreads * 2)
  const leafRanges = new Uint32Array(memory.buffer, layout.leafRanges, params.leaves * nThreads * 2)
  const results = doubles(layout.results, (nThreads * RESULT_BYTES) / 8)
  const middles = new Uint32Array(memory.buffer, layout.results, (nThreads * RESULT_BYTES) / 4)
  const sides = new Uint8Array(memory.buffer, layout.sides, sideCodesMax(plan))
  const leafValues = doubles(layout.leafValues, params.leaves)
  const wideAt = layout.wideBits
  const hasWide = plan.columns.some(({ isWide }) => isWide)
  const table: NodeTable = {
    nodes: new Int32Array(memory.buffer, layout.nodes, 2 * params.leaves * NODE_WORDS),
    wide: hasWide
      ? { bits: new Int32Array(memory.buffer, wideAt, params.leaves * WIDE_WORDS), at: wideAt }
      : null,
  }
  const pool = Array.from(
    { length: layout.nHistograms },
    (_, i): PlacedHistogram => ({ isHistogram: true, at: layout.histograms + i * histBytes }),
  )
  const seen = doubles(layout.seen, plan.featureSlots[nFeatures])
  const scans = openScans(shop, params)
  const every = Array.from({ length: nThreads }, (_, t) => t)
  let output = 0
  const listStarts = copyIn(shop, setup)
  /** Histograms that are still to be added up, and to be taken off one another. */
  let merged = 0
  let rest = 0
  let part = 0
  const settle = (nLeaves: number) => {
    if (!merged && !rest && nLeaves === 0) return
    crew.run('settle', merged, rest, part, nLeaves)
    merged = 0
    rest = 0
  }

  const writeRanges = (set: RowSet, out: Uint32Array, at: number) => {
    for (let t = 0; t < nThreads; t++) {
      out[at + 2 * t] = set.begins[t]
      out[at + 2 * t + 1] = set.ends[t]
    }
  }
  const sumRows = (set: RowSet, counting: 0 | 1): PlacedHistogram => {
    settle(0)
    const hist = pool.pop()!
    writeRanges(set, ranges, 0)
    crew.run('histogram', nThreads === 1 ? hist.at : 0, counting)
    if (nThreads > 1) merged = hist.at
    return hist
  }
  const top = (word: number) => Math.max(...every.map((t) => results[(t * RESULT_BYTES) / 8 + word]))
  return {
    ranOn: { kernels: 'wasm', threads: nThreads },
    leafOf: new Uint16Array(memory.buffer, layout.leafOf, nRows),
    score,
    validScore,
    weights: labels.weights,
    gradients: (round) => {
      if (objective.kernel) crew.run(objective.kernel.name, ...objective.kernel.args)
      else objective.gradients(score, labels, grad, hess, round)
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
    buildHistogram: (set) => sumRows(set, 0),
    subtractHistogram: (from, taken) => {
      if (rest) settle(0)
      rest = placeOf(from)
      part = placeOf(taken)
    },
    dropHistogram: (histogram) => {
      const at = placeOf(histogram)
      if (at === merged || at === rest || at === part) settle(0)
      pool.push(histogram as PlacedHistogram)
    },
    readHistogram: (histogram) => {
      settle(0)
      kernels.readHistogram(placeOf(histogram), layout.seen)
      return seen
    },
    scanLeaves: (leaves, counts, scale) => {
      scans.ask(leaves, counts, scale)
      settle(leaves.length)
      return scans.found
    },
    countRows: (set) => sumRows(set, 1),
    divideRows: (set, feature, goesRight) => {
      const place = plan.places[feature]
      const nSides = writeSides(plan, place, goesRight, sides)
      for (let code = 0; code < nSides; code++) sides[code] <<= 2
      writeRanges(set, ranges, 0)
      if (place.kind === 'code') crew.run('partition', place.column)
      else crew.run('partitionListed', listStarts[feature], listStarts[feature + 1])
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
      writeNodeTable(tree, features, plan, table)
      crew.run('markOthers', treeDepth(tree))
    },
    addTree: (tree, values) => {
      leafValues.set(values)
      crew.run('addLeafValues')
      if (!valid) return
      writeNodeTable(tree, features, plan, table)
      const scores = layout.validScore + output * nValid * 8
      const { validBins, rowBytes, validStarts, validSlots } = layout
      const depth = treeDepth(tree)
      if (valid.data.sparse)
        crew.run('walkListed', validBins, rowBytes, nValid, scores, depth, validStarts, validSlots)
      else crew.run('walkRows', validBins, rowBytes, nValid, scores, depth)
    },
    close: () => {
      if (crew.close()) returnMemory(memory)
    },
  }
}

function rowSet(begins: number[], ends: number[]): RowSet {
  return { begins, ends, nRows: ends.reduce((sum, end, t) => sum + end - begins[t], 0) }
}

/** What is asked of scans, and what they find. */
function openScans({ layout, memory }: Shop, params: GbdtParams) {
  const rules = new Float64Array(memory.buffer, layout.scanRules, SCAN_RULES)
  writeRules(rules, params)
  const seats = Array.from({ length: SCAN_LEAVES }, (_, i) => openSeat(layout, memory, i))
  return {
    found: seats.map(({ found }) => found),
    ask: (leaves: readonly ScanLeaf[], counts: Histogram | null, { gradStep, hessStep }: Scale) => {
      rules[0] = gradStep
      rules[1] = hessStep
      for (let i = 0; i < leaves.length; i++) seats[i].ask(leaves[i], counts)
    },
  }
}

/** The rules of scans but for the steps of gradients and hessians, which are those of a tree. */
function writeRules(
  rules: Float64Array,
  { minRowsInLeaf, minHessian, l2, minGain, categorical }: GbdtParams,
) {
  const { smooth, l2: setL2, setMax, groupRows, oneHotMax } = categorical
  const given = [minRowsInLeaf, minHessian, l2, minGain, smooth, l2 + setL2, setMax, groupRows, oneHotMax]
  rules.set(given, SCAN_RULES - given.length)
}

/** Where one leaf is scanned. */
function openSeat({ nFeatures, scanTable, scanOut }: Layout, { buffer }: SharedMemory, seat: number) {
  const at = scanTable + seat * (SCAN_BYTES + nFeatures)
  const asked = new DataView(buffer, at, SCAN_BYTES)
  const mask = new Uint8Array(buffer, at + SCAN_BYTES, nFeatures)
  const bytes = nFeatures * SCAN_OUT_BYTES
  const found: Scan = {
    doubles: new Float64Array(buffer, scanOut + seat * bytes, bytes / 8),
    words: new Int32Array(buffer, scanOut + seat * bytes, bytes / 4),
  }
  /** The features that the mask is of. */
  let masked: Int32Array | null = null
  const maskBy = (features: Int32Array) => {
    masked = features
    mask.fill(0)
    for (const j of features) mask[j] = 1
  }
  return {
    found,
    ask: ({ histogram, packed, nRows, scanned }: ScanLeaf, counts: Histogram | null) => {
      asked.setUint32(0, scanned.length > 0 ? placeOf(histogram!) : 0, true)
      asked.setUint32(4, counts ? placeOf(counts) : 0, true)
      asked.setFloat64(8, packed, true)
      asked.setFloat64(16, nRows, true)
      if (scanned !== masked) maskBy(scanned)
    },
  }
}

/** Writes by code which side rows go to; returns how many codes there are. */
function writeSides({ columns }: ColumnPlan, place: Place, goesRight: Uint8Array, to: Uint8Array): number {
  if (place.kind === 'sparse') {
    byListCode(place, goesRight, to)
    return place.codes + 1
  }
  const nCodes = columns[place.column].codes
  byCode(place, nCodes, goesRight, to)
  return nCodes
}

/** Copies all data in; returns where the lists of sparse features begin. */
function copyIn({ layout, memory, kernels }: Shop, { rows, valid }: MachineSetup): Uint32Array {
  const put = (at: number, values: Float64Array) =>
    new Float64Array(memory.buffer, at, values.length).set(values)
  putTables(layout, memory, rows.data)
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
  const { sparse, plan } = rows.data
  if (sparse) putSparse(memory, sparse, layout.sparseStarts, layout.sparseSlots)
  const lists = sparse && listByFeature(sparse, plan.places)
  if (lists) {
    new Uint32Array(memory.buffer, layout.listRows, lists.rows.length).set(lists.rows)
    new Uint8Array(memory.buffer, layout.listCodes, lists.codes.length).set(lists.codes)
    new Uint8Array(memory.buffer, layout.listed, nRows).fill(0)
  }
  if (valid) copyValidIn(layout, memory, valid)
  return lists?.starts ?? new Uint32Array(0)
}

function copyValidIn(layout: Layout, memory: SharedMemory, { data, score }: Rows): void {
  const bytes = data.bytes.subarray(0, layout.nValid * layout.rowBytes)
  new Uint8Array(memory.buffer, layout.validBins, bytes.length).set(bytes)
  new Float64Array(memory.buffer, layout.validScore, score.length).set(score)
  if (data.sparse) putSparse(memory, data.sparse, layout.validStarts, layout.validSlots)
}

function putSparse(memory: SharedMemory, { starts, slots }: SparseRows, startsAt: number, slotsAt: number) {
  new Uint32Array(memory.buffer, startsAt, starts.length).set(starts)
  new Uint32Array(memory.buffer, slotsAt, slots.length).set(slots)
}

/** Where the kernels find columns and features. */
function putTables(
  layout: Layout,
  memory: SharedMemory,
  { plan: { columns, places, featureSlots }, features }: { plan: ColumnPlan; features: FeatureBins[] },
): void {
  const columnWords = new Uint32Array(memory.buffer, layout.columnTable, columns.length * COLUMN_WORDS)
  columns.forEach(({ at, isWide, slot, codes }, c) => {
    columnWords.set([layout.columnAt[c], at, Number(isWide), slot * 8, codes], c * COLUMN_WORDS)
  })
  const featureWords = new Uint32Array(memory.buffer, layout.featureTable, places.length * FEATURE_WORDS)
  places.forEach((place, j) => {
    const [column, part, slot] =
      place.kind === 'sparse' ? [0xffffffff, place.common, place.slot * 8] : [place.column, place.divisor, 0]
    const isCategory = Number(features[j].kind === 'category')
    featureWords.set([column, part, place.codes, featureSlots[j], slot, isCategory], j * FEATURE_WORDS)
  })
}
