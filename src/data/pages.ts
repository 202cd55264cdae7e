/** What the console and the CLI show of datasets: the same shapes as `api/contract.ts`, which the tests hold them to. */

import { MillraceError } from '../core/errors.ts'
import type { Column, ColumnStats, DatasetVersion, Digest, Finding, TimeWindow } from '../core/records.ts'
import { partId } from '../engine/parts.ts'
import type { Store } from '../store/ports.ts'
import { mergeStats, psiBetween } from './merged-stats.ts'
import {
  ancestry,
  datasetNames,
  headOf,
  type LogRow,
  log,
  type NamedVersion,
  parentOf,
  resolveVersion,
} from './versions.ts'

export interface DatasetRow {
  dataset: string
  rows: number
  rowsQuarantined: number
  version: Digest | null
  versions: number
  importedAt: number | null
  window: TimeWindow | null
  bytes: number
  findings: Record<Finding['verdict'], number>
}

export interface DatasetPage extends DatasetRow {
  source: string
  log: LogRow[]
}

export interface DatasetVersionPage {
  digest: Digest
  dataset: string
  columns: (Column & { profile: ColumnStats; parent?: { psi: number | null } })[]
  rows: number
  rowsQuarantined: number
  parts: { digest: Digest; key: string; rows: number; bytes: number; isNew: boolean }[]
  findings: Finding[]
  createdAt: number
  parents: Digest[]
}

export interface QuarantineRows {
  columns: string[]
  /** `row` is the number of a row among all that are aside, from 0 in the order of the parts. */
  rows: { row: number; values: (string | number | boolean | null)[]; reasons: string[] }[]
  /** Rows aside in all, and those that the filter leaves. */
  total: number
  matched: number
  byReason: Record<string, number>
  /** Asked for as `before` gives the next page; null at the end. */
  next: number | null
}

/** All datasets, by name. */
export async function datasetRows(store: Store): Promise<DatasetRow[]> {
  const names = await datasetNames(store)
  return await Promise.all(names.map(async (name) => rowOf(store, name, await headOf(store, name))))
}

async function rowOf(store: Store, dataset: string, head: NamedVersion | undefined): Promise<DatasetRow> {
  let versions = 0
  for await (const _ of ancestry(store, head)) versions++
  const version = head?.version
  return {
    dataset,
    rows: version?.rows ?? 0,
    rowsQuarantined: version?.rowsQuarantined ?? 0,
    version: head?.digest ?? null,
    versions,
    importedAt: version?.createdAt ?? null,
    window: version?.window ?? null,
    bytes: version?.parts.reduce((n, part) => n + part.bytes, 0) ?? 0,
    findings: countVerdicts(version?.findings ?? []),
  }
}

function countVerdicts(findings: Finding[]): DatasetRow['findings'] {
  const counts = { pass: 0, fail: 0, inconclusive: 0, error: 0 }
  for (const { verdict } of findings) counts[verdict]++
  return counts
}

/** One dataset with its history. Errors: MR_DATA_VERSION when there is none of that name. */
export async function datasetPage(store: Store, dataset: string): Promise<DatasetPage> {
  const head = await headOf(store, dataset)
  if (!head) throw new MillraceError('MR_DATA_VERSION', { name: dataset, known: await datasetNames(store) })
  return {
    ...(await rowOf(store, dataset, head)),
    source: head.version.source,
    log: await log(store, dataset),
  }
}

/** One version: its columns with profiles, and how far each moved from the version before. `name` as for `resolveVersion`. */
export async function show(store: Store, name: string): Promise<DatasetVersionPage> {
  const { digest, version } = await resolveVersion(store, name)
  const before = await parentOf(store, version)
  const known = new Set(before?.parts.map(partId))
  return {
    digest,
    dataset: version.dataset,
    columns: version.schema.columns.map((column) => columnPage(column, version, before)),
    rows: version.rows,
    rowsQuarantined: version.rowsQuarantined,
    parts: version.parts.map((part) => ({
      digest: part.digest,
      key: part.key,
      rows: part.rows,
      bytes: part.bytes,
      isNew: !known.has(partId(part)),
    })),
    findings: version.findings,
    createdAt: version.createdAt,
    parents: version.parents,
  }
}

function columnPage(
  column: Column,
  version: DatasetVersion,
  before: DatasetVersion | undefined,
): DatasetVersionPage['columns'][number] {
  const profile = mergeStats(version.parts, column.name) ?? { nulls: version.rows, distinctApprox: 0 }
  return before
    ? { ...column, profile, parent: { psi: psiBetween(mergeStats(before.parts, column.name), profile) } }
    : { ...column, profile }
}

export function plainCell(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : String(value)
}

/** The same with moments, which rows have as epoch milliseconds, as days or times in UTC. */
export function shownCell(value: unknown, type: Column['type'] | undefined) {
  const cell = plainCell(value)
  if (typeof cell !== 'number' || (type !== 'date' && type !== 'time')) return cell
  const text = new Date(cell).toISOString()
  return type === 'date' ? text.slice(0, 10) : text.slice(0, 19).replace('T', ' ')
}
