/**
 * Joins predictions with their outcomes by id as both logs are read, whichever comes first, each pair once.
 *
 * A shadow that is logged only after its request was joined is not seen; it leaves with what is too old.
 *
 * What waits is bounded: predictions older than `waitMsMax` against the newest block are given up (their outcome never came) and counted;
 * so are outcomes whose prediction is unknown. State is rebuilt by reading the log again from a checkpoint.
 */
import type { OutcomeBlock, PredictionBlock } from './log-blocks.ts'

/** One answered request whose outcome is known. */
export interface JoinedRow {
  id: string
  member: string
  at: number
  /** Version of the bundle that answered, and its output. */
  version: number
  output: number
  route: 'live' | 'canary'
  /** What other versions said of the same request in the shadow. */
  shadows: { version: number; output: number }[]
  outcome: number
}

interface Pending {
  member: string
  at: number
  version: number
  output: number
  route: 'live' | 'canary' | undefined
  shadows: { version: number; output: number }[]
}

export interface LogJoinCounts {
  joined: number
  waiting: number
  /** Predictions given up without an outcome. */
  expired: number
  /** Outcomes that came before their prediction or without one. */
  unmatched: number
}

export class LogJoin {
  readonly model: string
  readonly #waitMsMax: number
  readonly #pending = new Map<string, Pending>()
  readonly #early = new Map<string, { value: number; at: number }>()
  #newestAt = Number.NEGATIVE_INFINITY
  #joined = 0
  #expired = 0
  #unmatched = 0

  constructor(model: string, waitMsMax: number) {
    this.model = model
    this.#waitMsMax = waitMsMax
  }

  /** Takes predictions; returns rows that were completed by outcomes which had come before. */
  addPredictions(block: PredictionBlock): JoinedRow[] {
    if (block.model !== this.model) return []
    this.#advance(block.at)
    const joined: JoinedRow[] = []
    for (let i = 0; i < block.ids.length; i++) {
      const id = block.ids[i]
      const pending = this.#pendingOf(id, block.at, block.members[i])
      const route = block.routes[i]
      if (route === 'shadow') pending.shadows.push({ version: block.versions[i], output: block.outputs[i] })
      else
        Object.assign(pending, {
          member: block.members[i],
          at: block.at,
          version: block.versions[i],
          output: block.outputs[i],
          route,
        })
      const early = this.#early.get(id)
      if (early !== undefined && pending.route !== undefined) {
        this.#early.delete(id)
        this.#complete(id, pending, early.value, joined)
      }
    }
    return joined
  }

  /** Takes outcomes; returns the rows they completed. */
  addOutcomes(block: OutcomeBlock): JoinedRow[] {
    if (block.model !== this.model) return []
    this.#advance(block.at)
    const joined: JoinedRow[] = []
    for (let i = 0; i < block.ids.length; i++) {
      const pending = this.#pending.get(block.ids[i])
      if (pending?.route === undefined) {
        this.#early.delete(block.ids[i])
        this.#early.set(block.ids[i], { value: block.values[i], at: block.at })
      } else this.#complete(block.ids[i], pending, block.values[i], joined)
    }
    return joined
  }

  /** When the oldest outcome came that waits for its prediction; Infinity when none does. */
  earlyAt(): number {
    for (const { at } of this.#early.values()) return at
    return Number.POSITIVE_INFINITY
  }

  counts(): LogJoinCounts {
    return {
      joined: this.#joined,
      waiting: this.#pending.size,
      expired: this.#expired,
      unmatched: this.#unmatched + this.#early.size,
    }
  }

  #pendingOf(id: string, at: number, member: string): Pending {
    let pending = this.#pending.get(id)
    if (pending === undefined) {
      pending = { member, at, version: 0, output: Number.NaN, route: undefined, shadows: [] }
      this.#pending.set(id, pending)
    }
    return pending
  }

  #complete(id: string, p: Pending, outcome: number, joined: JoinedRow[]): void {
    this.#pending.delete(id)
    this.#joined++
    joined.push({
      id,
      member: p.member,
      at: p.at,
      version: p.version,
      output: p.output,
      route: p.route as 'live' | 'canary',
      shadows: p.shadows,
      outcome,
    })
  }

  /** Maps keep the order of insertion, which is the order of time: what is too old stands at the front. */
  #advance(at: number): void {
    if (at <= this.#newestAt) return
    this.#newestAt = at
    const oldest = at - this.#waitMsMax
    for (const [id, pending] of this.#pending) {
      if (pending.at >= oldest) break
      this.#pending.delete(id)
      if (pending.route !== undefined) this.#expired++
    }
    for (const [id, early] of this.#early) {
      if (early.at >= oldest) break
      this.#early.delete(id)
      this.#unmatched++
    }
  }
}
