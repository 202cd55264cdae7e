/** Garbage collection of a project: that of the store, which knows no kinds, with what knows packs of files. */
import { packEraser, packRewriter } from '../data/files/index.ts'
import {
  collectGarbage as collect,
  type GcOptions,
  type GcOutcome,
  type GcPlan,
  planGc as plan,
} from '../store/gc/collect.ts'
import type { Rewriter } from '../store/gc/rewrite.ts'
import type { Store } from '../store/ports.ts'

export interface CollectOptions extends GcOptions {
  /** Writes every pack anew that holds anything which is not needed. Default: those of which less than half is needed. */
  erase?: boolean
}

const rewriterOf = ({ erase = false }: CollectOptions): Rewriter => (erase ? packEraser : packRewriter)

/** What `collectGarbage` would do; see `store/gc/collect.ts`. */
export const planGc = (store: Store, options: CollectOptions): Promise<GcPlan> =>
  plan(store, { rewriter: rewriterOf(options), ...options })

/** Collects garbage, and writes packs of files anew of which less than half is needed; see `store/gc/collect.ts`. */
export const collectGarbage = (
  store: Store,
  options: CollectOptions & { actor: string; reason: string },
): Promise<GcOutcome> => collect(store, { rewriter: rewriterOf(options), ...options })
