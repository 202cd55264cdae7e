/** Gauss-Legendre quadrature: integrals of polynomials over [0, 1], exactly. */

export interface Quadrature {
  points: Float64Array
  weights: Float64Array
  /** `1 / (1 - point)`. */
  inverseRest: Float64Array
}

/**
 * Gauss-Legendre rule of `n` points on [0, 1]: exact for polynomials of degree 2n - 1.
 * Roots of the Legendre polynomial by Newton's method from Tricomi's estimate. Accuracy: 1e-15.
 */
export function gaussLegendre(n: number): Quadrature {
  const points = new Float64Array(n)
  const weights = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5))
    let slope = 1
    for (let step = 0; step < 100; step++) {
      const at = legendre(n, x)
      slope = at.slope
      const change = at.value / slope
      x -= change
      if (Math.abs(change) < 1e-16) break
    }
    points[n - 1 - i] = (1 + x) / 2
    weights[n - 1 - i] = 1 / ((1 - x * x) * slope * slope)
  }
  return { points, weights, inverseRest: points.map((u) => 1 / (1 - u)) }
}

function legendre(n: number, x: number): { value: number; slope: number } {
  let before = 1
  let value = x
  for (let k = 2; k <= n; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k]
  return { value, slope: (n * (x * value - before)) / (x * x - 1) }
}
