/** Additive tables, linear models with categories, and weighted sums as operators of ONNX. */
import type { CompositeModel } from '../composite.ts'
import type { EncodedLinearModel } from '../encoded-linear.ts'
import type { ModelBase } from '../form.ts'
import { type AdditiveTables, slotsOf, type TableAxis, type TableTerm } from '../tables/tables.ts'
import { codeIndexes, columnsOf, countBelow, FLOAT, filled, INT64, sumOf, tableRows } from './onnx-columns.ts'
import type { OnnxGraphWriter } from './onnx-writer.ts'

/** Writes tables: each term is a table that is looked up by the row's slots. Cells are the model's own on every float32 input. */
export function writeTablesOnnx(model: AdditiveTables, graph: OnnxGraphWriter, features: string): string {
  const { axes, terms, intercepts, nOutputs } = model
  const slots = new Map<number, string>()
  const slotOf = (a: number): string => {
    const known = slots.get(a)
    if (known !== undefined) return known
    const made = writeSlot(graph, features, axes[a])
    slots.set(a, made)
    return made
  }
  const parts = terms.map((term) => {
    const cells = writeCell(graph, axes, term, slotOf)
    return tableRows(graph, { values: term.values, width: nOutputs }, cells)
  })
  return sumOf(graph, { features, parts }, intercepts)
}

/** Slot of each row as a float `[rows, 1]`. */
function writeSlot(graph: OnnxGraphWriter, features: string, axis: TableAxis): string {
  const column = columnsOf(graph, features, [axis.feature])
  if (axis.kind === 'number') return countBelow(graph, column, axis.edges, axis.edges.length + 1)
  return graph.node('Cast', [codeIndexes(graph, column, axis.codes, 'table')], { to: FLOAT })
}

/** Cell of each row as an integer `[rows, 1]`: the limit of cells keeps it exact as a float. */
function writeCell(
  graph: OnnxGraphWriter,
  axes: readonly TableAxis[],
  { axes: [first, second] }: TableTerm,
  slotOf: (a: number) => string,
): string {
  if (second === undefined) return graph.node('Cast', [slotOf(first)], { to: INT64 })
  const line = graph.node('Mul', [slotOf(first), graph.constant([slotsOf(axes[second])], [1, 1])])
  return graph.node('Cast', [graph.node('Add', [line, slotOf(second)])], { to: INT64 })
}

/** Writes a linear model some of whose features are categories: one product for the numbers, and a table for each category. */
export function writeEncodedLinearOnnx(
  model: EncodedLinearModel,
  graph: OnnxGraphWriter,
  features: string,
): string {
  const { levels, weights, means, intercepts, nOutputs } = model
  const width = means.length
  const firsts: number[] = []
  let next = 0
  for (const n of levels) {
    firsts.push(next)
    next += Math.max(1, n)
  }
  const outputs = Array.from({ length: nOutputs }, (_, k) => k)
  const weightsAt = (at: number) => outputs.map((k) => weights[k * width + at])
  const all = Array.from(levels, (n, j) => ({ n, j, first: firsts[j] }))
  const numbers = all.filter(({ n }) => n === 0)
  const parts = all.flatMap(({ n, j, first }) => {
    if (n === 0) return []
    const codes = Array.from({ length: n }, (_, code) => code)
    const values = [...codes.flatMap((code) => weightsAt(first + code)), ...outputs.map(() => 0)]
    const indexes = codeIndexes(graph, columnsOf(graph, features, [j]), codes, 'linear model')
    return [tableRows(graph, { values, width: nOutputs }, indexes)]
  })
  if (numbers.length > 0) {
    const columns = columnsOf(
      graph,
      features,
      numbers.map(({ j }) => j),
    )
    const known = filled(
      graph,
      columns,
      numbers.map(({ first }) => means[first]),
    )
    const matrix = numbers.flatMap(({ first }) => weightsAt(first))
    parts.push(graph.node('MatMul', [known, graph.constant(matrix, [numbers.length, nOutputs])]))
  }
  return sumOf(graph, { features, parts }, intercepts)
}

/** Writes a weighted sum: each member by its own form, `write`. */
export function writeCompositeOnnx(
  { members, intercepts }: CompositeModel,
  { graph, features }: { graph: OnnxGraphWriter; features: string },
  write: (model: ModelBase, m: number) => string,
): string {
  const parts = members.map(({ model, weight }, m) =>
    graph.node('Mul', [write(model, m), graph.constant([weight], [1, 1])]),
  )
  return sumOf(graph, { features, parts }, intercepts)
}
