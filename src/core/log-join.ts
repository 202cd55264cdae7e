/**
 * Joins predictions with their outcomes by id as both logs are read, whichever comes first, each pair once.
 *
 * A shadow that is logged only after its request was joined is not part of its row; whoever compares versions waits for it (`release/evidence.ts`).
 *
 * What waits is bounded: predictions older than `waitMsMax` against the newest block are given up (their outcome never came) and counted;
 * so are outcomes whose prediction is unknown. State is rebuilt by reading the log again from a checkpoint.
 */
import type { Said } from './class-vectors.ts'
import { type OutcomeBlock, type PredictionBlock, saidOf } from './log-blocks.ts'
import { Waiting } from './waiting.ts'

/** One answered request whose outcome is known. */
export interface JoinedRow {
  id: string
  member: string
  at: number
  /** Version of the bundle that answered, and its output. */
  version: number
  output: number
  /** Where the model tells several classes apart. */
  said?: Said
  route: 'live' | 'canary'
  /** What other versions said of the same request in the shadow. */
  shadows: Answer[]
  /** What happened; of several classes, 1 when the answer was right and 0 when it was not. */
  outcome: number
  /** The class that it was. */
  label?: string
  /** Group of the row and how many rows it has, where the model ranks. */
  group?: string
  groupRows?: number
  /** Share of answers that the log kept when this one was given; absent for all. */
  sample?: number
}

/** What a version said of a row. */
export interface Answer {
  version: number
  output: number
  said?: Said
}

interface Pending {
  member: string
  at: number
  version: number
  output: number
  said?: Said
  route: 'live' | 'canary' | undefined
  shadows: Answer[]
  group?: string
  groupRows?: number
  sample?: number
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
  readonly #pending = new Waiting<Pending>()
  readonly #early = new Waiting<{ value: number | string; at: number }>()
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
    const answerOf = answersOf(block)
    const groupRows = block.groups && countsOf(block.groups)
    for (let i = 0; i < block.ids.length; i++) {
      const id = block.ids[i]
      const pending = this.#pendingOf(id, block.at, block.members[i])
      const route = block.routes[i]
      const answer = answerOf(i)
      if (route === 'shadow') pending.shadows.push(answer)
      else Object.assign(pending, answer, { member: block.members[i], at: block.at, route })
      if (block.sample !== undefined && route !== 'shadow') pending.sample = block.sample
      if (block.groups && groupRows && route !== 'shadow') {
        pending.group = block.groups[i]
        pending.groupRows = groupRows.get(block.groups[i])
      }
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
    return this.#early.oldest()?.at ?? Number.POSITIVE_INFINITY
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

  #complete(id: string, p: Pending, value: number | string, joined: JoinedRow[]): void {
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
      ...happened(p.said, value),
      ...(p.said && { said: p.said }),
      ...(p.sample !== undefined && { sample: p.sample }),
      ...(p.group !== undefined && { group: p.group, groupRows: p.groupRows }),
    })
  }

  /** What waits stands in the order of time: what is too old is at the front. */
  #advance(at: number): void {
    if (at <= this.#newestAt) return
    this.#newestAt = at
    const oldest = at - this.#waitMsMax
    for (let first = this.#pending.oldest(); first && first.at < oldest; first = this.#pending.oldest()) {
      this.#pending.dropOldest()
      if (first.route !== undefined) this.#expired++
    }
    for (let first = this.#early.oldest(); first && first.at < oldest; first = this.#early.oldest()) {
      this.#early.dropOldest()
      this.#unmatched++
    }
  }
}

/** What a block says of its rows, by row. */
export function answersOf(block: PredictionBlock): (row: number) => Answer {
  const said = saidOf(block)
  return (row) => ({
    version: block.versions[row],
    output: block.outputs[row],
    ...(said && { said: said(row) }),
  })
}

/** What happened as a row tells it. A label where no classes were said is no outcome that the model can take. */
function happened(said: Said | undefined, value: number | string): Pick<JoinedRow, 'outcome' | 'label'> {
  if (!said) return { outcome: typeof value === 'string' ? Number.NaN : value }
  const label = String(value)
  return { outcome: label === said.label ? 1 : 0, label }
}

function countsOf(groups: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1)
  return counts
}
