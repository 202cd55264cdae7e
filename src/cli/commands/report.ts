/** `millrace data report`: a version's checks, columns, rows put aside and history as one HTML file. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { REPORT_ROWS_MAX, reportHtml, versionReport } from '../../data/index.ts'
import type { Answer, Cli } from '../cli.ts'
import { bytes, plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'

export async function dataReport(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rows = countOption(options, 'rows', 20, 0, REPORT_ROWS_MAX)
  const rt = await cli.open()
  const title = `Report on ${name as string}`
  cli.meter.begin(title)
  cli.meter.update(0, 'reading the version and its history')
  const report = await versionReport(rt.store, await rt.query(), name as string, { rows, signal: cli.signal })
  const text = reportHtml(report)
  const output = textOption(options, 'output') ?? `${report.dataset}-${report.digest.slice(7, 15)}.html`
  await mkdir(dirname(resolve(output)), { recursive: true })
  await writeFile(resolve(output), text)
  cli.meter.end()
  const shown = report.quarantine.rows.length
  return {
    value: {
      dataset: report.dataset,
      version: report.digest,
      output: resolve(output),
      bytes: text.length,
      rowsShown: shown,
    },
    lines: [
      `  ${cli.paint.good('✓')} wrote ${output}  ${bytes(Buffer.byteLength(text))}${shown > 0 ? `, with the values of ${plural(shown, 'row')} that ${shown === 1 ? 'was' : 'were'} put aside (--rows 0 leaves them out)` : ''}`,
    ],
  }
}
