/** A bundle scored on the test rows of a candidate from their raw columns, exactly as serving does. */
import type { Digest, ModelBundle } from '../core/records.ts'
import type { TaskContext } from '../engine/ports.ts'
import { featureRowFn } from '../expr/features.ts'
import { type ReadyModel, readyModel } from '../model/ready.ts'

type RawRows = readonly Record<string, unknown>[]

export interface OpenBundle {
  bundle: ModelBundle
  parent: ReadyModel
  /** Raw columns that it reads. */
  columns: string[]
}

export async function openBundle(context: TaskContext, digest: Digest): Promise<OpenBundle> {
  const bundle = await context.store.getRecord<ModelBundle>(digest, 'ModelBundle')
  const parent = await readyModel(context, bundle.parent)
  const columns = new Set(parent.features.columns.map((c) => c.name))
  if (bundle.each) columns.add(bundle.each)
  return { bundle, parent, columns: [...columns] }
}

/** Outputs of rows that have its columns; its classes in the order of `classes`, 0 for one that it does not know. */
export async function scoreBundle(
  context: TaskContext,
  { bundle, parent }: OpenBundle,
  rows: RawRows,
  classes: readonly string[] | undefined,
): Promise<Float64Array> {
  const known = parent.version.classes
  const [width, own] = [classes?.length ?? 1, parent.nOutputs]
  /** Where each of `classes` stands among the outputs, -1 for a class that it does not know. */
  const from = classes && known ? classes.map((label) => known.indexOf(label)) : [0]
  const outputs = new Float64Array(rows.length * width)
  const groups = new Map<string, number[]>()
  rows.forEach((row, i) => {
    const key = bundle.each ? String(row[bundle.each] ?? '') : ''
    const member = Object.hasOwn(bundle.members, key) ? key : ''
    const group = groups.get(member)
    if (group) group.push(i)
    else groups.set(member, [i])
  })
  for (const [key, indexes] of groups) {
    const model = key === '' ? parent : await readyModel(context, bundle.members[key], parent)
    const scored = await model.outputs(
      featureColumns(
        model,
        indexes.map((i) => rows[i]),
      ),
      indexes.length,
    )
    indexes.forEach((i, k) => {
      for (let c = 0; c < width; c++) outputs[i * width + c] = from[c] < 0 ? 0 : scored[k * own + from[c]]
    })
  }
  return outputs
}

/** Features of raw rows, column by column, as serving computes them. */
export function featureColumns(model: ReadyModel, rows: RawRows): Float64Array[] {
  const fill = featureRowFn(model.features)
  const width = model.features.features.length
  const columns = Array.from({ length: width }, () => new Float64Array(rows.length))
  const out = new Float64Array(width)
  rows.forEach((row, i) => {
    fill(row, out, 0)
    for (let j = 0; j < width; j++) columns[j][i] = out[j]
  })
  return columns
}
