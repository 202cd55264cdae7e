/**
 * How a search goes on from what it has tried: random, TPE, and successive halving in Hyperband's brackets. Each is a function of the seed and of the losses it
 * is told, so a search that is begun again asks for the same trials in the same order and finds them done.
 */
import { mix32, seededRng } from '../../core/rng.ts'
import type { SearchDef } from '../../define/types.ts'
import { drawParams, type Params, type Space } from './space.ts'
import { proposeTpe, TPE_DEFAULTS } from './tpe.ts'

/** One thing to measure: a point on one fold, with a share of the resource. */
export interface Ask {
  trial: number
  params: Params
  fold: number
  /** Share of the training rows, or of the trees, in `(0, 1]`. */
  share: number
}

export interface Trial {
  /** From 0, in the order they were begun. */
  number: number
  params: Params
  /** `done`: measured on every fold with all of the resource. `stopped`: given up early, for the others did better. */
  state: 'done' | 'stopped' | 'failed'
  /** Share of the resource it was last measured with. */
  share: number
  /** Losses by fold at that share; fewer than there are folds when it was stopped between them. */
  losses: number[]
}

export interface Search {
  space: Space
  method: SearchDef['method']
  /** Points at most. */
  trials: number
  folds: number
  seed: number
  /** A point that is tried first, e.g. the parameters as they were written. */
  start?: Params
  /** Loss of each ask, lower is better; null where it failed. */
  evaluate: (asks: Ask[]) => Promise<(number | null)[]>
  /** Looked at before each round; false ends the search with what it has. */
  goOn: () => boolean
  /** Told of each trial that is over. */
  onTrial?: (trial: Trial) => void
}

/** Points measured at the same time. Part of the search, not of the machine: it decides what a proposal knows. */
const TOGETHER = 2
/** Trials over before the median of their losses stops others. */
const MEDIAN_TRIALS_MIN = 5
/** Successive halving keeps one of so many. */
const ETA = 3
/** Rungs of the longest bracket: shares 1/9, 1/3 and 1. */
const RUNGS = 3

/** Runs a search and gives its trials, in the order they were begun. In which order the parameters are named does not matter. */
export function runSearch(search: Search): Promise<Trial[]> {
  const dimensions = Object.entries(search.space).sort(([a], [b]) => (a < b ? -1 : 1))
  return METHODS[search.method]({ ...search, space: Object.fromEntries(dimensions) })
}

const METHODS: Record<SearchDef['method'], (search: Search) => Promise<Trial[]>> = {
  random: (search) => inRounds(search, (_, rng) => drawParams(search.space, rng)),
  tpe: (search) =>
    inRounds(search, (over, rng) =>
      proposeTpe(
        search.space,
        rankTrials(over).map((t) => t.params),
        rng,
        TPE_DEFAULTS,
      ),
    ),
  halving: inBrackets,
}

type Draw = ReturnType<typeof seededRng>

/** A trial draws from a generator of its own, so that how many numbers another took does not matter. */
function rngOf(seed: number, trial: number): Draw {
  return seededRng(mix32(seed ^ mix32(trial + 1)))
}

function pointOf(search: Search, trial: number, draw: (rng: Draw) => Params): Params {
  return trial === 0 && search.start ? search.start : draw(rngOf(search.seed, trial))
}

/** Rounds of a few trials, each measured fold by fold while it is not worse than the median. */
async function inRounds(search: Search, draw: (over: Trial[], rng: Draw) => Params): Promise<Trial[]> {
  const over: Trial[] = []
  while (over.length < search.trials && search.goOn()) {
    const n = Math.min(TOGETHER, search.trials - over.length)
    const round = Array.from({ length: n }, (_, i) => {
      const number = over.length + i
      return begun(
        number,
        pointOf(search, number, (rng) => draw(over, rng)),
      )
    })
    for (let fold = 0; fold < search.folds; fold++) {
      const live = round.filter((trial) => trial.state === 'done')
      await measure(search, live, [fold], 1)
      if (fold < search.folds - 1)
        for (const trial of live) if (isHopeless(trial, over)) trial.state = 'stopped'
    }
    for (const trial of round) search.onTrial?.(trial)
    over.push(...round)
  }
  return over
}

