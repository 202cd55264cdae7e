/**
 * Solves `A x = b` for a symmetric positive definite `A` by Cholesky's factorisation.
 *
 * Shapes: `a` `[n * n]` by rows, of which the lower triangle is read and overwritten with the factor; `b` `[n]`.
 * A pivot that rounding has made zero or negative counts as infinite: that unknown is 0. Cost: O(n^3 / 6).
 * Source: Golub and Van Loan 2013, section 4.2.
 */
export function solveCholesky(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  factorise(a, n)
  const x = b.slice()
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= a[i * n + k] * x[k]
    x[i] /= a[i * n + i]
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= a[k * n + i] * x[k]
    x[i] /= a[i * n + i]
  }
  return x
}

function factorise(a: Float64Array, n: number): void {
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
