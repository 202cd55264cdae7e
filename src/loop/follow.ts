/**
 * Follows the logs of predictions and outcomes: joins them by id, fills the open windows, judges those that close, and moves releases by the evidence.
 *
 * Nothing that is open is kept on disk: after a restart the logs are read again from the checkpoint of the last closed window (from the start while a release
 * is under way, as its evidence began earlier), which gives the same state.
 */
import {
  decodeBlocks,
  OUTCOMES_STREAM,
  PREDICTIONS_STREAM,
  type PredictionBlock,
} from '../core/log-blocks.ts'
import { type JoinedRow, LogJoin } from '../core/log-join.ts'
import type { Digest, ModelBundle, ModelCard, Release, TimeWindow } from '../core/records.ts'
import type { ModelDef } from '../define/types.ts'
import { type LoadedModel, loadModel } from '../model/load.ts'
import { ReleaseEvidence } from '../release/evidence.ts'
import { candidateRoute, liveRoute, nextStep } from '../release/machine.ts'
import { type CurrentRelease, currentRelease, recordRelease, releaseHistory } from '../release/record.ts'
import type { LogPosition } from '../store/ports.ts'
import { type Reference, WindowAccumulator } from '../watch/accumulator.ts'
import { type AlertPlan, planAlerts } from '../watch/alerts.ts'
import { judgeWindow } from '../watch/judge.ts'
import { emptyWatch, openAlerts, readWatch, recordWindow } from '../watch/record.ts'
import type { WatchState, WindowReport } from '../watch/records.ts'
import { closesAt, windowAt } from '../watch/windows.ts'
import type { Runtime } from './runtime.ts'

/** Something that following the log led to. */
export type Happening =
  | { kind: 'window'; model: string; report: WindowReport; alerts: AlertPlan }
  | { kind: 'release'; model: string; release: Release }

const ACTOR = 'millrace'

export class Follower {
  readonly #rt: Runtime
  readonly #watchers: ModelWatcher[]
  #position: { predictions?: LogPosition; outcomes?: LogPosition }

  private constructor(
    rt: Runtime,
    watchers: ModelWatcher[],
    position: { predictions?: LogPosition; outcomes?: LogPosition },
  ) {
    this.#rt = rt
    this.#watchers = watchers
    this.#position = position
  }

  static async open(rt: Runtime): Promise<Follower> {
    const watchers = await Promise.all(rt.project.models.map((model) => ModelWatcher.open(rt, model)))
    const starts = watchers.map((w) => w.startPosition())
    return new Follower(rt, watchers, {
      predictions: earliest(starts.map((s) => s.predictions)),
      outcomes: earliest(starts.map((s) => s.outcomes)),
    })
  }

