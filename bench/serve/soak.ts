/**
 * A fleet over minutes, at a modest rate, with models loaded again, unloaded and loaded while it is asked: what its memory and its open files do.
 *
 *   FLEET_MODELS=5000 SOAK_MIN=1 SOAK_RATE=40 FLEET_MEMORY_MB=512   (defaults; 30 minutes are asked for, and counted from when the memory is full and has come to rest)
 */

import { seededRng } from '../../dist/core/rng.js'
import { fleetModels, fleetName } from '../data/fleet-models.ts'
import { fill, settle } from '../measure/fill.ts'
import { openLoop } from '../measure/open-loop.ts'
import type { Section } from '../measure/sections.ts'
import { type Served, served } from '../measure/served.ts'
import { zipf } from '../measure/zipf.ts'
import { report } from '../report.ts'

const BENCH = 'serve'
const MODELS = Number(process.env.FLEET_MODELS ?? 5_000)
const MINUTES = Number(process.env.SOAK_MIN ?? 1)
const RATE = Number(process.env.SOAK_RATE ?? 40)
const MEMORY_MB = Number(process.env.FLEET_MEMORY_MB ?? 512)
const MB = 1024 * 1024
const PIECE_S = 10
/** Asks a second until the memory is full. */
const FILL_RATE = 600
/** Asks a second for models of any rank, most of which have to be loaded. */
const COLD_RATE = 120
/** Before this share of the time what was allocated for the filling may still be given back. */
const SETTLING = 1 / 6
const GOALS = { mbPerHour: 10, descriptors: 10 }

interface Sample {
  hours: number
  rssMb: number
  descriptors: number
}

const section: Section = async () => {
  const server = await served(await fleetModels(MODELS), ['--memory', String(MEMORY_MB)])
  try {
    await soak(server)
  } finally {
    await server.stop()
  }
}
export default section
export const isLong = true

async function soak(server: Served): Promise<void> {
  const rng = seededRng(9)
  const draw = zipf(MODELS, rng)
  const samples: Sample[] = []
  await fill(server, draw, { rate: FILL_RATE, memoryBytes: MEMORY_MB * MB, models: MODELS })
  await settle(server, () => Math.floor(MODELS * rng.next()), { rate: COLD_RATE })
  const begun = performance.now()
  let [asked, failed, swapped] = [0, 0, 0]
  while (performance.now() - begun < MINUTES * 60_000) {
    const swapping = swaps(server, () => fleetName(draw()))
    const answers = await openLoop(server, RATE, PIECE_S, draw)
    swapped += await swapping
    asked += answers.length
    // one that was unloaded by name says so until it is loaded by name
    failed += answers.filter(({ status }) => status !== 200 && status !== 503).length
    const hours = (performance.now() - begun) / 3_600_000
    samples.push({ hours, rssMb: server.rss().now / MB, descriptors: server.descriptors() })
    const { rssMb, descriptors } = samples.at(-1) as Sample
    if (samples.length % 6 === 1)
      console.error(`  ${(hours * 60).toFixed(1)} min: ${rssMb.toFixed(0)} MB, ${descriptors} descriptors`)
  }
  const steady = samples.filter(({ hours }) => hours * 60 > MINUTES * SETTLING)
  const note = `${asked} requests, ${swapped} swaps, ${failed} failed, over ${MINUTES} minutes`
  const slope = slopeOf(steady.map(({ hours, rssMb }) => [hours, rssMb]))
  const leaked = fewest(steady.slice(-steady.length / 3)) - fewest(steady.slice(0, steady.length / 3))
  report({ bench: BENCH, metric: 'soak: memory', value: steady.at(-1)?.rssMb ?? 0, unit: 'MB', note })
  report({
    bench: BENCH,
    metric: 'soak: memory grows',
    value: slope,
    unit: 'MB an hour',
    goal: GOALS.mbPerHour,
    met: slope <= GOALS.mbPerHour,
  })
  report({
    bench: BENCH,
    metric: 'soak: descriptors, fewest of the last third less those of the first',
    value: leaked,
    unit: 'descriptors',
    goal: GOALS.descriptors,
    met: leaked <= GOALS.descriptors,
  })
}

/** Connections come and go by the load of the machine; what leaks is there at the quietest moment too. */
const fewest = (samples: Sample[]) => Math.min(...samples.map(({ descriptors }) => descriptors))

/** Loads one model again, and unloads and loads another. */
async function swaps({ port }: Served, draw: () => string): Promise<number> {
  const act = async (model: string, what: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v2/repository/models/${model}/${what}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    if (!answer.ok) throw new Error(`${what} ${model}: ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  await act(draw(), 'load')
  const other = draw()
  await act(other, 'unload')
  await act(other, 'load')
  return 2
}

/** Of the least squares line. */
function slopeOf(points: [number, number][]): number {
  const mean = (k: 0 | 1) => points.reduce((sum, point) => sum + point[k], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const over = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0)
  return over / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0)
}
