/** What shared code must know of a trainer without branching on its kind. */
import type { TrainerDef } from './types.ts'

export interface TrainerTraits {
  /**
   * How a category reaches the trainer: `codes` of a learned dictionary, the smoothed `rates` of the target, or stable `hashes` of the values, for which nothing is
   * learned and values that were never seen are told apart.
   */
  categories: 'codes' | 'rates' | 'hashes'
  /** Whether members of a family have models of their own; else the parent answers for all. */
  members: boolean
  /** Whether a model can go on learning row by row. */
  online: boolean
}

const TRAITS: Record<TrainerDef['kind'], TrainerTraits> = {
  gbdt: { categories: 'codes', members: true, online: false },
  forest: { categories: 'codes', members: false, online: false },
  linear: { categories: 'rates', members: false, online: false },
  factors: { categories: 'hashes', members: false, online: false },
  neighbours: { categories: 'codes', members: false, online: false },
  ftrl: { categories: 'hashes', members: false, online: true },
  imported: { categories: 'codes', members: false, online: false },
  mlp: { categories: 'codes', members: false, online: false },
  command: { categories: 'codes', members: false, online: false },
  ebm: { categories: 'codes', members: false, online: false },
  average: { categories: 'codes', members: false, online: false },
  stack: { categories: 'codes', members: false, online: false },
  head: { categories: 'rates', members: false, online: false },
}

/** Kinds of trainer whose models can go on learning while they are served. */
export const ONLINE_TRAINERS: readonly string[] = Object.entries(TRAITS).flatMap(([kind, { online }]) =>
  online ? [kind] : [],
)

export function trainerTraits(trainer: TrainerDef): TrainerTraits {
  const traits = TRAITS[trainer.kind]
  if (!('categories' in trainer)) return traits
  return { ...traits, categories: trainer.categories === 'oneHot' ? 'codes' : 'rates' }
}

/** The file that a trainer reads its model from, beside the config; undefined for trainers that learn. */
export function trainerFile(trainer: TrainerDef): string | undefined {
  return 'file' in trainer ? trainer.file : undefined
}

/** Whether members of a family have models of their own, by the kind of trainer. */
export function hasMembers(kind: TrainerDef['kind']): boolean {
  return TRAITS[kind].members
}

/** What a kind of trainer wants where no settings say otherwise. */
export function traitsOf(kind: TrainerDef['kind']): TrainerTraits {
  return TRAITS[kind]
}
