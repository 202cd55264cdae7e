/** `millrace bench serve`: latency against throughput of a served model, of ours or of a peer's server. */
import { type ChildProcess, spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type BenchServeReport, benchServe, type DrivenRate } from '../../api/bench/bench-serve.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Answer, Cli } from '../cli.ts'
import { count } from '../format.ts'
import type { Options } from '../handler.ts'
import { latencyPlot } from '../latency-plot.ts'
import { countOption, textOption } from '../options.ts'
import { table, wrapped } from '../table.ts'

const BIN = fileURLToPath(new URL('../../../bin/millrace.cjs', import.meta.url))
const LATENCY_MS = 20

export async function benchServeCommand(
  cli: Cli,
  [target]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const isUrl = /^https?:\/\//.test(target as string)
  const latencyMs =
    options.latency === undefined && isUrl
      ? undefined
      : countOption(options, 'latency', LATENCY_MS, 1, 600_000)
  cli.meter.begin('Measuring')
  const server = isUrl
    ? undefined
    : await startServer(cli, target as string, options, latencyMs ?? LATENCY_MS)
  try {
    const report = await benchServe({
      url: server?.url ?? (target as string),
      token: textOption(options, 'token') ?? (isUrl ? cli.env.MILLRACE_TOKEN : undefined),
      model: textOption(options, 'model') ?? server?.model,
      latencyMs,
      seconds: countOption(options, 'seconds', 3, 1, 600),
      signal: cli.signal,
      onStep: ({ what, done, total }) => cli.meter.update(done / total, what),
    })
    cli.meter.end()
    return { value: report, lines: linesOf(report, cli, isUrl ? undefined : (target as string)) }
  } finally {
    server?.child.kill('SIGTERM')
  }
}

interface Started {
  url: string
  model?: string
  child: ChildProcess
}

/** A server of its own, so that what asks does not take the time of what answers. Errors: those that it ends with, as MR_SERVE_TARGET. */
async function startServer(cli: Cli, path: string, options: Options, latencyMs: number): Promise<Started> {
  const passed = ['batch', 'delay', 'threads'].flatMap((name) => {
    const value = textOption(options, name)
    return value === undefined ? [] : [`--${name}`, value]
  })
  const args = [
    BIN,
    'serve',
    resolve(path),
    '--port',
    '0',
    '--latency',
    String(latencyMs),
    '--json',
    ...passed,
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const said: string[] = []
  child.stderr.on('data', (text) => said.push(String(text)))
  const lines = createInterface({ input: child.stdout })
  let serving: { address: string; models: string[] } | undefined
  const stop = () => void child.kill('SIGTERM')
  cli.signal.addEventListener('abort', stop, { once: true })
  for await (const line of lines) {
    const event = JSON.parse(line) as { event: string; address: string; models: string[] }
    if (event.event === 'serving') serving = event
    if (event.event === 'ready' || event.event === 'refused') break
  }
  if (!serving) {
    const got = said.join('').trim().slice(0, 500) || 'nothing'
    throw new MillraceError('MR_SERVE_TARGET', { url: path, need: 'served', got })
  }
  // what it goes on to say is read and left, so that it never waits for a reader
  child.stdout.resume()
  const { address, models } = serving
  return { url: address, child, ...(models.length === 1 && { model: models[0] }) }
}

function linesOf(report: BenchServeReport, cli: Cli, path: string | undefined): string[] {
  const { latencyMs, rates, server, model, url } = report
  const name = server ? `${server.name} ${server.version}` : 'a server'
  const say = (text: string) => wrapped('  ', text, Math.min(cli.width, 110))
  return [
    '',
    `  ${cli.paint.bold(model)}  ${cli.paint.dim(`${name} at ${url}, objective ${latencyMs} ms`)}`,
    '',
    ...report.words.flatMap(say),
    '',
    ...table(
      ['asked/s', 'answered/s', 'in time/s', 'refused/s', 'failed/s', 'p50 ms', 'p99 ms', 'refusal p99'],
      rates.map(rowOf),
      {
        right: [
          'asked/s',
          'answered/s',
          'in time/s',
          'refused/s',
          'failed/s',
          'p50 ms',
          'p99 ms',
          'refusal p99',
        ],
        paint: cli.paint,
      },
    ),
    '',
    ...latencyPlot(pointsOf(report), latencyMs, cli.paint),
    '',
    ...recommendedLines(report, path).flatMap(say),
    ...(report.batching ? ['', ...report.batching.words.flatMap(say)] : []),
    '',
  ]
}

const rowOf = ({
  offered,
  answered,
  goodput,
  refused,
  failed,
  latencyMs,
  refusalMs,
}: DrivenRate): string[] => [
  ...[offered, answered, goodput, refused, failed].map((x) => count(Math.round(x))),
  latencyMs ? latencyMs.p50.toFixed(1) : '',
  latencyMs ? latencyMs.p99.toFixed(1) : '',
  refusalMs ? refusalMs.p99.toFixed(1) : '',
]

/** Each rate, and where the server was before this came; without that, the best rate in time. */
function pointsOf({
  rates,
  here,
  best,
}: BenchServeReport): { perSecond: number; latencyMs: number; label?: string; isHere?: boolean }[] {
  const driven = rates.flatMap((rate) =>
    rate.latencyMs === null
      ? []
      : [
          {
            perSecond: rate.answered,
            latencyMs: rate.latencyMs.p99,
            ...(!here && rate === best && { isHere: true, label: 'best in time' }),
          },
        ],
  )
  if (!here || here.latencyMsP99 === null) return driven
  return [
    ...driven,
    {
      perSecond: here.answeredRowsPerSecond,
      latencyMs: here.latencyMsP99,
      isHere: true,
      label: 'you are here',
    },
  ]
}

function recommendedLines(
  { recommended, latencyMs, batching }: BenchServeReport,
  path: string | undefined,
): string[] {
  const { batchRows, ifDelayed } = recommended
  const ours = batching
    ? [
        `Recommended: millrace serve ${path ?? '<path>'} --latency ${latencyMs}; it finds the rows of a batch by itself, and needs no delay.`,
      ]
    : []
  return [
    ...ours,
    `As static settings: batches of up to ${batchRows} rows and no delay, where a server takes what there is when a thread is free; where it only puts together what comes within a delay, up to ${ifDelayed.batchRows} rows within ${ifDelayed.delayMs} ms.`,
  ]
}
