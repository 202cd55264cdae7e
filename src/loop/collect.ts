/** Garbage collection of a project: that of the store, which knows no kinds, with what knows packs of files. */
import { packRewriter } from '../data/files/index.ts'
import {
  collectGarbage as collect,
  type GcOptions,
  type GcOutcome,
  type GcPlan,
  planGc as plan,
} from '../store/gc/collect.ts'
import type { Store } from '../store/ports.ts'

/** What `collectGarbage` would do; see `store/gc/collect.ts`. */
export const planGc = (store: Store, options: GcOptions): Promise<GcPlan> =>
  plan(store, { rewriter: packRewriter, ...options })

/** Collects garbage, and writes packs of files anew of which less than half is needed; see `store/gc/collect.ts`. */
export const collectGarbage = (
  store: Store,
  options: GcOptions & { actor: string; reason: string },
): Promise<GcOutcome> => collect(store, { rewriter: packRewriter, ...options })
