/** `millrace data schema`: rows of a dataset as JSON Schema, for whoever sends them. */
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { resolveVersion } from '../../data/index.ts'
import { rowSchema } from '../../define/json-schema.ts'
import { datasetDef } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'

export async function dataSchema(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const { version } = await resolveVersion(rt.store, name as string)
  const { checks } = datasetDef(rt, version.dataset)
  const { schema, left } = rowSchema(version.dataset, version.schema.columns, checks)
  const text = JSON.stringify(schema, null, 2)
  const output = textOption(options, 'output')
  if (output !== undefined) await writeFile(resolve(output), `${text}\n`)
  for (const { check, why } of left) cli.note(cli.paint.dim(`not in the schema: ${check}: ${why}`))
  return {
    value: { dataset: version.dataset, schema, left, output: output ?? null },
    lines: output === undefined ? [text] : [`  ${cli.paint.good('✓')} wrote ${output}`],
  }
}
