/** `millrace data check`: the declared checks against rows that are there or may come, without importing anything. */
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { refs } from '../../core/names.ts'
import type { Verdict } from '../../core/records.ts'
import {
  type CheckedFinding,
  type CheckReport,
  type CheckTarget,
  checkData,
  findFiles,
  headOf,
  resolveVersion,
} from '../../data/index.ts'
import type { DatasetDef } from '../../define/types.ts'
import { readLock } from '../../loop/lock-file.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, percent, plural, rowsText, short, sign } from '../format.ts'
import type { Options } from '../handler.ts'
import { pinned } from '../locked.ts'
import { countOption, oneOf, textOption, windowOf } from '../options.ts'
import { stepLine } from '../steps.ts'
import { table } from '../table.ts'

const EXAMPLES_MAX = 1_000
const THREADS_MAX = 256

interface Asked {
  def: DatasetDef
  target: CheckTarget
  /** Folder that file names are relative to. */
  folder: string
  title: string
}

export async function dataCheck(cli: Cli, [what]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const asked =
    options.locked === true
      ? await lockedAsked(cli, rt, given(what))
      : await askedOf(rt, given(what), options)
  const request = {
    examples: countOption(options, 'rows', 0, 0, EXAMPLES_MAX),
    threads: options.threads === undefined ? undefined : countOption(options, 'threads', 1, 1, THREADS_MAX),
    period: periodOf(options),
    failing: failingPath(options, asked),
  }
  const done: (CheckReport & { of: string })[] = []
  const lines: string[] = []
  for (const { def, target, folder, title } of asked) {
    cli.meter.begin(`Check ${title}`)
    const report = await checkData(rt.store, def, target, folder, {
      ...request,
      now: rt.clock.now(),
      limits: { ...LIMITS, ...rt.project.limits },
      signal: cli.signal,
      onProgress: (share, note) => cli.meter.update(share, note),
    })
    done.push({ of: title, ...report })
    lines.push(...reportLines(cli, title, report, cli.meter.end(), request))
  }
  const isRefused = done.some(({ findings }) => findings.some((f) => refuses(f, options.strict === true)))
  return { value: { refused: isRefused, checked: done }, lines, exit: isRefused ? EXIT.refused : EXIT.done }
}

const given = (what: unknown): string[] => (what as string[] | undefined) ?? []

/** Pinned versions: of these datasets, or of all that the lock has. */
async function lockedAsked(cli: Cli, rt: Runtime, names: readonly string[]): Promise<Asked[]> {
  const lock = (await readLock(rt)) ?? new Map<string, string>()
  const all = rt.project.datasets.filter(({ name }) => lock.has(refs.dataset(name))).map(({ name }) => name)
  const found: Asked[] = []
  for (const name of names.length > 0 ? names : all) {
    const { digest, version } = await resolveVersion(rt.store, await pinned(cli, rt, name))
    const def = datasetDef(rt, version.dataset)
    found.push({ def, target: { version: digest }, folder: rt.folder, title: `${def.name} ${short(digest)}` })
  }
  if (found.length > 0) return found
  throw new MillraceError('MR_LOCK_UNKNOWN', { name: 'any dataset', known: [...lock.keys()] })
}

function periodOf(options: Options) {
  const text = textOption(options, 'period')
  return text === undefined ? undefined : windowOf('--period', text)
}

function failingPath(options: Options, asked: readonly Asked[]): string | undefined {
  const path = textOption(options, 'failing')
  if (path === undefined) return undefined
  if (asked.length === 1) return resolve(path)
  throw new MillraceError('MR_CLI_VALUE', {
    option: '--failing',
    expected: 'one dataset to be checked at a time',
    got: plural(asked.length, 'dataset'),
  })
}

/** Nothing named: the current version of every dataset that has one. A name is a version first, else files. */
async function askedOf(rt: Runtime, names: readonly string[], options: Options): Promise<Asked[]> {
  if (names.length === 0) return await allVersions(rt)
  const [name] = names
  if (names.length === 1 && options.as === undefined) {
    const version = await versionNamed(rt, name!)
    if (version) return [version]
  }
  return [await filesAsked(rt, names, textOption(options, 'as'))]
}

async function allVersions(rt: Runtime): Promise<Asked[]> {
  const found = await Promise.all(
    rt.project.datasets.map(async ({ name }) =>
      (await headOf(rt.store, name)) ? await versionNamed(rt, name) : undefined,
    ),
  )
  const some = found.filter((asked): asked is Asked => asked !== undefined)
  if (some.length > 0) return some
  throw new MillraceError('MR_DATA_VERSION', { name: 'any dataset', known: [] })
}

async function versionNamed(rt: Runtime, name: string): Promise<Asked | undefined> {
  if (isFileName(rt, name)) return undefined
  const { digest, version } = await resolveVersion(rt.store, name)
  const def = datasetDef(rt, version.dataset)
  return { def, target: { version: digest }, folder: rt.folder, title: `${def.name} ${short(digest)}` }
}

