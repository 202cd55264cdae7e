/**
 * Learning while serving: rows that the log completes go into a model that can learn on, and every so many rows, or so long, what it learned becomes a version that
 * answers.
 *
 * A checkpoint is a run like any other (`train.online`: the checkpoint before and the rows that came since), so that it is found again by its digest. One commit makes
 * the bundle the newest, keeps its gate report and moves the live ref. The place in the logs is part of the version: whoever goes on from it, learns each row exactly
 * once, in the order of the log.
 *
 * **learning**: the live version is the highest that ever was live, and no release is under way. **waiting**: a candidate is compared with what is live, which must
 * stand still meanwhile; or somebody went back to an earlier version, and learning the same rows again would lead to the same place. Nothing is lost by waiting: the rows
 * stay in the log, and are learned when the release is decided, or a newer version goes live.
 */
import { join } from 'node:path'
import { assert } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { OUTCOMES_STREAM, PREDICTIONS_STREAM } from '../core/log-blocks.ts'
import { refs, subjects } from '../core/names.ts'
import type {
  Digest,
  LogSpan,
  ModelBundle,
  ModelVersion,
  OnlineMark,
  Release,
  Route,
} from '../core/records.ts'
import { opens } from '../core/verdicts.ts'
import type { ModelDef } from '../define/types.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { readFitted } from '../expr/features.ts'
import type { GateReport } from '../gate/task.ts'
import { writeMatrix } from '../model/matrix.ts'
import { beginRelease, liveRoute } from '../release/machine.ts'
import { type CurrentRelease, currentRelease, releaseHistory } from '../release/record.ts'
import { type OnlineReport, onlineSpec } from '../train/online.ts'
import { type CompleteRow, OnlineRows } from './online-rows.ts'
import { LogReader, type RecordPlace } from './read-logs.ts'
import type { Runtime } from './runtime.ts'
import { startBefore } from './seek.ts'

const ACTOR = 'millrace'
const HOUR = 3_600_000

export const ONLINE_LIMITS = {
  /** Answers that wait for their outcome in memory. */
  waitingRowsMax: 1_000_000,
  /** Complete rows that may wait for a checkpoint whose gates stay closed, in checkpoints. */
  checkpointsHeldMax: 64,
} as const

export interface Checkpoint {
  model: string
  version: number
  release: Release
  rows: number
  loss: OnlineReport['loss']
}

/** What is known of the version that learning goes on from. */
interface Head {
  current: CurrentRelease
  /** When its bundle first went live. */
  liveAt: number
  route: Route
  parent: Digest
  version: ModelVersion
}

/** A head, and how far the logs were read after it. */
interface Following {
  head: Head
  features: FittedFeatures
  reader: LogReader
  /** Reading began here; `LogSpan`s are counted from it. */
  rows: OnlineRows
  complete: CompleteRow[]
  /** Rows at which closed gates are asked again. */
  askAgainAt: number
}

export class OnlineLearner {
  readonly model: ModelDef
  readonly #rt: Runtime
  #following: Following | undefined
  /** The release looked at last, and the head that it gives; none while waiting. */
  #looked: { digest: Digest; head: Head | undefined } | undefined

  constructor(rt: Runtime, model: ModelDef) {
    this.#rt = rt
    this.model = model
  }

  /**
   * Reads what is new in the logs, and makes the checkpoints that are due. One call at a time. After a fault the next call begins anew from what is recorded.
   */
  async step(signal?: AbortSignal): Promise<Checkpoint[]> {
    try {
      return await this.#step(signal)
    } catch (thrown) {
      this.#following = undefined
      this.#looked = undefined
      throw thrown
    }
  }

