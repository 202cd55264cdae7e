/** `millrace data triage`: what speaks against rows, side by side, and what is done about it. */
import { MillraceError } from '../../core/errors.ts'
import { resolveVersion } from '../../data/index.ts'
import { parseExpr } from '../../expr/parse.ts'
import {
  type BranchPage,
  type BranchRequest,
  type BranchResult,
  branchesOf,
  dropBranch,
  mergeBranch,
  putAsideOnBranch,
} from '../../loop/branches.ts'
import { likenessOfRows } from '../../loop/likeness.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import { chooseTriage, readTriage, type Triage, type TriageFilter, triageOf } from '../../loop/triage.ts'
import { SIGNALS } from '../../loop/triage-signals.ts'
import { type TryReport, tryBranch, tryPlanOf } from '../../loop/try-branch.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, figure, gainText, measured, metricWords, rowsText, short, sign } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, rowNumbers, textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { table, wrapped } from '../table.ts'
import { cellText } from './quarantine.ts'

const SHOWN = 20
const SHOWN_MAX = 1_000
const BY_HAND = 'by hand on the command line'

export async function dataTriage(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const name = given as string
  const rt = await cli.open()
  const act = actOf(options)
  if (act === 'merge' || act === 'drop') return await ended(cli, rt, name, act, options)
  if (act === 'quarantine') return await putAside(cli, rt, name, options)
  if (act === 'try') return await tried(cli, rt, name, options.try as string, options)
  return await listed(cli, rt, name, options)
}

type Act = 'quarantine' | 'try' | 'merge' | 'drop'

/** `--try` goes with `--quarantine`; no other two acts go together. */
function actOf(options: Options): Act | undefined {
  const asked = (['quarantine', 'merge', 'drop'] as const).filter(
    (act) => textOption(options, act) !== undefined,
  )
  if (asked.length > 1 || (asked.length === 1 && options.try !== undefined && asked[0] !== 'quarantine'))
    throw new MillraceError('MR_CLI_USAGE', {
      why: '--quarantine, --try, --merge and --drop are one act each; only --quarantine and --try go together',
      help: 'millrace data triage --help',
    })
  if (asked.length === 1) return asked[0]
  if (options.try === undefined) return undefined
  if (options.try !== true) return 'try'
  throw new MillraceError('MR_CLI_VALUE', {
    option: '--try',
    expected: 'the name of a branch',
    got: 'nothing',
  })
}

function filterOf(options: Options): TriageFilter {
  const finding = textOption(options, 'finding')
  const where = textOption(options, 'where')
  const row = textOption(options, 'row')
  return {
    ...(finding !== undefined && { findings: finding.split(',').map((each) => each.trim()) }),
    ...(where !== undefined && { where: parseExpr(where) }),
    ...(row !== undefined && { rows: rowNumbers('--row', row) }),
    ...(options.top !== undefined && { top: countOption(options, 'top', 1, 1, 2_000_000) }),
  }
}

async function joined(cli: Cli, rt: Runtime, name: string, options: Options): Promise<Triage> {
  const on = textOption(options, 'on')
  if (options.drift === true && options.dryRun !== true) await judgeDrift(cli, rt, name)
  cli.meter.begin(`Triage ${name}`)
  const found = await triageOf(rt, {
    name,
    version: on === undefined ? undefined : (await resolveVersion(rt.store, on)).digest,
    signal: cli.signal,
    onProgress: cli.meter.update,
  })
  cli.meter.end()
  return found
}

async function judgeDrift(cli: Cli, rt: Runtime, name: string): Promise<void> {
  const title = `Drift of rows`
  cli.meter.begin(title)
  const { found } = await likenessOfRows(rt, {
    model: modelNamed(rt, name),
    reason: BY_HAND,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: ({ done, note }) => cli.meter.update(done, note),
  })
  const ms = cli.meter.end()
  cli.event(
    { event: 'judged', ...found },
    stepLine(cli, cli.paint.good('✓'), title, found.sentence, ms) +
      (found.leftOut.length > 0
        ? `\n      ${cli.paint.dim(`left out, since they tell the time alone: ${found.leftOut.join(', ')}`)}`
        : ''),
  )
}

// ---------------------------------------------------------------- the table

async function listed(cli: Cli, rt: Runtime, name: string, options: Options): Promise<Answer> {
  const limit = countOption(options, 'rows', SHOWN, 0, SHOWN_MAX)
  const found = await joined(cli, rt, name, options)
  const { report } = found
  const page = await readTriage(rt, report, { ...filterOf(options), limit, signal: cli.signal })
  const branches = await branchesOf(rt, report.dataset)
  return {
    value: { ...report, report: found.digest, isBehind: found.isBehind, ...page, branches },
    lines: [
      ...headLines(cli, found, page),
      ...rowLines(cli, page),
      ...branchLines(cli, branches),
      ...nextLines(cli, name, found, page),
    ],
  }
}

