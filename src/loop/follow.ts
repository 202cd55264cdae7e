/**
 * Follows the logs of predictions and outcomes: joins them by id, fills the open windows, judges those that close, and moves releases by the evidence.
 *
 * Nothing that is open is kept on disk: after a restart the logs are read again from where what is open began, which gives the same state. The same happens
 * after a fault, so that nothing is counted twice.
 */
import type { LogBlock } from '../core/log-blocks.ts'
import type { Release } from '../core/records.ts'
import type { AlertPlan } from '../watch/alerts.ts'
import type { WindowReport } from '../watch/records.ts'
import { ModelWatcher } from './model-watcher.ts'
import { earliest, LogReader } from './read-logs.ts'
import type { Runtime } from './runtime.ts'

/** Something that following the log led to. */
export type Happening =
  | { kind: 'window'; model: string; report: WindowReport; alerts: AlertPlan }
  | { kind: 'release'; model: string; release: Release }

interface Following {
  watchers: Map<string, ModelWatcher>
  reader: LogReader
}

export class Follower {
  readonly #rt: Runtime
  #following: Following | undefined
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(rt: Runtime, following: Following) {
    this.#rt = rt
    this.#following = following
  }

  static async open(rt: Runtime): Promise<Follower> {
    return new Follower(rt, await begin(rt))
  }

  /**
   * Reads what is new in both logs, closes windows that are due and moves releases. Call it again and again; calls wait for one another.
   * When it fails, the next call begins anew from what is recorded.
   */
  poll(): Promise<Happening[]> {
    const turn = this.#turn.then(() => this.#poll())
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async #poll(): Promise<Happening[]> {
    this.#following ??= await begin(this.#rt)
    try {
      return await this.#read(this.#following)
    } catch (thrown) {
      this.#following = undefined
      throw thrown
    }
  }

  async #read({ watchers, reader }: Following): Promise<Happening[]> {
    const happenings: Happening[] = []
    for (const watcher of watchers.values()) await watcher.refresh()
    for await (const block of reader.read()) {
      const watcher = watchers.get(block.model)
      if (watcher) happenings.push(...(await take(watcher, block, reader)))
    }
    for (const watcher of watchers.values()) {
      happenings.push(...windowsOf(watcher, await watcher.closeDue(this.#rt.clock.now(), reader.place)))
      await watcher.refresh()
      const release = await watcher.moveRelease()
      if (release) happenings.push({ kind: 'release', model: release.model, release })
    }
    return happenings
  }
}

/** Windows close by the time of the log, not of its reading: what is read late is judged as if it had been read at once. */
async function take(watcher: ModelWatcher, block: LogBlock, reader: LogReader): Promise<Happening[]> {
  const closed = await watcher.closeDue(block.at, reader.place)
  if (block.kind === 'predictions') await watcher.predictions(block, reader.place)
  else watcher.outcomes(block, reader.place)
  return windowsOf(watcher, closed)
}

function windowsOf(
  watcher: ModelWatcher,
  closed: { report: WindowReport; alerts: AlertPlan }[],
): Happening[] {
  return closed.map((window) => ({ kind: 'window', model: watcher.model.name, ...window }))
}

async function begin(rt: Runtime): Promise<Following> {
  const watchers = await Promise.all(rt.project.models.map((model) => ModelWatcher.open(rt, model)))
  const starts = await Promise.all(watchers.map((watcher) => watcher.startPlace()))
  const places = starts.filter((place) => place !== undefined)
  return {
    watchers: new Map(watchers.map((watcher) => [watcher.model.name, watcher])),
    reader: new LogReader(rt.store.log, places.length > 0 ? earliest(places) : {}),
  }
}
