/**
 * A model that learns while it serves, as a user runs it: a process of its own, answers and outcomes over HTTP, and `kill -9` in between.
 *
 * STREAM_KILLS (3) kills, STREAM_SEED the moments.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { decodeBlocks, OUTCOMES_STREAM, PREDICTIONS_STREAM } from '../../src/core/log-blocks.ts'
import type { ModelBundle, ModelVersion } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { type FittedFeatures, featureRowFn, readFitted } from '../../src/expr/features.ts'
import { decodeModel, encodeModel } from '../../src/model/format.ts'
import type { FtrlModel } from '../../src/model/ftrl.ts'
import { liveRoute } from '../../src/release/machine.ts'
import { currentRelease } from '../../src/release/record.ts'
import { openStore } from '../../src/store/open.ts'
import type { Store } from '../../src/store/ports.ts'
import { continueFtrl } from '../../src/train/ftrl/train.ts'

const KILLS = Number(process.env.STREAM_KILLS ?? 3)
const SEED = Number(process.env.STREAM_SEED ?? Date.now() % 1_000_000)
const CHECKPOINT_ROWS = 200
/** Asked of fresh rows until the version that learned from them answers. */
const FRESH_MS_MAX = 5_000

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(root, 'bin/millrace.cjs')
let dir = ''

const config = `import { col, dataset, ftrl, gates, immediate, model, project } from 'millrace'

const shows = dataset('shows', { source: 'shows.csv' })
const clicked = model('clicked', {
  from: shows,
  target: col('clicked').eq(1),
  features: { ad: col('ad').category(), site: col('site').category(), age: col('age') },
  trainer: ftrl({ bits: 12, interactions: [['ad', 'site']] }),
  gates: [gates.beatsBaseline()],
  release: immediate(),
  watch: { retrain: ['online'], checkpoint: { rows: ${CHECKPOINT_ROWS}, every: '2s' }, outcomeDelay: '1h' },
})
export default project('shop', { datasets: [shows], models: [clicked] })
`

interface Show {
  ad: string
  site: string
  age: number
  clicked: 0 | 1
}

function shows(n: number, rng: ReturnType<typeof seededRng>): Show[] {
  return Array.from({ length: n }, () => {
    const [ad, site] = [rng.nextInt(8), rng.nextInt(4)]
    return {
      ad: `ad ${ad}`,
      site: `site-${site}.example`,
      age: 18 + rng.nextInt(60),
      clicked: rng.next() < ((ad + site) % 2 === 0 ? 0.6 : 0.2) ? 1 : 0,
    }
  })
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-streams-'))
  const rows = shows(3_000, seededRng(1)).map(({ ad, site, age, clicked }) =>
    [ad, site, age, clicked].join(','),
  )
  writeFileSync(join(dir, 'shows.csv'), `ad,site,age,clicked\n${rows.join('\n')}\n`)
  writeFileSync(join(dir, 'millrace.config.ts'), config)
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  mkdirSync(join(dir, 'node_modules'))
  symlinkSync(root, join(dir, 'node_modules/millrace'))
})
const alive = new Set<ChildProcess>()
afterAll(() => {
  for (const child of alive) child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

interface Life {
  child: ChildProcess
  address: string
  ended: Promise<number | null>
}

/** Starts `millrace up` and waits until it answers. */
async function start(): Promise<Life> {
  const child = spawn(process.execPath, [bin, 'up', '--port', '0', '--json'], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: '1' },
  })
  alive.add(child)
  child.once('close', () => alive.delete(child))
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = new Promise<number | null>((done) => child.once('close', done))
  while (!out.includes('"event":"ready"')) {
    if (child.exitCode !== null) throw new Error(`it ended before it was ready: ${out}${err}`)
    await delay(20)
  }
  const address = /"address":"([^"]+)"/.exec(out)?.[1]
  if (!address) throw new Error(out)
  return { child, address, ended }
}