/** Whether a name is meant as a file: it has a folder, an ending or a wild card, and no dataset is called so. */
const isFileName = (rt: Runtime, name: string): boolean =>
  /[*?/\\]|\.\w+$/.test(name) && !rt.project.datasets.some((d) => name === d.name)

/** Where the files are: below the folder one stands in, else below the project's. */
async function folderOf(rt: Runtime, files: readonly string[]): Promise<string | undefined> {
  for (const folder of [process.cwd(), rt.folder])
    if ((await findFiles(folder, files)).length > 0) return folder
  return undefined
}

async function filesAsked(rt: Runtime, files: readonly string[], as: string | undefined): Promise<Asked> {
  const folder = await folderOf(rt, files)
  if (folder === undefined)
    throw new MillraceError('MR_DATA_NO_FILES', {
      dataset: as ?? 'any',
      folder: process.cwd(),
      tried: [...files],
    })
  const known = rt.project.datasets.map((d) => d.name)
  const name = oneOf('--as', as, known) ?? (await owner(rt, folder, files))
  const def = datasetDef(rt, name)
  return { def, target: { files }, folder, title: `${files.join(', ')} as ${def.name}` }
}

/** The dataset whose source names these files; the only one there is, otherwise. */
async function owner(rt: Runtime, folder: string, files: readonly string[]): Promise<string> {
  const { datasets } = rt.project
  const [first] = await findFiles(folder, files)
  for (const { name, source } of datasets)
    if (first !== undefined && (await findFiles(rt.folder, source)).includes(first)) return name
  if (datasets.length === 1) return datasets[0]!.name
  throw new MillraceError('MR_CLI_VALUE', {
    option: '--as',
    expected: `the dataset whose checks are meant: one of ${datasets.map((d) => d.name).join(', ')}`,
    got: 'nothing',
  })
}

const BAD: readonly Verdict[] = ['fail', 'error']

function refuses({ verdict, onFail }: CheckedFinding, isStrict: boolean): boolean {
  return BAD.includes(verdict) && (isStrict || onFail !== 'warn')
}

function reportLines(
  cli: Cli,
  title: string,
  { findings, unjudged, rows, passes, failingRows }: CheckReport,
  ms: number,
  { failing, examples }: { failing?: string; examples: number },
): string[] {
  const { paint } = cli
  const bad = findings.filter((f) => BAD.includes(f.verdict))
  const mark = bad.length === 0 ? paint.good('✓') : paint.bad('✗')
  const text = `${rowsText(rows)}, ${plural(findings.length, 'check')}, ${plural(passes.length, 'pass', 'passes')}`
  return [
    stepLine(cli, mark, `Check ${title}`, text, ms),
    ...(findings.length + unjudged.length === 0
      ? ['  the config declares no check of this dataset; `millrace data suggest` infers some']
      : []),
    '',
    ...findingsTable(cli, findings),
    ...(unjudged.length === 0
      ? []
      : ['', `  ${paint.dim(`judged by imports alone: ${unjudged.join(', ')}`)}`]),
    ...findings.flatMap((f) => exampleLines(cli, f)),
    ...(failing === undefined ? [] : ['', `  ${rowsText(failingRows ?? 0)} that fail: ${failing}`]),
    ...(bad.some((f) => (f.failed ?? 0) > 0) && examples === 0 && failing === undefined
      ? ['', `  ${paint.dim('--rows 5 shows rows that fail, --failing rows.parquet writes them all')}`]
      : []),
    '',
  ]
}

function findingsTable(cli: Cli, findings: readonly CheckedFinding[]): string[] {
  const rows = findings.map((f) => [
    sign(f.verdict, cli.paint),
    f.check,
    f.failed === undefined ? '–' : count(f.failed),
    count(f.n),
    valueText(f),
    f.onFail,
    f.verdict === 'error' ? f.message : (f.owner ?? ''),
  ])
  return table(['', 'check', 'fail', 'judged', 'value', 'else', 'owner'], rows, {
    right: ['fail', 'judged', 'value'],
    width: cli.width,
    paint: cli.paint,
  })
}

function valueText({ value, failed, isNear }: CheckedFinding): string {
  if (value === null) return '–'
  if (failed === undefined) return `${isNear ? '≈ ' : ''}${Number(value.toPrecision(6))}`
  return failed === 0 ? '100 %' : percent(value)
}

function exampleLines(cli: Cli, { check, examples = [] }: CheckedFinding): string[] {
  if (examples.length === 0) return []
  const columns = Object.keys(examples[0]!.values)
  const rows = examples.map((e) => [
    count(e.row),
    ...columns.map((c) => (e.values[c] === null ? '–' : String(e.values[c]))),
  ])
  return [
    '',
    `  ${cli.paint.bold(check)}`,
    ...table(['row', ...columns], rows, { right: ['row'], width: cli.width, paint: cli.paint }),
  ]
}
