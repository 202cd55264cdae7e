/**
 * What a delivery changes of a version: rows that are gone are listed beside the parts that hold them, rows that are new or changed become small parts, and parts are
 * written again when there is little of them or much of them is gone. So a version stores about what changed.
 */
import type { ColumnStats, Part } from '../core/records.ts'
import { columnsOfPart, liveRows, type PartFile } from '../engine/parts.ts'
import { literal, quote } from './duck.ts'
import type { Import } from './import-context.ts'
import { lessStats } from './less-stats.ts'
import { profile } from './profile.ts'
import type { DeliveryMode, ReducedPart, WrittenPart } from './types.ts'
import { bucketsOf, numberOf, referencesFor, writePart } from './write-parts.ts'

export interface Delta {
  written: WrittenPart[]
  /** Keys of parts that are not there any more. */
  replaced: string[]
  /** Parts of which rows are gone. */
  reduced: ReducedPart[]
  counts: { added: number; updated: number; deleted: number }
}

/** Share of a file's rows that may be gone before what is left is written again. */
const GONE_SHARE_MAX = 0.25
/** A part of at most this many times the new rows is written again with them, so that parts stay few: each row is written again O(log rows) times. */
const ABSORBED_TIMES = 4
/** Parts that are as small as this, beside the rows that a part may have, are always written again. */
const ABSORBED_SHARE = 0.01

/**
 * Lays the rows of table `good` over the version before: by key, or as a multiset of rows where there is none. Rows of the version that are equal stay where they are.
 * Cost: one scan of the version and a join with the delivery, then O(changed rows) but for parts that are written again.
 */
export async function writeDelta(run: Import, mode: DeliveryMode): Promise<Delta> {
  const parents = run.job.parent!.parts
  run.report(0.56, 'comparing with the version before')
  const counts = await matchRows(run, mode)
  const goneOf = new Map(
    (await run.duck.rows<{ part: number; n: number }>('SELECT part, count(*) AS n FROM gone GROUP BY 1')).map(
      ({ part, n }) => [part, n],
    ),
  )
  const references = await referencesFor(run, run.delivery.columns)
  const { written, absorbed } = await writeFresh(run, goneOf, references)
  const delta: Delta = { written, replaced: [...absorbed].map((i) => parents[i]!.key), reduced: [], counts }
  for (const [i, n] of goneOf) {
    if (absorbed.has(i)) continue
    const part = parents[i]!
    const goneBefore = part.gone?.rows ?? 0
    if (n === part.rows) delta.replaced.push(part.key)
    else if (n + goneBefore > GONE_SHARE_MAX * (part.rows + goneBefore)) {
      delta.replaced.push(part.key)
      delta.written.push(
        await writePart(
          run,
          part.key,
          `SELECT ${names(run)} FROM (${leftOf(run, i)}) ORDER BY ${run.order}`,
          references,
        ),
      )
    } else delta.reduced.push(await reduce(run, i, n, references))
  }
  return delta
}

const names = ({ delivery }: Import): string => delivery.columns.map((c) => quote(c.name)).join(', ')

// ---------------------------------------------------------------- which rows are which

/** Makes `gone(part, row)` of places in files, and `fresh`, the rows that have to be written. */
async function matchRows(run: Import, mode: DeliveryMode): Promise<Delta['counts']> {
  const { duck } = run
  if (mode === 'append')
    await duck.run('CREATE TABLE pairs (part INTEGER, row BIGINT, rid BIGINT, same BOOLEAN)')
  else await pairRows(run, mode)
  const places = [
    'SELECT part, row FROM pairs WHERE rid IS NOT NULL AND NOT same',
    ...(mode === 'replace' ? [await unmatched(run)] : []),
    ...(run.job.removals === undefined ? [] : [removedPlaces(run, run.job.removals)]),
  ]
  await duck.run(
    `CREATE TABLE gone AS SELECT DISTINCT part, row FROM (${places.join(' UNION ALL ')}) ORDER BY part, row`,
  )
  await duck.run(
    'CREATE TABLE fresh AS SELECT * FROM good WHERE rowid NOT IN (SELECT rid FROM pairs WHERE rid IS NOT NULL AND same) ORDER BY rowid',
  )
  const { gone, fresh, updated } = await duck.one<{ gone: number; fresh: number; updated: number }>(
    `SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM fresh) AS fresh, (SELECT count(*) FROM pairs WHERE rid IS NOT NULL AND NOT same) AS updated`,
  )
  return { added: fresh - updated, updated, deleted: gone - updated }
}

