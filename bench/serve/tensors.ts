/** An image of 600 kB as the binary extension has it, and in JSON: a graph that only takes its mean, so that reading is what costs. */
import { best, measure, rise, type Up } from '../load/measure.ts'
import { benchModels } from '../load/models.ts'
import { recordFigure, SECONDS } from '../load/record.ts'
import { type Asked, OURS, protocolBinary, protocolJson, TOKEN } from '../load/sides.ts'
import { requireProgram, WrkTarget } from '../load/wrk.ts'
import type { Section } from '../measure/sections.ts'
import { report } from '../report.ts'

const GOAL = 10
const ROUNDS = 3
const CONNECTIONS = 4

const section: Section = async () => {
  requireProgram('wrk', 'wrk')
  const models = await benchModels()
  const image = models.image
  const up = await rise(OURS, OURS.settings[0], { folder: models.moreFolder })
  const path = '/v2/models/image/infer'
  try {
    const json = { path, headers: { 'content-type': 'application/json' }, bodies: protocolJson(image) }
    const binary = { path, ...protocolBinary(image) }
    const [asText, asBytes] = await alternately(up, [json, binary])
    const ratio = asText / asBytes
    recordFigure('image binary cpuUs', asBytes)
    recordFigure('image json cpuUs', asText)
    report({
      bench: 'serve',
      metric: 'tensor of 600 kB, binary, CPU a request',
      value: asBytes,
      unit: 'µs',
      peer: 'in JSON',
      peerValue: Number(asText.toPrecision(4)),
      ratio: Number(ratio.toPrecision(3)),
      goal: GOAL,
      met: ratio >= GOAL,
      note: `${(binary.bodies[0].length / 1000).toFixed(0)} kB and ${(json.bodies[0].length / 1000).toFixed(0)} kB a request`,
    })
  } finally {
    await up.server.stop()
  }
}
export default section

/** CPU time of a request of each, the least of the rounds. */
async function alternately(up: Up, asked: Asked[]): Promise<number[]> {
  const targets = asked.map(
    (one) =>
      new WrkTarget(up.base, { ...one, headers: { ...one.headers, authorization: `Bearer ${TOKEN}` } }),
  )
  const windows = targets.map((): Awaited<ReturnType<typeof measure>>[] => [])
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, target] of targets.entries())
      windows[i].push(await measure(up.server, target, { connections: CONNECTIONS, seconds: SECONDS }))
  for (const target of targets) target.remove()
  if (windows.flat().some(({ refused, lost }) => refused + lost > 0))
    throw new Error('a request was not answered')
  return windows.map((all) => best(all).cpuUs)
}
