/** What is open of one model: predictions that wait for outcomes, windows that are not closed, and the evidence of a release under way. */
import {
  OUTCOMES_STREAM,
  type OutcomeBlock,
  PREDICTIONS_STREAM,
  type PredictionBlock,
} from '../core/log-blocks.ts'
import { type JoinedRow, LogJoin } from '../core/log-join.ts'
import { refs } from '../core/names.ts'
import type {
  DatasetVersion,
  Digest,
  ModelBundle,
  ModelCard,
  ModelVersion,
  Release,
  Route,
  TimeWindow,
} from '../core/records.ts'
import { ancestry, getVersion } from '../data/versions.ts'
import type { ModelDef } from '../define/types.ts'
import { type FittedFeatures, readFitted } from '../expr/features.ts'
import type { GateReport } from '../gate/task.ts'
import { ReleaseEvidence } from '../release/evidence.ts'
import { candidateRoute, liveRoute, nextStep } from '../release/machine.ts'
import { type CurrentRelease, currentRelease, recordRelease } from '../release/record.ts'
import { type Reference, WindowAccumulator } from '../watch/accumulator.ts'
import { type AlertPlan, planAlerts } from '../watch/alerts.ts'
import { judgeWindow } from '../watch/judge.ts'
import { emptyWatch, openAlerts, readWatch, recordWindow } from '../watch/record.ts'
import type { WatchState, WindowReport } from '../watch/records.ts'
import { type TrafficCheck, trafficChecks } from '../watch/traffic-checks.ts'
import { closesAt, windowAt } from '../watch/windows.ts'
import { earliest, type LogPlace } from './read-logs.ts'
import { datasetDef, type Runtime } from './runtime.ts'
import { startBefore } from './seek.ts'

const ACTOR = 'millrace'
const DAY = 86_400_000
/** How many moves of the live ref are looked through for a version: a model that learns online makes one a checkpoint. */
const MOVES_MAX = 100_000
/** Deliveries whose checks are remembered beside those of live traffic. */
const DELIVERIES_MAX = 200

interface OpenWindow {
  accumulator: WindowAccumulator
  held: Held
  /** Where the logs stood when the window was opened. */
  begun: LogPlace
}

/** What a window is held against: a version with what its gate measured of it. */
interface Held {
  bundle: Digest
  reference: Reference
  card: ModelCard
}

/** What may say something of a release: rows whose outcome is known, and what a shadow said of rows. */
type Compared = { kind: 'rows'; rows: JoinedRow[] } | { kind: 'shadows'; block: PredictionBlock }

interface UnderWay {
  current: CurrentRelease
  /** When its shadow began. */
  beganAt: number
  evidence: ReleaseEvidence
}

export class ModelWatcher {
  readonly model: ModelDef
  readonly #rt: Runtime
  readonly #join: LogJoin
  #watch: { digest?: Digest; state: WatchState }
  #current: CurrentRelease | undefined
  #underWay: UnderWay | undefined
  readonly #windows = new Map<number, OpenWindow>()
  #held: Held | undefined
  /** When the release was last looked at, and what was answered since, of whose comparison that look could not know. */
  #lookedAt = Number.NEGATIVE_INFINITY
  #unclaimed: Compared[] = []
  /** Where outcomes stand that came before their prediction. */
  #early: { at: number; position: LogPlace['outcomes'] }[] = []

  private constructor(rt: Runtime, model: ModelDef, watch: { digest?: Digest; state: WatchState }) {
    this.#rt = rt
    this.model = model
    this.#watch = watch
    const { fromAt, toAt } = windowAt(model.watch.window, 0)
    this.#join = new LogJoin(model.name, Math.max(14 * DAY, toAt - fromAt) + 3 * model.watch.outcomeDelayMs)
  }

  static async open(rt: Runtime, model: ModelDef): Promise<ModelWatcher> {
    const empty = { state: emptyWatch(model.name, model.watch.alpha) }
    const watcher = new ModelWatcher(rt, model, (await readWatch(rt.store, model.name)) ?? empty)
    await watcher.refresh()
    return watcher
  }

