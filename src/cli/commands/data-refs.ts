/** `millrace data branch`, `data tag` and `data merge`: names of versions, and branches made one. */
import { copyFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { headOfFiles } from '../../data/files/index.ts'
import {
  conflictSentence,
  hasOpen,
  MERGE_SIDES,
  type MergePick,
  type MergeRules,
  type MergeSide,
  tagsOf,
} from '../../data/index.ts'
import { parseExpr } from '../../expr/parse.ts'
import { type BranchPage, branchesOf, dropBranch } from '../../loop/branches.ts'
import { createBranch, createTag, dropTag, type RefResult } from '../../loop/dataset-refs.ts'
import { type MergeResult, mergeInto } from '../../loop/merge.ts'
import { type DraftHead, MergeDrafts } from '../../loop/merge-drafts.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, minute, rowsText, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { oneOf, textOption } from '../options.ts'
import { picksIn } from '../picks-file.ts'
import { stepLine } from '../steps.ts'
import { table } from '../table.ts'

async function opened(cli: Cli, dataset: unknown): Promise<{ rt: Runtime; name: string }> {
  const rt = await cli.open()
  return { rt, name: datasetDef(rt, dataset as string).name }
}

/** The runtime where a name is that of a set of files, and of no dataset. */
async function openedFiles(cli: Cli, name: unknown): Promise<Runtime | undefined> {
  const rt = await cli.open()
  if (rt.project.datasets.some((dataset) => dataset.name === name)) return undefined
  return (await headOfFiles(rt.store, name as string)) ? rt : undefined
}

export async function dataBranch(
  cli: Cli,
  [dataset, branch]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const files = await openedFiles(cli, dataset)
  if (files !== undefined) {
    const { branchOfFiles } = await import('./merge-files.ts')
    return await branchOfFiles(cli, files, [dataset as string, branch as string | undefined], options)
  }
  const { rt, name } = await opened(cli, dataset)
  if (branch === undefined) return branchList(cli, await branchesOf(rt, name))
  const request = { dataset: name, ...(await why(cli, options)) }
  if (options.drop === true) {
    const result = await dropBranch(rt, { ...request, branch: branch as string })
    return { value: result, lines: effectLines(cli, `Branch ${branch as string}`, result) }
  }
  return refAnswer(
    cli,
    `Branch ${branch as string}`,
    await createBranch(rt, { ...request, name: branch as string, version: textOption(options, 'on') }),
  )
}

function branchList(cli: Cli, branches: readonly BranchPage[]): Answer {
  const rows = branches.map((b) => [
    b.branch,
    short(b.version),
    minute(b.changedAt),
    count(b.rows),
    b.isBehind ? 'main has moved since' : 'made of main',
    b.message,
  ])
  const lines = table(['branch', 'version', 'at', 'rows', 'main', 'message'], rows, {
    right: ['rows'],
    width: cli.width,
    paint: cli.paint,
  })
  return {
    value: branches,
    lines: lines.length > 0 ? ['', ...lines, ''] : ['  There is no branch beside main.'],
  }
}

export async function dataTag(
  cli: Cli,
  [dataset, tag]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const { rt, name } = await opened(cli, dataset)
  if (tag === undefined) return await tagList(cli, rt, name)
  const request = { dataset: name, name: tag as string, ...(await why(cli, options)) }
  const result =
    options.drop === true
      ? await dropTag(rt, request)
      : await createTag(rt, { ...request, version: textOption(options, 'on'), move: options.move === true })
  return refAnswer(cli, `Tag ${tag as string}`, result)
}

async function tagList(cli: Cli, { store }: Runtime, dataset: string): Promise<Answer> {
  const tags = await tagsOf(store, dataset)
  const lines = table(
    ['tag', 'version'],
    tags.map(({ tag, digest }) => [tag, short(digest)]),
    { width: cli.width, paint: cli.paint },
  )
  return {
    value: tags,
    lines: lines.length > 0 ? ['', ...lines, ''] : [`  No version of ${dataset} has a tag.`],
  }
}

const refAnswer = (cli: Cli, title: string, result: RefResult): Answer => ({
  value: result,
  lines: effectLines(cli, title, result),
})

function effectLines(
  cli: Cli,
  title: string,
  { done, dryRun, effects }: { done: boolean; dryRun: boolean; effects: string[] },
): string[] {
  const mark = done ? cli.paint.good('✓') : cli.paint.dim('·')
  return [
    ...(dryRun ? [cli.paint.dim('  Nothing is changed; this is what would happen:')] : []),
    ...effects.map((text, i) => stepLine(cli, mark, i === 0 ? title : '', text)),
  ]
}

async function why(cli: Cli, options: Options): Promise<{ reason: string; actor: string; dryRun: boolean }> {
  return {
    reason: textOption(options, 'reason') ?? '',
    actor: await cli.actor(),
    dryRun: options.dryRun === true,
  }
}

// ---------------------------------------------------------------- merge

export async function dataMerge(
  cli: Cli,
  [dataset, branch]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const files = await openedFiles(cli, dataset)
  if (files !== undefined) {
    if (branch === undefined) return await dataBranch(cli, [dataset], options)
    const { mergeOfFiles } = await import('./merge-files.ts')
    return await mergeOfFiles(cli, files, [dataset as string, branch as string], options)
  }
  const { rt, name } = await opened(cli, dataset)
  const drafts = new MergeDrafts(rt)
  if (branch === undefined) return waitingList(cli, await drafts.list(name))
  const waiting = { dataset: name, branch: branch as string, into: textOption(options, 'into') }
  const doer = { actor: await cli.actor(), reason: textOption(options, 'reason') || 'on the command line' }
  if (options.abandon === true) {
    await drafts.abandon(waiting, doer)
    const effects = ['the merge waits no longer; both branches stay as they are']
    const result = { done: true, dryRun: false, effects }
    return { value: result, lines: effectLines(cli, `Merge ${branch as string}`, result) }
  }
  if (options.decided === true) {
    const result = await drafts.finish(waiting, { ...doer, dryRun: options.dryRun === true })
    return {
      value: result,
      lines: mergeLines(cli, branch as string, result, undefined),
      exit: mergeExit(result),
    }
  }
  const file = textOption(options, 'conflicts')
  const dryRun = options.dryRun === true
  const request = {
    ...{ ...waiting, ...doer, dryRun, keep: options.keep === true },
    rules: await rulesOf(options),
    signal: cli.signal,
    onProgress: cli.meter.update,
  }
  cli.meter.begin(`Merge ${branch as string}`)
  // All conflicts are shown and written rather than thrown.
  const result = await mergeInto(rt, { ...request, answerOpen: true })
  const isOpen = hasOpen(result)
  cli.meter.end()
  if (file !== undefined && result.conflicts)
    await copyFile(await rt.store.objects.path(result.conflicts), resolve(file))
  const begun = isOpen && options.wait === true && !dryRun ? await drafts.begin(waiting, doer) : null
  return {
    value: begun ? { ...result, waits: begun } : result,
    lines: [...mergeLines(cli, branch as string, result, file), ...(begun ? [waitsLine(cli, begun)] : [])],
    exit: mergeExit(result),
  }
}

const mergeExit = (result: MergeResult): number =>
  hasOpen(result) || result.broken.length > 0 ? EXIT.refused : EXIT.done

const waitsLine = (cli: Cli, { dataset, branch, into, decided, conflicts }: DraftHead): string =>
  `    ${cli.paint.dim(`it waits to be decided in the console, /data/${dataset}/merges/${into}/${branch}: ${count(decided)} of ${count(conflicts)} decided`)}`

function waitingList(cli: Cli, merges: readonly DraftHead[]): Answer {
  const rows = merges.map((m) => [
    m.branch,
    m.into,
    `${count(m.decided)} of ${count(m.conflicts)}`,
    m.by,
    minute(m.changedAt),
    m.moved.length > 0 ? `${m.moved.join(' and ')} moved since` : '',
  ])
  const lines = table(['branch', 'into', 'decided', 'by', 'changed', 'note'], rows, {
    right: ['decided'],
    width: cli.width,
    paint: cli.paint,
  })
  return {
    value: merges,
    lines: rows.length > 0 ? ['', ...lines, ''] : ['  No merge waits to be decided.'],
  }
}

/** Decisions by side, by column and by hand. Errors: MR_CLI_VALUE, MR_EXPR_…. */
async function rulesOf(options: Options): Promise<MergeRules> {
  const rest = oneOf('--resolve', textOption(options, 'resolve'), MERGE_SIDES)
  const given = (options.column ?? []) as unknown as string[]
  const columns = Object.fromEntries(given.map(columnRule))
  const picks = textOption(options, 'picks')
  return {
    ...(rest && { rest }),
    ...(given.length > 0 && { columns }),
    ...(picks !== undefined && (await decisionsIn(picks))),
  }
}

function columnRule(text: string): [string, ReturnType<typeof parseExpr>] {
  const at = text.indexOf('=')
  if (at <= 0)
    throw new MillraceError('MR_CLI_VALUE', {
      option: '--column',
      expected: 'column = expression of ours, theirs and base',
      got: text,
    })
  return [text.slice(0, at).trim(), parseExpr(text.slice(at + 1))]
}

/** An entry of the file: a cell by side or by value, a row by side, and without a key the column itself. */
type Picked = { key?: unknown[]; column?: string; take?: string; value?: unknown }

const PICKS =
  'a JSON list of { "key": ["17"], "column": "price", "take": "ours" | "theirs" | "base" }, with "value": "12.5" in place of "take" for a value of your own, without "column" for the row, without "key" for a column that was changed on both sides'

/** Decisions of a JSON file. Errors: MR_CLI_VALUE. */
async function decisionsIn(file: string): Promise<Pick<MergeRules, 'picks' | 'schema'>> {
  const list = await picksIn(file, PICKS, (entry) =>
    isPicked(entry as Picked | null) ? (entry as Picked) : undefined,
  )
  const columns = list.filter(({ key }) => key === undefined)
  return {
    picks: list.filter(({ key }) => key !== undefined).map(pickOf),
    schema: Object.fromEntries(columns.map(({ column, take }) => [column!, take as 'ours' | 'theirs'])),
  }
}

function isPicked(entry: Picked | null): boolean {
  if (typeof entry !== 'object' || entry === null) return false
  const { key, column, take, value } = entry
  if (key === undefined) return column !== undefined && (take === 'ours' || take === 'theirs')
  if (!Array.isArray(key)) return false
  return value === undefined ? MERGE_SIDES.includes(take as MergeSide) : column !== undefined
}

function pickOf({ key = [], column, take, value }: Picked): MergePick {
  const keys = key.map(String)
  if (value !== undefined && column !== undefined)
    return { key: keys, column, take: 'value', value: value === null ? null : String(value) }
  return { key: keys, take: take as MergeSide, ...(column !== undefined && { column }) }
}

function mergeLines(cli: Cli, branch: string, result: MergeResult, file: string | undefined): string[] {
  const { paint } = cli
  const open = Object.values(result.open).reduce((a, b) => a + b)
  if (open === 0)
    return [...effectLines(cli, `Merge ${branch}`, result), `    ${paint.dim(rowsText(result.rows))}`]
  return [
    stepLine(cli, paint.bad('✗'), `Merge ${branch}`, `${result.effects.join('; ')}; nothing has moved`),
    ...result.sample.map((conflict) => `      ${conflictSentence(conflict)}`),
    ...(open > result.sample.length
      ? [paint.dim(`      and ${count(open - result.sample.length)} more`)]
      : []),
    ...(file !== undefined && result.conflicts
      ? [`  ${paint.good('✓')} wrote all conflicts to ${file}`]
      : []),
    `    ${paint.dim('fix:')} --resolve ours|theirs|base, --column "stock = ours + theirs - base", or --picks picks.json`,
  ]
}
