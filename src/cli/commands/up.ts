/** `millrace up`: what a user runs every day. Imports what is new, trains what was never trained, releases, serves, follows and retrains. */
import { type Running, up as serve } from '../../api/up.ts'
import { playgroundView } from '../../api/views/index.ts'
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import { opens } from '../../core/verdicts.ts'
import type { SealOutcome } from '../../data/index.ts'
import type { ModelDef } from '../../define/types.ts'
import type { Happening } from '../../loop/follow.ts'
import { lineageSettings } from '../../loop/lineage/transport.ts'
import type { Checkpoint } from '../../loop/online.ts'
import { ProgressFeed } from '../../loop/progress.ts'
import { gateReport } from '../../loop/release.ts'
import { type Retrained, retrainIfDue } from '../../loop/retrain.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import { currentRelease } from '../../release/record.ts'
import { METRIC_ALIASES } from '../../serve/metrics-alias.ts'
import { traceSettings } from '../../serve/trace/otel-env.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { day, minute, plural, rowsText, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { versionAsked } from '../locked.ts'
import { countOption, textOption, tlsOption, wordsOption } from '../options.ts'
import { importStep, latestBundle, refusedLine, releaseStep, stepLine, trainStep } from '../steps.ts'
import { packageVersion } from '../version.ts'

export async function up(cli: Cli, _args: readonly unknown[], options: Options): Promise<Answer> {
  if (options.dryRun === true)
    return await (await import('./plan.ts')).plan(cli, [], { locked: options.locked })
  if (options.locked === true && options.once !== true)
    throw new MillraceError('MR_CLI_USAGE', {
      why: '--locked goes with --once: what serves on trains on rows that are newer than any lock',
      help: 'millrace up --help',
    })
  const rt = await cli.open()
  const { models } = rt.project
  cli.meter.expect(rt.project.datasets.length + models.length)
  if (options.once === true) return await once(cli, rt, options)
  const feed = new ProgressFeed()
  cli.meter.feed = feed
  const running = await serve(rt, {
    ...addressOf(cli, rt, options),
    progress: feed,
    follow: 'by-hand',
    learn: 'timer',
    seal: 'timer',
    onLearned: (checkpoint) => tellLearned(cli, checkpoint),
    onSealed: (outcome) => tellSealed(cli, outcome),
    onFault: (error) => tellFault(cli, error),
  })
  try {
    const { address, grpcAddress } = running
    const grpc = grpcAddress ? `, gRPC on ${cli.paint.accent(grpcAddress)}` : ''
    cli.event(
      { event: 'serving', address, grpc: grpcAddress ?? null },
      `\n  Millrace serves ${cli.paint.bold(rt.project.name)} on ${cli.paint.accent(address)}${grpc}\n`,
    )
    await prepare(cli, rt, () => running.refresh())
    cli.meter.finish()
    await sayReady(cli, rt, running.address)
    await follow(cli, rt, running)
  } finally {
    await running.close()
  }
  cli.line('\n  Stopped. Everything is kept; `millrace up` goes on from here.')
  return { value: { event: 'stopped' } }
}

function addressOf(cli: Cli, rt: Runtime, options: Options) {
  return {
    host: textOption(options, 'host'),
    port: countOption(options, 'port', rt.project.serve.port, 0, 65_535),
    ...(options.grpc !== undefined && { grpcPort: countOption(options, 'grpc', 0, 0, 65_535) }),
    ...(options.cacheMb !== undefined && {
      cache: { ...rt.project.serve.cache, mb: countOption(options, 'cacheMb', 64, 1, 1_000_000) },
    }),
    token: textOption(options, 'token') ?? cli.env.MILLRACE_TOKEN,
    tls: tlsOption(options),
    lineage: lineageOf(cli),
    trace: traceSettings(cli.env, textOption(options, 'otlp'), packageVersion()),
    metricAliases: wordsOption(options, 'metricsAlias', '--metrics-alias', METRIC_ALIASES),
  }
}

