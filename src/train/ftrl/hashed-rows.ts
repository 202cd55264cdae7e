/** Rows by slots: `width` of them each, one row after another. Without `values` all are 1. */
export interface HashedRows {
  nRows: number
  width: number
  slots: Int32Array
  values?: Float64Array
  /** From 0 to 1 for `sigmoid`. */
  target: Float64Array
  /** Default: 1 each. */
  weights?: Float64Array
  /** Whether each row has the intercept besides its slots. Default: true. */
  intercept?: boolean
}
