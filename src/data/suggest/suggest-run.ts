/** Suggesting checks from rows, in the child process: load, divide, learn, try. */
import type { Column } from '../../core/records.ts'
import { type Duck, quote } from '../duck.ts'
import type { Report } from '../import-context.ts'
import { loadSeen } from '../inspect-run.ts'
import { type MissingCode, missingCodesOf } from '../remarks/missing-codes.ts'
import type { Candidate } from './candidate.ts'
import { completeness } from './completeness.ts'
import { dependencies } from './dependencies.ts'
import { factsOf } from './facts.ts'
import { freshness } from './freshness.ts'
import { unique, uniquePair } from './keys.ts'
import { orders } from './orders.ts'
import { patterns } from './patterns.ts'
import { ranges } from './ranges.ts'
import { sampleOf } from './sample.ts'
import { sets } from './sets.ts'
import { BLOCK, BLOCKS, SEEN, type Trial, tryAll, verdictOf } from './trial.ts'
import type { ColumnFacts, Dropped, Suggestion, SuggestJob, SuggestReport } from './types.ts'

/** Rows below which nothing is said: neither the learned nor the held-out ones would be enough. */
export const ROWS_MIN = 30
/** Share of rows that checks are learned from. */
const FITTED_SHARE = 0.7

const LEARNED = `(SELECT * EXCLUDE (${BLOCK}) FROM ${SEEN} WHERE ${BLOCK} = -1)`

const EVERY = `(SELECT * EXCLUDE (${BLOCK}) FROM ${SEEN})`

type NamedType = Pick<Column, 'name' | 'type'>

/** Cost: one read of the files, some three scans a column, and for pairs of columns a drawn sample. */
export async function runSuggest(duck: Duck, job: SuggestJob, report: Report): Promise<SuggestReport> {
  report(0.02, 'reading the rows')
  const { columns, missing } = await load(duck, job)
  const split = await divide(duck, job.time)
  const rows = split.fitted + split.heldOut
  const base = { rows, columns, split, notes: notesOf(missing, rows) }
  if (rows < ROWS_MIN) return { ...base, suggestions: [], dropped: [] }
  const candidates = await learn(duck, job, columns, report)
  report(0.8, 'trying them on the held-out rows')
  const trials = await tryAll(duck, candidates, columns)
  const again = await learnAgain(duck, candidates, trials, columns)
  return { ...base, ...judged(candidates, trials, again) }
}

async function load(duck: Duck, job: SuggestJob): Promise<{ columns: NamedType[]; missing: MissingCode[] }> {
  const given = job.read.missing
  const first = await loadSeen(duck, job, given ?? [])
  if (given !== undefined)
    return { columns: first.columns, missing: await missingCodesOf(duck, 'seen', first.columns) }
  const found = await missingCodesOf(duck, 'seen', first.columns)
  const codes = [...new Set(found.map(({ code }) => code))].sort()
  const delivery = codes.length === 0 ? first : await loadSeen(duck, job, codes)
  return { columns: delivery.columns, missing: [] }
}

/** The newest rows are held out where there is a time, and a fixed choice of rows elsewhere. */
async function divide(duck: Duck, time: string | null): Promise<SuggestReport['split']> {
  if (time !== null) {
    const split = await divideByTime(duck, time)
    if (split.heldOut > 0 && split.fitted > 0) return split
  }
  await duck.run(
    `CREATE OR REPLACE TABLE ${SEEN} AS SELECT *, CASE WHEN h % 1000 < ${1000 * FITTED_SHARE} THEN -1 ELSE (h // 1000) % ${BLOCKS} END AS ${BLOCK} FROM (SELECT *, hash(rowid) AS h FROM seen)`,
  )
  await duck.run(`ALTER TABLE ${SEEN} DROP COLUMN h`)
  return { by: 'random', ...(await sizes(duck)) }
}

async function divideByTime(duck: Duck, time: string): Promise<SuggestReport['split']> {
  const at = quote(time)
  await duck.run(
    `CREATE OR REPLACE TABLE ${SEEN} AS SELECT * EXCLUDE (rank, cut), CASE WHEN ${at} IS NULL OR ${at} <= cut THEN -1 ELSE least(${BLOCKS - 1}, CAST(floor(${BLOCKS} * (rank - ${FITTED_SHARE}) / ${1 - FITTED_SHARE}) AS INTEGER)) END AS ${BLOCK}
     FROM (SELECT *, percent_rank() OVER (ORDER BY ${at} NULLS FIRST) AS rank, (SELECT quantile_disc(${at}, ${FITTED_SHARE}) FROM seen) AS cut FROM seen)`,
  )
  await duck.run(`UPDATE ${SEEN} SET ${BLOCK} = 0 WHERE ${BLOCK} < -1`)
  return { by: 'time', column: time, ...(await sizes(duck)) }
}