/** Rows of the version before, and the row of the delivery that takes the place of each; of an update those alone that have one. */
async function pairRows(run: Import, mode: 'upsert' | 'replace'): Promise<void> {
  const { duck, job, delivery } = run
  const { key } = job.params
  const same = delivery.columns.map(({ name }) => sameIn(name)).join(' AND ')
  const sides =
    key.length > 0
      ? { before: placesOf(run), after: GOOD, on: key.map(sameIn).join(' AND '), same }
      : {
          before: counted(run, placesOf(run)),
          after: counted(run, GOOD),
          on: `${same} AND ${SAME_COPY}`,
          same: 'TRUE',
        }
  await duck.run(
    `CREATE TABLE pairs AS SELECT b._mr_part AS part, b._mr_at AS row, g._mr_rid AS rid, (${sides.same}) AS same
     FROM (${sides.before}) b ${mode === 'replace' ? 'LEFT JOIN' : 'JOIN'} (${sides.after}) g ON ${sides.on}`,
  )
}

const GOOD = 'SELECT *, rowid AS _mr_rid FROM good'
const SAME_COPY = 'b._mr_copy = g._mr_copy'

const sameIn = (name: string): string => `b.${quote(name)} IS NOT DISTINCT FROM g.${quote(name)}`

/** Rows of the version before with their places. */
function placesOf({ job, delivery }: Import): string {
  return job
    .parent!.parts.map(
      (part, i) =>
        `SELECT ${columnsOfPart(part, delivery.columns).join(', ')}, ${i} AS _mr_part, file_row_number AS _mr_at FROM ${liveRows(part.path, part.gonePath)}`,
    )
    .join(' UNION ALL ')
}

/** Rows that are equal get numbers, so that as many of them are matched as both sides have. */
const counted = (run: Import, rows: string): string =>
  `SELECT *, row_number() OVER (PARTITION BY ${names(run)}) AS _mr_copy FROM (${rows})`

/** Rows of the version before that a whole table does not have. One that it has, but that was put aside, leaves the row before in its place. */
async function unmatched(run: Import): Promise<string> {
  const { duck, job } = run
  const { key } = job.params
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM aside')
  const all = 'SELECT part, row FROM pairs WHERE rid IS NULL'
  if (n === 0 || key.length === 0) return all
  const kept = `SELECT b._mr_part, b._mr_at FROM (${placesOf(run)}) b SEMI JOIN aside g ON ${key.map(sameIn).join(' AND ')}`
  return `${all} AND (part, row) NOT IN (${kept})`
}

/** Places of rows that a file names: by key, or row by row where there is none. */
function removedPlaces(run: Import, path: string): string {
  const { key } = run.job.params
  const removed = `SELECT * FROM read_parquet(${literal(path)})`
  const places = 'SELECT b._mr_part AS part, b._mr_at AS row'
  if (key.length > 0)
    return `${places} FROM (${placesOf(run)}) b SEMI JOIN (${removed}) g ON ${key.map(sameIn).join(' AND ')}`
  const on = [...run.delivery.columns.map(({ name }) => sameIn(name)), SAME_COPY].join(' AND ')
  return `${places} FROM (${counted(run, placesOf(run))}) b SEMI JOIN (${counted(run, removed)}) g ON ${on}`
}

