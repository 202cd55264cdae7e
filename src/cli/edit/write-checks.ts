/** From checks to an edited config: planned as text with its diff, tried, and only then written. */
import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { canonicalJson } from '../../core/canonical.ts'
import { MillraceError, toError } from '../../core/errors.ts'
import { checkText, importsOf, notNullColumns } from '../../define/check-text.ts'
import { checks as build } from '../../define/checks.ts'
import { type LoadedProject, loadProject } from '../../define/load.ts'
import type { CheckDef, ProjectDef } from '../../define/types.ts'
import { addChecks } from './add-checks.ts'
import { lineDiff } from './line-diff.ts'

export interface ConfigEdit {
  path: string
  dataset: string
  /** Lines of the config that declare the checks. */
  lines: string[]
  text: string
  /** As `diff -u` writes it, without its head. */
  diff: string[]
}

/**
 * What the config would be with these checks. The edited text is run beside the config before it is given back: it must make the same project but for the checks.
 * Errors: MR_CLI_CONFIG_EDIT when the dataset is not declared in a form that can be edited, with the lines to add by hand.
 */
export async function planChecks(
  { path, folder, project }: LoadedProject,
  dataset: string,
  added: readonly CheckDef[],
): Promise<ConfigEdit> {
  const source = await readFile(path, 'utf8')
  const checks = mergeNotNull(added)
  const lines = checks.map(checkText)
  const refuse = (why: string, cause?: Error) =>
    new MillraceError('MR_CLI_CONFIG_EDIT', { path, dataset, why, lines }, { cause })
  const text = addChecks(source, dataset, lines, importsOf(lines))
  if (text === undefined)
    throw refuse(`it does not declare it as dataset('${dataset}', { … }) with its checks in a list there`)
  const made = await projectOf(folder, path, text).catch((thrown: unknown) => {
    throw refuse('the edited config does not run', toError(thrown))
  })
  if (canonicalJson(made) !== canonicalJson(withChecks(project, dataset, checks)))
    throw refuse('the edited config would not make the same project')
  return { path, dataset, lines, text, diff: lineDiff(source, text) }
}

export async function writeConfig({ path, text }: ConfigEdit): Promise<void> {
  await writeFile(path, text)
}

/** Beside the config, so that what it imports is found. */
async function projectOf(folder: string, path: string, text: string): Promise<ProjectDef> {
  const beside = join(folder, `.millrace-${randomUUID().slice(0, 8)}.config${extname(path)}`)
  try {
    await writeFile(beside, text)
    return (await loadProject(beside)).project
  } finally {
    await rm(beside, { force: true })
  }
}

function withChecks(project: ProjectDef, dataset: string, checks: readonly CheckDef[]): ProjectDef {
  return {
    ...project,
    datasets: project.datasets.map((d) =>
      d.name === dataset ? { ...d, checks: [...d.checks, ...checks] } : d,
    ),
  }
}

/** All columns that always have a value in one check, as a person would write it. */
export function mergeNotNull(checks: readonly CheckDef[]): CheckDef[] {
  const columns = checks.flatMap((check) => plainNotNull(check) ?? [])
  if (columns.length < 2) return [...checks]
  return [build.notNull(...(columns as [string])).def, ...checks.filter((check) => !plainNotNull(check))]
}

function plainNotNull(check: CheckDef): string[] | undefined {
  if (check.rule.kind !== 'row' || check.atLeast !== 1 || check.onFail !== 'quarantine' || check.owner)
    return undefined
  const columns = notNullColumns(check.rule.holds)
  return columns && check.name === `notNull(${columns.join(', ')})` ? columns : undefined
}

/** Checks whose rule is not declared yet: the same rule, or a value that some `notNull` asks for already. */
export function undeclared(checks: readonly CheckDef[], declared: readonly CheckDef[]): CheckDef[] {
  const rules = new Set(declared.map(({ rule }) => canonicalJson(rule)))
  const filled = new Set(
    declared.flatMap(({ rule }) => (rule.kind === 'row' ? (notNullColumns(rule.holds) ?? []) : [])),
  )
  return checks.filter(({ rule }) => {
    const columns = rule.kind === 'row' ? notNullColumns(rule.holds) : undefined
    return columns ? columns.some((name) => !filled.has(name)) : !rules.has(canonicalJson(rule))
  })
}