async function sizes(duck: Duck): Promise<{ fitted: number; heldOut: number }> {
  return await duck.one(
    `SELECT count(*) FILTER (${BLOCK} = -1) AS "fitted", count(*) FILTER (${BLOCK} >= 0) AS "heldOut" FROM ${SEEN}`,
  )
}

async function learn(
  duck: Duck,
  job: SuggestJob,
  columns: readonly NamedType[],
  report: Report,
): Promise<Candidate[]> {
  const found: Candidate[] = []
  for (const [i, column] of columns.entries()) {
    report(0.2 + (0.4 * i) / columns.length, `looking at ${column.name}`)
    found.push(...ofColumn(await factsOf(duck, LEARNED, column), job.key))
  }
  report(0.6, 'looking at pairs of columns')
  const sample = await sampleOf(duck, LEARNED, columns)
  const isNamed = job.key.length > 0 || found.some(({ kind }) => kind === 'unique')
  found.push(...(isNamed ? [] : uniquePair(sample)), ...dependencies(sample), ...orders(sample))
  if (job.time !== null) found.push(...freshness(job.time, await timesOf(duck, job.time), job.now))
  return found
}

function ofColumn(facts: ColumnFacts, key: readonly string[]): Candidate[] {
  const set = sets(facts)
  const isKey = key.length === 1 && key[0] === facts.name
  const names = unique(facts)
  return [
    ...completeness(facts),
    ...(isKey ? [] : names),
    ...(isKey || names.length > 0 ? [] : ranges(facts)),
    ...set,
    ...(set.length === 0 ? patterns(facts) : []),
  ]
}

async function timesOf(duck: Duck, time: string): Promise<Float64Array> {
  const rows = await duck.rows<{ t: number }>(
    `SELECT DISTINCT CAST(epoch_ms(${quote(time)}) AS DOUBLE) AS t FROM seen WHERE ${quote(time)} IS NOT NULL ORDER BY t DESC LIMIT 1000`,
  )
  return Float64Array.from(rows, ({ t }) => t).reverse()
}

/** What is made of candidates of single columns that failed held-out rows, by all rows. */
async function learnAgain(
  duck: Duck,
  candidates: readonly Candidate[],
  trials: ReadonlyMap<Candidate, Trial>,
  columns: readonly NamedType[],
): Promise<Map<Candidate, Candidate>> {
  const again = new Map<Candidate, Candidate>()
  for (const candidate of candidates) {
    const learner = LEARNERS[candidate.kind]
    const column = columns.find(({ name }) => name === candidate.columns[0])
    if (!learner || !column || !trials.get(candidate)?.blocks.some(({ failing }) => failing > 0)) continue
    const [wider] = learner(await factsOf(duck, EVERY, column))
    if (wider) again.set(candidate, wider)
  }
  return again
}

const LEARNERS: Partial<Record<Candidate['kind'], (facts: ColumnFacts) => Candidate[]>> = {
  set: sets,
  range: ranges,
  pattern: patterns,
}

function judged(
  candidates: readonly Candidate[],
  trials: ReadonlyMap<Candidate, Trial>,
  again: ReadonlyMap<Candidate, Candidate>,
): { suggestions: Suggestion[]; dropped: Dropped[] } {
  const suggestions: Suggestion[] = []
  const dropped: Dropped[] = []
  for (const candidate of candidates) {
    const trial = trials.get(candidate) ?? { fitted: { rows: 0, failing: 0 }, blocks: [] }
    const verdict = verdictOf(candidate, trial, again.get(candidate))
    if ('suggestion' in verdict) suggestions.push(verdict.suggestion)
    else dropped.push(verdict.dropped)
  }
  return { suggestions, dropped }
}

function notesOf(missing: readonly MissingCode[], rows: number): string[] {
  const notes = missing.map(
    ({ column, code }) =>
      `${JSON.stringify(code)} seems to stand for a missing value in ${column}: write it under read.missing`,
  )
  if (rows < ROWS_MIN) notes.push(`${rows} rows are too few to learn checks from; ${ROWS_MIN} are needed`)
  return notes
}
