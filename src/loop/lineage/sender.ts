/**
 * Sends what the journal says as run events, in its order, from where it stopped. Nothing of the work waits for it: the journal is the queue, a page of it is in memory at a time, and a server that is away is asked again later.
 *
 * How far it has come is a small file beside the store, a file for each target. It is written after the events of a journal entry were taken, so that what was under way when a process ended is sent again: at least once. The
 * run ids are made of the journal, so a server sees that it is the same run.
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toError } from '../../core/errors.ts'
import type { JournalEvent } from '../../core/records.ts'
import { writeWhole } from '../../store/disk/draft.ts'
import type { Runtime } from '../runtime.ts'
import { FacetMaker } from './facets.ts'
import { type LineageContext, runEventsOf } from './run-events.ts'
import type { LineageSettings, Sent } from './transport.ts'

export interface LineageOptions extends LineageSettings {
  /** Version of this package, which events name as their producer. */
  version: string
  /** Tries of an event in one turn. Default: 3. */
  triesMax?: number
  /** Pause before the second; twice as long before each one after. Default: 500. */
  retryMs?: number
  /** What is told when a server does not take events, once until it does again. */
  onFault?: (error: Error) => void
}

export interface LineageTurn {
  /** Run events that were taken. */
  sent: number
  /** Run events that the server will never take: they are passed over. */
  refused: number
  /** The last entry of the journal that is done. */
  seq: number
  /** Why the turn ended before the journal did. */
  fault?: string
}

const PAGE = 100

export class LineageSender {
  readonly #rt: Pick<Runtime, 'store' | 'stateDir' | 'project'>
  readonly #options: LineageOptions
  readonly #context: LineageContext
  readonly #place: string
  #turn: Promise<unknown> = Promise.resolve()
  #isFaulty = false
  /** What the file says, as far as it was read or written in this turn. */
  #remembered: number | undefined

  constructor(rt: Pick<Runtime, 'store' | 'stateDir' | 'project'>, options: LineageOptions) {
    this.#rt = rt
    this.#options = options
    const project = rt.project.name
    const namespace = options.namespace ?? project
    this.#context = { store: rt.store, facets: new FacetMaker(options.version), namespace, project }
    const key = createHash('sha256').update(options.transport.target).digest('hex').slice(0, 16)
    this.#place = join(rt.stateDir, 'lineage', `${key}.json`)
  }

  /** Sends what is new, until the journal ends, a server is away or `signal` comes. Calls wait for one another. Errors: those of the store. */
  poll(signal?: AbortSignal, after?: number): Promise<LineageTurn> {
    const turn = this.#turn.then(() => this.#once(signal, after))
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #once(signal: AbortSignal | undefined, after: number | undefined): Promise<LineageTurn> {
    this.#remembered = after === undefined ? await this.#offset() : undefined
    const turn: LineageTurn = { sent: 0, refused: 0, seq: after ?? this.#remembered ?? 0 }
    for (;;) {
      const page = await this.#rt.store.meta.events({ after: turn.seq, limit: PAGE })
      for (const event of page) {
        if (signal?.aborted || !(await this.#sendAll(event, turn, signal))) return turn
        turn.seq = event.seq
      }
      await this.#remember(turn.seq)
      if (page.length < PAGE) return turn
    }
  }

  async #sendAll(event: JournalEvent, turn: LineageTurn, signal: AbortSignal | undefined): Promise<boolean> {
    const events = await runEventsOf(this.#context, event)
    for (const each of events) {
      const sent = await this.#try(each, signal)
      if (sent.kind === 'taken') {
        turn.sent++
        continue
      }
      const isCutOff = sent.kind === 'later' && signal?.aborted
      if (!isCutOff) this.#tell(sent.why)
      if (sent.kind === 'later') {
        if (!isCutOff) turn.fault = sent.why
        await this.#remember(turn.seq)
        return false
      }
      turn.refused++
    }
    if (events.length > 0) await this.#remember(event.seq)
    return true
  }

  async #try(
    event: Parameters<LineageSettings['transport']['send']>[0],
    signal: AbortSignal | undefined,
  ): Promise<Sent> {
    const { triesMax = 3, retryMs = 500, transport } = this.#options
    for (let tries = 1; ; tries++) {
      const sent = await transport.send(event, signal)
      if (sent.kind === 'taken') this.#isFaulty = false
      if (sent.kind !== 'later' || tries >= triesMax || signal?.aborted) return sent
      await sleep(retryMs * 2 ** (tries - 1), undefined, { signal }).catch(() => undefined)
    }
  }

  #tell(why: string): void {
    if (!this.#isFaulty) this.#options.onFault?.(new Error(`lineage: ${why}`))
    this.#isFaulty = true
  }

  async #offset(): Promise<number> {
    try {
      const { seq } = JSON.parse(await readFile(this.#place, 'utf8')) as { seq: unknown }
      return typeof seq === 'number' ? seq : 0
    } catch (thrown) {
      // None yet, or one that cannot be read: everything is sent again, under the same run ids.
      const { code } = toError(thrown) as NodeJS.ErrnoException
      if (code !== undefined && code !== 'ENOENT') throw thrown
      return 0
    }
  }

  async #remember(seq: number): Promise<void> {
    if (seq === this.#remembered) return
    const text = JSON.stringify({ target: this.#options.transport.target, seq })
    await writeWhole(this.#place, (draft) => writeFile(draft, text))
    this.#remembered = seq
  }
}
