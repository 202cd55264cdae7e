/** What a hidden unit makes of its sum, by plain arithmetic: the same bits on each machine. */
import { expFast, sigmoidFast } from '../../stats/exp.ts'
import { gelu, geluSlope } from './gelu.ts'

/** Those that networks are trained with here; their kernels are WebAssembly too. */
export const TRAINED_ACTIVATIONS = ['relu', 'gelu'] as const
/** The others are of imported networks. `gelu` is the approximation by tanh, `gelu-exact` x Φ(x). */
export const ACTIVATIONS = [...TRAINED_ACTIVATIONS, 'gelu-exact', 'silu', 'tanh', 'sigmoid'] as const
export type Activation = (typeof ACTIVATIONS)[number]

export interface Curve {
  value(x: number): number
  slope(x: number): number
  /** Whether it is made of straight pieces that meet at 0. */
  isPiecewise: boolean
}

export const CURVES: Record<Activation, Curve> = {
  relu: { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0), isPiecewise: true },
  gelu: { value: gelu, slope: geluSlope, isPiecewise: false },
  'gelu-exact': {
    value: (x) => x * normalShare(x),
    slope: (x) => normalShare(x) + x * ROOT_TAU_INVERSE * expHeld(-0.5 * x * x),
    isPiecewise: false,
  },
  silu: {
    value: (x) => x * sigmoidFast(x),
    slope: (x) => {
      const s = sigmoidFast(x)
      return s + x * s * (1 - s)
    },
    isPiecewise: false,
  },
  tanh: {
    value: (x) => 2 * sigmoidFast(2 * x) - 1,
    slope: (x) => {
      const s = sigmoidFast(2 * x)
      return 4 * s * (1 - s)
    },
    isPiecewise: false,
  },
  sigmoid: {
    value: sigmoidFast,
    slope: (x) => {
      const s = sigmoidFast(x)
      return s * (1 - s)
    },
    isPiecewise: false,
  },
}

const ROOT_TAU_INVERSE = 0.3989422804014327
const expHeld = (x: number) => (x < -80 ? 0 : expFast(x))

// Coefficients of Cody's rational approximations, highest power first.
const NEAR = [
  0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694,
]
const NEAR_BELOW = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171]
const FAR = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001,
  881.952221241769, 1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
]
const FAR_BELOW = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
]

/** Share of a standard normal at most `x`; absolute error below 1e-9. Source: Cody 1969, rational Chebyshev approximations for the error function. */
export function normalShare(x: number): number {
  const z = Math.abs(x) * Math.SQRT1_2
  if (z <= 0.46875) return 0.5 + (0.5 * x * Math.SQRT1_2 * at(NEAR, z * z)) / at(NEAR_BELOW, z * z)
  const tail = z > 6 ? 0 : (0.5 * expFast(-z * z) * at(FAR, z)) / at(FAR_BELOW, z)
  return x > 0 ? 1 - tail : tail
}

function at(coefficients: readonly number[], x: number): number {
  let sum = 0
  for (const coefficient of coefficients) sum = sum * x + coefficient
  return sum
}
