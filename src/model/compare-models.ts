/** What two models differ in inside: by the parts that their scores are sums of where both have such, else by their arrays. */
import { diffArrays, type TensorDiff } from './checkpoint/compare.ts'
import type { ModelPiece } from './form.ts'
import { formOf, type Model } from './forms/registry.ts'

export type InsideDiff =
  | ({ kind: 'pieces' } & PieceDiff)
  | ({ kind: 'tensors' } & TensorDiff)
  /** Two forms have nothing in common that could be compared. */
  | { kind: 'forms' }

export interface PieceDiff {
  /** What one is called: `tree`. */
  noun: string
  before: PieceTotals
  after: PieceTotals
  /** Parts that are the same from the first on, and those that both have wherever they stand. */
  sameFirst: number
  same: number
  /** Places where rows are told apart by a feature, those that changed most first. */
  features: { feature: string; before: number; after: number }[]
}

export interface PieceTotals {
  pieces: number
  nodes: number
}

/** A model with the names of its features, and names that also say what was learned of each. */
export interface NamedModel {
  model: Model
  names: readonly string[]
  keys: readonly string[]
}

/** Cost: O(values). */
export function compareModels(before: NamedModel, after: NamedModel): InsideDiff {
  if (before.model.kind !== after.model.kind) return { kind: 'forms' }
  const form = formOf(after.model)
  if (form.pieces === undefined)
    return { kind: 'tensors', ...diffArrays(form.arrays(before.model), form.arrays(after.model)) }
  const { noun, of } = form.pieces
  const [old, now] = [before, after].map(({ model, keys }) => of(model, keys)) as [ModelPiece[], ModelPiece[]]
  return {
    kind: 'pieces',
    noun,
    before: totalsOf(old),
    after: totalsOf(now),
    sameFirst: sameFirst(old, now),
    same: sameAnywhere(old, now),
    features: featuresOf([old, before.names], [now, after.names]),
  }
}

const totalsOf = (pieces: readonly ModelPiece[]): PieceTotals => ({
  pieces: pieces.length,
  nodes: pieces.reduce((sum, { nodes }) => sum + nodes, 0),
})

function sameFirst(before: readonly ModelPiece[], after: readonly ModelPiece[]): number {
  const differs = after.findIndex(({ text }, i) => text !== before[i]?.text)
  return differs < 0 ? after.length : differs
}

function sameAnywhere(before: readonly ModelPiece[], after: readonly ModelPiece[]): number {
  const left = new Map<string, number>()
  for (const { text } of before) left.set(text, (left.get(text) ?? 0) + 1)
  return after.filter(({ text }) => {
    const n = left.get(text) ?? 0
    left.set(text, n - 1)
    return n > 0
  }).length
}

type Side = [pieces: readonly ModelPiece[], names: readonly string[]]

function featuresOf(before: Side, after: Side): PieceDiff['features'] {
  const [old, now] = [countsOf(before), countsOf(after)]
  return [...new Set([...now.keys(), ...old.keys()])]
    .map((feature) => ({ feature, before: old.get(feature) ?? 0, after: now.get(feature) ?? 0 }))
    .sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before) || b.after - a.after)
}

function countsOf([pieces, names]: Side): Map<string, number> {
  const counts = new Map<string, number>(names.map((name) => [name, 0]))
  for (const { features } of pieces)
    for (const j of features) counts.set(names[j], (counts.get(names[j]) ?? 0) + 1)
  return counts
}
