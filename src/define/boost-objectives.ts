/**
 * What gradient boosting can minimise, as data: the parameters each objective takes, what they must keep and their defaults. The types of configs, their
 * checks and the trainer follow from this.
 */
import { MillraceError } from '../core/errors.ts'
import type { ModelTask } from '../core/records.ts'
import { describe, keepsRule, type Rule } from './rules.ts'

/**
 * `none`: all the same; `balanced`: the same total for each class; or a weight for each class: by its label (those left out weigh 1; `true` and `false` of two outcomes), or in the order
 * of the model's outputs.
 */
export type ClassWeights = 'none' | 'balanced' | readonly number[] | Readonly<Record<string, number>>

/** Parameters of each objective. */
export interface BoostParams {
  /** Log loss of a chance. */
  logloss: {
    /** Weight of the term of class 1. Default 1. */
    scalePosWeight: number
    /** Share of each label that is spread evenly over both classes. Default 0. */
    labelSmoothing: number
    /** Default `none`. */
    classWeights: ClassWeights
  }
  /** Log loss of several classes that share one softmax. */
  softmax: { labelSmoothing: number; classWeights: ClassWeights }
  /** Log loss of each class against the rest. Outputs need not sum to one. */
  oneVsAll: { classWeights: ClassWeights }
  /** Squared error: the mean. */
  l2: Record<never, never>
  /** Absolute error: the median. */
  l1: Record<never, never>
  /** Pinball loss: a quantile. */
  quantile: {
    /** Share of rows that lie below. Default 0.5. */
    alpha: number
  }
  /** Squared error near, absolute error far away. */
  huber: {
    /** Where far begins, in the unit of the target. Default 1. */
    delta: number
  }
  /** Between squared and absolute error, smooth. */
  fair: {
    /** As `delta` of `huber`. Default 1. */
    c: number
  }
  /** Absolute error over the size of the target, at least 1. */
  mape: Record<never, never>
  /** Counts: a rate, by its logarithm. */
  poisson: {
    /** Raises hessians by e to this, which keeps leaves of few events careful. Default 0.7. */
    maxDeltaStep: number
  }
  /** Amounts above 0: a mean, by its logarithm. */
  gamma: Record<never, never>
  /** Amounts that are often 0: a mean, by its logarithm. */
  tweedie: {
    /** Between 1 (counts) and 2 (amounts above 0). Default 1.5. */
    power: number
  }
  /** Order of rows within queries, by NDCG. */
  lambdarank: {
    /** First rows of an order whose pairs count; a few more than matter. Default 30. */
    truncation: number
    /** First rows that validation looks at. Default 10. */
    evalAt: number
    /** Whether pairs close in score push harder and long queries no harder than short ones. Default true. */
    normalise: boolean
    /** Gain of the relevances 0, 1, 2 …; empty: `2^relevance - 1`. Default empty. */
    labelGains: readonly number[]
  }
  /** Order of rows within queries, by a cross entropy that bounds NDCG. */
  xendcg: {
    /** First rows that validation looks at. Default 10. */
    evalAt: number
  }
}

export type BoostObjectiveName = keyof BoostParams

/** An objective with all its parameters. */
export type BoostObjective = { [N in BoostObjectiveName]: { name: N } & BoostParams[N] }[BoostObjectiveName]

/** Measures of validation rows that early stopping can go by: the objective's own loss, or one of these. */
export const STOP_BY = ['objective', 'auc', 'accuracy', 'rmse', 'mae', 'ndcg'] as const
export type StopBy = (typeof STOP_BY)[number]

interface ParamSpec {
  rule: Rule
  default: number | string | boolean | readonly number[]
}

interface BoostSpec {
  /** Tasks that it fits; the first objective of a task is its default. */
  tasks: readonly ModelTask[]
  params: Readonly<Record<string, ParamSpec>>
}

const share: Rule = { kind: 'number', min: 0, max: 1, exclusiveMax: true }
const positive: Rule = { kind: 'number', min: 0, exclusiveMin: true }
export const CLASS_WEIGHTS: Rule = {
  kind: 'either',
  rules: [
    { kind: 'oneOf', values: ['none', 'balanced'] },
    { kind: 'numbers', each: { kind: 'number', min: 0 } },
    { kind: 'byName', each: { kind: 'number', min: 0 } },
  ],
}
const open: Rule = { kind: 'number', min: 0, max: 1, exclusiveMin: true, exclusiveMax: true }
const rows: Rule = { kind: 'number', min: 1, integer: true }
const labelSmoothing: ParamSpec = { rule: share, default: 0 }
const classWeights: ParamSpec = { rule: CLASS_WEIGHTS, default: 'none' }

