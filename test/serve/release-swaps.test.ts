/**
 * Releases and rollbacks while requests run, by the functions that `millrace release`, `promote` and `rollback` are. MILLRACE_SWAPS says how many releases, a fifth as many rollbacks. Each
 * version answers by a number of its own: the logistic function of a tenth of its version less one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { refs } from '../../src/core/names.ts'
import type { Digest, ModelBundle } from '../../src/core/records.ts'
import { promoteModel, releaseLatest, rollBackModel } from '../../src/loop/release.ts'
import { createServer, type Server } from '../../src/serve/server.ts'
import { Client } from '../api/workers/fixture.ts'
import { MODEL, openSmall, putVersion, type Small } from '../loop/fixture.ts'
import { CLOCK, logged } from './fixture.ts'

const SWAPS = Number(process.env.MILLRACE_SWAPS ?? 10)
const EACH = 5
const answerOf = (version: number) => 1 / (1 + Math.exp(1 - version / 10))

let small: Small
let server: Server
afterEach(async () => {
  await server.close()
  await small.drop()
})

const ask = { model: MODEL, actor: 'ada' }
const put = (version: number) => putVersion(small.store, version, { createdAt: version * 1e14 })
const release = async (version: number) => {
  await put(version)
  await releaseLatest(small.rt, ask)
  if (version > 1) await promoteModel(small.rt, ask)
}

async function listening(): Promise<string> {
  small = await openSmall()
  await release(1)
  server = createServer({ store: small.store, clock: CLOCK, port: 0 })
  return await server.listen()
}

const quantile = (values: number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]

test(
  `${SWAPS} releases and ${SWAPS / EACH} rollbacks under load: no answer is lost, doubled, mixed of two versions or said to be of another, and the log has each id once`,
  async () => {
    const url = await listening()
    const seen = { answers: 0, lost: 0, mixed: 0, wrong: 0 }
    const versionOf = new Map<string, number>()
    const lastMs = new Map<number, number>()
    let stop = false
    const client = async (c: number) => {
      const one = new Client(url)
      for (let i = 0; !stop; i++) {
        const ids = [`${c}-${i}-a`, `${c}-${i}-b`]
        const answer = await one
          .ask(`/predict/${MODEL}`, { rows: [{ x: 0.2 }, { x: 0.3 }], ids })
          .catch(() => undefined)
        if (answer?.status !== 200) {
          seen.lost++
          continue
        }
        const [a, b] = answer.body.predictions as { id: string; version: number; output: number }[]
        seen.answers++
        if (a.version !== b.version || a.output !== b.output) seen.mixed++
        if (Math.abs(a.output - answerOf(a.version)) > 1e-9 || a.id !== ids[0] || b.id !== ids[1])
          seen.wrong++
        for (const id of ids) versionOf.set(id, a.version)
        lastMs.set(a.version, performance.now())
      }
      one.close()
    }
    const clients = Array.from({ length: 4 }, (_, c) => client(c))
    const here: number[] = []
    const elsewhere: number[] = []
    let live = 1
    for (let version = 2; version <= SWAPS + 1; version++) {
      await release(version)
      await server.refresh()
      live = version
      if ((version - 1) % EACH !== 0) continue
      await expect.poll(() => lastMs.has(live), { interval: 5, timeout: 30_000 }).toBe(true)
      const isHere = here.length <= elsewhere.length
      const calledMs = performance.now()
      await rollBackModel(small.rt, ask)
      if (isHere) await server.refresh()
      await sleep(isHere ? 50 : 400)
      const into = isHere ? here : elsewhere
      into.push(Math.max(0, (lastMs.get(version) ?? 0) - calledMs))
    }
    stop = true
    await Promise.all(clients)
    await server.station.settled()
    const blocks = (await logged<PredictionBlock>(small.store, 'predictions')).filter(
      ({ routes }) => routes[0] !== 'shadow',
    )
    const rows = blocks.flatMap(({ ids, versions }) => ids.map((id, row) => [id, versions[row]] as const))
    const doubled = rows.length - new Set(rows.map(([id]) => id)).size
    const ms = (values: number[]) => `p99 ${Math.round(quantile(values, 0.99))} ms of ${values.length}`
    console.log(
      `  ${SWAPS} releases, ${here.length + elsewhere.length} rollbacks: ${JSON.stringify({ ...seen, doubled })}; rollback call to last answer of the old version: here ${ms(here)}, by another process ${ms(elsewhere)}`,
    )
    expect({ ...seen, doubled }).toMatchObject({ lost: 0, doubled: 0, mixed: 0, wrong: 0 })
    expect(rows).toHaveLength(versionOf.size)
    expect(rows.filter(([id, version]) => versionOf.get(id) !== version)).toEqual([])
    expect(seen.answers).toBeGreaterThan(SWAPS)
    expect(quantile(here, 0.99)).toBeLessThan(5_000)
  },
  60_000 + SWAPS * 1_000,
)

test('a release whose model cannot be read does not take the place of the one before, and readiness says so', async () => {
  const url = await listening()
  const one = new Client(url)
  expect((await one.ask(`/predict/${MODEL}`, { x: 0.2 })).body.version).toBe(1)
  const lost = `sha256:${'1'.repeat(64)}` as Digest
  const digest = await put(2)
  const bundle = await small.store.getRecord<ModelBundle>(digest, 'ModelBundle')
  const broken = await small.store.putRecord({ ...bundle, parent: lost })
  await small.store.meta.commit({
    moves: [{ name: refs.latest(MODEL), to: broken }],
    event: { type: 'train.finished', subject: `models/${MODEL}`, actor: 'test', reason: 'test', data: {} },
  })
  await releaseLatest(small.rt, ask)
  await promoteModel(small.rt, ask)
  await server.refresh()
  expect((await one.ask(`/predict/${MODEL}`, { x: 0.2 })).body.version).toBe(1)
  const ready = await one.ask('/readyz')
  expect([ready.status, ready.body.models]).toEqual([503, { [MODEL]: expect.stringMatching(/^MR_/) }])
  await rollBackModel(small.rt, ask)
  await server.refresh()
  expect((await one.ask('/readyz')).status).toBe(200)
  one.close()
})