type Page = Awaited<ReturnType<typeof readTriage>>

function headLines(cli: Cli, { report, worth, isBehind }: Triage, page: Page): string[] {
  const { paint, width } = cli
  const { dataset, version, model, rows, found, notes } = report
  const judged = worth && model ? `; ${rowsText(worth.rows)} judged with ${model}` : ''
  const some = page.matched < found ? `, ${count(page.matched)} of them meant` : ''
  const words = new Map(SIGNALS.map((signal) => [signal.name, signal.words]))
  const counts = Object.entries(page.counts).map(([name, n]) => [name, count(n), words.get(name) ?? ''])
  return [
    '',
    `  ${paint.bold(`${dataset} ${short(version)}`)}  ${rowsText(rows)}${judged}; something speaks against ${count(found)}${some}`,
    ...(isBehind
      ? [`  ${paint.warn('main has moved since rows were judged: these are rows of the version above')}`]
      : []),
    ...notes.flatMap((note) => wrapped('  ', note, width).map(paint.dim)),
    '',
    ...table(['finding', 'rows', 'what it says'], counts, { right: ['rows'], width, paint }),
  ]
}

function rowLines(cli: Cli, { rows, columns }: Page): string[] {
  const { paint, width } = cli
  if (rows.length === 0) return []
  const head = [
    'row',
    'against it',
    'score',
    'label',
    'probably',
    'worth',
    ...columns.map(({ name }) => name),
  ]
  const cells = rows.map((r) => [
    String(r.row),
    [...r.findings.filter((f) => f !== 'check'), ...r.checks].join(', '),
    figure(r.score),
    r.given ?? '–',
    r.suggested !== null && r.suggested !== r.given ? r.suggested : '–',
    r.worth === null ? '–' : r.worth.toExponential(1),
    ...r.values.map((value, j) => cellText(value, columns[j]!.type)),
  ])
  return ['', ...table(head, cells, { right: ['row', 'score', 'worth'], width, paint })]
}

