/** How a training goes on validation rows, and where it should have ended. */
import type { GbdtParams } from './params.ts'

export interface Course {
  /** Rounds without a better value before training ends; 0 is never. */
  patience: number
  /** Validation loss after each round that grew a tree; empty without validation rows. */
  validLoss: number[]
  /** What rounds are compared by after each of them, lower is better. */
  judged: number[]
  /** Trees grown after each of them. */
  nTrees: number[]
  /** Scores after the best round, while early stopping may cut off those behind. */
  bestScore: Float64Array | null
}

export function openCourse(
  { earlyStoppingRounds }: GbdtParams,
  hasValid: boolean,
  score: Float64Array,
): Course {
  const patience = hasValid ? earlyStoppingRounds : 0
  return { patience, validLoss: [], judged: [], nTrees: [], bestScore: patience > 0 ? score.slice() : null }
}

export function addToCourse(
  course: Course,
  round: { loss?: number; judged?: number; nTrees: number; score: Float64Array },
): void {
  course.nTrees.push(round.nTrees)
  if (round.loss === undefined) return
  course.validLoss.push(round.loss)
  course.judged.push(round.judged ?? round.loss)
  if (course.bestScore && bestRound(course) === course.validLoss.length) course.bestScore.set(round.score)
}

export function isStale(course: Course): boolean {
  return course.patience > 0 && course.validLoss.length - bestRound(course) >= course.patience
}

/** Rounds that are kept, and the trees of them: all, or up to the best. */
export function keptOf(course: Course): { nTrees: number; rounds: number } {
  const rounds = course.bestScore ? bestRound(course) : course.nTrees.length
  return { nTrees: rounds === 0 ? 0 : course.nTrees[rounds - 1], rounds }
}

/** Number of rounds with the lowest judgement, the fewest of equals; 0 when there is none. */
function bestRound({ judged }: Course): number {
  let best = 0
  for (let i = 1; i < judged.length; i++) if (judged[i] < judged[best]) best = i
  return judged.length === 0 ? 0 : best + 1
}
