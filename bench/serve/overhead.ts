/** What the server adds to the scorer: of trees in JSON, and of a convolutional net, beside ONNX Runtime alone in windows that alternate. */
import { type Bare, runBare } from '../load/bare.ts'
import {
  best,
  compareAnswers,
  type Measured,
  measure,
  rise,
  targetOf,
  type Up,
  warm,
} from '../load/measure.ts'
import { type BenchModel, benchModels } from '../load/models.ts'
import { PAIRS, recordFigure, recordWindow, SECONDS } from '../load/record.ts'
import { NODE_ALONE, OURS } from '../load/sides.ts'
import { requireProgram } from '../load/wrk.ts'
import type { Section } from '../measure/sections.ts'
import { report } from '../report.ts'

const BENCH = 'serve'
const CPU_US_GOAL = 60
const ABOVE_MS_GOAL = 0.15
const BARE_GOAL = 0.95

const section: Section = async () => {
  requireProgram('wrk', 'wrk')
  const models = await benchModels()
  const up = await rise(OURS, OURS.settings[0], { folder: models.folder })
  try {
    const gbdt = models.of('gbdt')
    const many = await besideBare(up, gbdt, 32)
    record(gbdt, 32, many.ours)
    report({
      bench: BENCH,
      metric: 'gbdt, JSON, 32 connections, CPU a request',
      value: many.ours.cpuUs,
      unit: 'µs',
      bound: Number(many.bare.cpuUs.toPrecision(4)),
      goal: CPU_US_GOAL,
      met: many.ours.cpuUs <= CPU_US_GOAL,
      note: `${Math.round(many.ours.requestsPerS)} requests/s, ${many.ours.refused + many.ours.lost} not answered by 2xx; ONNX Runtime alone, one row a call: ${many.bare.cpuUs.toFixed(1)} µs`,
    })
    const one = await besideBare(up, gbdt, 1)
    record(gbdt, 1, one.ours)
    const aboveMs = one.ours.p50Ms - one.bare.p50Ms
    const nodeMs = await nodeAloneMs(models.folder, gbdt)
    report({
      bench: BENCH,
      metric: 'gbdt, JSON, 1 connection, p50 above the scorer',
      value: aboveMs,
      unit: 'ms',
      bound: Number(nodeMs.toPrecision(3)),
      goal: ABOVE_MS_GOAL,
      met: aboveMs <= ABOVE_MS_GOAL,
      note: `node:http alone, which reads as much and computes nothing: p50 ${nodeMs.toFixed(3)} ms; p50 ${one.ours.p50Ms.toFixed(3)} ms, of ONNX Runtime alone ${one.bare.p50Ms.toFixed(3)} ms; CPU ${one.ours.cpuUs.toFixed(0)} µs a request`,
    })
    const conv = await besideBare(up, models.of('conv'), 4)
    const share = conv.bare.cpuUs / conv.ours.cpuUs
    record(models.of('conv'), 4, conv.ours)
    recordFigure('conv of bare', share)
    recordFigure('conv bare cpuUs', conv.bare.cpuUs)
    report({
      bench: BENCH,
      metric: 'conv, binary, 4 connections, of ONNX Runtime alone',
      value: share,
      unit: '×',
      goal: BARE_GOAL,
      met: share >= BARE_GOAL,
      note: `CPU ${(conv.ours.cpuUs / 1000).toFixed(2)} ms a request, alone ${(conv.bare.cpuUs / 1000).toFixed(2)} ms`,
    })
    recordFigure('gbdt p50 above scorer ms', aboveMs)
    recordFigure('gbdt bare cpuUs', many.bare.cpuUs)
  } finally {
    await up.server.stop()
  }
}
export default section

function record({ name }: BenchModel, connections: number, ours: Measured): void {
  recordWindow({
    server: 'millrace',
    model: name,
    connections,
    settings: 'defaults',
    beside: 'ONNX Runtime',
    ...ours,
  })
}

/** The median at one connection of a server of Node that computes nothing: what is above it is what can be saved. */
async function nodeAloneMs(folder: string, model: BenchModel): Promise<number> {
  const up = await rise(NODE_ALONE, NODE_ALONE.settings[0], { folder })
  const target = targetOf(up, model)
  try {
    await warm(target, 1)
    const windows: number[] = []
    for (let i = 0; i < 2 * PAIRS; i++)
      windows.push((await measure(up.server, target, { connections: 1, seconds: SECONDS })).p50Ms)
    return Math.min(...windows)
  } finally {
    target.remove()
    await up.server.stop()
  }
}

/** Of both the window with the least CPU time a call, and the least median. */
async function besideBare(
  up: Up,
  model: BenchModel,
  connections: number,
): Promise<{ ours: Measured; bare: Bare }> {
  await compareAnswers(up, model)
  const target = targetOf(up, model)
  const windows: { ours: Measured[]; bare: Bare[] } = { ours: [], bare: [] }
  const ours = async () =>
    windows.ours.push(await measure(up.server, target, { connections, seconds: SECONDS }))
  const bare = async () => windows.bare.push(await runBare(model, SECONDS))
  await warm(target, connections)
  for (let pair = 0; pair < PAIRS; pair++) for (const ask of [ours, bare, bare, ours]) await ask()
  target.remove()
  const p50Ms = (all: { p50Ms: number }[]) => Math.min(...all.map((one) => one.p50Ms))
  return {
    ours: { ...best(windows.ours), p50Ms: p50Ms(windows.ours) },
    bare: { cpuUs: Math.min(...windows.bare.map((one) => one.cpuUs)), p50Ms: p50Ms(windows.bare) },
  }
}
