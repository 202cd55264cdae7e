/**
 * A year of traffic under a fake clock: outcomes come late, twice, too early or never, blocks reach the log out of order, and followers stop and start.
 *
 * SIM_SEED chooses the year; it is printed first.
 */
import { afterAll, expect, test } from 'vitest'
import type { Rng } from '../../src/core/clock.ts'
import {
  decodeBlocks,
  OUTCOMES_STREAM,
  type OutcomeBlock,
  PREDICTIONS_STREAM,
  type PredictionBlock,
} from '../../src/core/log-blocks.ts'
import { LogJoin } from '../../src/core/log-join.ts'
import { refs } from '../../src/core/names.ts'
import type { Alert, Digest, Histogram, Release } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { Follower } from '../../src/loop/follow.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { candidateRoute, liveRoute } from '../../src/release/machine.ts'
import { currentRelease, releaseHistory } from '../../src/release/record.ts'
import { allAlerts, readWatch } from '../../src/watch/record.ts'
import type { WindowReport } from '../../src/watch/records.ts'
import { closesAt, windowAt } from '../../src/watch/windows.ts'
import { DAY, MODEL, openSmall, putVersion, type Small } from '../loop/fixture.ts'

const SEED = Number(process.env.SIM_SEED ?? 7)
console.log(`year: SIM_SEED=${SEED}`)

/** A Monday and the first of a month, so that every kind of window begins here. */
const BEGIN = Date.UTC(2001, 0, 1)
const DAYS = 364
const ROWS_A_DAY = 60
const OUTCOME_DELAY = 2 * DAY
const [GOOD_AT, BAD_AT, SHIFT_AT] = [60, 160, 260]
const KEYS = ['', 'A', 'B']

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const WATCH = { outcomeDelayMs: OUTCOME_DELAY, retrain: [] }
const RELEASE = { steps: [0.2, 0.5], rowsMin: 60, tolerance: 0.02, alpha: 0.05 }

/** x is uniform on [0, 1]; the truth is a logistic in x, whose level jumps at SHIFT_AT. */
const truth = (x: number, day: number) => sigmoid(-2 + 2 * x + (day >= SHIFT_AT ? 1.2 : 0))
/** What each version answers: the first is flat, the second right, the third wrong. */
const answer = (version: number, x: number) =>
  version === 1 ? sigmoid(-1.4 + 0.8 * x) : version === 2 ? sigmoid(-2 + 2 * x) : sigmoid(0.5 - 2 * x)

const opened: Small[] = []
afterAll(async () => {
  for (const small of opened) await small.drop()
})

async function openYear(window: 'day' | 'week' | 'month', store = WATCH): Promise<Small> {
  const small = await openSmall({ startAt: BEGIN, watch: { ...store, window }, release: RELEASE })
  opened.push(small)
  return small
}

async function putYearVersion(small: Small, version: number): Promise<void> {
  const edges = Array.from({ length: 11 }, (_, i) => i / 10)
  const flat: Histogram = { kind: 'numeric', edges, counts: edges.slice(1).map(() => 1000), nulls: 0 }
  const scores: Histogram = { kind: 'numeric', edges, counts: edges.slice(1).map(() => 0), nulls: 0 }
  for (let i = 0; i < 10_000; i++) scores.counts[Math.min(9, Math.floor(answer(version, i / 10_000) * 10))]++
  await putVersion(small.store, version, {
    createdAt: small.clock.now(),
    x: flat,
    scores,
    baseRate: 0.28,
    auc: 0.65,
  })
}

interface Row {
  id: string
  at: number
  x: number
  key: string
}

/** One day: rows in blocks, and what of it reaches the log only tomorrow. The first is in order, since watching begins with a window seen from its beginning. */
interface Traffic {
  appends: { stream: string; block: PredictionBlock | OutcomeBlock }[]
}

class World {
  readonly rng: Rng
  readonly #seed: number
  /** Outcomes by the day on which they become known. */
  readonly #due = new Map<number, { at: number; id: string; value: number }[]>()
  #heldBack: PredictionBlock[] = []

