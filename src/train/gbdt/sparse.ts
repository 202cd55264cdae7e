import { MillraceError } from '../../core/errors.ts'

/** A column of which most rows hold one value: the others are listed. Training takes time and memory by what is listed. */
export interface SparseColumn {
  nRows: number
  /** Rows that are listed, ascending. */
  rows: Uint32Array
  /** Their values, NaN where missing. */
  values: Float64Array
  /** Value of all other rows; may be NaN. */
  fill: number
}

/** Values of a feature by row. */
export type FeatureColumn = Float64Array | SparseColumn

export function isSparse(column: FeatureColumn): column is SparseColumn {
  return !(column instanceof Float64Array)
}

export function nRowsOf(column: FeatureColumn): number {
  return isSparse(column) ? column.nRows : column.length
}

/** Errors: MR_MODEL_SHAPE unless each listed row has a value; MR_MODEL_SPARSE unless rows ascend and exist. */
export function checkSparse({ rows, values, nRows }: SparseColumn, feature: number): void {
  if (rows.length !== values.length) {
    throw new MillraceError('MR_MODEL_SHAPE', {
      what: `values of sparse column ${feature}`,
      expected: rows.length,
      got: values.length,
    })
  }
  for (let i = 0; i < rows.length; i++) {
    const min = i === 0 ? 0 : rows[i - 1] + 1
    if (rows[i] >= min && rows[i] < nRows) continue
    throw new MillraceError('MR_MODEL_SPARSE', { feature, at: i, min, max: nRows - 1, got: rows[i] })
  }
}

/** All values of rows `[from, end)`. `cursor` is the first listed row from `from` on; returns that of `end`. */
export function spreadColumn(
  { rows, values, fill }: SparseColumn,
  from: number,
  end: number,
  cursor: number,
  out: Float64Array,
): number {
  out.fill(fill, 0, end - from)
  let at = cursor
  for (; at < rows.length && rows[at] < end; at++) out[rows[at] - from] = values[at]
  return at
}

/** All values by row. */
export function denseOf(column: FeatureColumn): Float64Array {
  if (!isSparse(column)) return column
  const out = new Float64Array(column.nRows)
  spreadColumn(column, 0, column.nRows, 0, out)
  return out
}

/**
 * What rows hold of sparse features: only the bins that are not the common one of their feature. A histogram then costs one addition for each of them, and the
 * sum of a common bin is that of the leaf less those of the others, exactly, as they are sums of integers.
 */
export interface SparseRows {
  /** `[nRows + 1]`: where each row's entries begin. */
  starts: Uint32Array
  /** Slot of each entry in a machine's histogram; ascending in a row, one a feature at most. */
  slots: Uint32Array
}

/** Entries that grow block of rows by block of rows. */
export interface SparseBuilder {
  /** Notes the slot of a row of the block. Features come in the order of their slots. */
  add(rowInBlock: number, slot: number): void
  endBlock(nRowsInBlock: number): void
  finish(): SparseRows
}

export function openSparseBuilder(nRows: number, blockRows: number): SparseBuilder {
  const starts = new Uint32Array(nRows + 1)
  const counts = new Uint32Array(blockRows + 1)
  let slots = new Uint32Array(Math.max(1024, nRows))
  let rowsNoted = new Uint16Array(1024)
  let slotsNoted = new Uint32Array(1024)
  let nNoted = 0
  let nEntries = 0
  let rowsDone = 0
  return {
    add: (row, slot) => {
      if (nNoted === rowsNoted.length) {
        rowsNoted = grown(rowsNoted, new Uint16Array(nNoted * 2))
        slotsNoted = grown(slotsNoted, new Uint32Array(nNoted * 2))
      }
      rowsNoted[nNoted] = row
      slotsNoted[nNoted++] = slot
    },
    endBlock: (nRowsInBlock) => {
      while (nEntries + nNoted > slots.length) slots = grown(slots, new Uint32Array(slots.length * 2))
      counts.fill(0)
      for (let k = 0; k < nNoted; k++) counts[rowsNoted[k] + 1]++
      for (let i = 0; i < nRowsInBlock; i++) {
        counts[i + 1] += counts[i]
        starts[rowsDone + i + 1] = nEntries + counts[i + 1]
      }
      for (let k = 0; k < nNoted; k++) slots[nEntries + counts[rowsNoted[k]]++] = slotsNoted[k]
      nEntries += nNoted
      rowsDone += nRowsInBlock
      nNoted = 0
    },
    finish: () => ({ starts, slots: slots.slice(0, nEntries) }),
  }
}

function grown<A extends Uint16Array | Uint32Array>(from: A, to: A): A {
  to.set(from)
  return to
}

/** Entries of some rows, in the order given. */
export function takeSparse({ starts, slots }: SparseRows, rows: ArrayLike<number>): SparseRows {
  const taken = new Uint32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) taken[i + 1] = taken[i] + starts[rows[i] + 1] - starts[rows[i]]
  const out = new Uint32Array(taken[rows.length])
  for (let i = 0; i < rows.length; i++) {
    out.set(slots.subarray(starts[rows[i]], starts[rows[i] + 1]), taken[i])
  }
  return { starts: taken, slots: out }
}

/** The first entry of a row from `slot` on: its slot, or a huge number where there is none. */
export function entryFrom({ starts, slots }: SparseRows, row: number, slot: number): number {
  let low = starts[row]
  let high = starts[row + 1]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (slots[middle] < slot) low = middle + 1
    else high = middle
  }
  return low < starts[row + 1] ? slots[low] : Number.MAX_SAFE_INTEGER
}

/** The same entries by feature, for partitions: rows ascending, and codes, which are one more than bins. */
export interface SparseLists {
  /** Where the entries of each feature begin, and where all end; nothing of features that are not sparse. */
  starts: Uint32Array
  rows: Uint32Array
  codes: Uint8Array
}

/** Cost: O(entries + slots). */
export function listByFeature(
  { starts, slots }: SparseRows,
  places: readonly ({ kind: 'code' } | { kind: 'sparse'; slot: number; codes: number })[],
): SparseLists {
  const sparse = places.flatMap((place, j) => (place.kind === 'sparse' ? [{ ...place, j }] : []))
  const base = sparse.length > 0 ? sparse[0].slot : 0
  const last = sparse.at(-1)
  const featureOf = new Uint32Array(last ? last.slot + last.codes - base : 0)
  for (const { slot, codes, j } of sparse) featureOf.fill(j, slot - base, slot - base + codes)
  const begins = new Uint32Array(places.length + 1)
  for (const slot of slots) begins[featureOf[slot - base] + 1]++
  for (let j = 0; j < places.length; j++) begins[j + 1] += begins[j]
  const next = begins.slice()
  const firstOf = Uint32Array.from(places, (place) => (place.kind === 'sparse' ? place.slot : 0))
  const rows = new Uint32Array(slots.length)
  const codes = new Uint8Array(slots.length)
  for (let row = 0; row + 1 < starts.length; row++) {
    for (let k = starts[row]; k < starts[row + 1]; k++) {
      const j = featureOf[slots[k] - base]
      rows[next[j]] = row
      codes[next[j]++] = slots[k] - firstOf[j] + 1
    }
  }
  return { starts: begins, rows, codes }
}

/** Writes by code of a list what a table says by bin: 0 is the common bin, others are one more than their bin. */
export function byListCode(
  { common, codes }: { common: number; codes: number },
  table: Uint8Array,
  to: Uint8Array,
): Uint8Array {
  to[0] = table[common]
  for (let bin = 0; bin < codes; bin++) to[bin + 1] = table[bin]
  return to
}