/** Events on standard output would stand among the lines of what is done: `millrace lineage` has them. */
function lineageOf(cli: Cli) {
  const settings = lineageSettings(cli.env, undefined, () => {})
  return settings && settings.transport.target !== 'stdout'
    ? { ...settings, version: packageVersion() }
    : undefined
}

async function once(cli: Cli, rt: Runtime, options: Options): Promise<Answer> {
  const refused = options.locked === true ? await prepareLocked(cli, rt) : await prepare(cli, rt)
  return { value: { event: 'done', refused }, exit: refused.length > 0 ? EXIT.refused : EXIT.done }
}

/** Brings every model to where it can answer. Returns those whose gates stayed closed and that nothing answers for. */
async function prepare(cli: Cli, rt: Runtime, released?: () => Promise<void>): Promise<string[]> {
  for (const { name, source } of rt.project.datasets)
    if (source.length > 0) await importWhatIsNew(cli, rt, name)
  const refused: string[] = []
  for (const model of rt.project.models) {
    if (await waitsForRows(cli, rt, model)) continue
    if (!(await makeReady(cli, rt, model))) refused.push(model.name)
    await released?.()
  }
  return refused
}

/** Nothing is imported: every model is trained on what is pinned, and released where none answers yet. */
async function prepareLocked(cli: Cli, rt: Runtime): Promise<string[]> {
  const refused: string[] = []
  for (const { name, from } of rt.project.models) {
    const asked = await versionAsked(cli, rt, from, { locked: true })
    const trained = await trainStep(cli, rt, { model: name, ...asked, reason: 'millrace up --locked' })
    if (!trained.passed) {
      refused.push(name)
      tellRefused(cli, name, trained.bundle.version)
    } else if (!(await currentRelease(rt.store, name))) await releaseStep(cli, rt, name)
  }
  return refused
}

function tellRefused(cli: Cli, model: string, version: number): void {
  cli.event({ event: 'refused', model, version }, refusedLine(cli, model, version))
}

/** A dataset whose rows come one by one alone may have none yet; its models are trained when they are asked for again. */
async function waitsForRows(cli: Cli, rt: Runtime, { name, from }: ModelDef): Promise<boolean> {
  const { source } = datasetDef(rt, from)
  if (source.length > 0 || (await rt.store.meta.ref(refs.dataset(from))) !== undefined) return false
  cli.event(
    { event: 'waiting', model: name, dataset: from },
    stepLine(cli, cli.paint.dim('·'), `Serve ${name}`, `waits for the first rows of ${from}`),
  )
  return true
}

/** A source that is gone or faulty does not stop what answers already. */
async function importWhatIsNew(cli: Cli, rt: Runtime, dataset: string): Promise<void> {
  try {
    await importStep(cli, rt, { dataset, message: 'millrace up' })
  } catch (thrown) {
    const hasData = (await rt.store.meta.ref(refs.dataset(dataset))) !== undefined
    if (!hasData || !isMillraceError(thrown) || cli.signal.aborted) throw thrown
    cli.event(
      { event: 'import-failed', dataset, error: thrown },
      `${stepLine(cli, cli.paint.warn('!'), `Import ${dataset}`, `${thrown.message}; what was imported before is used`)}\n      ${cli.paint.dim('fix:')} ${thrown.fix}`,
    )
  }
}

/** Whether the model has a version that answers. */
async function makeReady(cli: Cli, rt: Runtime, { name }: ModelDef): Promise<boolean> {
  const current = await currentRelease(rt.store, name)
  const latest = await latestBundle(rt, name)
  if (current) {
    const version = current.release.routes.find((r) => r.weight > 0)?.version
    cli.event(
      { event: 'live', model: name, version, state: current.release.state },
      stepLine(cli, cli.paint.dim('·'), `Serve ${name}`, `v${version} since ${day(current.release.at)}`),
    )
    return true
  }
  const passed = latest ? opens((await gateReport(rt, latest)).findings) : undefined
  if (passed === true) {
    await releaseStep(cli, rt, name)
    return true
  }
  const trained = await trainStep(cli, rt, {
    model: name,
    reason: latest ? 'the version before did not pass its gates' : 'first training',
  })
  if (trained.passed) await releaseStep(cli, rt, name)
  else tellRefused(cli, name, trained.bundle.version)
  return trained.passed
}