  constructor(seed: number) {
    this.#seed = seed
    this.rng = seededRng(seed)
  }

  day(day: number, release: Release): Traffic {
    const rng = seededRng(this.#seed * 1000 + day)
    const appends: Traffic['appends'] = this.#heldBack.map((block) => ({ stream: PREDICTIONS_STREAM, block }))
    this.#heldBack = []
    const isOut = day >= 100 && day < 112
    const nBlocks = ROWS_A_DAY / 6
    for (let b = 0; b < (isOut ? 0 : nBlocks); b++) {
      const at = BEGIN + day * DAY + Math.floor(((b + rng.next()) / nBlocks) * (DAY - 1))
      const rows = Array.from(
        { length: 6 },
        (_, i): Row => ({
          id: `${day}-${b}-${i}`,
          at,
          x: rng.next(),
          key: KEYS[Math.floor(rng.next() * 3)],
        }),
      )
      const [answers, shadows] = blocksOf(rows, release, rng)
      if (day > 0 && rng.next() < 0.02) this.#heldBack.push(answers)
      else appends.push({ stream: PREDICTIONS_STREAM, block: answers })
      if (shadows) appends.push({ stream: PREDICTIONS_STREAM, block: shadows })
      for (const row of rows) this.#decide(row, day, rng)
    }
    for (const outcome of (this.#due.get(day) ?? []).sort((a, b) => a.at - b.at))
      appends.push({
        stream: OUTCOMES_STREAM,
        block: { kind: 'outcomes', model: MODEL, at: outcome.at, ids: [outcome.id], values: [outcome.value] },
      })
    this.#due.delete(day)
    if (day > 0) shuffleNearby(appends, rng)
    return { appends }
  }

  /** Most outcomes come within days, some weeks later, some twice, some never, some at once. */
  #decide(row: Row, day: number, rng: Rng): void {
    if (rng.next() < 0.05) return
    const value = rng.next() < truth(row.x, day) ? 1 : 0
    const chance = rng.next()
    const wait = chance < 0.1 ? 1000 : chance < 0.95 ? rng.next() * 1.5 * DAY : rng.next() * 60 * DAY
    this.#send(row.id, row.at + wait, value)
    if (rng.next() < 0.05) this.#send(row.id, row.at + wait + rng.next() * 5 * DAY, value)
  }

  #send(id: string, at: number, value: number): void {
    const day = Math.floor((at - BEGIN) / DAY)
    this.#due.set(day, [...(this.#due.get(day) ?? []), { at: Math.floor(at), id, value }])
  }
}

/** Answers of a block by the release's routes, and what its shadow says of the same rows. */
function blocksOf(rows: Row[], release: Release, rng: Rng): [PredictionBlock, PredictionBlock | undefined] {
  const live = liveRoute(release)?.version as number
  const candidate = candidateRoute(release)?.version
  const share = release.routes.find((r) => r.role === 'canary')?.weight ?? 0
  const versions = rows.map(() => (candidate !== undefined && rng.next() < share ? candidate : live))
  const block = (of: number[], role: (v: number) => 'live' | 'canary' | 'shadow'): PredictionBlock => ({
    kind: 'predictions',
    model: MODEL,
    at: rows[0].at,
    ids: rows.map((r) => r.id),
    members: rows.map((r) => r.key),
    versions: of,
    modelVersions: [],
    modelVersion: rows.map(() => 0),
    routes: of.map(role),
    inputs: { x: rows.map((r) => r.x) },
    outputs: rows.map((r, i) => answer(of[i], r.x)),
  })
  const answers = block(versions, (v) => (v === live ? 'live' : 'canary'))
  if (candidate === undefined) return [answers, undefined]
  const other = versions.map((v) => (v === live ? candidate : live))
  return [answers, block(other, () => 'shadow')]
}

/** Neighbours change places: appends of one day reach the log out of order. */
function shuffleNearby<T>(items: T[], rng: Rng): void {
  for (let i = 1; i < items.length; i++) {
    if (rng.next() >= 0.3) continue
    const j = Math.max(0, i - 1 - Math.floor(rng.next() * 3))
    ;[items[i], items[j]] = [items[j], items[i]]
  }
}

interface Told {
  reports: WindowReport[]
  alerts: Pick<Alert, 'id' | 'state' | 'affected'>[]
  releases: { state: string; step: number; at: number; reason: string; routes: unknown }[]
}

async function toldBy({ store }: Small): Promise<Told> {
  const watch = await readWatch(store, MODEL)
  const reports = []
  for (const { report } of watch?.state.windows ?? [])
    reports.push(await store.getRecord<WindowReport>(report, 'WindowReport'))
  const alerts = (await allAlerts(store, MODEL)).map(({ alert }) => alert)
  const releases = (await releaseHistory(store, MODEL)).map(({ release: r }) => ({
    state: r.state,
    step: r.step,
    at: r.at,
    reason: withoutInterval(r.reason),
    routes: r.routes,
  }))
  return rounded({
    reports,
    alerts: alerts.map(({ id, state, affected }) => ({ id, state, affected })),
    releases,
  })
}

/** The interval around a mean narrows row by row, so it knows the order in which rows were read; the mean and their number do not. */
function withoutInterval(reason: string): string {
  return reason.replace(/ \[[^\]]*\]/, '')
}

