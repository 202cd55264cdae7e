/** `millrace types`: what the type checker should know, written beside the config. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { refs } from '../../core/names.ts'
import type { Column, ModelBundle, ModelTask, ModelVersion, Schema } from '../../core/records.ts'
import type { ModelDef } from '../../define/types.ts'
import { columnsOf, type ExprType } from '../../expr/ast.ts'
import { typeOf } from '../../expr/resolve.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { type KnownDataset, knownDataset } from '../schemas.ts'
import { type TypedModel, typesText } from '../types-text.ts'

export async function types(cli: Cli, _args: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const datasets: KnownDataset[] = []
  for (const def of rt.project.datasets) datasets.push(await knownDataset(rt, def, cli.signal))
  const models = await Promise.all(rt.project.models.map((def) => typedModel(rt, def, datasets)))
  const text = typesText(
    datasets.map(({ def, version }) => ({ name: def.name, columns: version.schema.columns })),
    models,
  )
  const path = join(rt.folder, 'millrace-env.d.ts')
  const isSame = existsSync(path) && (await readFile(path, 'utf8')) === text
  const isDry = options.dryRun === true
  if (!isDry && !isSame) await writeFile(path, text)
  const shown = relative(process.cwd(), path) || path
  const state = isSame ? 'is up to date' : isDry ? 'would be written' : 'written'
  return {
    value: { path, changed: !isSame, dryRun: isDry, text },
    lines: isDry
      ? [text]
      : [
          `  ${cli.paint.good('✓')} ${shown} ${state}: ${plural(datasets.length, 'dataset')}, ${plural(models.length, 'model')}`,
        ],
  }
}

/** What the newest version takes; before the first, the columns that the config names, or all that it does not leave out. */
async function typedModel(
  rt: Runtime,
  def: ModelDef,
  datasets: readonly KnownDataset[],
): Promise<TypedModel> {
  const { name, description } = def
  const ref = await rt.store.meta.ref(refs.latest(name))
  if (ref) {
    const bundle = await rt.store.getRecord<ModelBundle>(ref.digest, 'ModelBundle')
    const { task, classes, signature } = await rt.store.getRecord<ModelVersion>(bundle.parent, 'ModelVersion')
    return { name, description, task, classes, inputs: signature.inputs }
  }
  const dataset = datasets.find((d) => d.def.name === def.from) as KnownDataset
  return {
    name,
    description,
    task: taskOf(def, dataset.version.schema),
    inputs: dataset.version.schema.columns.filter(usedBy(def, dataset)),
  }
}

/** The task as far as the config and the columns tell it: a number with two values may still turn out to be a yes or no. */
export function taskOf({ task, target }: ModelDef, schema: Schema): ModelTask {
  if (task !== 'auto') return task
  return TASK_OF_TYPE[typeOf(target, schema)]
}

const TASK_OF_TYPE: Record<ExprType, ModelTask> = {
  bool: 'binary',
  number: 'regression',
  time: 'regression',
  string: 'multiclass',
}

function usedBy(def: ModelDef, { def: dataset }: KnownDataset): (column: Column) => boolean {
  const out = new Set([...dataset.exclude, ...dataset.key, ...columnsOf(def.target)])
  if (def.group !== undefined) out.delete(def.group)
  if (def.features.length === 0) return ({ name }) => !out.has(name)
  const used = new Set(def.features.flatMap((f) => [...columnsOf(f.expr)]))
  if (def.each) used.add(def.each.column)
  if (def.group !== undefined) used.add(def.group)
  return ({ name }) => used.has(name)
}
