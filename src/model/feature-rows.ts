/** Rows of features: row-major `[n * nFeatures]`, or one column a feature. NaN where missing; category features hold codes. */
export type FeatureRows = Float64Array | readonly Float64Array[]

/** Row `i` into `x`. */
export function readRow(rows: FeatureRows, i: number, x: Float64Array): void {
  const width = x.length
  if (rows instanceof Float64Array) for (let j = 0; j < width; j++) x[j] = rows[i * width + j]
  else for (let j = 0; j < width; j++) x[j] = rows[j][i]
}

/** Rows `[from, from + n)` in the layout they have. */
export function sliceRows(rows: FeatureRows, nFeatures: number, from: number, n: number): FeatureRows {
  if (rows instanceof Float64Array) return rows.subarray(from * nFeatures, (from + n) * nFeatures)
  return rows.map((column) => column.subarray(from, from + n))
}