/** Rows that were read in another order are summed in another order: ten digits are the same. */
function rounded<T>(told: T): T {
  return JSON.parse(
    JSON.stringify(told, (_, value) =>
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(10)) : value,
    ),
  )
}

type Follow = (small: Small, day: number, moment: 'noon' | 'night') => Promise<void>

/** Lives a year: traffic by what is released, releases on two days, and `follow` at noon now and then and at the end of each day. */
async function live(small: Small, seed: number, follow: Follow, days = DAYS): Promise<void> {
  const { rt, store, clock } = small
  await putYearVersion(small, 1)
  await releaseLatest(rt, { model: MODEL, actor: 'test' })
  const world = new World(seed)
  for (let day = 0; day < days; day++) {
    if (day === GOOD_AT || day === BAD_AT) {
      await putYearVersion(small, day === GOOD_AT ? 2 : 3)
      await releaseLatest(rt, { model: MODEL, actor: 'test' })
    }
    const release = (await currentRelease(store, MODEL))?.release as Release
    const { appends } = world.day(day, release)
    const noon = Math.floor(appends.length / 2)
    await append(small, appends.slice(0, noon))
    if (day % 7 === 3) await follow(small, day, 'noon')
    await append(small, appends.slice(noon))
    clock.set(BEGIN + (day + 1) * DAY)
    await follow(small, day, 'night')
  }
}

/** Each block is a record of its own, in the order given within its stream. */
async function append({ store }: Small, appends: Traffic['appends']): Promise<void> {
  for (const stream of [PREDICTIONS_STREAM, OUTCOMES_STREAM]) {
    const records = appends.filter((a) => a.stream === stream).map(({ block }) => JSON.stringify(block))
    if (records.length > 0) await store.log.append(stream, records)
  }
}

/** One follower, the whole year. */
function oneFollower(): Follow {
  let follower: Follower | undefined
  return async ({ rt }) => {
    follower ??= await Follower.open(rt)
    await follower.poll()
  }
}

