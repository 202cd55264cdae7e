/** Features of a row as ONNX operators see them: columns `[rows, n]`, missing values, codes looked up in lists. */
import { MillraceError } from '../../core/errors.ts'
import { floatBelow } from '../float32.ts'
import type { OnnxGraphWriter } from './onnx-writer.ts'

/** Types of tensors, as `Cast` names them. */
export const FLOAT = 1
export const INT64 = 7
export const DOUBLE = 11

/** Codes that a list may span: beyond it their distances are no floats, and a table by code would be too long. */
const CODE_SPAN_MAX = 2 ** 24

/** Columns of features `[rows, features.length]`. */
export function columnsOf(graph: OnnxGraphWriter, features: string, list: readonly number[]): string {
  return graph.node('Gather', [features, graph.tensor('int64', list, [list.length])], { axis: 1 })
}

/** `[rows, n]` with a number, or one for each column, where values are missing. */
export function filled(graph: OnnxGraphWriter, columns: string, by: readonly number[]): string {
  return graph.node('Where', [graph.node('IsNaN', [columns]), graph.constant(by, [1, by.length]), columns])
}

/** Index of each value of a column `[rows, 1]` in a rising list of codes, as integers; the length of the list for all else. */
export function codeIndexes(
  graph: OnnxGraphWriter,
  column: string,
  codes: ArrayLike<number>,
  what: string,
): string {
  const least = codes[0] ?? 0
  const span = codes.length === 0 ? 0 : codes[codes.length - 1] - least + 1
  if (span > CODE_SPAN_MAX)
    throw new MillraceError('MR_MODEL_EXPORT', {
      format: 'ONNX',
      what: `${what} whose codes span ${span}`,
      known: `models whose codes span at most ${CODE_SPAN_MAX}`,
    })
  const indexes = new Array<number>(span + 1).fill(codes.length)
  for (let i = 0; i < codes.length; i++) indexes[codes[i] - least] = i
  const number = (x: number) => graph.constant([x], [1, 1])
  const from = graph.node('Sub', [column, number(least)])
  const isWhole = graph.node('Equal', [from, graph.node('Floor', [from])])
  const isWithin = graph.node('And', [
    graph.node('Greater', [from, number(-1)]),
    graph.node('Less', [from, number(span)]),
  ])
  const place = graph.node('Where', [graph.node('And', [isWhole, isWithin]), from, number(span)])
  const at = graph.node('Cast', [place], { to: INT64 })
  return graph.node('Gather', [graph.tensor('int64', indexes, [span + 1]), at], { axis: 0 })
}

/** Rows `[rows, width]` of a table `[n, width]` by indexes `[rows, 1]`. */
export function tableRows(
  graph: OnnxGraphWriter,
  { values, width }: { values: ArrayLike<number>; width: number },
  indexes: string,
): string {
  const table = graph.constant(values, [values.length / width, width])
  const found = graph.node('Gather', [table, indexes], { axis: 0 })
  return graph.node('Squeeze', [found, graph.tensor('int64', [1], [1])])
}

/** How many of rising borders are below each value of a column `[rows, 1]`, as floats; `missing` where there is none. Decisions on floats are those on doubles. */
export function countBelow(
  graph: OnnxGraphWriter,
  column: string,
  borders: ArrayLike<number>,
  missing: number,
): string {
  const n = borders.length
  const isMissing = graph.node('IsNaN', [column])
  const otherwise = graph.constant([missing], [1, 1])
  if (n === 0) return graph.node('Where', [isMissing, otherwise, graph.constant([0], [1, 1])])
  const floats = Float32Array.from(borders, (border) => {
    const rounded = Math.fround(border)
    return rounded <= border ? rounded : floatBelow(rounded)
  })
  const above = graph.node('Cast', [graph.node('Greater', [column, graph.constant(floats, [1, n])])], {
    to: FLOAT,
  })
  const count = graph.node('MatMul', [above, graph.constant(new Array<number>(n).fill(1), [n, 1])])
  return graph.node('Where', [isMissing, otherwise, count])
}

/** `[rows, width]` of a row of numbers. */
function repeatedRow(graph: OnnxGraphWriter, features: string, row: ArrayLike<number>): string {
  const nothing = graph.constant([0], [1, 1])
  const isMissing = graph.node('IsNaN', [columnsOf(graph, features, [0])])
  const zeros = graph.node('Where', [isMissing, nothing, nothing])
  return graph.node('Add', [zeros, graph.constant(row, [1, row.length])])
}

/** The sum of parts `[rows, width]` and a row of numbers. */
export function sumOf(
  graph: OnnxGraphWriter,
  { features, parts }: { features: string; parts: readonly string[] },
  row: ArrayLike<number>,
): string {
  if (parts.length === 0) return repeatedRow(graph, features, row)
  return graph.node('Sum', [...parts, graph.constant(row, [1, row.length])])
}
