/** What an additive model says of its features, for plots, and changes of its tables by hand. */
import { MillraceError } from '../../core/errors.ts'
import { centreTables } from './centre.ts'
import { type AdditiveTables, slotsOf, type TableAxis } from './tables.ts'

/** Slots of one axis: of a number from above `from` up to `to`, of a category by its code; the last is for what is missing or another category. */
export type ShapeSlot =
  | { kind: 'range'; from: number; to: number }
  | { kind: 'code'; code: number }
  | { kind: 'other' }

export interface Shape {
  /** One feature, or a pair. */
  features: number[]
  /** Slots of each axis; cells go by the first axis, then by the second. */
  slots: ShapeSlot[][]
  /** What each cell adds to the raw score of the output, and its deviation over the bags of training. */
  values: Float64Array
  deviations: Float64Array
  /** Training weight in each cell. */
  weights: Float64Array
  /** Mean absolute value over the training weights: the term's importance. */
  meanAbs: number
}

/** All tables of a model as data for plots, the most important first; `output` (0) is the one shown. Cost: O(cells). */
export function shapesOf({ axes, terms, nOutputs }: AdditiveTables, output = 0): Shape[] {
  const shapes = terms.map((term): Shape => {
    const pick = (values: Float64Array) => values.filter((_, at) => at % nOutputs === output)
    const values = pick(term.values)
    const total = term.weights.reduce((sum, w) => sum + w, 0)
    const spread = values.reduce((sum, value, cell) => sum + term.weights[cell] * Math.abs(value), 0)
    return {
      features: term.axes.map((axis) => axes[axis].feature),
      slots: term.axes.map((axis) => slotsShown(axes[axis])),
      values,
      deviations: pick(term.deviations),
      weights: term.weights,
      meanAbs: total > 0 ? spread / total : 0,
    }
  })
  return shapes.sort((a, b) => b.meanAbs - a.meanAbs)
}

function slotsShown(axis: TableAxis): ShapeSlot[] {
  const last: ShapeSlot = { kind: 'other' }
  if (axis.kind === 'category')
    return [...Array.from(axis.codes, (code): ShapeSlot => ({ kind: 'code', code })), last]
  const borders = [Number.NEGATIVE_INFINITY, ...axis.edges, Number.POSITIVE_INFINITY]
  const ranges = borders.slice(1).map((to, i): ShapeSlot => ({ kind: 'range', from: borders[i], to }))
  return [...ranges, last]
}

/**
 * The model with other values in the table of one feature (or pair), and all else as it was: a rule of the trade put in, a flaw of the data taken out. `change` gets a
 * cell's value and its slots and gives the new value. Tables are centred again, so explanations stay exact.
 * Errors: MR_MODEL_TABLE when no table has these features, MR_MODEL_INVALID when a value is not finite.
 */
export function editTable(
  model: AdditiveTables,
  features: readonly number[],
  change: (value: number, slots: ShapeSlot[], output: number) => number,
): AdditiveTables {
  const { axes, nOutputs } = model
  const isMeant = (of: readonly number[]) =>
    of.length === features.length && of.every((axis, i) => axes[axis].feature === features[i])
  const found = model.terms.find((term) => isMeant(term.axes))
  if (!found)
    throw new MillraceError('MR_MODEL_TABLE', {
      features: features.join(' and '),
      known: model.terms.map((term) => term.axes.map((axis) => axes[axis].feature).join(' and ')),
    })
  const shown = found.axes.map((axis) => slotsShown(axes[axis]))
  const width = found.axes.length === 2 ? slotsOf(axes[found.axes[1]]) : 1
  const values = found.values.map((value, at) => {
    const cell = Math.floor(at / nOutputs)
    const slots =
      width === 1 ? [shown[0][cell]] : [shown[0][Math.floor(cell / width)], shown[1][cell % width]]
    const next = change(value, slots, at % nOutputs)
    if (Number.isFinite(next)) return next
    throw new MillraceError('MR_MODEL_INVALID', {
      part: 'values',
      index: at,
      expected: 'finite',
      got: String(next),
    })
  })
  const terms = model.terms.map((term) => (term === found ? { ...term, values } : term))
  return centreTables({ ...model, terms })
}
