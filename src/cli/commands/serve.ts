/** `millrace serve`: models of others, from where they lie. Needs no project and writes nothing. */
import { resolve } from 'node:path'
import { type Served, serveByWorkers, serveModels } from '../../api/serve-models.ts'
import type { MillraceError } from '../../core/errors.ts'
import { findModels } from '../../model/repository/find.ts'
import type { Found, FoundModel } from '../../model/repository/found.ts'
import { settleCollector } from '../../serve/collector-settings.ts'
import { METRIC_ALIASES } from '../../serve/metrics-alias.ts'
import type { ModelMetadata, TensorSpec } from '../../serve/oip/backend.ts'
import { traceSettings } from '../../serve/trace/otel-env.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, fileOption, oneOf, textOption, tlsOption, wordsOption } from '../options.ts'
import { packageVersion } from '../version.ts'

export async function serve(cli: Cli, [path]: readonly unknown[], options: Options): Promise<Answer> {
  if (options.dryRun === true) return found(cli, findModels(resolve(path as string)))
  const given = (name: string, min: number, max: number) =>
    options[name] === undefined ? undefined : countOption(options, name, min, min, max)
  const workers = given('workers', 1, 256) ?? 1
  const asked = {
    path: resolve(path as string),
    host: textOption(options, 'host'),
    port: given('port', 0, 65_535),
    grpcPort: given('grpc', 0, 65_535),
    token: textOption(options, 'token') ?? cli.env.MILLRACE_TOKEN,
    tls: tlsOption(options),
    trace: traceSettings(cli.env, textOption(options, 'otlp'), packageVersion()),
    metricAliases: wordsOption(options, 'metricsAlias', '--metrics-alias', METRIC_ALIASES),
    tokensFile: fileOption(options, 'tokens'),
    onFault: (error: Error) =>
      cli.event({ event: 'fault', message: error.message }, `  ${cli.paint.warn('!')} ${error.message}`),
    threads: given('threads', 1, 256),
    memoryMb: given('memory', 16, 1_000_000),
    tenants: textOption(options, 'tenants'),
    hosts: textOption(options, 'hosts'),
    self: textOption(options, 'as'),
    join: textOption(options, 'join'),
    weight: given('weight', 1, 1_000_000),
    owners: given('owners', 1, 100),
    latencyMs: given('latency', 1, 600_000),
    batchRowsMax: given('batch', 1, 100_000),
    batchDelayMs: given('delay', 0, 60_000),
    bodyMb: given('body', 1, 1_024),
    cacheMb: given('cacheMb', 1, 1_000_000),
    trial: oneOf('--try', textOption(options, 'try'), ['swaps', 'all', 'none'] as const),
  }
  if (workers === 1) settleCollector()
  const served = await (workers === 1 ? serveModels(asked) : serveByWorkers({ ...asked, workers }))
  try {
    const { address, grpcAddress, found: models } = served
    cli.event(
      {
        event: 'serving',
        address,
        grpc: grpcAddress ?? null,
        ...(workers > 1 && { workers }),
        models: models.map(({ name }) => name),
      },
      `\n  Millrace serves ${plural(models.length, 'model')}${workers > 1 ? ` by ${workers} processes` : ''} on ${cli.paint.accent(address)}${grpcAddress ? `, gRPC on ${cli.paint.accent(grpcAddress)}` : ''}\n`,
    )
    const stopped = untilStopped(cli.signal)
    await Promise.race([start(cli, served), stopped])
    await stopped
  } finally {
    await served.close()
  }
  cli.line('\n  Stopped.')
  return { value: { event: 'stopped' } }
}

async function start(cli: Cli, served: Served): Promise<void> {
  const failed = await loadAll(cli, served)
  if (failed < served.found.length && !cli.signal.aborted) await sayHow(cli, served)
}

