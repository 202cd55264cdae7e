/** CPU time of a request, and requests a second, beside MLServer, BentoML, LitServe, Ray Serve, MLflow and FastAPI on the same files. */
import {
  alternate,
  best,
  compareAnswers,
  type Measured,
  measure,
  rise,
  targetOf,
  type Up,
} from '../load/measure.ts'
import { type BenchModel, type BenchModels, benchModels, type ModelName } from '../load/models.ts'
import { PAIRS, recordModel, recordWindow, SECONDS } from '../load/record.ts'
import { OURS, PEERS, type Setting, type Side } from '../load/sides.ts'
import { requireProgram } from '../load/wrk.ts'
import type { Section } from '../measure/sections.ts'
import { makeEnvironment } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'serve'
/** Connections by model: an image a request is work enough for four. */
const CONNECTIONS: Record<ModelName, number[]> = { iris: [32, 1], gbdt: [32, 1], mlp: [32, 1], conv: [4, 1] }
const PROBE = { connections: 32, seconds: 2 }
/** Least ratio that is asked, of the models that it is asked of. */
const GOALS: Record<string, number> = { MLServer: 8, BentoML: 5, LitServe: 5, FastAPI: 4 }
const GOAL_MODELS: readonly ModelName[] = ['iris', 'gbdt']
const asked = process.env.MILLRACE_SERVE_ONLY?.split(',')

const section: Section = async ({ peers }) => {
  requireProgram('wrk', 'wrk')
  const models = await benchModels()
  for (const name of models.names) {
    const { sha256 } = models.of(name)
    console.error(`  ${name}.onnx sha256:${sha256}`)
    recordModel(name, sha256)
  }
  const ours = await rise(OURS, OURS.settings[0], { folder: models.folder })
  try {
    if (!peers) await measureAlone(ours, models)
    for (const side of peers ? PEERS : [])
      if (!asked || asked.includes(side.name)) await beside(ours, side, models)
  } finally {
    await ours.server.stop()
  }
}
export default section

async function measureAlone(ours: Up, models: BenchModels): Promise<void> {
  for (const name of models.names) {
    const model = models.of(name)
    await compareAnswers(ours, model)
    for (const connections of CONNECTIONS[name]) {
      const target = targetOf(ours, model)
      const windows: Measured[] = []
      for (let i = 0; i < 2 * PAIRS; i++)
        windows.push(await measure(ours.server, target, { connections, seconds: SECONDS }))
      target.remove()
      const least = best(windows)
      report({
        bench: BENCH,
        metric: metricOf(name, connections),
        value: least.cpuUs,
        unit: 'µs',
        note: noteOf(least),
      })
    }
  }
}

const metricOf = (name: string, connections: number) =>
  `${name}, ${connections} connection${connections > 1 ? 's' : ''}, CPU a request`

function noteOf({ requestsPerS, p50Ms, refused, lost, otherLoad }: Measured): string {
  const bad = refused + lost
  return `${Math.round(requestsPerS)} requests/s, p50 ${p50Ms.toFixed(3)} ms, ${bad} not answered by 2xx, others had ${Math.round(100 * otherLoad)} % of the machine`
}

/** One that cannot be installed or does not come up is left out, with the reason. */
async function beside(ours: Up, side: Side, models: BenchModels): Promise<void> {
  try {
    if (side.environment !== undefined) makeEnvironment(side.environment)
    const setting = await bestSetting(side, models)
    console.error(`  ${side.name}: ${setting.name}`)
    if (side.perModel) for (const name of models.names) await compareWith(ours, side, setting, models, [name])
    else await compareWith(ours, side, setting, models, models.names)
  } catch (error) {
    console.error(`  ${side.name} is left out: ${firstLine(error)}`)
  }
}

/** That with the least CPU time a request, of the trees at 32 connections; one that fails is passed over. */
async function bestSetting(side: Side, models: BenchModels): Promise<Setting> {
  if (side.settings.length === 1) return side.settings[0]
  const tried: { setting: Setting; cpuUs: number }[] = []
  for (const setting of side.settings)
    try {
      tried.push({ setting, cpuUs: await probe(side, setting, models) })
    } catch (error) {
      console.error(`  ${side.name}, ${setting.name}, is left out: ${firstLine(error)}`)
    }
  if (tried.length === 0) throw new Error('none of its settings answers')
  return tried.reduce((least, one) => (one.cpuUs < least.cpuUs ? one : least)).setting
}

const firstLine = (error: unknown) => (error as Error).message.split('\n')[0]

async function probe(side: Side, setting: Setting, models: BenchModels): Promise<number> {
  const model = models.of('gbdt')
  const up = await rise(side, setting, { folder: models.folder, model: model.name })
  try {
    await compareAnswers(up, model)
    const target = targetOf(up, model)
    await measure(up.server, target, PROBE)
    const least = best([await measure(up.server, target, PROBE), await measure(up.server, target, PROBE)])
    target.remove()
    console.error(`  ${side.name}, ${setting.name}: ${Math.round(least.cpuUs)} µs, ${noteOf(least)}`)
    return least.cpuUs
  } finally {
    await up.server.stop()
  }
}

async function compareWith(
  ours: Up,
  side: Side,
  setting: Setting,
  models: BenchModels,
  names: readonly ModelName[],
): Promise<void> {
  const up = await rise(side, setting, { folder: models.folder, model: names[0] })
  try {
    for (const name of names) await compareOn(ours, up, setting, models.of(name))
  } finally {
    await up.server.stop()
  }
}

async function compareOn(
  ours: Up,
  theirs: Up,
  setting: Setting,
  model: BenchModel<ModelName>,
): Promise<void> {
  const apart = await Promise.all([compareAnswers(ours, model), compareAnswers(theirs, model)])
  for (const connections of CONNECTIONS[model.name]) {
    const [own, other] = [targetOf(ours, model), targetOf(theirs, model)]
    const windows = await alternate(
      { ours: [ours.server, own], theirs: [theirs.server, other] },
      { connections, seconds: SECONDS },
      PAIRS,
    )
    own.remove()
    other.remove()
    say(model.name, connections, theirs.side, setting, windows, Math.max(...apart))
  }
}

function say(
  model: ModelName,
  connections: number,
  { name, protocol }: Side,
  setting: Setting,
  windows: { ours: Measured[]; theirs: Measured[] },
  apart: number,
): void {
  const [own, other] = [best(windows.ours), best(windows.theirs)]
  recordWindow({ server: 'millrace', model, connections, settings: 'defaults', beside: name, ...own })
  recordWindow({ server: name, model, connections, settings: setting.name, beside: 'millrace', ...other })
  const ratio = other.cpuUs / own.cpuUs
  const goal = connections > 1 && GOAL_MODELS.includes(model) ? GOALS[name] : undefined
  report({
    bench: BENCH,
    metric: metricOf(model, connections),
    value: own.cpuUs,
    unit: 'µs',
    peer: name,
    peerValue: Number(other.cpuUs.toPrecision(4)),
    ratio: Number(ratio.toPrecision(3)),
    ...(goal !== undefined && { goal, met: ratio >= goal }),
    note: `ours ${noteOf(own)}; theirs ${noteOf(other)}; answers apart by ${apart.toExponential(1)}; ${setting.name}${protocol ? `; ${protocol}` : ''}`,
  })
}
