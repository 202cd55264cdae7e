/** Published test functions of searching, over the spaces that test/reference/search/generate.py gives optuna. */
import type { Params, Space } from '../../../src/train/search/space.ts'

export interface Toy {
  space: Space
  /** Least value there is. */
  least: number
  loss(params: Params): number
}

const real = (min: number, max: number) =>
  ({ kind: 'range', min, max, scale: 'linear', integer: false }) as const

const A = [
  [10, 3, 17, 3.5, 1.7, 8],
  [0.05, 10, 17, 0.1, 8, 14],
  [3, 3.5, 1.7, 10, 17, 8],
  [17, 8, 0.05, 10, 0.1, 14],
]
const P = [
  [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
  [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
  [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
  [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]
const C = [1, 1.2, 3, 3.2]

export const TOYS: Record<string, Toy> = {
  branin: {
    space: { x: real(-5, 10), y: real(0, 15) },
    least: 0.397887,
    loss({ x, y }) {
      const [a, b] = [x as number, y as number]
      const inner = b - (5.1 * a * a) / (4 * Math.PI ** 2) + (5 * a) / Math.PI - 6
      return inner * inner + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(a) + 10
    },
  },
  hartmann6: {
    space: Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`x${i}`, real(0, 1)])),
    least: -3.32237,
    loss: (p) =>
      -C.reduce((sum, c, i) => {
        const far = A[i].reduce((s, a, j) => s + a * ((p[`x${j}`] as number) - P[i][j]) ** 2, 0)
        return sum + c * Math.exp(-far)
      }, 0),
  },
  mixed: {
    space: {
      rate: { kind: 'range', min: 1e-4, max: 1, scale: 'log', integer: false },
      leaves: { kind: 'range', min: 2, max: 1024, scale: 'log', integer: true },
      kind: { kind: 'choice', values: ['a', 'b', 'c'] },
    },
    least: 0,
    loss: ({ rate, leaves, kind }) =>
      Math.log10((rate as number) / 0.05) ** 2 +
      (Math.log2((leaves as number) / 64) / 2) ** 2 +
      ({ a: 1, b: 0, c: 0.5 }[kind as string] as number),
  },
}