  /** Where reading must begin to rebuild what is open; undefined for a model that never answered anything. */
  async startPlace(): Promise<LogPlace | undefined> {
    const places: LogPlace[] = []
    if (this.#watch.state.windows.length > 0) places.push(this.#watch.state.checkpoint)
    else {
      const firstAt = await this.#firstReleaseAt()
      if (firstAt === undefined) return undefined
      places.push(await this.#placeAt(firstAt))
    }
    if (this.#underWay) places.push(await this.#placeAt(this.#underWay.beganAt))
    return earliest(places)
  }

  async #firstReleaseAt(): Promise<number | undefined> {
    let at: number | undefined
    for await (const release of this.#releases()) at = release.at
    return at
  }

  async #placeAt(at: number): Promise<LogPlace> {
    const { log } = this.#rt.store
    return {
      predictions: await startBefore(log, PREDICTIONS_STREAM, at),
      outcomes: await startBefore(log, OUTCOMES_STREAM, at),
    }
  }

  // ---------------------------------------------------------------- the release

  /** Looks whether the release was moved by somebody. */
  async refresh(): Promise<void> {
    const lookedAt = this.#rt.clock.now()
    const current = await currentRelease(this.#rt.store, this.model.name)
    if (current?.digest !== this.#current?.digest) await this.#follow(current)
    this.#unclaimed = []
    this.#lookedAt = lookedAt
  }

  async #follow(current: CurrentRelease | undefined): Promise<void> {
    this.#current = current
    const live = current && isCompared(current.release) && liveRoute(current.release)
    if (!live) {
      this.#underWay = undefined
      return
    }
    const beganAt = await this.#beginOf(current.release)
    if (this.#underWay?.beganAt === beganAt && this.#underWay.evidence.isOf(current.release)) {
      this.#underWay.current = current
      this.#underWay.evidence.beginStage(current.release.at)
      return
    }
    const { reference, card } = await this.#holdAgainst(live)
    const evidence = ReleaseEvidence.begin(current.release, this.model.release, reference.task, card)
    this.#underWay = { current, beganAt, evidence }
    for (const read of this.#unclaimed) this.#compare(read)
  }

  /** When the shadow of a release under way began. */
  async #beginOf(release: Release): Promise<number> {
    const bundle = candidateRoute(release)?.bundle
    let beganAt = release.at
    for await (const past of this.#releases()) {
      if (!isUnderWay(past) || candidateRoute(past)?.bundle !== bundle) break
      beganAt = past.at
    }
    return beganAt
  }

  /** All releases, newest first. */
  async *#releases(): AsyncGenerator<Release> {
    const { meta } = this.#rt.store
    for (const { digest } of await meta.history(refs.live(this.model.name), MOVES_MAX))
      if (digest) yield await this.#rt.store.getRecord<Release>(digest, 'Release')
  }

  #compare(read: Compared): void {
    if (!this.#underWay) {
      this.#unclaimed.push(read)
      return
    }
    const { evidence, beganAt } = this.#underWay
    if (read.kind === 'shadows') evidence.addShadows(read.block)
    else evidence.add(read.rows.filter((row) => row.at >= beganAt))
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

  // ---------------------------------------------------------------- the logs

  async predictions(block: PredictionBlock, place: LogPlace): Promise<void> {
    const open = await this.#windowOf(block, place)
    open?.accumulator.addPredictions(block)
    this.#joined(this.#join.addPredictions(block))
    if (this.#isComparable(block.at) && block.routes.includes('shadow'))
      this.#compare({ kind: 'shadows', block })
  }

  outcomes(block: OutcomeBlock, place: LogPlace): void {
    this.#joined(this.#join.addOutcomes(block))
    this.#noteEarly(block.at, place.outcomes)
  }

  /** One note a batch of the log, for as long as an outcome of its time waits for its prediction. */
  #noteEarly(at: number, position: LogPlace['outcomes']): void {
    const waitsSince = this.#join.earlyAt()
    this.#early = this.#early.filter((note) => note.at >= waitsSince)
    const last = this.#early.at(-1)
    if (last && last.position === position) last.at = Math.max(last.at, at)
    else if (at >= waitsSince) this.#early.push({ at, position })
  }

  #joined(rows: JoinedRow[]): void {
    for (const row of rows)
      this.#windows.get(windowAt(this.model.watch.window, row.at).fromAt)?.accumulator.addJoined(row)
    const compared = rows.filter((row) => this.#isComparable(row.at))
    if (compared.length > 0) this.#compare({ kind: 'rows', rows: compared })
  }

  #isComparable(at: number): boolean {
    return this.#underWay !== undefined || at >= this.#lookedAt
  }

  // ---------------------------------------------------------------- windows

  /** The open window of a block; undefined where it lies in one that is closed or not judged. */
  async #windowOf(block: PredictionBlock, begun: LogPlace): Promise<OpenWindow | undefined> {
    const window = windowAt(this.model.watch.window, block.at)
    const known = this.#windows.get(window.fromAt)
    if (known || this.#isOver(window) || this.#seenTooLate(window, block.at)) return known
    const held = await this.#heldAgainst(block)
    if (!held) return undefined
    const open = { accumulator: new WindowAccumulator(window, held.reference), held, begun }
    this.#windows.set(window.fromAt, open)
    return open
  }

  #isOver({ fromAt }: TimeWindow): boolean {
    const { openFromAt } = this.#watch.state
    return openFromAt !== undefined && fromAt < openFromAt
  }

