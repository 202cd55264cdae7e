/** What is not said in the config is inferred here, and noted, so that `millrace plan` can print it. */
import { MillraceError } from '../core/errors.ts'
import type { Column, DatasetVersion } from '../core/records.ts'
import { columnsOf, type ExprNode } from '../expr/ast.ts'
import {
  type FeatureInputDef,
  type FeaturePlan,
  type PlannedFeature,
  planFeatures,
  RATE_SMOOTHING,
} from '../expr/features.ts'
import { hasClasses } from './classes.ts'
import type { PrepareParams } from './specs.ts'

/** Distinct texts up to which an inferred feature is a category; more are a smoothed rate. */
const CATEGORIES_INFERRED = 64

/** The features as declared, or one or more for each usable column when none are declared. `leave` names columns that must not be used, and why. */
export function featuresFor(
  params: Pick<PrepareParams, 'model' | 'features' | 'exclude' | 'target' | 'categories' | 'task'>,
  version: DatasetVersion,
  leave: ReadonlyMap<string, string> = new Map(),
): { plan: FeaturePlan; notes: string[]; inferred: boolean } {
  const place = `models.${params.model}.features`
  const inferred = params.features.length === 0
  const notes: string[] = []
  const inputs = inferred ? inferAll(params, version, leave, notes) : params.features
  const plan = forTrainer(planFeatures(inputs, version.schema, place), params.categories, inferred)
  return {
    plan: hasClasses(params, version.schema) ? forClasses(plan, params, notes) : plan,
    notes,
    inferred,
  }
}

/**
 * A target of several classes has no mean, so values that would be their rate stay categories; a trainer that takes numbers alone does without them.
 * Errors: MR_TRAIN_RATE for a rate that was asked for, MR_TRAIN_NO_FEATURES when nothing is left.
 */
function forClasses(
  plan: FeaturePlan,
  { model, features, categories }: Pick<PrepareParams, 'model' | 'features' | 'categories'>,
  notes: string[],
): FeaturePlan {
  const asked = features.find(({ expr }) => expr.op === 'fit' && expr.fn === 'rate')
  if (asked) throw new MillraceError('MR_TRAIN_RATE', { model, feature: asked.name })
  const isRate = ({ expr }: PlannedFeature) => expr.op === 'fit' && expr.fn === 'rate'
  if (categories !== 'rates')
    return { ...plan, features: plan.features.map((f) => (isRate(f) ? asCategory(f) : f)) }
  for (const { name } of plan.features.filter(isRate))
    notes.push(
      `feature "${name}" is left out: this trainer takes numbers, and a target of classes gives a text no rate (linear({ categories: 'oneHot' }) takes texts)`,
    )
  const left = plan.features.filter((f) => !isRate(f))
  if (left.length === 0)
    throw new MillraceError('MR_TRAIN_NO_FEATURES', { model, tried: plan.features.length })
  return { ...plan, features: left }
}

function asCategory({ name, expr }: PlannedFeature): PlannedFeature {
  const arg = expr.op === 'fit' ? expr.arg : expr
  return { name, type: 'category', expr: { op: 'fit', fn: 'category', arg, params: {} } }
}

function inferAll(
  params: Pick<PrepareParams, 'model' | 'exclude' | 'target'>,
  version: DatasetVersion,
  leave: ReadonlyMap<string, string>,
  notes: string[],
): FeatureInputDef[] {
  const unused = new Set([...params.exclude, ...columnsOf(params.target)])
  for (const [name, why] of leave) notes.push(`column "${name}" is left out: ${why}`)
  const columns = version.schema.columns.filter((c) => !unused.has(c.name) && !leave.has(c.name))
  const features = columns.flatMap((column) => infer(column, aboutColumn(version, column.name), notes))
  if (features.length === 0)
    throw new MillraceError('MR_TRAIN_NO_FEATURES', {
      model: params.model,
      tried: version.schema.columns.length,
    })
  return features
}

/**
 * Categories as the trainer takes them: codes as they are; the smoothed rate of each, as codes are no numbers; or hashes, so that values which come later are told
 * apart without learning anything. A rate that was asked for stays one.
 */