  /** Reads what is new in both logs, closes windows that are due and moves releases. Call it again and again. */
  async poll(): Promise<Happening[]> {
    for (const watcher of this.#watchers) await watcher.refresh()
    await this.#readPredictions()
    await this.#readOutcomes()
    const happenings: Happening[] = []
    for (const watcher of this.#watchers) {
      happenings.push(...(await watcher.closeDue(this.#position)))
      const moved = await watcher.moveRelease()
      if (moved) happenings.push({ kind: 'release', model: moved.model, release: moved })
    }
    return happenings
  }

  async #readPredictions(): Promise<void> {
    for await (const { records, next } of this.#rt.store.log.read(
      PREDICTIONS_STREAM,
      this.#position.predictions,
    )) {
      for (const block of decodeBlocks(records)) {
        if (block.kind !== 'predictions') continue
        for (const watcher of this.#watchers)
          if (watcher.model.name === block.model) await watcher.predictions(block, this.#position)
      }
      this.#position = { ...this.#position, predictions: next }
    }
  }

  async #readOutcomes(): Promise<void> {
    for await (const { records, next } of this.#rt.store.log.read(OUTCOMES_STREAM, this.#position.outcomes)) {
      for (const block of decodeBlocks(records)) {
        if (block.kind !== 'outcomes') continue
        for (const watcher of this.#watchers) watcher.joined(watcher.join.addOutcomes(block))
      }
      this.#position = { ...this.#position, outcomes: next }
    }
  }
}

interface OpenWindow {
  accumulator: WindowAccumulator
  reference: Reference
  card: ModelCard
  /** Where the logs stood when the window was opened. */
  begun: { predictions?: LogPosition; outcomes?: LogPosition }
}

interface UnderWay {
  current: CurrentRelease
  evidence: ReleaseEvidence
}

class ModelWatcher {
  readonly model: ModelDef
  readonly join: LogJoin
  readonly #rt: Runtime
  #watch: { digest?: Digest; state: WatchState }
  #current: CurrentRelease | undefined
  #underWay: UnderWay | undefined
  readonly #windows = new Map<number, OpenWindow>()
  #live: { bundle: Digest; version: number; parent: LoadedModel } | undefined

  private constructor(rt: Runtime, model: ModelDef, watch: { digest?: Digest; state: WatchState }) {
    this.#rt = rt
    this.model = model
    this.#watch = watch
    this.join = new LogJoin(model.name, 3 * model.watch.outcomeDelayMs + 14 * 86_400_000)
  }

  static async open(rt: Runtime, model: ModelDef): Promise<ModelWatcher> {
    const watch = (await readWatch(rt.store, model.name)) ?? {
      state: emptyWatch(model.name, model.watch.alpha),
    }
    const watcher = new ModelWatcher(rt, model, watch)
    await watcher.refresh()
    return watcher
  }

  startPosition(): WatchState['checkpoint'] {
    return this.#underWay ? {} : this.#watch.state.checkpoint
  }

  /** Looks whether the release was moved by somebody. */
  async refresh(): Promise<void> {
    const current = await currentRelease(this.#rt.store, this.model.name)
    if (current?.digest === this.#current?.digest) return
    await this.#follow(current)
  }

  async #follow(current: CurrentRelease | undefined): Promise<void> {
    this.#current = current
    const candidate = current && candidateRoute(current.release)
    const live = current && liveRoute(current.release)
    if (
      !current ||
      !candidate ||
      !live ||
      (current.release.state !== 'shadow' && current.release.state !== 'canary')
    ) {
      this.#underWay = undefined
      return
    }
    if (this.#underWay?.evidence.isOf(current.release)) {
      this.#underWay.current = current
      this.#underWay.evidence.beginStage(current.release.at)
      return
    }
    const { version } = await this.#parentOf(live.bundle)
    this.#underWay = {
      current,
      evidence: ReleaseEvidence.begin(current.release, this.model.release, version.task, version.card),
    }
  }

  async #parentOf(bundle: Digest): Promise<LoadedModel> {
    const record = await this.#rt.store.getRecord<ModelBundle>(bundle, 'ModelBundle')
    return await loadModel(this.#rt.store, record.parent)
  }

  async predictions(block: PredictionBlock, position: WatchState['checkpoint']): Promise<void> {
    const { fromAt } = windowAt(this.model.watch.window, block.at)
    if (this.#watch.state.openFromAt === undefined || fromAt >= this.#watch.state.openFromAt) {
      const open = this.#windows.get(fromAt) ?? (await this.#openWindow(block.at, position))
      open?.accumulator.addPredictions(block)
    }
    this.joined(this.join.addPredictions(block))
  }

  joined(rows: JoinedRow[]): void {
    for (const row of rows) {
      this.#windows.get(windowAt(this.model.watch.window, row.at).fromAt)?.accumulator.addJoined(row)
    }
    this.#underWay?.evidence.add(rows)
  }

  async #openWindow(at: number, begun: OpenWindow['begun']): Promise<OpenWindow | undefined> {
    const window = windowAt(this.model.watch.window, at)
    if (this.#seenTooLate(window, at)) return undefined
    const live = await this.#liveModel(at)
    if (!live) return undefined
    const { version: parent, features } = live.parent
    const reference: Reference = {
      version: live.version,
      task: parent.task,
      features,
      featureInfo: parent.featureInfo,
      scores: parent.card.scores,
    }
    const open = {
      accumulator: new WindowAccumulator(window, reference),
      reference,
      card: parent.card,
      begun: { ...begun },
    }
    this.#windows.set(window.fromAt, open)
    return open
  }

  /** A first window that was not seen from its beginning is not judged: a Sunday is no sample of a week. */
  #seenTooLate(window: TimeWindow, at: number): boolean {
    const isFirst = this.#watch.state.windows.length === 0 && this.#windows.size === 0
    return isFirst && at - window.fromAt > (window.toAt - window.fromAt) / 7
  }

  /** What was live at an instant, not what is live when the log is read: a window that is rebuilt after a restart gets the reference it had. */
  async #liveModel(at: number) {
    const history = await releaseHistory(this.#rt.store, this.model.name)
    const release = history.find((past) => past.release.at <= at)?.release ?? this.#current?.release
    const route = release && liveRoute(release)
    if (!route) return undefined
    if (this.#live?.bundle !== route.bundle)
      this.#live = {
        bundle: route.bundle,
        version: route.version,
        parent: await this.#parentOf(route.bundle),
      }
    return this.#live
  }

  /** Judges every window whose outcomes have had their time. */
  async closeDue(position: WatchState['checkpoint']): Promise<Happening[]> {
    const happenings: Happening[] = []
    const due = [...this.#windows.entries()]
      .filter(([, w]) => closesAt(w.accumulator.window, this.model.watch) <= this.#rt.clock.now())
      .sort(([a], [b]) => a - b)
    for (const [fromAt, open] of due) {
      this.#windows.delete(fromAt)
      happenings.push(await this.#close(open, position))
    }
    return happenings
  }

  /** Judges a window and records it with what it means for the alerts; plans again when an alert was moved by a person meanwhile. */
  async #close(open: OpenWindow, position: WatchState['checkpoint']): Promise<Happening> {
    const { store } = this.#rt
    const { report, fdr } = judgeWindow(
      open.accumulator,
      open.reference,
      open.card,
      this.#watch.state.fdr,
      this.model.name,
    )
    const next = [...this.#windows.values()].sort(
      (a, b) => a.accumulator.window.fromAt - b.accumulator.window.fromAt,
    )[0]
    const checkpoint = next?.begun ?? position
    for (;;) {
      const open = await openAlerts(store, this.model.name)
      const plan = planAlerts(
        report,
        open.map((o) => o.alert),
        this.model.watch,
      )
      const recorded = await recordWindow(store, {
        before: this.#watch,
        report,
        plan,
        fdr,
        checkpoint,
        open,
        actor: ACTOR,
      })
      if (recorded) {
        this.#watch = recorded
        return { kind: 'window', model: this.model.name, report, alerts: plan }
      }
      this.#watch = (await readWatch(store, this.model.name)) ?? this.#watch
    }
  }

  /** Moves the release as far as the evidence allows. */
  async moveRelease(): Promise<Release | undefined> {
    if (!this.#underWay) return undefined
    const { current, evidence } = this.#underWay
    const step = nextStep(current.release, this.model.release, evidence.evidence(), this.#rt.clock.now())
    if (step.kind === 'wait') return undefined
    const recorded = await recordRelease(this.#rt.store, step.release, current.digest, ACTOR)
    if (!recorded) return undefined
    await this.#follow({ digest: recorded.digest, release: step.release })
    return step.release
  }
}

/** The smaller of positions; undefined (the start) when any is undefined. */
function earliest(positions: (LogPosition | undefined)[]): LogPosition | undefined {
  if (positions.length === 0 || positions.includes(undefined)) return undefined
  return (positions as LogPosition[]).reduce((a, b) =>
    b.segment < a.segment || (b.segment === a.segment && b.offset < a.offset) ? b : a,
  )
}
