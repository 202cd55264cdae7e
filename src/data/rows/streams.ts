/** The streams of a project: takes rows for each dataset that has one, and seals what is due, one dataset at a time. */
import type { Clock } from '../../core/clock.ts'
import { MillraceError, toError } from '../../core/errors.ts'
import type { DatasetDef } from '../../define/types.ts'
import { every } from '../../engine/every.ts'
import type { ImportPorts } from '../import-data.ts'
import { RowIntake, type RowsSent } from './intake.ts'
import { ROWS_LIMITS } from './limits.ts'
import { type SealOutcome, sealRows } from './seal.ts'
import type { RowsStatus, RowsTaken } from './types.ts'

export interface StreamPorts extends ImportPorts {
  clock: Clock
}

export interface StreamsOptions {
  onSealed?: (outcome: SealOutcome) => void
  onFault?: (error: Error) => void
}

/** Who the journal says sealed. */
const ACTOR = 'stream'

export class RowStreams {
  readonly #ports: StreamPorts
  readonly #defs: Map<string, DatasetDef>
  readonly #options: StreamsOptions
  readonly #intakes = new Map<string, Promise<RowIntake>>()
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<unknown> = Promise.resolve()
  /** After a failure the next try waits, twice as long each time. */
  #waitMs = 0
  #notBefore = 0

  constructor(ports: StreamPorts, datasets: readonly DatasetDef[], options: StreamsOptions = {}) {
    this.#ports = ports
    this.#defs = new Map(datasets.filter((def) => def.stream).map((def) => [def.name, def]))
    this.#options = options
  }

  /** Opens all streams, so that what waits from before is sealed too, and looks by a timer what is due. */
  start(): void {
    if (this.#defs.size === 0) return
    for (const name of this.#defs.keys()) this.#open(name).catch((error) => this.#fault(toError(error)))
    this.#timer = every(ROWS_LIMITS.lookMs, () =>
      this.sealDue().catch((error) => this.#fault(toError(error))),
    )
  }

  /** Errors: MR_ROWS_OFF, and those of `RowIntake.take`. */
  async take(dataset: string, sent: RowsSent): Promise<RowsTaken> {
    return await (await this.#open(dataset)).take(sent)
  }

  /** Errors: MR_ROWS_OFF. */
  async status(dataset: string): Promise<RowsStatus> {
    return (await this.#open(dataset)).status()
  }

  /** Seals the datasets that are due (with `all`, those where anything waits). One at a time in this process. */
  sealDue({ all = false }: { all?: boolean } = {}): Promise<SealOutcome[]> {
    const turn = this.#turn.then(() => this.#sealDue(all))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#turn
  }

  async #sealDue(all: boolean): Promise<SealOutcome[]> {
    const { clock } = this.#ports
    const outcomes: SealOutcome[] = []
    for (const [name, def] of this.#defs) {
      const intake = await this.#open(name)
      const now = clock.now()
      const isDue = all ? intake.waiting.rows > 0 : now >= this.#notBefore && intake.isDue(now)
      if (!isDue || this.#abort.signal.aborted) continue
      try {
        const request = { actor: ACTOR, now, signal: this.#abort.signal }
        const outcome = await sealRows(this.#ports, def, request)
        this.#waitMs = 0
        await intake.refresh()
        if (!outcome) continue
        outcomes.push(outcome)
        this.#options.onSealed?.(outcome)
      } catch (thrown) {
        this.#waitMs = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS, 2 * this.#waitMs))
        this.#notBefore = clock.now() + this.#waitMs
        throw thrown
      }
    }
    return outcomes
  }

  #open(dataset: string): Promise<RowIntake> {
    const def = this.#defs.get(dataset)
    if (!def) throw new MillraceError('MR_ROWS_OFF', { dataset, open: [...this.#defs.keys()] })
    const known = this.#intakes.get(dataset)
    if (known) return known
    const opening = RowIntake.open(this.#ports, def)
    this.#intakes.set(dataset, opening)
    opening.catch(() => this.#intakes.delete(dataset))
    return opening
  }

  #fault(error: Error): void {
    if (!this.#abort.signal.aborted) this.#options.onFault?.(error)
  }
}

const RETRY_MS = 1_000
const RETRY_MS_MAX = 300_000