/** Predictions and outcomes of each window, counted by hand from the log. */
async function expectedWindows(
  small: Small,
): Promise<{ fromAt: number; predictions: number; joined: number }[]> {
  const { watch } = small.model
  const windows = new Map<number, { fromAt: number; predictions: number; joined: number }>()
  const answeredAt = new Map<string, number>()
  for await (const { records } of small.store.log.read(PREDICTIONS_STREAM))
    for (const block of decodeBlocks(records) as PredictionBlock[])
      for (const [i, id] of block.ids.entries()) {
        if (block.routes[i] === 'shadow') continue
        const { fromAt } = windowAt(watch.window, block.at)
        const window = windows.get(fromAt) ?? { fromAt, predictions: 0, joined: 0 }
        window.predictions++
        windows.set(fromAt, window)
        answeredAt.set(id, block.at)
      }
  const joined = new Set<string>()
  for await (const { records } of small.store.log.read(OUTCOMES_STREAM))
    for (const block of decodeBlocks(records) as OutcomeBlock[])
      for (const id of block.ids) {
        const at = answeredAt.get(id)
        if (at === undefined || joined.has(id)) continue
        const window = windowAt(watch.window, at)
        if (block.at >= closesAt(window, watch)) continue
        joined.add(id)
        const counted = windows.get(window.fromAt)
        if (counted) counted.joined++
      }
  const now = small.clock.now()
  return [...windows.values()]
    .filter(({ fromAt }) => closesAt(windowAt(watch.window, fromAt), watch) <= now)
    .sort((a, b) => a.fromAt - b.fromAt)
}

const countsOf = ({ reports }: Told) =>
  reports.map((r) => ({ fromAt: r.window.fromAt, predictions: r.predictions, joined: r.joined }))

let undisturbed: { small: Small; told: Told }

test('every window with traffic is closed once, in order, with exact counts', async () => {
  const small = await openYear('week')
  await live(small, SEED, oneFollower())
  const told = await toldBy(small)
  undisturbed = { small, told }
  expect(countsOf(told)).toEqual(await expectedWindows(small))
  const events = await small.store.meta.events({ types: ['watch.window'], limit: 1000 })
  const begins = events.map((e) => (e.data as { window: { fromAt: number } }).window.fromAt)
  expect(begins).toEqual([...new Set(begins)].sort((a, b) => a - b))
}, 120_000)

test('the good candidate goes live by its steps, the bad one goes back, and only the shift alarms', async () => {
  const { told } = undisturbed
  expect(told.releases.map((r) => r.state).reverse()).toEqual([
    'live',
    'shadow',
    'canary',
    'canary',
    'live',
    'shadow',
    'rolled-back',
  ])
  const shiftAt = BEGIN + SHIFT_AT * DAY
  const calibrated = told.reports.filter(
    (r) => r.window.fromAt >= BEGIN + 120 * DAY && r.window.toAt <= shiftAt,
  )
  const failed = calibrated.filter((r) =>
    r.findings.some((f) => f.verdict === 'fail' && f.subject === `models/${MODEL}`),
  )
  expect(failed.length).toBeLessThanOrEqual(1)
  const after = told.reports.filter((r) => r.window.fromAt >= shiftAt).slice(0, 2)
  expect(
    after.some((r) => r.findings.some((f) => f.check === 'watch.calibration' && f.verdict === 'fail')),
  ).toBe(true)
  expect(told.alerts.some((a) => a.id.startsWith(`${MODEL}-calibration`) && a.state === 'raised')).toBe(true)
})

test.concurrent('followers that stop and start at random moments tell the same year', async () => {
  const small = await openYear('week')
  const rng = seededRng(SEED + 1)
  let follower: Follower | undefined
  let starts = 0
  await live(small, SEED, async ({ rt }, day) => {
    const isBusy = [GOOD_AT, BAD_AT].some((begin) => day >= begin && day < begin + 25)
    if (!follower || rng.next() < (isBusy ? 0.5 : 0.15)) {
      follower = await Follower.open(rt)
      starts++
    }
    await follower.poll()
  })
  expect(starts).toBeGreaterThan(30)
  expect(await toldBy(small)).toEqual(undisturbed.told)
}, 120_000)

test.concurrent('two followers at once record each window and each step of a release once', async () => {
  const small = await openYear('week')
  let two: Follower[] | undefined
  await live(small, SEED, async ({ rt }) => {
    two ??= [await Follower.open(rt), await Follower.open(rt)]
    await Promise.all(two.map((follower) => follower.poll()))
  })
  const told = await toldBy(small)
  expect(told).toEqual(undisturbed.told)
  const count = async (from: Small, type: string) =>
    (await from.store.meta.events({ types: [type], limit: 1000 })).length
  for (const type of ['watch.window', 'alert.raised', 'alert.resolved', 'release.canary', 'release.live'])
    expect([type, await count(small, type)]).toEqual([type, await count(undisturbed.small, type)])
}, 120_000)