function begun(number: number, params: Params): Trial {
  return { number, params, state: 'done', share: 0, losses: [] }
}

/** Measures trials on folds and writes their losses down; a trial with a failed fold has failed. */
async function measure(search: Search, trials: Trial[], folds: number[], share: number): Promise<void> {
  const asks = trials.flatMap(({ number, params }) =>
    folds.map((fold) => ({ trial: number, params, fold, share })),
  )
  const losses = await search.evaluate(asks)
  trials.forEach((trial, i) => {
    const found = losses.slice(i * folds.length, (i + 1) * folds.length)
    trial.share = share
    if (found.every((loss) => loss !== null)) trial.losses.push(...found)
    else trial.state = 'failed'
  })
}

/** The median rule of Golovin et al. 2017: worse so far than the median of the trials that are done was after as many folds. */
function isHopeless(trial: Trial, over: Trial[]): boolean {
  const done = over.filter((other) => other.state === 'done')
  if (trial.state !== 'done' || done.length < MEDIAN_TRIALS_MIN) return false
  const n = trial.losses.length
  const others = done.map((other) => mean(other.losses.slice(0, n))).sort((a, b) => a - b)
  return mean(trial.losses) > others[Math.floor(others.length / 2)]
}

/**
 * Hyperband (Li et al. 2018): brackets that begin with many points and little of the resource, then fewer with more; the best third of a rung goes on. Brackets
 * are repeated until all points are begun; the last is cut short.
 */
async function inBrackets(search: Search): Promise<Trial[]> {
  const over: Trial[] = []
  for (let bracket = 0; over.length < search.trials && search.goOn(); bracket++) {
    const rungs = RUNGS - (bracket % RUNGS)
    const nominal = Math.ceil((RUNGS / rungs) * ETA ** (rungs - 1))
    const n = Math.min(nominal, search.trials - over.length)
    const trials = Array.from({ length: n }, (_, i) => {
      const number = over.length + i
      return begun(
        number,
        pointOf(search, number, (rng) => drawParams(search.space, rng)),
      )
    })
    over.push(...trials)
    await climb(search, trials, rungs)
  }
  return over
}

async function climb(search: Search, trials: Trial[], rungs: number): Promise<void> {
  const folds = Array.from({ length: search.folds }, (_, fold) => fold)
  let live = trials
  for (let rung = rungs - 1; rung >= 0 && live.length > 0; rung--) {
    for (const trial of live) trial.losses = []
    await measure(search, live, folds, ETA ** -rung)
    const kept =
      rung === 0 || !search.goOn()
        ? []
        : rankTrials(live)
            .filter(isDone)
            .slice(0, Math.max(1, Math.floor(live.length / ETA)))
    for (const trial of live) {
      if (kept.includes(trial)) continue
      if (trial.state === 'done' && rung > 0) trial.state = 'stopped'
      search.onTrial?.(trial)
    }
    live = kept
  }
}

const isDone = (trial: Trial) => trial.state === 'done'

const STANDING: Record<Trial['state'], number> = { done: 0, stopped: 1, failed: 2 }

/** Best first: trials that were measured in full by mean loss, then those that were stopped, the furthest first, then those that failed. */
export function rankTrials(trials: readonly Trial[]): Trial[] {
  return trials.toSorted(
    (a, b) =>
      STANDING[a.state] - STANDING[b.state] ||
      b.share - a.share ||
      b.losses.length - a.losses.length ||
      mean(a.losses) - mean(b.losses) ||
      a.number - b.number,
  )
}

/** Mean; 0 of none, as of two failed trials. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
