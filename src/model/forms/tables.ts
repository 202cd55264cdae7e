/** The form of additive models of tables. */
import { allFinite, between, check, checkLength, shapeError } from '../checks.ts'
import { writeTablesOnnx } from '../export/onnx-tables.ts'
import type { Explainer, FormHead, Kernel, ModelForm, SectionReader } from '../form.ts'
import {
  type AdditiveTables,
  cellOf,
  cellsOf,
  slotOf,
  type TableAxis,
  type TableTerm,
} from '../tables/tables.ts'
import { pieces } from './pieces.ts'

/** Each guards memory or time against a hostile file. */
export const TABLE_LIMITS = { axesMax: 2 ** 17, termsMax: 2 ** 17, cellsMax: 2 ** 24 }

export const tableForm: ModelForm<AdditiveTables> = {
  kind: 'AdditiveTables',
  format: 'tables',
  validate,
  arrays: tableArrays,
  read: readTables,
  kernel: tableKernel,
  explainer: tableExplainer,
  scorerBytes: ({ terms, axes }) =>
    4_096 + 64 * axes.length + terms.reduce((sum, { values }) => sum + 24 * values.length, 0),
  writeOnnx: writeTablesOnnx,
}

function validate({ nFeatures, nOutputs, intercepts, axes, terms }: AdditiveTables): void {
  checkLength('intercepts', intercepts.length, nOutputs)
  allFinite('intercepts', intercepts)
  between('axes', 0, axes.length, 0, TABLE_LIMITS.axesMax)
  between('terms', 0, terms.length, 0, TABLE_LIMITS.termsMax)
  axes.forEach((axis, a) => {
    validateAxis(axis, a, nFeatures)
  })
  let cells = 0
  terms.forEach((term, t) => {
    between('term axes', t, term.axes.length, 1, 2)
    for (const axis of term.axes) between('term axis', t, axis, 0, axes.length - 1)
    cells += cellsOf(axes, term)
    between('cells', t, cells, 1, TABLE_LIMITS.cellsMax)
    validateTerm(term, cellsOf(axes, term), nOutputs)
  })
}

function validateAxis(axis: TableAxis, a: number, nFeatures: number): void {
  between('axis feature', a, axis.feature, 0, nFeatures - 1)
  const borders = axis.kind === 'number' ? axis.edges : axis.codes
  for (let i = 0; i < borders.length; i++) {
    check(!Number.isNaN(borders[i]), 'axis', a, 'numbers', borders[i])
    check(i === 0 || borders[i] > borders[i - 1], 'axis', a, 'rising', borders[i])
  }
}

function validateTerm({ values, weights, deviations }: TableTerm, cells: number, nOutputs: number): void {
  checkLength('values', values.length, cells * nOutputs)
  checkLength('deviations', deviations.length, cells * nOutputs)
  checkLength('weights', weights.length, cells)
  allFinite('values', values)
  allFinite('deviations', deviations)
  allFinite('weights', weights)
  weights.forEach((w, i) => {
    check(w >= 0, 'weights', i, 'not negative', w)
  })
}

// ---------------------------------------------------------------- bytes

function tableArrays({ intercepts, axes, terms }: AdditiveTables): [string, ArrayLike<number>][] {
  const numbers = axes.filter((axis) => axis.kind === 'number')
  const categories = axes.filter((axis) => axis.kind === 'category')
  return [
    ['intercepts', intercepts],
    ['axisKinds', axes.map(({ kind }) => (kind === 'number' ? 0 : 1))],
    ['axisFeatures', axes.map(({ feature }) => feature)],
    ['edgeCounts', numbers.map(({ edges }) => edges.length)],
    ['edges', numbers.flatMap(({ edges }) => Array.from(edges))],
    ['codeCounts', categories.map(({ codes }) => codes.length)],
    ['codes', categories.flatMap(({ codes }) => Array.from(codes))],
    ['termSizes', terms.map((term) => term.axes.length)],
    ['termAxes', terms.flatMap((term) => term.axes)],
    ['values', terms.flatMap(({ values }) => Array.from(values))],
    ['weights', terms.flatMap(({ weights }) => Array.from(weights))],
    ['deviations', terms.flatMap(({ deviations }) => Array.from(deviations))],
  ]
}

