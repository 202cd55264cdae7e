/** Pure numbers: no I/O, no clock, no randomness of their own. What `millrace/stats` offers. */

export * from './distributions.ts'
export type { Estimate, Numbers } from './inputs.ts'
export * from './kolmogorov.ts'
export * from './metrics.ts'
export * from './special.ts'