test.concurrent('a follower that reads the whole year at once judges every window as one that was there', async () => {
  const small = await openYear('week')
  const { store } = undisturbed.small
  for (const stream of [PREDICTIONS_STREAM, OUTCOMES_STREAM])
    for await (const { records } of store.log.read(stream)) await small.store.log.append(stream, records)
  await copyReleases(undisturbed.small, small)
  small.clock.set(BEGIN + DAYS * DAY)
  await (await Follower.open(small.rt)).poll()
  expect((await toldBy(small)).reports).toEqual(undisturbed.told.reports)
}, 120_000)

/** The same releases, as if they had happened here. */
async function copyReleases(from: Small, to: Small): Promise<void> {
  for await (const { digest } of from.store.objects.list())
    await to.store.objects.put(await from.store.objects.get(digest))
  const moves = (await from.store.meta.history(refs.live(MODEL), 1000)).reverse()
  const gates = await from.store.meta.refs(refs.gates(MODEL, 1).slice(0, -1))
  const event = { type: 'test', subject: 'test', actor: 'test', reason: 'copied', data: {} }
  for (const { digest } of moves)
    await to.store.meta.commit({ moves: [{ name: refs.live(MODEL), to: digest as Digest }], event })
  for (const { name, digest } of gates) await to.store.meta.commit({ moves: [{ name, to: digest }], event })
}

for (const window of ['day', 'month'] as const) {
  test.concurrent(`windows of a ${window} are closed once with exact counts, whoever stops and starts`, async () => {
    const days = window === 'day' ? 58 : 125
    const [whole, broken] = [await openYear(window), await openYear(window)]
    await live(whole, SEED + 2, oneFollower(), days)
    const rng = seededRng(SEED + 3)
    let follower: Follower | undefined
    await live(
      broken,
      SEED + 2,
      async ({ rt }) => {
        if (!follower || rng.next() < 0.3) follower = await Follower.open(rt)
        await follower.poll()
      },
      days,
    )
    const told = await toldBy(whole)
    expect(countsOf(told)).toEqual(await expectedWindows(whole))
    expect(await toldBy(broken)).toEqual(told)
  }, 120_000)
}

test.concurrent('a fault while following counts nothing twice', async () => {
  const small = await openYear('week')
  const { log } = small.store
  let follower: Follower | undefined
  let left = 0
  const failing = async function* (...args: Parameters<typeof log.read>) {
    for await (const batch of log.read(...args)) {
      yield batch
      if (left > 0 && --left === 0) throw new Error('the disk is gone')
    }
  }
  const rt = { ...small.rt, store: { ...small.store, log: { ...log, read: failing } } } as typeof small.rt
  let faults = 0
  await live(
    small,
    SEED + 4,
    async (_, day) => {
      follower ??= await Follower.open(rt)
      left = day % 5 === 0 ? 1 : 0
      const failed = await follower.poll().then(
        () => false,
        () => true,
      )
      left = 0
      if (!failed) return
      faults++
      await follower.poll()
    },
    50,
  )
  expect(faults).toBeGreaterThan(5)
  expect(countsOf(await toldBy(small))).toEqual(await expectedWindows(small))
}, 120_000)

test('what waits for its other half is bounded by the time it may wait', async () => {
  const waitMs = 14 * DAY + 3 * OUTCOME_DELAY
  const join = new LogJoin(MODEL, waitMs)
  let most = 0
  for await (const { records } of undisturbed.small.store.log.read(PREDICTIONS_STREAM))
    for (const block of decodeBlocks(records)) {
      join.addPredictions(block as PredictionBlock)
      most = Math.max(most, join.counts().waiting)
    }
  expect(most).toBeLessThanOrEqual((waitMs / DAY + 3) * ROWS_A_DAY)
})
