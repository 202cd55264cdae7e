/** The profile of a version from the sketches of its parts: no row is read but those of parts that have no sketches yet. */

import type { ColumnType, DatasetVersion, Digest, Finding, Part } from '../core/records.ts'
import { partId } from '../engine/parts.ts'
import type { Jobs } from '../engine/ports.ts'
import { deviation, skewness } from '../stats/moments.ts'
import { decodeSketches, type SketchesByColumn } from '../stats/sketch-codec.ts'
import { type ColumnSketch, mergeColumnSketches } from '../stats/sketch-column.ts'
import { frequentItems } from '../stats/sketch-frequent.ts'
import { hllEstimate } from '../stats/sketch-hll.ts'
import { kllQuantiles } from '../stats/sketch-kll.ts'
import type { Store } from '../store/ports.ts'
import { mergeStats } from './merged-stats.ts'
import { planSketch } from './sketch-task.ts'
import { STILL } from './stretches.ts'
import { resolveVersion } from './versions.ts'

/** Ranks of the quantiles that a profile shows. */
export const PROFILE_RANKS = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const

export interface FrequentValue {
  value: string
  /** Rows that have it at least and at most; the same where the count is exact. */
  countMin: number
  countMax: number
}

export interface ColumnProfile {
  name: string
  type: ColumnType
  nulls: number
  /** NaN and infinities. */
  notFinite: number
  /** Exact. Numbers as they are, times as epoch milliseconds, texts cut at 64 characters. */
  min?: number | string
  max?: number | string
  /** Exact, of the finite values. */
  mean?: number
  std?: number
  skewness?: number
  /** By rank of `PROFILE_RANKS`; each is off by less than 1 % of the rows. */
  quantiles?: Record<string, number>
  /** Standard error 0.6 %; exact up to a few hundred. */
  distinct: number
  /** Most frequent values that are surely frequent, at most ten. */
  frequent: FrequentValue[]
}

export interface VersionProfile {
  digest: Digest
  dataset: string
  rows: number
  parts: number
  /** Parts whose rows had to be read, as they came without sketches. */
  partsRead: number
  columns: ColumnProfile[]
  /** Columns that stand still for a stretch of the delivery that made the version. */
  stretches: Finding[]
}

export interface ProfilePorts {
  store: Store
  jobs: Pick<Jobs, 'run'>
}

const FREQUENT_SHOWN = 10

/**
 * Profile of a version, `name` as for `resolveVersion`. Parts of older versions without sketches are read once, in a child process each; the sketches are kept.
 * Cost: O(parts · columns), whatever the rows. Errors: those of resolving and, for damaged objects, of the store.
 */
export async function profileVersion(
  { store, jobs }: ProfilePorts,
  name: string,
  options: { signal?: AbortSignal; onProgress?: (done: number, note: string) => void } = {},
): Promise<VersionProfile> {
  const { digest, version } = await resolveVersion(store, name)
  const { objects, partsRead } = await sketchObjects(jobs, version, options)
  const each: SketchesByColumn[] = []
  for (const [i, object] of objects.entries()) {
    options.onProgress?.(0.5 + (0.5 * i) / objects.length, `merging part ${i + 1} of ${objects.length}`)
    each.push(decodeSketches(await store.objects.get(object)))
  }
  return {
    digest,
    dataset: version.dataset,
    rows: version.rows,
    parts: version.parts.length,
    partsRead,
    columns: version.schema.columns.map((column) => columnProfile(version, column, each)),
    stretches: version.findings.filter(({ check }) => check === STILL),
  }
}

async function sketchObjects(
  jobs: Pick<Jobs, 'run'>,
  version: DatasetVersion,
  { signal, onProgress }: Parameters<typeof profileVersion>[2] & object,
): Promise<{ objects: Digest[]; partsRead: number }> {
  const missing = version.parts.filter((part) => !part.sketches)
  const specs = missing.map((part) => planSketch(part, version.schema.columns))
  const report =
    onProgress && ((p: { done: number; note: string }) => onProgress(p.done / 2, 'reading parts'))
  const outcomes = specs.length === 0 ? [] : await jobs.run(specs, { signal, onProgress: report })
  const made = new Map(outcomes.map(({ record }, i) => [partId(missing[i]!), record.outputs.sketches!]))
  return {
    objects: version.parts.map((part) => part.sketches ?? made.get(partId(part))!),
    partsRead: outcomes.filter(({ cached }) => !cached).length,
  }
}

function columnProfile(
  version: DatasetVersion,
  { name, type }: DatasetVersion['schema']['columns'][number],
  parts: readonly SketchesByColumn[],
): ColumnProfile {
  const having = parts.map((sketches) => sketches[name]).filter((sketch) => sketch !== undefined)
  if (having.length === 0) return { name, type, nulls: version.rows, notFinite: 0, distinct: 0, frequent: [] }
  const merged = mergeColumnSketches(having)
  return {
    name,
    type,
    nulls: merged.nulls + version.rows - merged.rows,
    notFinite: merged.notFinite,
    ...endsOf(version.parts, name, merged),
    ...momentsOf(type, merged),
    distinct: Math.round(hllEstimate(merged.hll)),
    frequent: frequentOf(merged),
  }
}

function endsOf(
  parts: readonly Part[],
  name: string,
  { moments }: ColumnSketch,
): Pick<ColumnProfile, 'min' | 'max'> {
  if (moments) return { min: moments.min, max: moments.max }
  const { min, max } = mergeStats(parts, name) ?? {}
  return { ...(min !== undefined && { min }), ...(max !== undefined && { max }) }
}

/** The mean of times says when; their spread is in milliseconds and left out. */
function momentsOf(type: ColumnType, { moments, kll }: ColumnSketch): Partial<ColumnProfile> {
  if (!moments || !kll || moments.n === 0) return {}
  const values = kllQuantiles(kll, PROFILE_RANKS)
  const quantiles = Object.fromEntries(PROFILE_RANKS.map((rank, i) => [String(rank), values[i]!]))
  const isNumber = type === 'int' || type === 'float'
  const spread = isNumber && moments.n > 1 ? { std: deviation(moments), skewness: skewness(moments) } : {}
  return { mean: moments.mean, ...spread, quantiles }
}

/** Values whose least count is most of the largest possible: others may be frequent, or not. */
function frequentOf({ frequent }: ColumnSketch): FrequentValue[] {
  return frequentItems(frequent)
    .filter(({ count, countMin }) => countMin > 1 && countMin >= 0.9 * count)
    .slice(0, FREQUENT_SHOWN)
    .map(({ item, count, countMin }) => ({ value: item, countMin, countMax: count }))
}
