/** Steps of a shape function as they are drawn. */
import type { ShapeSlot } from '../api/types.ts'

/** Part of the drawing that an open end takes. */
const OPEN = 0.04

export interface Step extends ShapeSlot {
  left: number
  right: number
}

/** Slots with two ends: open ones reach a little beyond the last border. */
export function stepsOf(slots: readonly ShapeSlot[]): Step[] {
  const ranges = slots.filter(({ from, to }) => from !== null || to !== null)
  const borders = ranges.flatMap(({ from, to }) => [from, to]).filter((border) => border !== null)
  const [low, high] = [Math.min(...borders), Math.max(...borders)]
  const beyond = (high - low || 1) * OPEN
  return ranges.map((slot) => ({ ...slot, left: slot.from ?? low - beyond, right: slot.to ?? high + beyond }))
}
