import { afterEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { refs } from '../../src/core/names.ts'
import type { ModelVersion, RunSpec } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { OnlineLearner } from '../../src/loop/online.ts'
import { rollBackModel } from '../../src/loop/release.ts'
import { retrainState } from '../../src/loop/retrain.ts'
import type { Runtime } from '../../src/loop/runtime.ts'
import { encodeModel } from '../../src/model/format.ts'
import { predictColumns } from '../../src/model/predict.ts'
import { currentRelease, recordRelease } from '../../src/release/record.ts'
import type { Store } from '../../src/store/ports.ts'
import { continueFtrl } from '../../src/train/ftrl/train.ts'
import { onlineTask } from '../../src/train/online.ts'
import { MODEL, putVersion } from './fixture.ts'
import {
  BEGIN,
  type Click,
  dataOf,
  drift,
  HOUR,
  type OnlineOptions,
  type OnlinePlace,
  openOnline,
} from './online-fixture.ts'

const places: OnlinePlace[] = []
afterEach(async () => {
  for (const place of places.splice(0)) await place.drop()
})

async function open(options?: OnlineOptions): Promise<OnlinePlace> {
  const place = await openOnline(options)
  places.push(place)
  return place
}

const learnerOf = (place: OnlinePlace, rt: Runtime = place.rt) => new OnlineLearner(rt, place.model)

/** Clicks are answered in small batches, and come true a while later, a little out of order. */
async function play(
  place: OnlinePlace,
  clicks: readonly Click[],
  then: () => Promise<unknown>,
  seed = 3,
): Promise<Click[]> {
  const rng = seededRng(seed)
  const open: Click[] = []
  const happened: Click[] = []
  for (let from = 0; from < clicks.length; from += 50) {
    place.clock.set(place.clock.now() + 60_000)
    await place.answer(clicks.slice(from, from + 50))
    open.push(...clicks.slice(from, from + 50))
    const known: Click[] = []
    while (open.length > 60) known.push(...open.splice(rng.nextInt(20), 1))
    await place.happen(known)
    happened.push(...known)
    await then()
  }
  place.clock.set(place.clock.now() + HOUR)
  await place.happen(open)
  happened.push(...open)
  await then()
  return happened
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length

test('a model that learns while it serves beats the one that stands still when the world changes', async () => {
  const place = await open()
  const { model: base } = await place.live()
  const learner = learnerOf(place)
  const losses: { at: number; own: number; still: number }[] = []
  const clicks = drift(12_000)
  let seen = 0
  await play(place, clicks, async () => {
    for (const { loss, rows } of await learner.step()) {
      seen += rows
      losses.push({ at: seen, own: loss.progressive, still: loss.frozen })
    }
  })
  const late = dataOf(clicks.slice(9_000))
  const { model: now, version } = await place.live()
  const lossOf = (model: typeof now) => {
    const p = predictColumns({ model, calibration: null }, late.columns, late.nRows)
    return mean(Array.from(p, (q, i) => -Math.log(late.target[i] === 1 ? q : 1 - q)))
  }
  expect(lossOf(base)).toBeGreaterThan(0.9)
  expect(lossOf(now)).toBeLessThan(0.6)
  const after = losses.filter(({ at }) => at > 8_000)
  expect(mean(after.map(({ own }) => own))).toBeLessThan(0.62)
  expect(version).toBe(1 + losses.length)
  expect(losses.length).toBeGreaterThan(20)
})

describe('each row is learned once, in the order of the log', () => {
  const clicks = drift(3_000)

  /** What one who reads everything at once and never stops comes to. */
  function straight(place: { model: Awaited<ReturnType<OnlinePlace['live']>>['model'] }, happened: Click[]) {
    return digestOf(Array.from(encodeModel(continueFtrl(place.model, dataOf(happened)).model)))
  }
  const digestNow = async (place: OnlinePlace) =>
    digestOf(Array.from(encodeModel((await place.live()).model)))

  test('however often the logs are looked at, and however the checkpoints fall', async () => {
    for (const { rows, every } of [
      { rows: 500, every: 1 },
      { rows: 137, every: 7 },
      { rows: 100_000, every: 13 },
    ]) {
      const place = await open({ rows })
      const base = await place.live()
      const learner = learnerOf(place)
      let turn = 0
      const happened = await play(place, clicks, async () =>
        turn++ % every === 0 ? learner.step() : undefined,
      )
      await learner.step()
      place.clock.set(place.clock.now() + HOUR)
      await learner.step()
      expect((await place.live()).record.online?.rows).toBe(3_000)
      expect(await digestNow(place)).toBe(straight(base, happened))
    }
  })

  test('also when learning begins anew after every look', async () => {
    const place = await open({ rows: 200 })
    const base = await place.live()
    const happened = await play(place, clicks, () => learnerOf(place).step())
    place.clock.set(place.clock.now() + HOUR)
    await learnerOf(place).step()
    expect((await place.live()).record.online?.rows).toBe(3_000)
    expect(await digestNow(place)).toBe(straight(base, happened))
  })

  test('wherever it is killed: before or after any write, run or commit', async () => {
    const some = clicks.slice(0, 400)
    let kills = 0
    for (let dieAt = 0; ; dieAt++) {
      const place = await open({ rows: 150 })
      const base = await place.live()
      const mortal = dying(place.rt, dieAt)
      let learner = learnerOf(place, mortal.rt)
      const happened = await play(place, some, async () => {
        try {
          await learner.step()
        } catch (thrown) {
          expect(String(thrown)).toContain('killed')
          learner = learnerOf(place)
        }
      })
      place.clock.set(place.clock.now() + HOUR)
      await learner.step()
      expect((await place.live()).record.online?.rows, `killed at ${dieAt}`).toBe(400)
      expect(await digestNow(place), `killed at ${dieAt}`).toBe(straight(base, happened))
      await place.drop()
      places.pop()
      if (!mortal.died()) break
      kills++
    }
    expect(kills).toBeGreaterThan(20)
  })

  test('answers of the shadow, of other models and from before the release do not count, and no outcome counts twice', async () => {
    const place = await open({ rows: 100 })
    const learner = learnerOf(place)
    const [early, other, shadowed, own] = [0, 1, 2, 3].map((k) => clicks.slice(k * 100, k * 100 + 100))
    place.clock.set(BEGIN + HOUR)
    await place.answer(early, { at: BEGIN - HOUR })
    await place.answer(other, { model: 'another' })
    await place.answer(shadowed, { routes: shadowed.map(() => 'shadow') })
    await place.answer(own)
    for (const some of [early, other, shadowed, own, own]) await place.happen(some)
    const made = await learner.step()
    expect(made.map(({ rows }) => rows)).toEqual([100])
    place.clock.set(BEGIN + 3 * HOUR)
    expect(await learner.step()).toEqual([])
  })

  test('an outcome that came before its answer was written is learned from, one that is no class is not', async () => {
    const place = await open({ rows: 100 })
    const some = clicks.slice(0, 100)
    place.clock.set(BEGIN + HOUR)
    await place.happen(some)
    await place.happen([{ ...some[0], id: 'odd', clicked: 2 as 1 }])
    place.clock.set(BEGIN + HOUR + 1)
    await place.answer([...some, { ...some[0], id: 'odd' }])
    expect((await learnerOf(place).step()).map(({ rows }) => rows)).toEqual([100])
    const [event] = await place.store.meta.events({ types: ['release.live'], newest: true, limit: 1 })
    expect(event.data).toMatchObject({ online: { rows: 100, passedOver: 1 } })
  })
})

test('a checkpoint is a run: the same spec gives the same bytes, and nothing is run twice', async () => {
  const place = await open({ rows: 300 })
  await play(place, drift(1_000), () => learnerOf(place).step())
  expect(new Set(place.ran.map(digestOf)).size).toBe(place.ran.length)
  for (const spec of place.ran) {
    const again = await runAgain(place.store, spec)
    const first = await place.rt.jobs.run([spec])
    expect(again).toEqual(first[0].record.outputs)
  }
})

async function runAgain(store: Store, spec: RunSpec) {
  const context = {
    store,
    spec,
    specDigest: digestOf(spec),
    query: () => Promise.reject(new Error('no query')),
    infer: () => Promise.reject(new Error('no ONNX')),
    progress: () => undefined,
    signal: new AbortController().signal,
  }
  return (await onlineTask.run(context)).outputs
}

test('the journal says what moved, once a checkpoint', async () => {
  const place = await open({ rows: 300 })
  const learner = learnerOf(place)
  await play(place, drift(1_000), () => learner.step())
  const events = await place.store.meta.events({ types: ['release.live'], subject: `models/${MODEL}` })
  expect(events).toHaveLength(1 + place.ran.length)
  expect(events[1].reason).toMatch(/^v2 learned 3\d\d more rows as they came: loss 0\.\d{4} on them before/)
  const report = await place.store.meta.ref(refs.gates(MODEL, 2))
  expect(report).toBeDefined()
  expect(await place.store.meta.verifyJournal()).toBeUndefined()
})

test('what learned itself into the ground is not released, and is asked again with twice as many rows', async () => {
  const noise = (n: number, seed: number): Click[] => {
    const rng = seededRng(seed)
    return Array.from({ length: n }, (_, i) => ({
      id: `n${seed}-${i}`,
      ad: rng.nextInt(12),
      age: 30,
      clicked: rng.next() < 0.5 ? 1 : 0,
    }))
  }
  const place = await open({ rows: 400 })
  const { store } = place
  const { record, model } = await place.live()
  const none = { slots: new Uint32Array(0), z: new Float64Array(0), roots: new Float64Array(0) }
  const wild = { ...model, ...none, rates: { alpha: 30, beta: 1, l1: 0, l2: 0 } }
  await replaceLive(place, { ...record, graph: await store.objects.put(encodeModel(wild)) })
  const learner = learnerOf(place)
  place.clock.set(place.clock.now() + 1)
  for (let k = 0; k < 4; k++) {
    const some = noise(200, 10 + k)
    place.clock.set(place.clock.now() + 60_000)
    await place.answer(some)
    await place.happen(some)
    await learner.step()
  }
  const refused = await store.meta.events({ types: ['online.refused'] })
  expect(refused.map(({ data }) => (data as { n: number }).n)).toEqual([400, 800])
  expect(refused[0].reason).toContain('online.not-worse')
  expect((await place.live()).version).toBe(2)
})

/** Another version goes live by hand. */
async function replaceLive(place: OnlinePlace, version: ModelVersion): Promise<void> {
  const { store, clock } = place
  const latest = await store.meta.ref(refs.latest(MODEL))
  const bundle = {
    kind: 'ModelBundle',
    model: MODEL,
    parent: await store.putRecord(version),
    members: {},
    held: {},
    version: 2,
    createdAt: clock.now(),
    reason: 'by hand',
  }
  const digest = await store.putRecord(bundle)
  await store.meta.commit({
    moves: [{ name: refs.latest(MODEL), from: latest?.digest, to: digest }],
    event: { type: 'train.finished', subject: `models/${MODEL}`, actor: 'test', reason: 'by hand', data: {} },
  })
  const current = await currentRelease(store, MODEL)
  if (!current) throw new Error('nothing is live')
  const routes = [{ bundle: digest, version: 2, role: 'live' as const, weight: 1 }]
  await recordRelease(store, { ...current.release, routes, at: clock.now() }, current.digest, 'test')
}

test('after going back it waits, and a newer version goes on from where it was trained', async () => {
  const place = await open({ rows: 200 })
  const learner = learnerOf(place)
  await play(place, drift(600), () => learner.step())
  const before = await place.live()
  await rollBackModel(place.rt, { model: MODEL, actor: 'a person', reason: 'bad clicks' })
  const back = await place.live()
  expect(back.version).toBe(before.version - 1)
  await play(
    place,
    drift(600, 2).map((c) => ({ ...c, id: `x${c.id}` })),
    () => learner.step(),
  )
  expect((await place.live()).version).toBe(back.version)
})

test('while a candidate is compared with what is live it stands still, and no row is lost', async () => {
  const place = await open({ rows: 200 })
  const base = await place.live()
  const learner = learnerOf(place)
  const clicks = drift(900)
  const happened = await play(place, clicks.slice(0, 300), () => learner.step())
  const settled = await currentRelease(place.store, MODEL)
  if (!settled) throw new Error('nothing is live')
  const candidate = await putVersion(place.store, 90)
  const shadow = { ...settled.release, state: 'shadow' as const, at: place.clock.now() }
  shadow.routes = [...shadow.routes, { bundle: candidate, version: 90, role: 'shadow', weight: 0 }]
  const under = await recordRelease(place.store, shadow, settled.digest, 'test')
  const { version } = await place.live()
  happened.push(...(await play(place, clicks.slice(300, 600), () => learner.step())))
  expect((await place.live()).version).toBe(version)
  const back = { ...settled.release, state: 'rolled-back' as const, at: place.clock.now() }
  await recordRelease(place.store, back, under?.digest, 'test')
  happened.push(...(await play(place, clicks.slice(600), () => learner.step())))
  place.clock.set(place.clock.now() + HOUR)
  await learner.step()
  const now = await place.live()
  expect(now.record.online?.rows).toBe(900)
  expect(encodeModel(now.model)).toEqual(encodeModel(continueFtrl(base.model, dataOf(happened)).model))
})

test('what is learned online is no training: the next one is due as if it had not been', async () => {
  const place = await open({ rows: 200 })
  await play(place, drift(600), () => learnerOf(place).step())
  expect((await retrainState(place.rt, MODEL)).trainedAt).toBe(BEGIN)
})

/** A runtime that dies at the nth of the moments before and after its acts on the world. */
function dying(rt: Runtime, dieAt: number): { rt: Runtime; died(): boolean } {
  let acts = 0
  let dead = false
  const mortal =
    <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (dead) throw new Error('killed before')
      const mine = acts++
      if (mine === dieAt) {
        dead = true
        throw new Error('killed before the act')
      }
      const result = await act(...args)
      if (acts++ === dieAt) {
        dead = true
        throw new Error('killed after the act')
      }
      return result
    }
  const { store, jobs } = rt
  const { objects, meta, log } = store
  const wrapped: Store = {
    ...store,
    objects: { ...objects, putFile: mortal((path: string) => objects.putFile(path)) },
    meta: { ...meta, commit: mortal((change: Parameters<typeof meta.commit>[0]) => meta.commit(change)) },
    log,
    putRecord: mortal((record: object) => store.putRecord(record)),
    putRecords: mortal((records: object[]) => store.putRecords(records)),
  }
  return {
    rt: { ...rt, store: wrapped, jobs: { ...jobs, run: mortal((specs: RunSpec[]) => jobs.run(specs)) } },
    died: () => dead,
  }
}
