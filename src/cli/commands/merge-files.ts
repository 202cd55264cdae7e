/** `millrace data branch` and `data merge` of sets of files. */
import { dirname, resolve } from 'node:path'
import {
  branchesOfFiles,
  branchFiles,
  dropFileBranch,
  FILE_SIDES,
  type FilePick,
  type FileSide,
  type MergeFilesResult,
  mergeFiles,
} from '../../data/files/index.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { bytes, count, minute, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { oneOf, textOption } from '../options.ts'
import { picksIn } from '../picks-file.ts'
import { stepLine } from '../steps.ts'
import { table } from '../table.ts'

/** Conflicts that a terminal is shown. */
const SHOWN = 20

export async function branchOfFiles(
  cli: Cli,
  { store }: Runtime,
  [set, branch]: readonly [string, string | undefined],
  options: Options,
): Promise<Answer> {
  if (branch === undefined) return await listOf(cli, await branchesOfFiles(store, set))
  const request = {
    ...{ set, branch, on: textOption(options, 'on'), dryRun: options.dryRun === true },
    ...{ actor: await cli.actor(), reason: textOption(options, 'reason') ?? 'on the command line' },
  }
  const isDrop = options.drop === true
  const result = await (isDrop ? dropFileBranch : branchFiles)(store, request)
  const mark = result.done ? cli.paint.good('✓') : cli.paint.dim('·')
  const text = `${isDrop ? 'ends at' : 'is at'} ${short(result.version)}`
  return { value: result, lines: [stepLine(cli, mark, `Branch ${branch}`, text)] }
}

function listOf(cli: Cli, branches: Awaited<ReturnType<typeof branchesOfFiles>>): Answer {
  const rows = branches.map(({ branch, digest, version }) => [
    ...[branch, short(digest), minute(version.createdAt), count(version.files), bytes(version.bytes)],
    version.message,
  ])
  const lines = table(['branch', 'version', 'at', 'paths', 'bytes', 'message'], rows, {
    right: ['paths', 'bytes'],
    width: cli.width,
    paint: cli.paint,
  })
  return {
    value: branches.map(({ branch, digest, version }) => ({ branch, digest, ...version })),
    lines: ['', ...lines, ''],
  }
}

export async function mergeOfFiles(
  cli: Cli,
  { store }: Runtime,
  [set, branch]: readonly [string, string],
  options: Options,
): Promise<Answer> {
  const picks = textOption(options, 'picks')
  const result = await mergeFiles(store, {
    ...{ set, branch, into: textOption(options, 'into'), keep: options.keep === true },
    rest: oneOf('--resolve', textOption(options, 'resolve'), FILE_SIDES),
    ...(picks !== undefined && {
      picks: await picksIn(picks, EXPECTED, (pick) => pickOf(pick as Entry | null, dirname(resolve(picks)))),
    }),
    ...{ actor: await cli.actor(), reason: textOption(options, 'reason') ?? `branch ${branch} merged` },
    ...{ dryRun: options.dryRun === true, signal: cli.signal },
  })
  const isOpen = result.how === 'open'
  return {
    value: result,
    lines: isOpen ? openLines(cli, branch, result) : [doneLine(cli, branch, result)],
    exit: isOpen ? EXIT.refused : EXIT.done,
  }
}

function doneLine(
  cli: Cli,
  branch: string,
  { done, how, version, taken, decided }: MergeFilesResult,
): string {
  const mark = done ? cli.paint.good('✓') : cli.paint.dim('·')
  const { added, changed, removed } = taken
  const text = {
    nothing: 'all of it is there already',
    forward: `nothing else has moved: ${done ? 'now' : 'it would be'} at ${short(version)}`,
    merged: `+${count(added)} −${count(removed)} ~${count(changed)} taken${decided > 0 ? `, ${count(decided)} conflicts decided` : ''}${done ? `: ${short(version)}` : ''}`,
    open: '',
  }[how]
  return stepLine(cli, mark, `Merge ${branch}`, text)
}

const WHY: Record<MergeFilesResult['open'][number]['kind'], string> = {
  changed: 'both changed it',
  added: 'both added it, with other bytes',
  removed: 'one removed it, the other changed it',
  folder: 'a file on one side, a folder on the other',
}

function openLines(cli: Cli, branch: string, { open }: MergeFilesResult): string[] {
  const { paint } = cli
  return [
    stepLine(cli, paint.bad('✗'), `Merge ${branch}`, `${count(open.length)} open; nothing has moved`),
    ...open.slice(0, SHOWN).map(({ path, kind }) => `      ${path}  ${paint.dim(WHY[kind])}`),
    ...(open.length > SHOWN
      ? [paint.dim(`      and ${count(open.length - SHOWN)} more; all with --json`)]
      : []),
    `    ${paint.dim('fix:')} --resolve ours|theirs|base, or --picks picks.json: [{ "path": "a.txt", "take": "theirs" }, { "path": "b.txt", "file": "b-merged.txt" }]`,
  ]
}

type Entry = { path?: unknown; take?: unknown; file?: unknown }

const EXPECTED =
  'a JSON list of { "path": "a.txt", "take": "ours" | "theirs" | "base" } or { "path": "a.txt", "file": "merged.txt" }'

/** A decision by hand; files are relative to the list's folder. */
function pickOf(pick: Entry | null, folder: string): FilePick | undefined {
  const { path, take, file } = pick ?? {}
  if (typeof path !== 'string') return undefined
  if (FILE_SIDES.includes(take as FileSide) && file === undefined) return { path, take: take as FileSide }
  return typeof file === 'string' && take === undefined ? { path, file: resolve(folder, file) } : undefined
}
