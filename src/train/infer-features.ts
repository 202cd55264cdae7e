/** What is not said in the config is inferred here, and noted, so that `millrace plan` can print it. */
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Column, ColumnStats, DatasetVersion, ModelTask, Schema } from '../core/records.ts'
import type { Query } from '../engine/ports.ts'
import { columnsOf, type ExprNode } from '../expr/ast.ts'
import { type FeatureInputDef, type FeaturePlan, planFeatures } from '../expr/features.ts'
import { typeOf } from '../expr/resolve.ts'
import { quoted, raw } from '../expr/sql.ts'
import type { PrepareParams } from './specs.ts'

/** A boolean target makes a classifier, a number a regression. */
export function taskOf(params: Pick<PrepareParams, 'task' | 'target'>, schema: Schema): ModelTask {
  if (params.task !== 'auto') return params.task
  return typeOf(params.target, schema) === 'bool' ? 'binary' : 'regression'
}

/** The features as declared, or one or more for each usable column when none are declared. `leave` names columns that must not be used, and why. */
export function featuresFor(
  params: Pick<PrepareParams, 'model' | 'features' | 'exclude' | 'target' | 'trainer'>,
  version: DatasetVersion,
  leave: ReadonlyMap<string, string> = new Map(),
): { plan: FeaturePlan; notes: string[]; inferred: boolean } {
  const place = `models.${params.model}.features`
  const inferred = params.features.length === 0
  const notes: string[] = []
  const inputs = inferred ? inferAll(params, version, leave, notes) : params.features
  return {
    plan: planFeatures(
      inputs.map((f) => forTrainer(f, params.trainer)),
      version.schema,
      place,
    ),
    notes,
    inferred,
  }
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
  const features = columns.flatMap((column) =>
    infer(column, statsOf(version, column.name), version.rows, notes),
  )
  if (features.length === 0)
    throw new MillraceError('MR_TRAIN_NO_FEATURES', {
      model: params.model,
      tried: version.schema.columns.length,
    })
  return features
}

/** A linear model cannot use codes of categories as numbers: it gets the smoothed rate of each category instead. */
function forTrainer(feature: FeatureInputDef, trainer: PrepareParams['trainer']): FeatureInputDef {
  const { expr } = feature
  if (trainer !== 'linear' || expr.op !== 'fit' || expr.fn !== 'category') return feature
  return { ...feature, expr: { op: 'fit', fn: 'rate', arg: expr.arg, params: { smoothing: 20 } } }
}

function infer(column: Column, stats: ColumnStats, rows: number, notes: string[]): FeatureInputDef[] {
  const { name, type } = column
  const skip = (why: string): FeatureInputDef[] => {
    notes.push(`column "${name}" is left out: ${why}`)
    return []
  }
  const col: ExprNode = { op: 'col', name }
  if (stats.distinctApprox <= 1 && stats.nulls === 0) return skip('it is constant')
  switch (type) {
    case 'int':
    case 'float':
      return isIdentifier(column, stats, rows) ? skip('it numbers the rows') : [{ name, expr: col }]
    case 'bool':
      return [{ name, expr: col }]
    case 'time':
    case 'date':
      return ['month', 'weekday', 'hour']
        .filter((part) => type === 'time' || part !== 'hour')
        .map((part) => ({ name: `${name}_${part}`, expr: { op: 'call', fn: part, args: [col] } }))
    case 'string':
      if (stats.distinctApprox > rows * 0.9 && rows > 100)
        return skip('nearly every row has a value of its own')
      return stats.distinctApprox <= Math.min(64, LIMITS.categoriesMax)
        ? [{ name, expr: { op: 'fit', fn: 'category', arg: col, params: {} } }]
        : [{ name, expr: { op: 'fit', fn: 'rate', arg: col, params: { smoothing: 20 } } }]
    default:
      return skip(`columns of type ${type} need an expression`)
  }
}

/** Whole numbers, one for each row, from a dense range. */
function isIdentifier(
  { type }: Column,
  { min, max, distinctApprox, nulls }: ColumnStats,
  rows: number,
): boolean {
  if (type !== 'int' || nulls > 0 || typeof min !== 'number' || typeof max !== 'number') return false
  return distinctApprox > rows * 0.9 && rows > 100 && max - min < rows * 1.1
}

/** Stats of a column over all parts; distinct counts are taken from the largest part as a lower bound. */
function statsOf(version: DatasetVersion, name: string): ColumnStats {
  const stats = version.parts.flatMap((part) => part.stats[name] ?? [])
  const numbers = (pick: (s: ColumnStats) => number | string | undefined) =>
    stats.map(pick).filter((x): x is number => typeof x === 'number')
  return {
    nulls: stats.reduce((n, s) => n + s.nulls, 0),
    min: Math.min(...numbers((s) => s.min)),
    max: Math.max(...numbers((s) => s.max)),
    distinctApprox: Math.max(0, ...stats.map((s) => s.distinctApprox)),
  }
}

/** How pure the target may be within the values of a single column before the column is taken to give it away. */
const LEAK_PURITY = 0.995

/**
 * Inferred features whose column gives the target away: within its values (few enough to be no accident) nearly every row has the same target, though
 * the target as a whole is mixed. Returns the reasons by column.
 */
export async function leakyColumns(query: Query, columns: string[]): Promise<Map<string, string>> {
  const leaks = new Map<string, string>()
  for (const name of columns) {
    const [row] = await query.rows<{ kept: number; n: number; groups: number; majority: number }>(
      raw(`select sum(most) as kept, sum(n) as n, count(*) as groups, max(total) as majority from (
        select greatest(sum(mr_target), count(*) - sum(mr_target)) as most, count(*) as n,
          (select greatest(avg(mr_target), 1 - avg(mr_target)) from mr_rows where mr_split = 0) as total
        from mr_rows where mr_split = 0 group by ${quoted(name)})`),
    )
    const { kept, n, groups, majority } = {
      kept: Number(row.kept),
      n: Number(row.n),
      groups: Number(row.groups),
      majority: Number(row.majority),
    }
    if (groups <= Math.max(2, n / 20) && kept / n >= LEAK_PURITY && majority < 0.98) {
      leaks.set(
        name,
        `it gives the target away (${((100 * kept) / n).toFixed(1)} % of rows are decided by it alone)`,
      )
    }
  }
  return leaks
}
