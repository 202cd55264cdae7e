/** `millrace data export`: rows of a version as one file. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { EXPORT_FORMATS, exportRows, resolveVersion } from '../../data/index.ts'
import { parseExpr } from '../../expr/parse.ts'
import type { Answer, Cli } from '../cli.ts'
import { bytes, rowsText } from '../format.ts'
import type { Options } from '../handler.ts'
import { nameAsked } from '../locked.ts'
import { oneOf, textOption } from '../options.ts'

export async function dataExport(
  cli: Cli,
  [name, file]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const path = resolve(file as string)
  if (existsSync(path) && options.force !== true)
    throw new MillraceError('MR_CLI_EXISTS', { path: file as string })
  const rt = await cli.open()
  const { version, digest } = await resolveVersion(
    rt.store,
    await nameAsked(cli, rt, name as string, options),
  )
  const where = textOption(options, 'where')
  cli.meter.begin(`Export of ${name as string}`)
  cli.meter.update(0, `reading ${rowsText(version.rows)}`)
  const written = await exportRows(rt.store, version, {
    path,
    format: oneOf('--format', textOption(options, 'format'), EXPORT_FORMATS),
    columns: textOption(options, 'columns')
      ?.split(',')
      .map((column) => column.trim()),
    ...(where !== undefined && { where: parseExpr(where) }),
    signal: cli.signal,
    onRows: (rows) => cli.meter.update(rows / Math.max(1, version.rows), `${rowsText(rows)} written`),
  })
  cli.meter.end()
  for (const note of written.notes) cli.note(cli.paint.dim(note))
  return {
    value: { dataset: version.dataset, version: digest, ...written },
    lines: [
      `  ${cli.paint.good('✓')} wrote ${file as string}  ${rowsText(written.rows)}, ${bytes(written.bytes)}`,
    ],
  }
}