/** All objectives. */
export const BOOST_OBJECTIVES: {
  readonly [N in BoostObjectiveName]: BoostSpec & { params: Record<keyof BoostParams[N], ParamSpec> }
} = {
  logloss: {
    tasks: ['binary'],
    params: { scalePosWeight: { rule: positive, default: 1 }, labelSmoothing, classWeights },
  },
  softmax: { tasks: ['multiclass'], params: { labelSmoothing, classWeights } },
  oneVsAll: { tasks: ['multiclass'], params: { classWeights } },
  l2: { tasks: ['regression'], params: {} },
  l1: { tasks: ['regression'], params: {} },
  quantile: { tasks: ['regression'], params: { alpha: { rule: open, default: 0.5 } } },
  huber: { tasks: ['regression'], params: { delta: { rule: positive, default: 1 } } },
  fair: { tasks: ['regression'], params: { c: { rule: positive, default: 1 } } },
  mape: { tasks: ['regression'], params: {} },
  poisson: {
    tasks: ['regression'],
    params: { maxDeltaStep: { rule: { kind: 'number', min: 0, max: 10 }, default: 0.7 } },
  },
  gamma: { tasks: ['regression'], params: {} },
  tweedie: {
    tasks: ['regression'],
    params: {
      power: {
        rule: { kind: 'number', min: 1, max: 2, exclusiveMin: true, exclusiveMax: true },
        default: 1.5,
      },
    },
  },
  lambdarank: {
    tasks: ['ranking'],
    params: {
      truncation: { rule: rows, default: 30 },
      evalAt: { rule: rows, default: 10 },
      normalise: { rule: { kind: 'oneOf', values: [true, false] }, default: true },
      labelGains: {
        rule: { kind: 'numbers', each: { kind: 'number', min: 0 }, empty: true },
        default: [],
      },
    },
  },
  xendcg: { tasks: ['ranking'], params: { evalAt: { rule: rows, default: 10 } } },
}

/** An objective as it is given: parameters that are left out have their defaults. */
export type GivenBoostObjective =
  | BoostObjectiveName
  | { [N in BoostObjectiveName]: { name: N } & Partial<BoostParams[N]> }[BoostObjectiveName]

/**
 * Fills in an objective's defaults. Errors: MR_DEFINE_UNKNOWN for a name, MR_DEFINE_OBJECTIVE for a parameter that it does not take, MR_DEFINE_VALUE for a
 * value out of range; `place` says where.
 */
export function boostObjective(given: GivenBoostObjective, place = 'objective'): BoostObjective {
  const { name, ...rest } = typeof given === 'string' ? { name: given } : given
  const spec = specOf(name, place)
  for (const param of Object.keys(rest)) {
    if (!Object.hasOwn(spec.params, param))
      throw new MillraceError('MR_DEFINE_OBJECTIVE', {
        place,
        objective: name,
        param,
        takes: Object.keys(spec.params),
        takenBy: objectivesWith(param),
      })
  }
  const values = rest as Record<string, unknown>
  const filled = Object.entries(spec.params).map(([param, { rule, default: standard }]) => {
    const value = values[param] ?? standard
    if (!keepsRule(rule, value))
      throw new MillraceError('MR_DEFINE_VALUE', {
        place: `${place}.${param}`,
        expected: describe(rule),
        got: String(value),
      })
    return [param, value]
  })
  return { name, ...Object.fromEntries(filled) } as BoostObjective
}

function specOf(name: string, place: string): BoostSpec {
  if (Object.hasOwn(BOOST_OBJECTIVES, name)) return BOOST_OBJECTIVES[name as BoostObjectiveName]
  throw new MillraceError('MR_DEFINE_UNKNOWN', {
    place,
    kind: 'objective of boosting',
    name: String(name),
    known: Object.keys(BOOST_OBJECTIVES),
  })
}

function objectivesWith(param: string): string[] {
  const all = Object.entries(BOOST_OBJECTIVES) as [string, BoostSpec][]
  return all.flatMap(([name, { params }]) => (Object.hasOwn(params, param) ? [name] : []))
}

/**
 * The objective of a model: what is given, or the default of its task. Errors: those of `boostObjective`; MR_DEFINE_UNKNOWN when it does not fit the task,
 * with those that do.
 */
export function objectiveFor(
  task: ModelTask,
  given: GivenBoostObjective | undefined,
  place = 'objective',
): BoostObjective {
  const fitting = objectivesOf(task)
  const objective = boostObjective(given ?? fitting[0], place)
  if (fitting.includes(objective.name)) return objective
  throw new MillraceError('MR_DEFINE_UNKNOWN', {
    place,
    kind: `objective of a ${task} model`,
    name: objective.name,
    known: fitting,
  })
}

/** Parameters that stand beside the name of an objective: `{ objective: 'quantile', alpha: 0.9 }`. What trees have a setting for stands inside alone. */
export type FlatBoostObjective<Settings extends string> =
  | { objective?: GivenBoostObjective }
  | {
      [N in BoostObjectiveName]: { objective: N } & Partial<Omit<BoostParams[N], Settings>>
    }[BoostObjectiveName]

/** Parts options into an objective with its parameters and everything else. Errors as `boostObjective`. */
export function takeObjective(
  options: Record<string, unknown>,
  settings: readonly string[],
  place: string,
): { objective: BoostObjective | undefined; rest: Record<string, unknown> } {
  const { objective: given, ...others } = options
  const isParam = (key: string) => !settings.includes(key) && objectivesWith(key).length > 0
  const params = Object.fromEntries(Object.entries(others).filter(([key]) => isParam(key)))
  const rest = Object.fromEntries(Object.entries(others).filter(([key]) => !isParam(key)))
  if (given === undefined) {
    const [param] = Object.keys(params)
    if (param === undefined) return { objective: undefined, rest }
    const takenBy = objectivesWith(param)
    throw new MillraceError('MR_DEFINE_OBJECTIVE', { place, objective: 'by task', param, takes: [], takenBy })
  }
  const named = typeof given === 'string' ? { name: given } : (given as object)
  return { objective: boostObjective({ ...named, ...params } as GivenBoostObjective, place), rest }
}

/** Objectives that fit a task, its default first. */
export function objectivesOf(task: ModelTask): BoostObjectiveName[] {
  const all = Object.entries(BOOST_OBJECTIVES) as [BoostObjectiveName, BoostSpec][]
  return all.flatMap(([name, { tasks }]) => (tasks.includes(task) ? [name] : []))
}
