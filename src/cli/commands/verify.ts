/** `millrace verify` and `millrace data repair`: whether all bytes are what they were, and making them so. */
import { ORIGIN, openProjectRemote } from '../../loop/remotes.ts'
import type { Runtime } from '../../loop/runtime.ts'
import { type VerifyReport, verify } from '../../loop/verify.ts'
import type { BadObject } from '../../store/reach/verify.ts'
import type { Remote } from '../../store/remote/ports.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { bytes, count, plural, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { namesFiles, verifyOfFiles } from './files.ts'

export async function storeVerify(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const names = given === undefined ? [] : [given].flat().map(String)
  return await run(cli, names, options, options.repair === true)
}

/** The same; of sets of files the paths that are damaged are named too. */
export async function dataVerify(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const isFiles = name !== undefined && (await namesFiles(rt.store, name as string))
  if (isFiles && options.repair !== true) return await verifyOfFiles(cli, rt, name as string)
  const answer = await storeVerify(cli, [name], options)
  if (name !== undefined || answer.exit === EXIT.done) return answer
  const files = await verifyOfFiles(cli, rt)
  return { ...answer, lines: [...(answer.lines ?? []), ...files.lines] }
}

export async function dataRepair(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  return await run(cli, [name as string], options, options.dryRun !== true)
}

async function run(cli: Cli, names: string[], options: Options, repair: boolean): Promise<Answer> {
  const rt = await cli.open()
  const remotes = repair ? await remotesFor(cli, rt, options) : []
  try {
    cli.meter.begin(repair ? 'Verify and repair' : 'Verify')
    const { signal, meter } = cli
    const report = await verify(rt, {
      names,
      repair,
      remotes,
      signal,
      onProgress: meter.update,
      actor: await cli.actor(),
    })
    cli.meter.end()
    return {
      value: report,
      lines: linesOf(cli, report, names, repair),
      exit: report.left.length > 0 || report.journalBrokenAt !== null ? EXIT.refused : EXIT.done,
    }
  } finally {
    for (const remote of remotes) await remote.close()
  }
}

/** The remote that is named; else `origin`, where the config has it and it answers. */
async function remotesFor(cli: Cli, rt: Runtime, options: Options): Promise<Remote[]> {
  const remote = textOption(options, 'remote')
  if (remote === undefined && !Object.hasOwn(rt.project.remotes ?? {}, ORIGIN)) return []
  try {
    return [await openProjectRemote(rt, { remote, create: false, env: cli.env, signal: cli.signal })]
  } catch (thrown) {
    if (remote !== undefined) throw thrown
    cli.note(cli.paint.dim(`  origin is not asked: ${(thrown as Error).message}`))
    return []
  }
}

function linesOf({ paint }: Cli, report: VerifyReport, names: string[], repair: boolean): string[] {
  const { objects, bad, left, repaired, journalBrokenAt } = report
  const what = names.length === 0 ? 'the store' : names.join(', ')
  const fromSource = repaired.filter(({ from }) => from === 'source').length
  return [
    bad.length === 0
      ? `  ${paint.good('✓')} ${what}: ${plural(objects, 'object')} (${bytes(report.bytes)}) hashed again, all whole`
      : `  ${paint.bad('✗')} ${what}: ${count(bad.length)} of ${plural(objects, 'object')} damaged or missing`,
    ...(fromSource > 0
      ? [`  ${paint.good('✓')} ${plural(fromSource, 'part')} made again from the source, with the same bytes`]
      : []),
    ...(repaired.length > fromSource
      ? [`  ${paint.good('✓')} ${plural(repaired.length - fromSource, 'object')} brought from a remote`]
      : []),
    ...left.slice(0, SHOWN).map((each) => `      ${badText(each)}`),
    ...(left.length > SHOWN ? [`      and ${count(left.length - SHOWN)} more`] : []),
    ...(left.length > 0
      ? [
          `    ${paint.dim('fix:')} ${repair ? 'restore them from a backup, or give another --remote' : fixOf(names)}`,
        ]
      : []),
    ...(journalBrokenAt === null
      ? []
      : [`  ${paint.bad('✗')} event ${count(journalBrokenAt)} does not fit the chain of the journal`]),
  ]
}

const SHOWN = 20

const badText = ({ digest, state, by }: BadObject): string =>
  `${short(digest)} is ${state}${by === null ? '' : `, named by ${short(by)}`}; it can come from a remote, or be made again from its source`

const fixOf = (names: string[]): string =>
  names.length === 1 ? `millrace data repair ${names[0]}` : 'millrace verify --repair'
