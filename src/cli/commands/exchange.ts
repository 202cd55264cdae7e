/** `millrace data push` and `millrace data pull`: versions between this store and a remote. */
import { openProjectRemote } from '../../loop/remotes.ts'
import type { Remote } from '../../store/remote/ports.ts'
import { planPull, pull, type RefPull } from '../../store/remote/pull.ts'
import { planPush, push, type RefPush } from '../../store/remote/push.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { bytes, plural, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { pairs } from '../table.ts'

export async function dataPush(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const names = (given ?? []) as string[]
  return await withRemote(cli, options, true, async (remote) => {
    const { store } = await cli.open()
    const request = {
      names,
      recheck: options.recheck === true,
      force: options.force === true,
      signal: cli.signal,
      onProgress: cli.meter.update,
    }
    if (remote.compareAndSet === 'checked')
      cli.note(
        `  ${remote.url} cannot compare and set: a push of somebody else at the same moment may be overwritten`,
      )
    cli.meter.begin(`Push to ${remote.name}`)
    if (options.dryRun === true) {
      const { lacking, ...plan } = await planPush(store, remote, request)
      cli.meter.end()
      const what = `${plural(lacking.length, 'object')} (${bytes(plan.bytes)}) would be sent to ${remote.url}`
      return {
        value: { dryRun: true, remote: remote.url, objects: lacking.length, ...plan },
        lines: [`  ${what}`, ...pushLines(cli, plan.refs)],
      }
    }
    const done = await push(store, remote, {
      ...request,
      actor: await cli.actor(),
      now: Date.now(),
      reason: textOption(options, 'reason'),
    })
    cli.meter.end()
    const refused = done.refs.filter(({ state }) => state === 'moved')
    const what = `${plural(done.sent, 'object')} (${bytes(done.bytes)}) sent to ${remote.url}`
    return {
      value: { remote: remote.url, ...done },
      lines: [
        `  ${cli.paint.good('✓')} ${what}`,
        ...pushLines(cli, done.refs),
        ...refusedLines(cli, refused, remote),
      ],
      exit: refused.length > 0 ? EXIT.refused : EXIT.done,
    }
  })
}

export async function dataPull(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const names = (given ?? []) as string[]
  return await withRemote(cli, options, false, async (remote) => {
    const { store } = await cli.open()
    if (options.dryRun === true) {
      const plan = await planPull(store, remote, { names })
      return { value: { dryRun: true, remote: remote.url, refs: plan }, lines: pullLines(cli, plan) }
    }
    cli.meter.begin(`Pull from ${remote.name}`)
    const done = await pull(store, remote, {
      names,
      signal: cli.signal,
      onProgress: cli.meter.update,
      actor: await cli.actor(),
      reason: textOption(options, 'reason'),
    })
    cli.meter.end()
    const diverged = done.refs.filter(({ state }) => state === 'diverged')
    const what = `${plural(done.received, 'object')} (${bytes(done.bytes)}) received from ${remote.url}`
    return {
      value: { remote: remote.url, ...done },
      lines: [
        `  ${cli.paint.good('✓')} ${what}`,
        ...pullLines(cli, done.refs),
        ...divergedLines(cli, diverged),
      ],
      exit: diverged.length > 0 ? EXIT.refused : EXIT.done,
    }
  })
}

async function withRemote(
  cli: Cli,
  options: Options,
  create: boolean,
  work: (remote: Remote) => Promise<Answer>,
): Promise<Answer> {
  const rt = await cli.open()
  const choice = { remote: textOption(options, 'remote'), create, env: cli.env, signal: cli.signal }
  const remote = await openProjectRemote(rt, choice)
  try {
    return await work(remote)
  } finally {
    await remote.close()
  }
}

const PUSHED: Record<RefPush['state'], string> = {
  new: 'new there',
  forward: 'moved there',
  same: 'as it was',
  forced: 'overwritten there',
  moved: 'refused',
}

const PULLED: Record<RefPull['state'], string> = {
  new: 'new here',
  forward: 'moved here',
  same: 'as it was',
  ahead: 'ahead of the remote',
  diverged: 'has gone another way here',
}

const pushLines = (cli: Cli, refs: readonly RefPush[]) => refLines(cli, refs, PUSHED)
const pullLines = (cli: Cli, refs: readonly RefPull[]) => refLines(cli, refs, PULLED)

function refLines<S extends string>(
  { paint, width }: Cli,
  refs: readonly { name: string; from: string | null; digest: string; state: S }[],
  words: Record<S, string>,
): string[] {
  return pairs(
    refs.map(({ name, from, digest, state }): [string, string] => [
      name,
      `${words[state]}  ${paint.dim(from === null || from === digest ? short(digest) : `${short(from)} → ${short(digest)}`)}`,
    ]),
    paint,
    width,
  )
}

function refusedLines({ paint }: Cli, refused: readonly RefPush[], { name }: Remote): string[] {
  return refused.flatMap((ref) => [
    `  ${paint.bad('✗')} ${ref.name} was not moved: ${name} holds ${ref.from === null ? 'nothing' : short(ref.from)}, which is not behind what is here`,
    `    ${paint.dim('fix:')} millrace data pull, merge what it brings, then push again`,
  ])
}

function divergedLines({ paint }: Cli, diverged: readonly RefPull[]): string[] {
  return diverged.flatMap(({ name, digest }) => {
    const set = name.replace(/^[a-z]+\/|@.*$/g, '')
    return [
      `  ${paint.bad('✗')} ${name} was not moved: it and the remote have both gone on`,
      `    ${paint.dim('fix:')} millrace data branch ${set} theirs --on ${digest}`,
      `         millrace data merge ${set} theirs, then push`,
    ]
  })
}
