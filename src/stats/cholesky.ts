/** Symmetric positive definite systems of equations. */

/**
 * Solves `A x = b` for a symmetric positive definite `A` by Cholesky's factorisation.
 *
 * Shapes: `a` `[n * n]` by rows, of which the lower triangle is read and overwritten with the factor; `b` `[n]`.
 * A pivot that rounding has made zero or negative counts as infinite: that unknown is 0. Cost: O(n^3 / 6).
 * Source: Golub and Van Loan 2013, section 4.2.
 */
export function solveCholesky(a: Float64Array, b: Float64Array): Float64Array {
  factorCholesky(a, b.length)
  return solveUpper(a, solveLower(a, b))
}

/** Overwrites the lower triangle of `a` `[n * n]` with its factor. Pivots as in `solveCholesky`. */
export function factorCholesky(a: Float64Array, n: number): void {
  for (let j = 0; j < n; j++) {
    let pivot = a[j * n + j]
    for (let k = 0; k < j; k++) pivot -= a[j * n + k] * a[j * n + k]
    const root = pivot > 0 ? Math.sqrt(pivot) : Number.POSITIVE_INFINITY
    a[j * n + j] = root
    for (let i = j + 1; i < n; i++) {
      let sum = a[i * n + j]
      for (let k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k]
      a[i * n + j] = sum / root
    }
  }
}

/** Solves `L x = b` for a factor of `factorCholesky`. Cost: O(n²). */
export function solveLower(factor: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const x = b.slice()
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= factor[i * n + k] * x[k]
    x[i] /= factor[i * n + i]
  }
  return x
}

/** Solves `L' x = b` for a factor of `factorCholesky`. Cost: O(n²). */
export function solveUpper(factor: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const x = b.slice()
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= factor[k * n + i] * x[k]
    x[i] /= factor[i * n + i]
  }
  return x
}
