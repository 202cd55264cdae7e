/**
 * Requests that are asked again under their id, because their answer did not arrive: they are answered again and not logged again. Known are ids that this process logged lately; and, from the first
 * time that one is asked again which is not among them, those at the end of the log as it was then, which a process before this one may have written.
 *
 * Only what says that it is asked again is looked up: a caller who uses an id twice for different rows has two predictions, as before.
 */
import { PREDICTIONS_STREAM, type PredictionBlock } from '../core/log-blocks.ts'
import type { Log } from '../store/ports.ts'
import { SERVE_LIMITS } from './limits.ts'
import { RecentIds } from './recent-ids.ts'

/** A prediction is one by one version: the same id by another is another. */
const keyOf = (model: string, id: string, version: number): string => `${model} ${version} ${id}`

export class Retries {
  readonly #log: Log
  readonly #underWay = new Map<string, Promise<unknown>>()
  #answered = new RecentIds(SERVE_LIMITS.recentIdsMax)
  #before: Promise<void> | undefined

  constructor(log: Log) {
    this.#log = log
  }

  /** Runs a named request; one that is asked again waits until what came before under its name has ended. */
  async inTurn<R>(name: string, isAgain: boolean, answer: () => Promise<R>): Promise<R> {
    const before = this.#underWay.get(name)
    if (isAgain && before) await before.catch(() => undefined)
    const answering = answer()
    this.#underWay.set(name, answering)
    try {
      return await answering
    } finally {
      if (this.#underWay.get(name) === answering) this.#underWay.delete(name)
    }
  }

  /** Whether all these predictions are in the log. */
  async areLogged(model: string, ids: readonly string[], version: number): Promise<boolean> {
    const known = () => ids.every((id) => this.#answered.has(keyOf(model, id, version)))
    if (known()) return true
    this.#before ??= this.#readEnd().catch(() => {
      this.#before = undefined
    })
    await this.#before
    return known()
  }

  logged(model: string, ids: readonly string[], version: number): void {
    for (const id of ids) this.#answered.add(keyOf(model, id, version))
  }

  /** The newest segment of the log: what was answered before the last 64 MB of it is not asked for again now. */
  async #readEnd(): Promise<void> {
    const segment = await this.#log.newestSegment(PREDICTIONS_STREAM)
    if (segment === undefined) return
    for await (const { records } of this.#log.read(PREDICTIONS_STREAM, { segment, offset: 0 }))
      for (const record of records) this.#take(JSON.parse(record) as PredictionBlock)
  }

  #take({ kind, model, ids, versions, routes }: PredictionBlock): void {
    if (kind !== 'predictions') return
    ids.forEach((id, i) => {
      if (routes[i] !== 'shadow') this.#answered.add(keyOf(model, id, versions[i]))
    })
  }
}