/** What is there, without opening any of it. */
function found(cli: Cli, { models, refused }: Found): Answer {
  const { paint } = cli
  const lines = [
    '',
    ...models.map((model) => `  ${paint.good('✓')} ${model.name}  ${paint.dim(wordsOf(model))}`),
    ...models.flatMap(({ name, notes }) => notes.map((note) => `  ${paint.dim(`· ${name}: ${note}`)}`)),
    ...refused.flatMap(({ name, why, fix }) => [
      `  ${paint.bad('✗')} ${name}: ${why}`,
      `      ${paint.dim('fix:')} ${fix}`,
    ]),
    '',
  ]
  return {
    value: { dryRun: true, models, refused },
    lines,
    exit: models.length === 0 ? EXIT.refused : EXIT.done,
  }
}

const SOURCES: Record<FoundModel['from'], string> = {
  file: 'a file',
  triton: 'Triton repository',
  mlflow: 'MLflow folder',
  mlserver: 'MLServer folder',
}

const wordsOf = ({ from, versions }: FoundModel): string =>
  `${SOURCES[from]}, ${versions.length === 1 ? 'version' : 'versions'} ${versions.map(({ version }) => version).join(', ')}`

/** Loads and says so, model by model. Gives how many failed. */
async function loadAll(cli: Cli, { refused, load }: Served): Promise<number> {
  const { paint } = cli
  let failed = 0
  const refuse = (name: string, why: string, fix: string) =>
    cli.event(
      { event: 'refused', model: name, why, fix },
      `  ${paint.bad('✗')} ${name}: ${why}\n      ${paint.dim('fix:')} ${fix}`,
    )
  for (const { name, why, fix } of refused) refuse(name, why, fix)
  await load((name: string, error?: MillraceError) => {
    if (cli.signal.aborted) return
    if (error) {
      failed++
      refuse(name, error.message, error.fix)
    } else cli.event({ event: 'loaded', model: name }, `  ${paint.good('✓')} ${name}`)
  })
  return failed
}

/** A request that works, for the first model that can answer. */
async function sayHow(cli: Cli, { found: models, metadata: metadataOf, address }: Served): Promise<void> {
  for (const { name } of models) {
    const metadata = await metadataOf(name).catch(() => undefined)
    if (!metadata) continue
    const curl = curlOf(metadata, address)
    cli.event(
      { event: 'ready', model: name, address, curl },
      `\n  Ask ${cli.paint.bold(name)}:\n\n${cli.paint.accent(curl)}`,
    )
    break
  }
  cli.line(
    `\n  ${cli.paint.dim('Ctrl-C stops; clients of Triton, KServe, MLServer and MLflow work as they are')}\n`,
  )
}

const ELEMENTS_SHOWN_MAX = 32

function curlOf({ name, inputs }: ModelMetadata, address: string): string {
  const sizes = inputs.map(({ shape }) => shape.map((size) => (size < 0 ? 1 : size)))
  const elements = sizes.map((shape) => shape.reduce((product, size) => product * size, 1))
  if (elements.some((n) => n > ELEMENTS_SHOWN_MAX))
    return `  curl ${address}/v2/models/${name}        # ${inputs.map(tensorText).join(', ')}: ${count(Math.max(...elements))} elements are best sent in binary`
  const tensors = inputs.map(({ name: input, datatype }, i) => ({
    name: input,
    shape: sizes[i],
    datatype,
    data: new Array(elements[i]).fill(datatype === 'BYTES' ? 'a' : datatype === 'BOOL' ? false : 0),
  }))
  return `  curl -d '${JSON.stringify({ inputs: tensors })}' \\\n    -H 'content-type: application/json' ${address}/v2/models/${name}/infer`
}

const tensorText = ({ name, datatype, shape }: TensorSpec): string => `${name} ${datatype}[${shape}]`

function untilStopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolveStop) => {
    if (signal.aborted) resolveStop()
    signal.addEventListener('abort', () => resolveStop(), { once: true })
  })
}