function readTables({ nFeatures, nOutputs, link }: FormHead, arrays: SectionReader): AdditiveTables {
  const intercepts = arrays.take('intercepts', nOutputs)
  const axes = readAxes(arrays)
  return {
    kind: 'AdditiveTables',
    nFeatures,
    nOutputs,
    link,
    intercepts,
    axes,
    terms: readTerms(arrays, axes, nOutputs),
  }
}

function readAxes(arrays: SectionReader): TableAxis[] {
  const kinds = arrays.take('axisKinds')
  const features = arrays.take('axisFeatures', kinds.length)
  const parts = {
    edgeCounts: pieces(arrays, 'edgeCounts'),
    edges: pieces(arrays, 'edges'),
    codeCounts: pieces(arrays, 'codeCounts'),
    codes: pieces(arrays, 'codes'),
  }
  const axes = Array.from(kinds, (kind, a): TableAxis => {
    between('axisKinds', a, kind, 0, 1)
    const feature = features[a]
    if (kind === 0)
      return { kind: 'number', feature, edges: parts.edges.next(parts.edgeCounts.next(1)[0]).slice() }
    return {
      kind: 'category',
      feature,
      codes: Int32Array.from(parts.codes.next(parts.codeCounts.next(1)[0])),
    }
  })
  for (const part of Object.values(parts)) part.finish()
  return axes
}

function readTerms(arrays: SectionReader, axes: readonly TableAxis[], nOutputs: number): TableTerm[] {
  const sizes = arrays.take('termSizes')
  const parts = {
    axes: pieces(arrays, 'termAxes'),
    values: pieces(arrays, 'values'),
    weights: pieces(arrays, 'weights'),
    deviations: pieces(arrays, 'deviations'),
  }
  const terms = Array.from(sizes, (size, t): TableTerm => {
    between('termSizes', t, size, 1, 2)
    const of = Array.from(parts.axes.next(size))
    for (const axis of of) between('term axis', t, axis, 0, axes.length - 1)
    const cells = cellsOf(axes, { axes: of })
    return {
      axes: of,
      values: parts.values.next(cells * nOutputs).slice(),
      weights: parts.weights.next(cells).slice(),
      deviations: parts.deviations.next(cells * nOutputs).slice(),
    }
  })
  for (const part of Object.values(parts)) part.finish()
  return terms
}

// ---------------------------------------------------------------- scoring and explaining

function tableKernel({ axes, terms, intercepts, nFeatures, nOutputs }: AdditiveTables): Kernel {
  const slots = new Int32Array(axes.length)
  const add = (rows: Float64Array, from: number, out: Float64Array, to: number) => {
    for (let a = 0; a < axes.length; a++) slots[a] = slotOf(axes[a], rows[from + axes[a].feature])
    for (let k = 0; k < nOutputs; k++) out[to + k] = intercepts[k]
    for (const term of terms) {
      const at = cellOf(axes, term, slots) * nOutputs
      for (let k = 0; k < nOutputs; k++) out[to + k] += term.values[at + k]
    }
  }
  return {
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++) add(rows, i * nFeatures, out, i * nOutputs)
    },
  }
}

/** The closed form: a table's value is its feature's contribution, a pair's is shared evenly by its two; exact for centred tables. */
function tableExplainer(model: AdditiveTables): Explainer {
  const { axes, terms, nFeatures, nOutputs, intercepts } = model
  const kernel = tableKernel(model)
  const raws = new Float64Array(nOutputs)
  return {
    bases: intercepts,
    explain: (x, output = 0) => {
      if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
      kernel.rows(x, 1, raws)
      const slots = axes.map((axis) => slotOf(axis, x[axis.feature]))
      const contributions = new Float64Array(nFeatures)
      for (const term of terms) {
        const value = term.values[cellOf(axes, term, slots) * nOutputs + output]
        for (const axis of term.axes) contributions[axes[axis].feature] += value / term.axes.length
      }
      const explained = contributions.reduce((sum, c) => sum + c, intercepts[output])
      return {
        base: intercepts[output],
        contributions,
        raw: raws[output],
        residual: raws[output] - explained,
      }
    },
  }
}
