/**
 * 5,000 models of trees on one server of 1 GiB, asked for as `1 / rank`, in an open loop: what a cold request takes, what a warm one takes beside one model alone, what the memory
 * is, and how often a model is found held beside an ideal LRU of the same bytes.
 *
 *   FLEET_MODELS=5000 FLEET_RATE=150 FLEET_S=60 FLEET_MEMORY_MB=576   (defaults)
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { seededRng } from '../../dist/core/rng.js'
import { fleetModels, fleetName } from '../data/fleet-models.ts'
import { fill } from '../measure/fill.ts'
import { type Answer, openLoop } from '../measure/open-loop.ts'
import type { Section } from '../measure/sections.ts'
import { type Served, served } from '../measure/served.ts'
import { lruHits, zipf } from '../measure/zipf.ts'
import { quantile, report } from '../report.ts'

const BENCH = 'serve'
const MODELS = Number(process.env.FLEET_MODELS ?? 5_000)
const RATE = Number(process.env.FLEET_RATE ?? 150)
const SECONDS = Number(process.env.FLEET_S ?? 60)
/** What models may take; with the process itself it is to stay below a gibibyte. */
const MEMORY_MB = Number(process.env.FLEET_MEMORY_MB ?? 576)
const ROUNDS = 2
const MB = 1024 * 1024
/** What is to hold: the anchors' S9, S10 and S17. */
const GOALS = {
  coldMsP99: 50,
  warmTimes: 1.1,
  rssMb: 1024,
  ofLru: 0.95,
  startMs: 3_000,
  idleMb: 200,
  account: 0.15,
}

const section: Section = async () => {
  const folder = await fleetModels(MODELS)
  const server = await served(folder, ['--memory', String(MEMORY_MB)])
  try {
    await measure(server, folder)
  } finally {
    await server.stop()
  }
}
export default section
export const isLong = true

async function measure(server: Served, folder: string): Promise<void> {
  tell('fleet: from start to serving', server.startMs, 'ms', GOALS.startMs)
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  const idle = server.rss().now
  tell('fleet: memory before any request', idle / MB, 'MB', GOALS.idleMb)
  const draw = zipf(MODELS, seededRng(3))
  const asks: number[] = []
  const drawn = () => {
    const model = draw()
    asks.push(model)
    return model
  }
  await fill(server, drawn, { rate: 4 * RATE, memoryBytes: MEMORY_MB * MB, models: MODELS })
  const from = asks.length
  const before = await counted(server)
  const fleet: Answer[] = []
  const alone: Answer[] = []
  const rounds = Array.from({ length: ROUNDS }, () => [false, true, true, false]).flat()
  for (const isFleet of rounds) {
    if (isFleet) fleet.push(...(await openLoop(server, RATE, SECONDS, drawn)))
    else alone.push(...(await openLoop(server, RATE, SECONDS / 2, () => 0)))
  }
  const aloneAsks = alone.length
  const after = await counted(server)
  const hits = after.hits - before.hits - aloneAsks
  const rate = hits / (hits + after.misses - before.misses)
  const ratio = after.bytes / (await heldFileBytes(folder, after.held))
  const ideal = lruHits(asks, (i) => sizes(folder, i) * ratio, MEMORY_MB * MB, from)
  const ms = (answers: Answer[]) => answers.map((one) => one.ms)
  const [cold, warm] = [fleet.filter((one) => one.isCold), fleet.filter((one) => !one.isCold)]
  const failed = [...fleet, ...alone].filter((one) => one.status !== 200).length
  const note = `${RATE} a second, ${fleet.length} requests, ${cold.length} of them cold, ${failed} failed`
  tell('fleet: cold request, p50', quantile(ms(cold), 0.5), 'ms')
  tell('fleet: cold request, p99', quantile(ms(cold), 0.99), 'ms', GOALS.coldMsP99, note)
  for (const p of [0.5, 0.99]) {
    const [theirs, own] = [quantile(ms(alone), p), quantile(ms(warm), p)]
    const goal = p === 0.99 ? GOALS.warmTimes : undefined
    tell(`fleet: warm request, p${p * 100}`, own, 'ms')
    tell(`fleet: p${p * 100} of one model alone`, theirs, 'ms')
    tell(`fleet: warm p${p * 100} to that`, own / theirs, 'times', goal)
  }
  const { now, peak } = server.rss()
  tell('fleet: memory at most', peak / MB, 'MB', GOALS.rssMb, `${after.held} models held`)
  report({
    ...{ bench: BENCH, metric: 'fleet: found held', value: rate, unit: 'of requests', peer: 'ideal LRU' },
    ...{ peerValue: Number(ideal.toFixed(4)), ratio: Number((rate / ideal).toFixed(4)) },
    ...{ goal: GOALS.ofLru, met: rate >= GOALS.ofLru * ideal },
  })
  tell('fleet: left for others', after.evictions - before.evictions, 'models')
  const error = Math.abs(after.bytes / (now - idle) - 1)
  tell('fleet: error of what is accounted', error, 'of memory grown', GOALS.account)
}

function tell(metric: string, value: number, unit: string, goal?: number, note?: string): void {
  report({
    bench: BENCH,
    metric,
    value,
    unit,
    note,
    ...(goal === undefined ? {} : { goal, met: value <= goal }),
  })
}

const sizes = (folder: string, i: number) => statSync(join(folder, `${fleetName(i)}.txt`)).size

/** Bytes of as many files as are held: all are drawn alike, whatever their rank. */
async function heldFileBytes(folder: string, held: number): Promise<number> {
  let sum = 0
  for (let i = 0; i < MODELS; i++) sum += sizes(folder, i)
  return (sum * held) / MODELS
}

async function counted(server: Served) {
  const of = (name: string) => server.metric(`millrace_models_${name}`)
  return {
    hits: await of('hits_total'),
    misses: await of('misses_total'),
    evictions: await of('evictions_total'),
    bytes: await of('memory_bytes'),
    held: await of('loaded'),
  }
}
