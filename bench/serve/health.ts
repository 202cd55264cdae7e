/** How soon `/livez` answers while a call of two seconds computes, beside how soon it does when nothing does. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { rise, type Up } from '../load/measure.ts'
import { benchModels } from '../load/models.ts'
import { recordFigure } from '../load/record.ts'
import { OURS, TOKEN } from '../load/sides.ts'
import type { Section } from '../measure/sections.ts'
import { quantile, report } from '../report.ts'

const GOAL_MS = 5
const LONG_MS = 2_000
const CALLS = 5
/** Turns of the graph's loop that are tried first, to learn how many take two seconds. */
const TURNS_TRIED = 200_000
const EVERY_MS = 3
const BOTH_CORES = '0,1'

const section: Section = async () => {
  const models = await benchModels()
  const [setting] = OURS.settings
  const start: typeof setting.start = (place) => ({ ...setting.start(place), core: BOTH_CORES })
  const up = await rise(OURS, { ...setting, start }, { folder: models.moreFolder })
  try {
    await slow(up, TURNS_TRIED)
    const turns = Math.round((TURNS_TRIED * LONG_MS) / (await slow(up, TURNS_TRIED)))
    const idle = await probes(up, sleep(LONG_MS))
    const busy: number[] = []
    let longestMs = 0
    for (let call = 0; call < CALLS; call++) {
      const asked = slow(up, turns)
      busy.push(...(await probes(up, asked)))
      longestMs = Math.max(longestMs, await asked)
    }
    const [p99, p99Idle] = [quantile(busy, 0.99), quantile(idle, 0.99)]
    recordFigure('livez p99 ms', p99)
    recordFigure('livez p99 ms, idle', p99Idle)
    report({
      bench: 'serve',
      metric: '/livez while a call of 2 s computes, p99',
      value: p99,
      unit: 'ms',
      goal: GOAL_MS,
      met: p99 <= GOAL_MS,
      note: `${busy.length} answers, slowest ${Math.max(...busy).toFixed(1)} ms, calls of up to ${Math.round(longestMs)} ms; p99 with nothing to do ${p99Idle.toFixed(2)} ms`,
    })
  } finally {
    await up.server.stop()
  }
}
export default section

const agent = new Agent({ keepAlive: true })

/** Milliseconds that a call of so many turns took. */
async function slow({ base }: Up, turns: number): Promise<number> {
  const inputs = [
    { name: 'turns', shape: [1], datatype: 'INT64', data: [turns] },
    { name: 'x', shape: [1], datatype: 'FP32', data: [0] },
  ]
  const begunMs = performance.now()
  const answer = await fetch(`${base}/v2/models/slow/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ inputs }),
  })
  if (!answer.ok) throw new Error(`the slow model answered ${answer.status}: ${await answer.text()}`)
  await answer.arrayBuffer()
  return performance.now() - begunMs
}

/** Milliseconds of each answer of `/livez`, asked one after the other until something has ended. */
async function probes({ base }: Up, until: Promise<unknown>): Promise<number[]> {
  let isOver = false
  void until.finally(() => {
    isOver = true
  })
  const took: number[] = []
  while (!isOver) {
    took.push(await livez(base))
    await sleep(EVERY_MS)
  }
  return took
}

function livez(base: string): Promise<number> {
  const begunMs = performance.now()
  return new Promise((resolve, reject) => {
    const asked = request(`${base}/livez`, { agent }, (answer) => {
      answer.resume().once('end', () => resolve(performance.now() - begunMs))
    })
    asked.once('error', reject).end()
  })
}
