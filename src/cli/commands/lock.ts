/** `millrace data lock` and `data checkout --lock`: the versions that a commit of code goes with. */
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { LINK_CHOICES } from '../../data/files/index.ts'
import { checkoutLock, type LockedRef } from '../../loop/lock-checkout.ts'
import { LOCK_FILE, lockVersions } from '../../loop/lock-file.ts'
import { ORIGIN, openProjectRemote } from '../../loop/remotes.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { Remote } from '../../store/remote/ports.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, plural, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { oneOf, textOption } from '../options.ts'

export async function dataLock(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const check = options.check === true || options.dryRun === true
  const { lock, changes } = await lockVersions(rt, { names: given as string[], check })
  const { paint } = cli
  const moved = changes.map(
    ({ name, from, to }) => `      ${name}  ${from === null ? 'new' : short(from)} → ${short(to)}`,
  )
  const isStale = options.check === true && changes.length > 0
  return {
    value: { file: LOCK_FILE, pinned: Object.fromEntries(lock), changes, written: !check },
    lines: [
      isStale
        ? `  ${paint.bad('✗')} ${LOCK_FILE} does not pin what is here now`
        : `  ${paint.good('✓')} ${LOCK_FILE} ${check ? 'would pin' : 'pins'} ${plural(lock.size, 'version')}`,
      ...moved,
      ...(isStale
        ? [`    ${paint.dim('fix:')} millrace data lock, or millrace data pull to have what it pins`]
        : []),
    ],
    exit: isStale ? EXIT.refused : EXIT.done,
  }
}

/** `millrace data checkout --lock`: all that a lock pins, brought here. */
export async function checkoutOfLock(
  cli: Cli,
  rt: Runtime,
  given: unknown,
  options: Options,
): Promise<Answer> {
  if ((given === undefined) === (options.lock === undefined))
    throw new MillraceError('MR_CLI_USAGE', {
      why: 'either a version is named or --lock is given',
      help: 'millrace data checkout --help',
    })
  const file = textOption(options, 'lock')
  const to = textOption(options, 'to')
  const isDryRun = options.dryRun === true
  cli.meter.begin('Check out the lock')
  const done = await checkoutLock(rt, {
    ...(file !== undefined && { file: resolve(file) }),
    ...(to !== undefined && { to: resolve(to) }),
    openRemote: async () => await remoteOf(cli, rt, options),
    link: oneOf('--link', textOption(options, 'link'), LINK_CHOICES),
    isForced: options.force === true,
    isDryRun,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: cli.meter.update,
  })
  cli.meter.end()
  const stay = done.refs.filter(({ state, moves }) => !moves && (state === 'ahead' || state === 'diverged'))
  return {
    value: { ...(isDryRun && { dryRun: true }), ...done },
    lines: [
      `  ${cli.paint.good('✓')} ${LOCK_FILE}: ${plural(done.refs.length, 'version')} ${isDryRun ? 'would be ' : ''}as pinned${done.received > 0 ? `, ${plural(done.received, 'object')} received` : ''}`,
      ...done.refs.map((ref) => `      ${refText(ref)}`),
      ...(stay.length > 0
        ? [
            `    ${cli.paint.dim('what is pinned is read with --locked; to move the branches back: millrace data checkout --lock --force')}`,
          ]
        : []),
    ],
  }
}

/** Undefined where the project names none and none is asked for. */
async function remoteOf(cli: Cli, rt: Runtime, options: Options): Promise<Remote | undefined> {
  const remote = textOption(options, 'remote')
  if (remote === undefined && !Object.hasOwn(rt.project.remotes ?? {}, ORIGIN)) return undefined
  return await openProjectRemote(rt, { remote, create: false, env: cli.env, signal: cli.signal })
}

const STATE_TEXT: Record<LockedRef['state'], string> = {
  same: 'as it was',
  new: 'new here',
  forward: 'moved forward',
  ahead: 'has gone on since, and stays',
  diverged: 'has gone another way, and stays',
}

function refText({ name, digest, state, moves, files }: LockedRef): string {
  const moved = moves && (state === 'ahead' || state === 'diverged') ? 'moved back' : STATE_TEXT[state]
  const wrote =
    files === undefined
      ? ''
      : `; ${plural(files.written, 'path')} written, ${count(files.removed)} gone, ${count(files.kept)} as they were`
  return `${name}  ${short(digest)}  ${moved}${wrote}`
}