// ---------------------------------------------------------------- what is written

interface Fresh {
  written: WrittenPart[]
  /** Places of parent parts whose rows went into the written ones. */
  absorbed: Set<number>
}

interface Bin {
  /** Which rows of `fresh` it takes. */
  where: string
  rows: number
  /** Whether a part of its kind has a most of rows. */
  isBlock: boolean
  /** Parent parts that could be written again with them. */
  near: number[]
  /** Key of a part that takes the place of `own`, or comes beside it. */
  keyOf(absorbed: readonly number[]): string
}

async function writeFresh(
  run: Import,
  goneOf: ReadonlyMap<number, number>,
  references: Parameters<typeof writePart>[3],
): Promise<Fresh> {
  const { parts, time } = run.job.params
  const bins = time !== null && parts.by !== 'rows' ? await timeBins(run, time) : await blockBins(run)
  const fresh: Fresh = { written: [], absorbed: new Set() }
  for (const [n, bin] of bins.entries()) {
    const absorbed = absorb(run, bin, goneOf)
    const key = bin.keyOf(absorbed)
    run.report(0.7 + (0.3 * n) / bins.length, `writing ${key}`)
    const rows = [
      `SELECT ${names(run)} FROM fresh WHERE ${bin.where}`,
      ...absorbed.map((i) => leftOf(run, i)),
    ]
    fresh.written.push(
      await writePart(
        run,
        key,
        `SELECT * FROM (${rows.join(' UNION ALL ')}) ORDER BY ${run.order}`,
        references,
      ),
    )
    for (const i of absorbed) fresh.absorbed.add(i)
  }
  return fresh
}

/** Parts that are small beside what they would be written with, smallest first. */
function absorb({ job }: Import, bin: Bin, goneOf: ReadonlyMap<number, number>): number[] {
  const { rowsMax } = job.params.parts
  let rows = bin.rows
  const absorbed: number[] = []
  const left = (i: number) => job.parent!.parts[i]!.rows - (goneOf.get(i) ?? 0)
  for (const i of bin.near.toSorted((a, b) => left(a) - left(b) || a - b)) {
    const isSmall = left(i) <= Math.max(ABSORBED_SHARE * rowsMax, ABSORBED_TIMES * rows)
    if (!isSmall || (bin.isBlock && rows + left(i) > rowsMax)) break
    absorbed.push(i)
    rows += left(i)
  }
  return absorbed
}

async function timeBins(run: Import, time: string): Promise<Bin[]> {
  const parents = run.job.parent!.parts
  const buckets = await bucketsOf(
    run.duck,
    'fresh',
    time,
    run.job.params.parts.by === 'day' ? 'day' : 'month',
  )
  const bins: Bin[] = []
  for (const { key, where } of buckets) {
    const { n } = await run.duck.one<{ n: number }>(`SELECT count(*) AS n FROM fresh WHERE ${where}`)
    const isBeside = (part: Part) => part.key.startsWith(`${key}+`)
    const near = parents.flatMap((part, i) => (part.key === key || isBeside(part) ? [i] : []))
    const last = Math.max(0, ...parents.filter(isBeside).map(numberOf))
    const isTaken = (absorbed: readonly number[]) =>
      near.some((i) => parents[i]!.key === key && !absorbed.includes(i))
    const beside = `${key}+${String(last + 1).padStart(4, '0')}`
    bins.push({
      where,
      rows: n,
      isBlock: false,
      near,
      keyOf: (absorbed) => (isTaken(absorbed) ? beside : key),
    })
  }
  return bins
}

