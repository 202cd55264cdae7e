/** Whether the rows of a delivery are spread over their values as those of an earlier version were: one verdict over many columns, with chance and multiplicity counted in. */
import { grouped } from '../core/grouped.ts'
import type { ColumnStats, DatasetVersion, Finding, Part } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import { type Dispersion, type DriftResult, driftTest, estimateDispersion } from '../stats/drift.ts'
import { holm } from '../stats/multiplicity.ts'
import { figure, finding } from './findings.ts'
import { mergeStats } from './merged-stats.ts'

/** Rows that each side needs. */
export const DRIFT_ROWS_MIN = 100
/** Parts that show how much calm stretches of data differ among themselves. */
const CALM_PARTS_MIN = 3
/** Parts that are looked at for it, the newest. */
const CALM_PARTS_MAX = 60

export type DriftCheck = CheckDef & { rule: { kind: 'drift' } }

interface ColumnMoved {
  column: string
  psi: number
  /** Chance of such a difference if nothing moved, by Holm over all columns that were compared. */
  pValue: number
  moved: boolean
}

/**
 * Compares columns of a delivery with those of a version, bin by bin. A column moved when the chance of its difference, over all columns together, is at most
 * `alpha` and its stability index at least `psiMin`. Where the version has three parts and more, the difference that these have among themselves is no drift.
 * Pure. Cost: O(parts · columns · bins).
 */
function compareColumns(
  reference: Pick<DatasetVersion, 'parts'>,
  delivered: Readonly<Record<string, ColumnStats>>,
  { columns, alpha, psiMin }: { columns: readonly string[]; alpha: number; psiMin: number },
): { compared: ColumnMoved[]; rows: number } {
  const asked = columns.length > 0 ? columns : Object.keys(delivered)
  const results = asked.flatMap((column) => {
    const result = compareColumn(reference.parts, column, delivered[column])
    return result ? [{ column, result }] : []
  })
  const adjusted = holm(results.map(({ result }) => result.pValue))
  return {
    rows: Math.round(Math.min(Number.POSITIVE_INFINITY, ...results.map(({ result }) => result.n.current))),
    compared: results.map(({ column, result }, i) => ({
      column,
      psi: result.effect.psi,
      pValue: adjusted[i]!,
      moved: adjusted[i]! <= alpha && result.effect.psi >= psiMin,
    })),
  }
}

function compareColumn(
  parts: readonly Part[],
  column: string,
  delivered: ColumnStats | undefined,
): DriftResult | undefined {
  const before = mergeStats(parts, column)
  if (!before?.histogram || !delivered?.histogram || before.histogram.kind !== delivered.histogram.kind)
    return undefined
  const result = driftTest(before.histogram, delivered.histogram, dispersionOf(parts, column))
  return Math.min(result.n.reference, result.n.current) < DRIFT_ROWS_MIN ? undefined : result
}

function dispersionOf(parts: readonly Part[], column: string): { dispersion?: Dispersion } {
  const calm = parts.slice(-CALM_PARTS_MAX).flatMap((part) => {
    const histogram = part.stats[column]?.histogram
    return histogram && part.rows >= DRIFT_ROWS_MIN ? [histogram] : []
  })
  if (calm.length < CALM_PARTS_MIN) return {}
  const dispersion = estimateDispersion(calm)
  return dispersion.df === Number.POSITIVE_INFINITY ? {} : { dispersion }
}

const SHOWN_MAX = 5

/** Finding of a drift check; inconclusive without a version to compare with, or with too few rows. */
export function driftFinding(
  dataset: string,
  check: DriftCheck,
  reference: { version: Pick<DatasetVersion, 'parts'>; name: string } | undefined,
  delivered: Readonly<Record<string, ColumnStats>>,
): Finding {
  const { alpha, psiMin, against } = check.rule
  const limit = `p > ${alpha}${psiMin > 0 ? ` or stability index < ${psiMin}` : ''}`
  const none = (why: string) =>
    finding(dataset, check, null, limit, 0, 'inconclusive', `${check.name}: ${why}`)
  if (reference === undefined)
    return none(
      `there is no ${against === 'previous' ? 'earlier version' : `version "${against}"`} to compare with`,
    )
  const { compared, rows } = compareColumns(reference.version, delivered, check.rule)
  if (compared.length === 0)
    return none(`no column has ${DRIFT_ROWS_MIN} rows on both sides and bins to compare`)
  const moved = compared.filter((c) => c.moved).sort((a, b) => b.psi - a.psi)
  const largest = Math.max(...compared.map((c) => c.psi))
  const text =
    moved.length === 0
      ? `none of ${compared.length} columns moved`
      : `${movedText(moved)} moved, of ${compared.length} columns`
  const message = `${check.name}: against ${reference.name}, ${text} (${grouped(rows)} rows delivered)`
  const found = finding(dataset, check, largest, limit, rows, moved.length === 0 ? 'pass' : 'fail', message)
  return moved.length === 0 ? found : { ...found, slice: moved.map((c) => c.column).join(', ') }
}

function movedText(moved: readonly ColumnMoved[]): string {
  const shown = moved
    .slice(0, SHOWN_MAX)
    .map(
      ({ column, psi, pValue }) =>
        `${column} (stability index ${figure(psi)}, p ${pValue < 0.001 ? '< 0.001' : pValue.toFixed(3)})`,
    )
  const more = moved.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
