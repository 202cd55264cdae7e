/** A check that is to be tried on rows which it was not learned from. */
import type { CheckDef } from '../../define/types.ts'
import type { SuggestionKind } from './types.ts'

export interface Candidate {
  kind: SuggestionKind
  check: CheckDef
  columns: string[]
  why: string
  /** Share of rows that may fail and the check still be worth having, with a tolerance. 0: it holds or is dropped. */
  failingMax: number
  /** Share of fresh rows that will fail although all of these hold. Default 0. */
  unseen?: number
}

/** A share in words with two digits: `0.02 %`. */
export const percentText = (share: number): string => `${Number((100 * share).toPrecision(2))} %`
