/** The serving station: what the loop, the API and the CLI take from it. */

export { type GraphRunner, onnxGraphs, predictorLoader } from './load-predictor.ts'
export type { LogPolicy } from './log-policy.ts'
export type { Contribution, Explanation, Predictor, RawRow } from './predictor.ts'
export { type LiveRelease, parseAddress, Router } from './router.ts'
export type { LiveNumbers, ServeStats } from './serve-stats.ts'
export { createServer, type Server, type ServerOptions, servingRoutes } from './server.ts'
export { pickRoute, splitPoint } from './split.ts'
export { type Answers, type OutcomeIn, type PredictRequest, Station } from './station.ts'
