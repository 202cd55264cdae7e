/** CPU time of a request over gRPC, beside MLServer: the same message, values in raw bytes. */
import { askOnce, type GrpcWindow, inferMessage, loadGrpc } from '../load/grpc.ts'
import { rise, type Up } from '../load/measure.ts'
import { type BenchModel, benchModels, type ModelName } from '../load/models.ts'
import { PAIRS, recordFigure, SECONDS } from '../load/record.ts'
import { OURS, PEERS, type Side } from '../load/sides.ts'
import { requireProgram } from '../load/wrk.ts'
import type { Section } from '../measure/sections.ts'
import { makeEnvironment } from '../peers/run.ts'
import { report } from '../report.ts'

const MODELS: readonly ModelName[] = ['gbdt', 'mlp']
const CONNECTIONS = [32, 1]
const GOAL = 3
const TOLERANCE = 1e-5

const section: Section = async ({ peers }) => {
  requireProgram('h2load', 'nghttp2-client')
  const models = await benchModels()
  const ours = await rise(OURS, OURS.settings[0], { folder: models.folder })
  const mlserver = PEERS.find(({ name }) => name === 'MLServer') as Side
  let theirs: Up | undefined
  try {
    if (peers) {
      makeEnvironment('serve-mlserver')
      theirs = await rise(mlserver, mlserver.settings[0], { folder: models.folder })
    }
    for (const name of MODELS)
      for (const connections of CONNECTIONS) await compare(ours, theirs, models.of(name), connections)
  } finally {
    await Promise.all([ours.server.stop(), theirs?.server.stop()])
  }
}
export default section

interface Window extends GrpcWindow {
  cpuUs: number
}

async function compare(
  ours: Up,
  theirs: Up | undefined,
  model: BenchModel<ModelName>,
  connections: number,
): Promise<void> {
  const message = inferMessage(model)
  const order = theirs ? [ours, theirs, theirs, ours] : [ours]
  const windows = new Map<Up, Window[]>(order.map((up) => [up, []]))
  for (const up of windows.keys()) {
    await check(up, model, message)
    await windowOf(up, message, connections)
  }
  for (let pair = 0; pair < PAIRS; pair++)
    for (const up of order) windows.get(up)?.push(await windowOf(up, message, connections))
  for (const up of windows.keys()) await check(up, model, message)
  say(model.name, connections, windows.get(ours) as Window[], theirs && windows.get(theirs))
}

async function check({ side, port }: Up, model: BenchModel, message: Buffer): Promise<void> {
  const got = await askOnce(port + 1, message)
  const want = model.answers[model.outputs.at(-1) as string][0]
  if (!(got.length === want.length && want.every((value, i) => Math.abs(value - got[i]) <= TOLERANCE)))
    throw new Error(`${side.name} answers ${model.name} over gRPC by [${got}], ONNX Runtime by [${want}]`)
}

async function windowOf({ server, port }: Up, message: Buffer, connections: number): Promise<Window> {
  const before = server.cpuS()
  const window = await loadGrpc(port + 1, message, { connections, seconds: SECONDS })
  return { ...window, cpuUs: ((server.cpuS() - before) / window.requests) * 1e6 }
}

const least = (windows: Window[]) => windows.reduce((best, one) => (one.cpuUs < best.cpuUs ? one : best))
const noteOf = ({ requests, meanMs, failed }: Window) =>
  `${Math.round(requests / SECONDS)} requests/s, mean ${meanMs.toFixed(2)} ms, ${failed} failed`

function say(model: ModelName, connections: number, own: Window[], other: Window[] | undefined): void {
  const [ours, theirs] = [least(own), other && least(other)]
  const ratio = theirs && theirs.cpuUs / ours.cpuUs
  const metric = `${model}, gRPC, ${connections} connection${connections > 1 ? 's' : ''}, CPU a request`
  recordFigure(`${metric}, millrace`, ours.cpuUs)
  if (theirs) recordFigure(`${metric}, MLServer`, theirs.cpuUs)
  report({
    bench: 'serve',
    metric,
    value: ours.cpuUs,
    unit: 'µs',
    ...(theirs && {
      peer: 'MLServer',
      peerValue: Number(theirs.cpuUs.toPrecision(4)),
      ratio: Number((ratio as number).toPrecision(3)),
      goal: GOAL,
      met: (ratio as number) >= GOAL,
    }),
    note: `ours ${noteOf(ours)}${theirs ? `; theirs ${noteOf(theirs)}` : ''}`,
  })
}