  async #step(signal: AbortSignal | undefined): Promise<Checkpoint[]> {
    const made: Checkpoint[] = []
    let following = await this.#follow()
    if (!following) return made
    for await (const block of following.reader.read()) {
      if (signal?.aborted) return made
      const checkpoint = isDue(following, this.model) && (await this.#checkpoint(following, signal))
      if (checkpoint) made.push(checkpoint)
      if (!this.#following || isFull(following, this.model)) return made
      following = this.#following
      const cursor = following.reader.cursor
      following.complete.push(
        ...(block.kind === 'predictions'
          ? following.rows.predictions(block, cursor)
          : following.rows.outcomes(block, cursor)),
      )
    }
    const now = this.#rt.clock.now()
    const checkpoint = isDue(following, this.model, now) && (await this.#checkpoint(following, signal))
    if (checkpoint) made.push(checkpoint)
    return made
  }

  // ---------------------------------------------------------------- what is learned on from

  /** Undefined while waiting. What was read is kept as long as the head stays. */
  async #follow(): Promise<Following | undefined> {
    const head = await this.#head()
    if (!head) this.#following = undefined
    else if (this.#following?.head.current.digest !== head.current.digest)
      this.#following = await this.#begin(head)
    return this.#following
  }

  /** What a release leads to does not change, so that its history is read once and not at each step. */
  async #head(): Promise<Head | undefined> {
    const current = await currentRelease(this.#rt.store, this.model.name)
    if (!current) return undefined
    if (this.#looked?.digest !== current.digest)
      this.#looked = { digest: current.digest, head: await this.#headOf(current) }
    return this.#looked.head
  }

  async #headOf(current: CurrentRelease): Promise<Head | undefined> {
    const { store } = this.#rt
    const route = liveRoute(current.release)
    if (!route || !isSettled(current.release)) return undefined
    const history = await releaseHistory(store, this.model.name)
    if (history.some(({ release }) => (liveRoute(release)?.version ?? 0) > route.version)) return undefined
    const { parent } = await store.getRecord<ModelBundle>(route.bundle, 'ModelBundle')
    const version = await store.getRecord<ModelVersion>(parent, 'ModelVersion')
    const first = history.findLast(({ release }) => liveRoute(release)?.bundle === route.bundle)
    return { current, liveAt: first?.release.at ?? current.release.at, route, parent, version }
  }

  async #begin(head: Head): Promise<Following> {
    const { store } = this.#rt
    const { version } = head
    const { name, watch } = this.model
    const features = readFitted(await store.getRecord<FittedFeatures>(version.features, 'FittedFeatures'))
    const rows = new OnlineRows({
      model: name,
      task: version.task,
      features,
      fromAt: version.online ? Number.NEGATIVE_INFINITY : head.liveAt,
      waitMsMax: Math.max(3 * watch.outcomeDelayMs, HOUR),
      waitingMax: ONLINE_LIMITS.waitingRowsMax,
    })
    const reader = await this.#readerFrom(head)
    const following = { head, features, reader, rows, complete: [], askAgainAt: 0 }
    if (version.online) await rebuild(following, version.online)
    return following
  }

  /** From the mark of a checkpoint; for a base from before it went live. */
  async #readerFrom({ version, liveAt }: Head): Promise<LogReader> {
    const { log } = this.#rt.store
    if (version.online) {
      const { predictions, outcomes } = version.online
      return new LogReader(
        log,
        { predictions: predictions.after, outcomes: outcomes.after },
        { predictions: predictions.skip, outcomes: outcomes.skip },
      )
    }
    return new LogReader(log, {
      predictions: await startBefore(log, PREDICTIONS_STREAM, liveAt),
      outcomes: await startBefore(log, OUTCOMES_STREAM, liveAt),
    })
  }

  // ---------------------------------------------------------------- checkpoints

  async #checkpoint(following: Following, signal: AbortSignal | undefined): Promise<Checkpoint | undefined> {
    const { complete } = following
    const { store, jobs } = this.#rt
    const mark = markOf(following)
    const spec = onlineSpec(
      this.model,
      mark,
      await this.#putRows(following),
      complete[complete.length - 1].at,
    )
    const [{ record }] = await jobs.run([spec], { signal, priority: 1 })
    const report = await store.getRecord<OnlineReport>(record.outputs.report, 'OnlineReport')
    if (!opens(report.findings)) {
      following.askAgainAt = 2 * complete.length
      await this.#refuse(report)
      return undefined
    }
    const recorded = await this.#record(following, record.outputs.model, report)
    if (!recorded) {
      this.#following = undefined
      return undefined
    }
    following.head = recorded.head
    following.complete = []
    following.askAgainAt = 0
    return recorded.checkpoint
  }

  async #putRows({ complete, features }: Following): Promise<Digest> {
    const n = complete.length
    const none = { rowStart: n, rowEnd: n }
    const header = {
      nRows: n,
      features: features.features.map(({ name, type }) => ({ name, type })),
      splits: { train: { rowStart: 0, rowEnd: n }, validate: none, test: none },
      members: {},
    }
    const columns = header.features.map((_, j) => Float64Array.from(complete, ({ x }) => x[j]))
    const path = join(this.#rt.store.scratch, `online-${process.hrtime.bigint()}`)
    writeMatrix(path, header, [...columns, Float64Array.from(complete, ({ y }) => y)])
    return (await this.#rt.store.objects.putFile(path)).digest
  }

  /** Bundle, gate report and release in one commit; undefined when somebody moved the release or trained meanwhile. */
  async #record(
    following: Following,
    parent: Digest,
    report: OnlineReport,
  ): Promise<{ head: Head; checkpoint: Checkpoint } | undefined> {
    const { store } = this.#rt
    const { name } = this.model
    const { head, rows: waiting } = following
    const rows = following.complete.length
    const latest = await store.meta.ref(refs.latest(name))
    const newest = latest && (await store.getRecord<ModelBundle>(latest.digest, 'ModelBundle'))
    const version = (newest?.version ?? 0) + 1
    const now = this.#rt.clock.now()
    const reason = `v${version} learned ${grouped(rows)} more rows as they came: ${lossWords(report.loss, head.route.version)}`
    const before = await store.getRecord<ModelBundle>(head.route.bundle, 'ModelBundle')
    const bundle = { ...before, parent, version, createdAt: now, reason }
    const digest = await store.putRecord(bundle)
    const candidate = { bundle: digest, version }
    const release: Release = {
      ...beginRelease(
        name,
        { ...this.model.release, steps: [] },
        candidate,
        head.current,
        report.findings,
        now,
      ),
      reason,
    }
    const gates = gateReportOf(name, report)
    const [live, judged] = await store.putRecords([release, gates])
    const result = await store.meta.commit({
      moves: [
        { name: refs.latest(name), from: latest?.digest ?? null, to: digest },
        { name: refs.gates(name, version), to: judged },
        { name: refs.live(name), from: head.current.digest, to: live },
      ],
      event: {
        type: 'release.live',
        subject: subjects.model(name),
        actor: ACTOR,
        reason,
        data: {
          at: now,
          step: release.step,
          routes: release.routes.map(({ version: v, role, weight }) => ({ version: v, role, weight })),
          online: { rows, bundle: digest, version, passedOver: waiting.unusable, ...report.loss },
        },
      },
    })
    if (!result.ok) return undefined
    const current = { digest: live, release }
    const made = await store.getRecord<ModelVersion>(parent, 'ModelVersion')
    const [route] = release.routes
    return {
      head: { current, liveAt: now, route, parent, version: made },
      checkpoint: { model: name, version, release, rows, loss: report.loss },
    }
  }

  async #refuse({ findings, loss }: OnlineReport): Promise<void> {
    const closed = findings
      .filter(({ verdict }) => verdict !== 'pass')
      .map(({ check, message }) => `${check}: ${message}`)
    await this.#rt.store.meta.commit({
      event: {
        type: 'online.refused',
        subject: subjects.model(this.model.name),
        actor: ACTOR,
        reason: `what was learned from ${grouped(loss.n)} rows is not released; it is tried again with twice as many: ${closed.join('; ')}`,
        data: { at: this.#rt.clock.now(), ...loss },
      },
    })
  }
}