function forTrainer(
  plan: FeaturePlan,
  categories: PrepareParams['categories'],
  inferred: boolean,
): FeaturePlan {
  if (categories === 'codes') return plan
  const features = plan.features.map((feature): PlannedFeature => {
    const { name, expr } = feature
    if (expr.op !== 'fit' || (expr.fn === 'rate' && !(inferred && categories === 'hashes'))) return feature
    return categories === 'hashes'
      ? { name, type: 'category', expr: hashOf(expr.arg) }
      : { name, type: 'number', expr: rateOf(expr.arg) }
  })
  return { ...plan, features }
}

/** Distinct hashes of values: what every engine computes alike. */
const HASHES = 2 ** 31

function hashOf(arg: ExprNode): ExprNode {
  const text: ExprNode = { op: 'call', fn: 'string', args: [arg] }
  return { op: 'call', fn: 'hashBucket', args: [text, { op: 'lit', value: HASHES }] }
}

function rateOf(arg: ExprNode): ExprNode {
  return { op: 'fit', fn: 'rate', arg, params: { smoothing: RATE_SMOOTHING } }
}

/** Days of data from which the month of the year says more than how far the data reaches. */
const YEAR_MS = 365 * 86_400_000

function infer(column: Column, about: AboutColumn, notes: string[]): FeatureInputDef[] {
  const { name, type } = column
  const skip = (why: string): FeatureInputDef[] => {
    notes.push(`column "${name}" is left out: ${why}`)
    return []
  }
  const col: ExprNode = { op: 'col', name }
  if (about.distinct === 0) return skip('it is empty')
  if (about.distinct === 1 && about.nulls === 0) return skip('it is constant')
  switch (type) {
    case 'int':
    case 'float':
      return type === 'int' && about.numbersRows ? skip('it numbers the rows') : [{ name, expr: col }]
    case 'bool':
      return [{ name, expr: col }]
    case 'time':
    case 'date':
      return partsOf(type, about.span).map((part) => ({
        name: `${name}_${part}`,
        expr: { op: 'call', fn: part, args: [col] },
      }))
    case 'string':
      if (about.nearlyUnique) return skip('nearly every row has a value of its own')
      return about.distinct <= CATEGORIES_INFERRED
        ? [{ name, expr: { op: 'fit', fn: 'category', arg: col, params: {} } }]
        : [{ name, expr: rateOf(col) }]
    default:
      return skip(`columns of type ${type} need an expression`)
  }
}

/** Parts of a time that come again: a month only where the data holds a whole year, as it would else stand for the date itself. */
function partsOf(type: 'time' | 'date', spanMs: number): string[] {
  const parts = type === 'time' ? ['weekday', 'hour'] : ['weekday']
  return spanMs >= YEAR_MS ? ['month', ...parts] : parts
}

/** What the parts of a version together say of a column. */
interface AboutColumn {
  nulls: number
  /** Distinct values of the richest part: a lower bound of those of all. */
  distinct: number
  /** Largest value less smallest; 0 where they are not numbers. */
  span: number
  /** In every part nearly each row has a value of its own. */
  nearlyUnique: boolean
  /** Nearly unique whole numbers, without gaps and nulls. */
  numbersRows: boolean
}

function aboutColumn(version: DatasetVersion, name: string): AboutColumn {
  const parts = version.parts.flatMap((part) =>
    part.stats[name] ? [{ ...part.stats[name], rows: part.rows }] : [],
  )
  const total = (pick: (part: (typeof parts)[number]) => number) =>
    parts.reduce((sum, part) => sum + pick(part), 0)
  const nulls = total((part) => part.nulls)
  const rows = total((part) => part.rows)
  const ends = parts.flatMap(({ min, max }) => [min, max]).filter((x) => typeof x === 'number')
  const span = ends.length === 0 ? 0 : Math.max(...ends) - Math.min(...ends)
  const nearlyUnique = rows > 100 && parts.every((part) => part.distinctApprox > part.rows * 0.9)
  return {
    nulls,
    distinct: Math.max(0, ...parts.map((part) => part.distinctApprox)),
    span,
    nearlyUnique,
    numbersRows: nearlyUnique && nulls === 0 && span < rows * 1.1,
  }
}

/** Columns that features look at, and those of the family and the group. */
export function inputsOf(
  plan: Pick<FeaturePlan, 'features'>,
  { each, group }: Pick<PrepareParams, 'each' | 'group'>,
): string[] {
  const names = new Set(plan.features.flatMap((f) => columnsOf(f.expr)))
  if (each) names.add(each.column)
  if (group) names.add(group)
  return [...names]
}