  /** Watching begins with the first window that is seen from its beginning: a Sunday is no sample of a week. */
  #seenTooLate(window: TimeWindow, at: number): boolean {
    if (this.#watch.state.windows.length > 0) return false
    const [first] = [...this.#windows.keys()].sort((a, b) => a - b)
    if (first !== undefined) return window.fromAt < first
    return at - window.fromAt > (window.toAt - window.fromAt) / 7
  }

  /**
   * What a window is held against: the version that was live when its first answer was given. The log itself tells it, so that a window that is rebuilt
   * after a restart gets the reference it had.
   */
  async #heldAgainst(block: PredictionBlock): Promise<Held | undefined> {
    const first = block.routes.findIndex((role) => role !== 'shadow')
    if (first < 0) return undefined
    const [role, version] = [block.routes[first], block.versions[first]]
    for await (const release of this.#releases()) {
      const live = liveRoute(release)
      if (live && release.routes.some((r) => r.role === role && r.version === version && r.weight > 0))
        return await this.#holdAgainst(live)
    }
    return undefined
  }

  async #holdAgainst({ bundle, version }: Route): Promise<Held> {
    if (this.#held?.bundle === bundle) return this.#held
    const { store } = this.#rt
    const record = await store.getRecord<ModelBundle>(bundle, 'ModelBundle')
    const parent = await store.getRecord<ModelVersion>(record.parent, 'ModelVersion')
    const features = readFitted(await store.getRecord<FittedFeatures>(parent.features, 'FittedFeatures'))
    const gates = await store.meta.ref(refs.gates(this.model.name, version))
    const promise = gates && (await store.getRecord<GateReport>(gates.digest, 'GateReport')).promise
    this.#held = {
      bundle,
      card: { ...parent.card, metrics: promise?.metrics ?? parent.card.metrics },
      reference: {
        version,
        task: parent.task,
        features,
        featureInfo: parent.featureInfo,
        scores: promise?.scores ?? parent.card.scores,
        ...(promise?.classMix && { classMix: promise.classMix }),
        checks: await this.#trafficChecks(parent),
      },
    }
    return this.#held
  }

  /** Row rules of the dataset on what clients send, with what the deliveries up to the training version came to. */
  async #trafficChecks({ signature, trainedOn }: ModelVersion): Promise<TrafficCheck[]> {
    const { checks } = datasetDef(this.#rt, this.model.from)
    if (!checks.some(({ rule }) => rule.kind === 'row')) return []
    const { store } = this.#rt
    const versions: DatasetVersion[] = []
    const from = { digest: trainedOn.version, version: await getVersion(store, trainedOn.version) }
    for await (const { version } of ancestry(store, from))
      if (versions.push(version) === DELIVERIES_MAX) break
    return trafficChecks(checks, signature.inputs, versions)
  }

  /** Judges every window whose outcomes have had their time at an instant. */
  async closeDue(at: number, place: LogPlace): Promise<{ report: WindowReport; alerts: AlertPlan }[]> {
    const closed: { report: WindowReport; alerts: AlertPlan }[] = []
    const due = [...this.#windows].filter(([, w]) => closesAt(w.accumulator.window, this.model.watch) <= at)
    for (const [fromAt, open] of due.sort(([a], [b]) => a - b)) {
      this.#windows.delete(fromAt)
      const recorded = await this.#close(open, place)
      if (recorded) closed.push(recorded)
    }
    return closed
  }

  /**
   * Judges a window and records it with what it means for the alerts. Judged again when the state or an alert was moved meanwhile; undefined when
   * another process that follows the same logs was first.
   */
  async #close(
    { accumulator, held }: OpenWindow,
    place: LogPlace,
  ): Promise<{ report: WindowReport; alerts: AlertPlan } | undefined> {
    const { store } = this.#rt
    const { name, watch } = this.model
    const checkpoint = this.#checkpoint(place)
    while (!this.#isOver(accumulator.window)) {
      const before = this.#watch
      const { report, fdr } = judgeWindow(accumulator, held.reference, held.card, before.state.fdr, name)
      const open = await openAlerts(store, name)
      const alerts = open.map(({ alert }) => alert)
      const plan = planAlerts(report, alerts, watch)
      const recorded = await recordWindow(store, {
        before,
        report,
        plan,
        fdr,
        checkpoint,
        open,
        actor: ACTOR,
      })
      if (recorded) {
        this.#watch = recorded
        return { report, alerts: plan }
      }
      this.#watch = (await readWatch(store, name)) ?? { state: emptyWatch(name, watch.alpha) }
    }
    return undefined
  }

  /** Where reading begins to rebuild what is open: before the first block of every open window and every outcome that waits for its prediction. */
  #checkpoint(place: LogPlace): LogPlace {
    const waitsSince = this.#join.earlyAt()
    const early = this.#early.filter(({ at }) => at >= waitsSince)
    const outcomes = early.map(({ position }) => ({ ...place, outcomes: position }))
    return earliest([place, ...outcomes, ...[...this.#windows.values()].map(({ begun }) => begun)])
  }
}

/** Whether two versions are compared now. */
function isCompared(release: Release): boolean {
  return (release.state === 'shadow' || release.state === 'canary') && candidateRoute(release) !== undefined
}

function isUnderWay(release: Release): boolean {
  return isCompared(release) || release.state === 'paused'
}