// ---------------------------------------------------------------- while it serves

/** A request with a real row for each model that answers. */
async function sayReady(cli: Cli, rt: Runtime, address: string): Promise<void> {
  for (const { name } of rt.project.models) {
    if (!(await currentRelease(rt.store, name))) continue
    const { curl } = await playgroundView(rt, name, address)
    cli.event(
      { event: 'ready', model: name, address, curl },
      `\n  Ask ${cli.paint.bold(name)}:\n\n${cli.paint.accent(curl)}`,
    )
  }
  cli.line(
    `\n  Console: ${cli.paint.accent(address)}   ${cli.paint.dim('Ctrl-C stops; `millrace up` goes on from there')}\n`,
  )
}

const POLL_MS = 500

/** Follows the logs and trains again when the policy says so, until Ctrl-C. A fault of one round is said, and the next round comes. */
async function follow(cli: Cli, rt: Runtime, running: Running): Promise<void> {
  let said = ''
  while (!cli.signal.aborted) {
    try {
      for (const happening of await running.poll()) tell(cli, happening)
      for (const { name } of rt.project.models) {
        const result = await retrainIfDue(rt, name, { signal: cli.signal })
        if (!result) continue
        await running.refresh()
        tellRetrained(cli, name, result)
      }
      said = ''
    } catch (thrown) {
      const error = toError(thrown)
      if (!cli.signal.aborted && error.message !== said) tellFault(cli, error)
      said = error.message
    }
    await pause(POLL_MS, cli.signal)
  }
}

function tellFault(cli: Cli, { message }: Error): void {
  cli.event({ event: 'fault', message }, `  ${cli.paint.warn('!')} ${message}`)
}

function tellSealed(cli: Cli, { dataset, rows, version, held }: SealOutcome): void {
  const sign = held ? cli.paint.warn('!') : '▸'
  const said = held ? `held: ${held.why}` : version ? `are version ${short(version)}` : 'were there already'
  cli.event(
    { event: 'sealed', dataset, rows, version, held },
    `  ${sign} ${rowsText(rows)} of ${dataset} ${said}`,
  )
}

function tellLearned(cli: Cli, { model, version, rows, loss, release }: Checkpoint): void {
  cli.event(
    { event: 'learned', model, version, rows, loss },
    `  ▸ ${minute(release.at)}  ${model}: ${release.reason}`,
  )
}

function tell(cli: Cli, happening: Happening): void {
  if (happening.kind === 'release') tellRelease(cli, happening)
  else tellWindow(cli, happening)
}

function tellRelease(cli: Cli, { model, release }: Extract<Happening, { kind: 'release' }>): void {
  cli.event(
    { event: 'release', model, state: release.state, reason: release.reason },
    `  ▸ ${minute(release.at)}  release: ${release.reason}`,
  )
}

function tellWindow(cli: Cli, { model, report, alerts }: Extract<Happening, { kind: 'window' }>): void {
  const { window, joined } = report
  const counts = { raised: alerts.raise.length, resolved: alerts.resolve.length }
  cli.event(
    { event: 'window', model, window, joined, ...counts },
    `  ▸ ${day(window.fromAt)} to ${day(window.toAt - 1)}  ${model}: ${plural(joined, 'outcome')} joined`,
  )
  const at = day(window.toAt)
  for (const { owner, finding } of alerts.raise)
    cli.line(`  ▸ ${at}  ${cli.paint.warn('alert')}${owner ? ` for ${owner}` : ''}: ${finding.message}`)
  for (const { finding } of alerts.resolve)
    cli.line(`  ▸ ${at}  ${cli.paint.good('resolved')}: ${finding.message}`)
}

function tellRetrained(cli: Cli, model: string, { why, trained, release }: Retrained): void {
  const outcome = release ? release.effects.join('; ') : `v${trained.bundle.version} did not pass its gates`
  cli.event(
    { event: 'retrained', model, why, version: trained.bundle.version, passed: trained.passed },
    `  ▸ ${model} was trained again (${why}): ${outcome}`,
  )
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      done()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