function branchLines(cli: Cli, branches: readonly BranchPage[]): string[] {
  if (branches.length === 0) return []
  const rows = branches.map((b) => [
    b.branch,
    count(b.rows),
    count(b.aside),
    b.tries[0]?.sentence ?? (b.isBehind ? 'main has moved since' : 'not tried'),
  ])
  return [
    '',
    ...table(['branch', 'rows', 'aside', 'tried'], rows, {
      right: ['rows', 'aside'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

function nextLines(cli: Cli, name: string, { report, worth }: Triage, page: Page): string[] {
  const next =
    worth === null && report.model !== null
      ? `millrace data worth ${report.model}`
      : page.matched > 0
        ? `millrace data triage ${name} --finding ${Object.keys(page.counts)[0]} --quarantine cleaned --try`
        : undefined
  return ['', ...(next === undefined ? [] : [`  Next: ${cli.paint.accent(next)}`, ''])]
}

// ---------------------------------------------------------------- acts

async function putAside(cli: Cli, rt: Runtime, name: string, options: Options): Promise<Answer> {
  const dryRun = options.dryRun === true
  const branch = textOption(options, 'quarantine')!
  const filter = filterOf(options)
  if (Object.keys(filter).length === 0)
    throw new MillraceError('MR_DATA_SELECTION', {
      what: `branch "${branch}"`,
      need: '--finding label,copy or --where "worth < 0" or --row 3,17 or --top 100',
    })
  const { report } = await joined(cli, rt, name, options)
  const rows = await chooseTriage(rt, report, filter, cli.signal)
  const title = `Put aside ${report.dataset}`
  cli.meter.begin(title)
  const request = {
    ...(await branchRequest(cli, report.dataset, branch, options)),
    version: report.version,
    rows,
  }
  const result = await putAsideOnBranch(rt, { ...request, signal: cli.signal, onProgress: cli.meter.update })
  const ms = cli.meter.end()
  const head = resultLines(cli, title, result, ms)
  if (options.try === undefined || dryRun)
    return {
      value: { dataset: report.dataset, branch, ...result },
      lines: [
        ...head,
        ...(dryRun
          ? []
          : ['', `  Next: ${cli.paint.accent(`millrace data triage ${name} --try ${branch}`)}`]),
      ],
    }
  cli.event({ event: 'quarantined', dataset: report.dataset, branch, ...result }, head.join('\n'))
  return await tried(cli, rt, report.model ?? name, branch, options)
}

async function branchRequest(
  cli: Cli,
  dataset: string,
  branch: string,
  options: Options,
): Promise<BranchRequest> {
  return {
    dataset,
    branch,
    reason: textOption(options, 'reason') ?? BY_HAND,
    actor: await cli.actor(),
    dryRun: options.dryRun === true,
  }
}

function resultLines(
  cli: Cli,
  title: string,
  { done, dryRun, effects }: BranchResult,
  ms?: number,
): string[] {
  const [first, ...more] = effects
  const mark = done ? cli.paint.good('✓') : cli.paint.dim('·')
  return [
    ...(dryRun ? [cli.paint.dim('  Nothing is changed; this is what would happen:')] : []),
    stepLine(cli, mark, title, first!, ms),
    ...more.flatMap((effect) => wrapped('      ', effect, cli.width)),
  ]
}

async function tried(cli: Cli, rt: Runtime, name: string, branch: string, options: Options): Promise<Answer> {
  const model = modelNamed(rt, name)
  const ask = { model, branch, cleanTest: options.cleanTest === true }
  if (options.dryRun === true) return plannedTry(cli, await tryPlanOf(rt, ask))
  const title = `Try ${branch}`
  cli.meter.begin(title)
  const { report, digest, known } = await tryBranch(rt, {
    ...ask,
    reason: textOption(options, 'reason') ?? BY_HAND,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: ({ done, note }) => cli.meter.update(done, note),
  })
  const ms = cli.meter.end()
  return {
    value: { event: 'tried', ...report, report: digest, known },
    lines: [
      stepLine(cli, sign(report.verdict, cli.paint), title, report.sentence, ms),
      ...tryLines(cli, report, name),
    ],
    exit: report.verdict === 'fail' ? EXIT.refused : EXIT.done,
  }
}

/** The model of that name, or the one that is fed by the dataset of that name. */
function modelNamed(rt: Runtime, name: string): string {
  const { models } = rt.project
  if (models.some((model) => model.name === name)) return name
  const fed = models.filter(({ from }) => from === datasetDef(rt, name).name)
  if (fed.length === 1) return fed[0]!.name
  throw new MillraceError('MR_LOOP_UNKNOWN', {
    what: 'model to try it with',
    name,
    known: fed.map((m) => m.name),
  })
}

function plannedTry(cli: Cli, plan: Awaited<ReturnType<typeof tryPlanOf>>): Answer {
  const { model, branch, base, version, less, cleanTest } = plan
  return {
    value: {
      dryRun: true,
      model: model.name,
      branch,
      base,
      version,
      less,
      cleanTest,
      runs: { prepare: 2, fit: 2, compare: 1 },
    },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen, but for what was done before:'),
      `  · ${model.name} is trained on ${short(base)} and on ${branch} (${short(version)}), which has ${count(less)} rows less`,
      `  · both with one split and seed, and tested on ${cleanTest ? 'the test rows that the branch has kept' : 'the same test rows, none of them cleaned away'}`,
    ],
  }
}

function tryLines(
  cli: Cli,
  { metrics, rows, branch, dataset, notes, verdict }: TryReport,
  name: string,
): string[] {
  const { paint, width } = cli
  const cells = metrics.map((m) => [
    metricWords(m.metric),
    measured(m.base),
    measured(m.branch),
    gainText(m),
    m.verdict,
  ])
  const lost = (['train', 'validate', 'test'] as const).map(
    (s) => `${s} ${count(rows.base[s])} → ${count(rows.branch[s])}`,
  )
  const next =
    verdict === 'pass'
      ? `millrace data triage ${name} --merge ${branch}`
      : `millrace data triage ${name} --drop ${branch}`
  return [
    '',
    ...table(['metric', 'main', branch, 'gain (95 %)', 'verdict'], cells, { width, paint }),
    '',
    `  ${paint.dim('rows')}  ${lost.join(', ')}`,
    ...notes.flatMap((note) => wrapped('  ', note, width).map(paint.dim)),
    '',
    `  Next: ${paint.accent(next)}${paint.dim(`  (${dataset}@${branch})`)}`,
  ]
}

async function ended(
  cli: Cli,
  rt: Runtime,
  name: string,
  act: 'merge' | 'drop',
  options: Options,
): Promise<Answer> {
  const model = rt.project.models.find((each) => each.name === name)
  const dataset = model?.from ?? datasetDef(rt, name).name
  const branch = textOption(options, act)!
  const request = await branchRequest(cli, dataset, branch, options)
  const result = act === 'merge' ? await mergeBranch(rt, request) : await dropBranch(rt, request)
  const lines = resultLines(cli, `${act === 'merge' ? 'Merge' : 'Drop'} ${branch}`, result)
  const retrain = model ?? rt.project.models.find(({ from }) => from === dataset)
  const next =
    act === 'merge' && result.done && retrain
      ? ['', `  Next: ${cli.paint.accent(`millrace train ${retrain.name}`)}`]
      : []
  return { value: { dataset, branch, act, ...result }, lines: [...lines, ...next] }
}