async function blockBins({ duck, job }: Import): Promise<Bin[]> {
  const parents = job.parent!.parts
  const { rowsMax } = job.params.parts
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM fresh')
  const first = Math.max(-1, ...parents.map((part) => numberOf(part))) + 1
  return Array.from(
    { length: Math.ceil(n / rowsMax) },
    (_, i): Bin => ({
      where: `rowid >= ${i * rowsMax} AND rowid < ${(i + 1) * rowsMax}`,
      rows: Math.min(rowsMax, n - i * rowsMax),
      isBlock: true,
      // What is left over is the last block alone.
      near: i === Math.ceil(n / rowsMax) - 1 ? [...parents.keys()] : [],
      keyOf: () => `rows-${String(first + i).padStart(6, '0')}`,
    }),
  )
}

/** Rows of a part that stay. */
function leftOf({ job, delivery }: Import, i: number): string {
  const part = job.parent!.parts[i]!
  return `SELECT ${columnsOfPart(part, delivery.columns).join(', ')} FROM ${liveRows(part.path, part.gonePath)} WHERE file_row_number NOT IN (SELECT row FROM gone WHERE part = ${i})`
}

// ---------------------------------------------------------------- what is left

/** Lists what is gone of a part, and says what is left. */
async function reduce(
  run: Import,
  i: number,
  rowsGone: number,
  references: Parameters<typeof writePart>[3],
): Promise<ReducedPart> {
  const { duck, job } = run
  const part = job.parent!.parts[i]!
  const gonePath = `${job.folder}/${part.key}.gone.parquet`
  const before =
    part.gonePath === undefined ? '' : ` UNION ALL SELECT row FROM read_parquet(${literal(part.gonePath)})`
  await duck.run(
    `COPY (SELECT row FROM (SELECT row FROM gone WHERE part = ${i}${before}) ORDER BY row) TO ${literal(gonePath)} (FORMAT parquet, COMPRESSION zstd)`,
  )
  return {
    key: part.key,
    gonePath,
    goneRows: rowsGone + (part.gone?.rows ?? 0),
    rows: part.rows - rowsGone,
    stats: await statsLeft(run, part, i, rowsGone, references),
  }
}

/** Counts and moments by subtraction; columns whose ends or spread went with the rows are looked at again. */
async function statsLeft(
  run: Import,
  part: PartFile,
  i: number,
  rowsGone: number,
  references: Parameters<typeof writePart>[3],
): Promise<Record<string, ColumnStats>> {
  const { duck, delivery } = run
  const columns = delivery.columns.filter(({ name }) => Object.hasOwn(part.stats, name))
  const list = columns.map((c) => quote(c.name)).join(', ')
  await duck.run(
    `CREATE OR REPLACE TEMP TABLE lost AS SELECT ${list} FROM ${liveRows(part.path, part.gonePath)} WHERE file_row_number IN (SELECT row FROM gone WHERE part = ${i})`,
  )
  const lost = await profile(duck, 'lost', columns, references)
  const stats: Record<string, ColumnStats> = { ...part.stats }
  const open = { ends: new Set<string>(), all: new Set<string>() }
  for (const { name } of columns) {
    const [all, gone] = [part.stats[name]!, lost[name]!]
    const less = lessStats(all, gone, part.rows, rowsGone)
    if (less) stats[name] = less
    if (!less) open.all.add(name)
    else if (hasEnd(all, gone)) open.ends.add(name)
  }
  const rows = `(${leftOf(run, i)})`
  const again = (names: ReadonlySet<string>) => columns.filter(({ name }) => names.has(name))
  if (open.all.size > 0) Object.assign(stats, await profile(duck, rows, again(open.all), references))
  if (open.ends.size === 0) return stats
  // Without bins it is one look at the columns.
  for (const [name, { min, max }] of Object.entries(await profile(duck, rows, again(open.ends), new Map())))
    Object.assign(stats[name]!, { ...(min !== undefined && { min }), ...(max !== undefined && { max }) })
  return stats
}

/** Whether an end of the values is among what is gone. */
const hasEnd = (all: ColumnStats, gone: ColumnStats): boolean =>
  (gone.min !== undefined && gone.min === all.min) || (gone.max !== undefined && gone.max === all.max)