/** Reads again what a checkpoint was made of, up to its end, so that what waited then waits now. Rows that come out were learned. */
async function rebuild({ reader, rows }: Following, mark: OnlineMark): Promise<void> {
  const blocks = { predictions: mark.predictions.read, outcomes: mark.outcomes.read }
  for await (const block of reader.readSome(blocks)) {
    if (block.kind === 'predictions') rows.predictions(block, reader.cursor)
    else rows.outcomes(block, reader.cursor)
  }
}

function markOf({ head, reader, rows, complete }: Following): OnlineMark {
  const { parent, version } = head
  const since = rows.waitsSince()
  const { predictions, outcomes } = reader.cursor
  return {
    base: version.online?.base ?? parent,
    previous: parent,
    rows: (version.online?.rows ?? 0) + complete.length,
    predictions: spanOf(since.predictions, predictions),
    outcomes: spanOf(since.outcomes, outcomes),
  }
}

function spanOf(since: RecordPlace | undefined, now: RecordPlace): LogSpan {
  const { after, skip, count } = since ?? now
  return { ...(after && { after }), skip, read: now.count - count }
}

function isSettled({ state }: Release): boolean {
  return state === 'live' || state === 'rolled-back'
}

/** Whether enough rows are complete, or, when everything was read, whether any have waited long enough. */
function isDue({ complete, head, askAgainAt }: Following, model: ModelDef, now?: number): boolean {
  const { rows, everyMs } = checkpointsOf(model)
  if (complete.length === 0 || complete.length < askAgainAt) return false
  return complete.length >= rows || (now !== undefined && now - head.current.release.at >= everyMs)
}

/** Whether so much waits behind closed gates that no more is read. */
function isFull({ complete }: Following, model: ModelDef): boolean {
  return complete.length >= ONLINE_LIMITS.checkpointsHeldMax * checkpointsOf(model).rows
}

function checkpointsOf({ watch }: ModelDef) {
  assert(watch.checkpoint, 'a model that learns online says when it is released anew')
  return watch.checkpoint
}

function gateReportOf(model: string, { findings, metrics, scores }: OnlineReport): GateReport {
  return { kind: 'GateReport', model, findings, used: [], held: {}, promise: { metrics, scores } }
}

function lossWords({ progressive, frozen }: OnlineReport['loss'], before: number): string {
  return `loss ${progressive.toFixed(4)} on them before it learned from each, ${frozen.toFixed(4)} by v${before}`
}

/** A learner for each model of the project that learns online. */
export function onlineLearners(rt: Runtime): OnlineLearner[] {
  return rt.project.models
    .filter(({ watch }) => watch.retrain.includes('online'))
    .map((model) => new OnlineLearner(rt, model))
}