async function post<T>(address: string, path: string, body: unknown): Promise<T> {
  const answer = await fetch(`${address}/predict/clicked${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as T
}

/** Asks for answers, and says what came of them; the version that answered. */
async function ask(address: string, rows: Show[]): Promise<number> {
  const asked = rows.map(({ ad, site, age }) => ({ ad, site, age }))
  const { predictions: answers } = await post<{ predictions: { id: string; version: number }[] }>(
    address,
    '',
    asked,
  )
  await post(address, '/feedback', {
    ids: answers.map(({ id }) => id),
    values: rows.map(({ clicked }) => clicked),
  })
  return answers[0].version
}

test(`${KILLS} kills lose no row that was acknowledged, learn none twice, and change no byte`, async () => {
  console.log(`stream test: STREAM_KILLS=${KILLS} STREAM_SEED=${SEED}`)
  const rng = seededRng(SEED)
  let acknowledged = 0
  for (let life = 0; life <= KILLS; life++) {
    const { child, address, ended } = await start()
    const until = Date.now() + 500 + rng.next() * 3_000
    try {
      while (Date.now() < until) {
        await ask(address, shows(50, rng))
        acknowledged += 50
        if (life < KILLS && Date.now() > until - 100) child.kill('SIGKILL')
      }
    } catch (thrown) {
      expect(child.killed, String(thrown)).toBe(true)
    }
    if (life < KILLS) child.kill('SIGKILL')
    else {
      await settled(address)
      child.kill('SIGINT')
    }
    await ended
  }
  const store = await openStore(join(dir, '.millrace'), { clock: { now: () => Date.now() } })
  try {
    const { version, base, model } = await learned(store)
    const rows = await joined(store, version)
    expect(rows.nRows).toBeGreaterThanOrEqual(acknowledged)
    expect(version.online?.rows).toBe(rows.nRows)
    expect(encodeModel(model)).toEqual(encodeModel(continueFtrl(base, rows).model))
    expect(await store.meta.verifyJournal()).toBeUndefined()
  } finally {
    await store.close()
  }
})

test('fresh rows are learned from and live within seconds', async () => {
  const { child, address, ended } = await start()
  const rng = seededRng(5)
  const took: number[] = []
  for (let round = 0; round < 3; round++) {
    const before = await ask(address, shows(CHECKPOINT_ROWS, rng))
    const begun = Date.now()
    while ((await ask(address, shows(1, rng))) <= before) {
      if (Date.now() - begun > 60_000) throw new Error('nothing was learned')
      await delay(50)
    }
    took.push(Date.now() - begun)
  }
  child.kill('SIGINT')
  expect(await ended).toBe(0)
  console.log(`fresh rows to a live version that learned from them: ${took.join(', ')} ms`)
  expect(Math.min(...took)).toBeLessThan(FRESH_MS_MAX)
})

/** Waits until time has made a checkpoint of what was left: no more versions come for a while. */
async function settled(address: string): Promise<void> {
  const version = async () => {
    const answer = await fetch(`${address}/v2/models/clicked`)
    return JSON.stringify(((await answer.json()) as { versions?: string[] }).versions)
  }
  for (let quiet = 0, last = ''; quiet < 12; await delay(500)) {
    const now = await version()
    quiet = now === last ? quiet + 1 : 0
    last = now
  }
}

async function learned(store: Store) {
  const current = await currentRelease(store, 'clicked')
  const route = current && liveRoute(current.release)
  if (!route) throw new Error('nothing is live')
  const bundle = await store.getRecord<ModelBundle>(route.bundle, 'ModelBundle')
  const version = await store.getRecord<ModelVersion>(bundle.parent, 'ModelVersion')
  if (!version.online) throw new Error('nothing was learned')
  const base = await store.getRecord<ModelVersion>(version.online.base, 'ModelVersion')
  const graph = async ({ graph: digest }: ModelVersion) =>
    decodeModel(await store.objects.get(digest)).model as FtrlModel
  return { version, base: await graph(base), model: await graph(version) }
}

/** All rows that the log completes, in the order of the outcomes: what one comes to who reads everything once. */
async function joined(store: Store, { features }: ModelVersion) {
  const fitted = readFitted(await store.getRecord<FittedFeatures>(features, 'FittedFeatures'))
  const fill = featureRowFn(fitted)
  const width = fitted.features.length
  const answers = new Map<string, Float64Array>()
  for await (const { records } of store.log.read(PREDICTIONS_STREAM))
    for (const block of decodeBlocks(records)) {
      if (block.kind !== 'predictions') continue
      block.ids.forEach((id, i) => {
        const row = Object.fromEntries(
          Object.entries(block.inputs).map(([name, values]) => [name, values[i]]),
        )
        const x = new Float64Array(width)
        fill(row, x, 0)
        answers.set(id, x)
      })
    }
  const rows: { x: Float64Array; y: number }[] = []
  for await (const { records } of store.log.read(OUTCOMES_STREAM))
    for (const block of decodeBlocks(records)) {
      if (block.kind !== 'outcomes') continue
      block.ids.forEach((id, i) => {
        const x = answers.get(id)
        if (x) rows.push({ x, y: Number(block.values[i]) })
        answers.delete(id)
      })
    }
  return {
    nRows: rows.length,
    columns: fitted.features.map((_, j) => Float64Array.from(rows, ({ x }) => x[j])),
    target: Float64Array.from(rows, ({ y }) => y),
  }
}
