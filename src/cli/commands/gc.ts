/** `millrace gc` and legal holds: what is kept, and what is removed. */
import { MillraceError } from '../../core/errors.ts'
import { type CollectOptions, collectGarbage, planGc } from '../../loop/collect.ts'
import { holdVersion, openProjectRemote, unholdVersion } from '../../loop/remotes.ts'
import { shift } from '../../loop/spans.ts'
import type { GcPlan } from '../../store/gc/collect.ts'
import {
  collectRemote,
  planRemoteGc,
  type RemoteGcOutcome,
  type RemoteGcPlan,
} from '../../store/gc/collect-remote.ts'
import type { Rewritten } from '../../store/gc/rewrite.ts'
import type { Answer, Cli } from '../cli.ts'
import { bytes, count, minute, plural, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, spanText, textOption } from '../options.ts'

export async function gc(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  if (options.remote !== undefined) return await gcOfRemote(cli, given as string[] | undefined, options)
  const { store } = await cli.open()
  const request = requestOf(cli, given as string[] | undefined, options)
  cli.meter.begin('Garbage collection')
  if (options.dryRun === true) {
    const plan = await planGc(store, request)
    cli.meter.end()
    const { cut, kept, young, sweep } = plan
    const removed = { objects: sweep.length, bytes: plan.bytes }
    const rewritten = rewriteOf(plan)
    return {
      value: { dryRun: true, removed, rewritten, kept, young, versions: cut.versions, runs: cut.runs.length },
      lines: [
        ...cut.versions.map(
          ({ digest, createdAt }) => `  · let version ${short(digest)} of ${minute(createdAt)} go`,
        ),
        `  ${plural(removed.objects, 'object')} (${bytes(removed.bytes)}) would be removed; ${count(kept.objects)} (${bytes(kept.bytes)}) are needed`,
        ...rewriteLines(cli, rewritten, 'would be written anew'),
        ...youngLines(cli, young),
      ],
    }
  }
  const done = await collectGarbage(store, {
    ...request,
    actor: await cli.actor(),
    reason: textOption(options, 'reason') ?? 'collected on the command line',
  })
  cli.meter.end()
  const { removed, kept, young, cut, rewritten } = done
  return {
    value: done,
    lines: [
      ...(cut.length > 0 ? [`  ${cli.paint.good('✓')} ${plural(cut.length, 'version')} let go`] : []),
      `  ${cli.paint.good('✓')} ${plural(removed.objects, 'object')} (${bytes(removed.bytes)}) removed; ${count(kept.objects)} (${bytes(kept.bytes)}) are needed`,
      ...rewriteLines(cli, rewritten, 'written anew'),
      ...youngLines(cli, young),
    ],
  }
}

/** Collects what no ref of a remote reaches; history is cut here, and goes there with a push. */
async function gcOfRemote(cli: Cli, names: string[] | undefined, options: Options): Promise<Answer> {
  const given =
    ['keepVersions', 'olderThan', 'erase'].find((name) => options[name] !== undefined) ?? names?.[0]
  if (given !== undefined)
    throw new MillraceError('MR_CLI_VALUE', {
      option: '--remote',
      expected:
        'without names, --keep-versions, --older-than and --erase: cut history here, push, then collect the remote',
      got: given,
    })
  const rt = await cli.open()
  const choice = { create: false, env: cli.env, signal: cli.signal }
  const remote = await openProjectRemote(rt, { ...choice, remote: textOption(options, 'remote') })
  try {
    cli.meter.begin(`Garbage collection of ${remote.name}`)
    const { graceMs } = requestOf(cli, undefined, options)
    const request = { graceMs, signal: cli.signal, onProgress: cli.meter.update }
    const isDryRun = options.dryRun === true
    const done = isDryRun
      ? plannedRemote(await planRemoteGc(rt.store, remote, request))
      : await collectRemote(rt.store, remote, {
          ...{ ...request, actor: await cli.actor() },
          reason: textOption(options, 'reason') ?? 'collected on the command line',
        })
    cli.meter.end()
    const { removed, kept, young } = done
    const would = isDryRun ? 'would be removed from' : 'removed from'
    return {
      value: { ...(isDryRun && { dryRun: true }), remote: remote.name, ...done },
      lines: [
        `  ${isDryRun ? cli.paint.dim('·') : cli.paint.good('✓')} ${plural(removed.objects, 'object')} (${bytes(removed.bytes)}) ${would} ${remote.name}; ${count(kept.objects)} (${bytes(kept.bytes)}) are needed`,
        ...youngLines(cli, young),
      ],
    }
  } finally {
    await remote.close()
  }
}

const plannedRemote = ({ sweep, bytes: size, kept, young }: RemoteGcPlan): RemoteGcOutcome => ({
  removed: { objects: sweep.length, bytes: size },
  kept,
  young,
})

function requestOf(cli: Cli, names: string[] | undefined, options: Options): CollectOptions {
  const now = Date.now()
  const span = textOption(options, 'olderThan')
  const grace = textOption(options, 'grace')
  return {
    now,
    ...(options.keepVersions !== undefined && { keepVersions: countOption(options, 'keepVersions', 1) }),
    ...(span !== undefined && { olderThan: shift(now, spanText('--older-than', span), -1) }),
    ...(grace !== undefined && { graceMs: now - shift(now, spanText('--grace', grace), -1) }),
    ...(names !== undefined && names.length > 0 && { only: names }),
    ...(options.erase === true && { erase: true }),
    signal: cli.signal,
    onProgress: cli.meter.update,
  }
}

/** What would come of packs that are written anew, if no other pack had a chunk of them. */
function rewriteOf({ rewriting }: GcPlan): Rewritten {
  const items = rewriting?.items ?? []
  const [bytesFreed, bytesWritten] = (['bytes', 'bytesNeeded'] as const).map((key) =>
    items.reduce((sum, item) => sum + item[key], 0),
  )
  return { objects: items.length, bytesFreed, bytesWritten }
}

function rewriteLines(
  { paint }: Cli,
  { objects, bytesFreed, bytesWritten }: Rewritten,
  what: string,
): string[] {
  if (objects === 0) return []
  const mark = what.startsWith('would') ? paint.dim('·') : paint.good('✓')
  return [
    `  ${mark} ${plural(objects, 'pack')} of files (${bytes(bytesFreed)}), of which little is needed, ${what} as ${bytes(bytesWritten)}`,
  ]
}

function youngLines({ paint }: Cli, { objects, bytes: size }: { objects: number; bytes: number }): string[] {
  if (objects === 0) return []
  return [
    paint.dim(
      `  ${plural(objects, 'object')} (${bytes(size)}) that nothing needs yet are too new to be removed`,
    ),
  ]
}

export const dataHold = (cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> =>
  held(cli, name as string, options, true)

export const dataUnhold = (cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> =>
  held(cli, name as string, options, false)

async function held(cli: Cli, version: string, options: Options, hold: boolean): Promise<Answer> {
  const rt = await cli.open()
  const reason = textOption(options, 'why') ?? 'no reason given'
  const set = hold ? holdVersion : unholdVersion
  const done = await set(rt, { version, reason, actor: await cli.actor() })
  const state = hold ? 'under legal hold' : 'not under legal hold'
  return {
    value: { ...done, held: hold },
    lines: [
      `  ${cli.paint.good('✓')} ${done.dataset} ${short(done.version)} is ${state}${done.changed ? '' : ', as it was'}`,
    ],
  }
}
