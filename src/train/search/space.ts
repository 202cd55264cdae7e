/** Points of a declared space: how hyper-parameters lie in the unit cube that searching works in. Pure. */
import type { Rng } from '../../core/clock.ts'
import type { Dimension, ParamValue } from '../../define/types.ts'

/** Values of the searched parameters, by name. */
export type Params = Record<string, ParamValue>

export type Space = Readonly<Record<string, Dimension>>

/** Digits that a proposed real number keeps: people read it, and engines agree on it however they round logarithms. */
const DIGITS = 4

interface Ends {
  low: number
  high: number
}

/** The ends of a range on its own scale. Whole numbers own half a unit to either side, so that each is as likely as any other. */
function endsOf({ min, max, scale, integer }: Extract<Dimension, { kind: 'range' }>): Ends {
  const half = integer ? 0.5 : 0
  const on = scale === 'log' ? Math.log : (x: number) => x
  return { low: on(min - half), high: on(max + half) }
}

/** The value at `u` of a dimension: `[0, 1]` along a range, an index into a choice. */
export function valueAt(dimension: Dimension, u: number): ParamValue {
  if (dimension.kind === 'choice') return dimension.values[u]
  const { min, max, scale, integer } = dimension
  const { low, high } = endsOf(dimension)
  const x = low + u * (high - low)
  const value = scale === 'log' ? Math.exp(x) : x
  const rounded = integer ? Math.round(value) : Number(value.toPrecision(DIGITS))
  return Math.min(max, Math.max(min, rounded))
}

/** Where a value lies: the inverse of `valueAt`. -1 for a value that a choice does not have. */
export function placeOf(dimension: Dimension, value: ParamValue): number {
  if (dimension.kind === 'choice') return dimension.values.indexOf(value)
  const { low, high } = endsOf(dimension)
  const x = dimension.scale === 'log' ? Math.log(value as number) : (value as number)
  return Math.min(1, Math.max(0, (x - low) / (high - low)))
}

/** A point drawn evenly: along the scale of each range, and among the values of each choice. */
export function drawParams(space: Space, rng: Rng): Params {
  return paramsAt(space, (dimension) => drawPlace(dimension, rng))
}

function drawPlace(dimension: Dimension, rng: Rng): number {
  const u = rng.next()
  return dimension.kind === 'choice' ? Math.floor(u * dimension.values.length) : u
}

/** A point from the place in each dimension. */
export function paramsAt(space: Space, placeIn: (dimension: Dimension, name: string) => number): Params {
  return Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => [name, valueAt(dimension, placeIn(dimension, name))]),
  )
}
