/** Checks that forms of models share: each refuses with the place where a rule is broken. */
import { MillraceError } from '../core/errors.ts'

/** How large a model may be before it is refused; each guards memory or time against a hostile file. */
export const MODEL_LIMITS = {
  headerBytesMax: 65_536,
  featuresMax: 65_536,
  outputsMax: 16_384,
  nodesMax: 2 ** 23,
  treesMax: 100_000,
  /** Walking is bounded by the deepest path. */
  depthMax: 512,
  setWordsMax: 2 ** 22,
  calibrationPointsMax: 65_536,
}

/** Errors: MR_MODEL_INVALID unless `holds`. */
export function check(
  holds: boolean,
  part: string,
  index: number,
  expected: string,
  got: unknown,
): asserts holds {
  if (!holds) throw new MillraceError('MR_MODEL_INVALID', { part, index, expected, got: String(got) })
}

/** Errors: MR_MODEL_INVALID unless `got` is an integer of `[min, max]`. */
export function between(part: string, index: number, got: number, min: number, max: number): void {
  const holds = Number.isInteger(got) && got >= min && got <= max
  check(holds, part, index, `an integer from ${min} to ${max}`, got)
}

/** Errors: MR_MODEL_INVALID unless the lengths are equal. */
export function checkLength(part: string, got: number, expected: number): void {
  check(got === expected, part, got, `${expected} long`, got)
}

/** Errors: MR_MODEL_INVALID with the first value that is NaN or infinite. */
export function allFinite(part: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) check(Number.isFinite(values[i]), part, i, 'finite', values[i])
}

/** What a caller gets whose rows, columns or results are too short. */
export function shapeError(what: string, expected: number, got: number): MillraceError {
  return new MillraceError('MR_MODEL_SHAPE', { what, expected, got })
}
