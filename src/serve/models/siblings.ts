/** Processes that serve the same models on the same port: what is asked of one of them is answered for all. */
export interface Siblings {
  /** Metrics of all together, in the Prometheus text format. */
  metrics(): Promise<string>
  /** Whether all of them can answer, with what keeps them from it. */
  readiness(): Promise<{ ready: boolean }>
  /** Resolves when all of them have the model; where one cannot, none has it. */
  load(model: string): Promise<void>
  /** Resolves when none of them has the model. */
  unload(model: string): Promise<void>
}
