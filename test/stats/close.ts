import { expect } from 'vitest'

/** Asserts a relative (below 1e-300 absolute) distance; a failure prints value, expected, difference and tolerance. */
export function expectClose(actual: number, expected: number, tolerance: number, what: string): void {
  const difference = Math.abs(actual - expected)
  const near = actual === expected || difference <= tolerance * Math.abs(expected) || difference < 1e-300
  expect(
    near,
    `${what}: got ${actual}, expected ${expected}, difference ${difference}, tolerance ${tolerance}`,
  ).toBe(true)
}

/** Asserts that `run` throws the coded error. */
export function expectCode(run: () => unknown, code: string): void {
  let got: unknown
  try {
    run()
  } catch (error) {
    got = (error as { code?: string }).code ?? error
  }
  expect(got).toBe(code)
}

/**
 * Most hits that `n` draws of chance `p` show in all but one of a million runs (normal bound with a small-sample allowance):
 * what a rate over seeds is held to.
 */
export function hitsAtMost(n: number, p: number): number {
  return Math.ceil(n * p + 4.8 * Math.sqrt(n * p * (1 - p)) + 3)
}
