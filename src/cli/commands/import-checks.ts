/** `millrace data import-checks`: rules of Great Expectations and of DQDL as checks of the config. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { checkText } from '../../define/check-text.ts'
import { importChecks } from '../../define/imports/import-checks.ts'
import type { ImportedChecks } from '../../define/imports/imported.ts'
import type { CheckDef, DatasetDef, ProjectDef } from '../../define/types.ts'
import type { Answer, Cli } from '../cli.ts'
import { type ConfigEdit, mergeNotNull, planChecks, undeclared, writeConfig } from '../edit/write-checks.ts'
import { plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { wrapped } from '../table.ts'

const TOOLS = { 'great-expectations': 'Great Expectations', dqdl: 'DQDL' }

export async function dataImportChecks(
  cli: Cli,
  [file]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const path = resolve(file as string)
  if (!existsSync(path))
    throw new MillraceError('MR_CLI_NO_FILE', { path: file as string, why: 'is not there' })
  const found = importChecks(await readFile(path, 'utf8'))
  const loaded = await cli.load()
  const dataset = datasetOf(loaded.project, textOption(options, 'dataset'))
  const known = withoutUnknown(found, loaded.project)
  const fresh = undeclared(mergeNotNull(known.checks), dataset.checks)
  const edit = fresh.length === 0 ? undefined : await planChecks(loaded, dataset.name, fresh)
  const isWritten = edit !== undefined && options.write === true
  if (isWritten) await writeConfig(edit)
  return {
    value: {
      ...known,
      dataset: dataset.name,
      lines: fresh.map(checkText),
      config: edit ? { path: edit.path, diff: edit.diff, written: isWritten } : null,
    },
    lines: linesOf(cli, known, edit, {
      file: file as string,
      isWritten,
      declared: known.checks.length - fresh.length,
    }),
  }
}

/** The dataset that is named, or the only one. Errors: MR_CLI_USAGE, MR_LOOP_DATASET. */
function datasetOf({ datasets }: ProjectDef, name: string | undefined): DatasetDef {
  const found =
    name === undefined && datasets.length === 1 ? datasets[0] : datasets.find((d) => d.name === name)
  if (found) return found
  const names = datasets.map((d) => d.name).join(', ')
  throw new MillraceError('MR_CLI_USAGE', {
    why:
      name === undefined
        ? `name one of the datasets by --dataset: ${names}`
        : `there is no dataset "${name}"; there are: ${names}`,
    help: 'millrace help data import-checks',
  })
}

/** Checks that look into datasets which the project does not have are left, with why. */
function withoutUnknown(found: ImportedChecks, { datasets }: ProjectDef): ImportedChecks {
  const isKnown = ({ rule }: CheckDef) => rule.kind !== 'exists' || datasets.some((d) => d.name === rule.in)
  const lost = found.checks.filter((check) => !isKnown(check))
  return {
    ...found,
    checks: found.checks.filter(isKnown),
    left: [
      ...found.left,
      ...lost.map(({ name }) => ({ rule: name, why: 'the project has no such dataset' })),
    ],
  }
}

function linesOf(
  cli: Cli,
  found: ImportedChecks,
  edit: ConfigEdit | undefined,
  { file, isWritten, declared }: { file: string; isWritten: boolean; declared: number },
): string[] {
  const { paint, width } = cli
  const diff = (edit?.diff ?? []).map((line) =>
    line.startsWith('+') ? paint.good(line) : line.startsWith('-') ? paint.bad(line) : paint.dim(line),
  )
  return [
    '',
    `  ${paint.bold(`${plural(found.checks.length, 'check')} from ${TOOLS[found.from]}`)}${declared > 0 ? `, of which ${declared} are declared already` : ''}${found.left.length > 0 ? `; ${plural(found.left.length, 'rule')} cannot be said` : ''}`,
    '',
    ...diff.map((line) => `  ${line}`),
    ...(diff.length > 0 ? [''] : []),
    ...found.left.flatMap(({ rule, why }) => wrapped(`  ${paint.bad('–')} `, `${rule}: ${why}`, width)),
    ...(found.left.length > 0 ? [''] : []),
    ...found.notes.flatMap((note) => wrapped(`  ${paint.warn('!')} `, note, width)),
    ...(found.notes.length > 0 ? [''] : []),
    ...nextLines(cli, edit, file, isWritten),
  ]
}

function nextLines(cli: Cli, edit: ConfigEdit | undefined, file: string, isWritten: boolean): string[] {
  if (!edit) return ['  Nothing is to be added to the config.', '']
  if (isWritten) return [`  ${cli.paint.good('✓')} wrote ${edit.path}`, '']
  return [
    `  Write it: ${cli.paint.accent(`millrace data import-checks ${file} --dataset ${edit.dataset} --write`)}`,
    '',
  ]
}
