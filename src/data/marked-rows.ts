/** Rules that see a row among others: repeats, keys of other datasets, what a column determines. Each marks the rows that fail in table `marked`. */
import { MillraceError, toError } from '../core/errors.ts'
import type { Part } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import { type Duck, literal, quote } from './duck.ts'
import type { Tally } from './findings.ts'
import { type Import, rowsBeside, rowsOfParts } from './import-context.ts'
import { isOutOfRoom } from './reader.ts'
import { valueSql } from './table-metrics.ts'

type RuleOf<K extends CheckDef['rule']['kind']> = Extract<CheckDef['rule'], { kind: K }>

/** Which rows one rule is judged on, and the query of those that fail, by `rid`. */
interface Marking {
  judged: string
  failing: string
}

/**
 * Marks the rows of `staged` that fail; `sound` are those that no row rule puts aside, which alone compete for being the first of their kind.
 * A rule that crashes is put into `broken` and the others are judged.
 */
export async function markRows(
  run: Import,
  checks: readonly CheckDef[],
  sound: string,
  broken: Map<string, string>,
): Promise<Map<string, Tally>> {
  await run.duck.run('CREATE TABLE marked (rid BIGINT, name VARCHAR)')
  const tallies = new Map<string, Tally>()
  for (const check of checks) {
    try {
      const marking = await markingOf(run, check.rule, sound)
      if (marking) tallies.set(check.name, await mark(run.duck, check.name, marking))
    } catch (thrown) {
      if (isOutOfRoom(toError(thrown))) throw thrown
      broken.set(check.name, toError(thrown).message.split('\n')[0]!)
    }
  }
  return tallies
}

async function mark(duck: Duck, name: string, { judged, failing }: Marking): Promise<Tally> {
  await duck.run(`INSERT INTO marked SELECT rid, ${literal(name)} FROM (${failing})`)
  return await duck.one<Tally>(
    `SELECT (SELECT count(*) FROM staged WHERE ${judged}) AS judged, (SELECT count(*) FROM marked WHERE name = ${literal(name)}) AS failed`,
  )
}

async function markingOf(run: Import, rule: CheckDef['rule'], sound: string): Promise<Marking | undefined> {
  if (rule.kind === 'unique') return await repeats(run, rule, sound)
  if (rule.kind === 'exists') return absentKeys(run, rule)
  return rule.kind === 'determines' ? outvoted(run, rule) : undefined
}

/** Candidates share a hash; only they are compared exactly. The first in canonical order stays; rows that the version has already come before any. */
async function repeats(run: Import, rule: RuleOf<'unique'>, sound: string): Promise<Marking> {
  const { duck, delivery, order } = run
  const names = rule.columns.length === 0 ? delivery.columns.map((c) => c.name) : rule.columns
  const columns = names.map(quote)
  const hash = `hash(${columns.join(', ')})`
  const { mode, key } = run.job.params
  // Rows beside an update have other keys.
  const isOther =
    mode === 'upsert' && rule.columns.length > 0 && key.every((name) => rule.columns.includes(name))
  const existing = isOther ? undefined : await existingRows(run, rule.columns)
  await duck.run(
    `CREATE OR REPLACE TEMP TABLE candidates AS SELECT h FROM (SELECT ${hash} AS h FROM staged WHERE ${sound}) GROUP BY h HAVING count(*) > 1`,
  )
  const repeated = `SELECT rid FROM (SELECT rowid AS rid, row_number() OVER (PARTITION BY ${columns.join(', ')} ORDER BY ${order}, rowid) AS place
    FROM staged WHERE ${sound} AND ${hash} IN (SELECT h FROM candidates)) WHERE place > 1`
  const same = columns.map((c) => `e.${c} IS NOT DISTINCT FROM s.${c}`).join(' AND ')
  const known =
    existing &&
    `UNION SELECT s.rowid FROM staged s WHERE ${sound} AND EXISTS (SELECT 1 FROM ${existing} e WHERE ${same})`
  return { judged: sound, failing: `${repeated} ${known ?? ''}` }
}

/** Rows of the version before that new ones could repeat: of the same span of time when time is among the columns, else all. */
export async function existingRows(
  { duck, job, delivery }: Import,
  columns: string[],
): Promise<string | undefined> {
  const parts = job.parent?.parts ?? []
  const { time } = job.params
  const byTime = time !== null && (columns.length === 0 || columns.includes(time))
  const touched = byTime ? parts.filter(await inSpan(duck, time)) : parts
  const beside = rowsBeside({ job }, touched, delivery.columns)
  return beside && `(${beside})`
}

async function inSpan(duck: Duck, time: string): Promise<(part: Part) => boolean> {
  const t = quote(time)
  const span = await duck.one<{ a: number | null; b: number | null; n: number }>(
    `SELECT CAST(epoch_ms(min(${t})) AS DOUBLE) AS a, CAST(epoch_ms(max(${t})) AS DOUBLE) AS b, count(*) - count(${t}) AS n FROM staged`,
  )
  return ({ stats }) => {
    const { min, max, nulls } = stats[time]!
    if (span.n > 0 && nulls > 0) return true
    return (
      typeof min === 'number' && typeof max === 'number' && span.a !== null && max >= span.a && min <= span.b!
    )
  }
}

/** A key of which a part is missing is not looked for. A dataset that refers to itself may do so within one delivery. */
function absentKeys(run: Import, rule: RuleOf<'exists'>): Marking {
  const keys = rule.columns.map((name) => `s.${quote(name)}`)
  const judged = rule.columns.map((name) => `${quote(name)} IS NOT NULL`).join(' AND ')
  const same = keys.map((key, i) => `o.${quote(rule.of[i]!)} = ${key}`).join(' AND ')
  const failing = `SELECT s.rowid AS rid FROM staged s WHERE ${judged} AND NOT EXISTS (SELECT 1 FROM (${otherRows(run, rule)}) o WHERE ${same})`
  return { judged, failing }
}

function otherRows({ job, delivery }: Import, rule: RuleOf<'exists'>): string {
  const isSelf = rule.in === job.params.dataset
  const other = isSelf ? job.parent : job.others?.[rule.in]
  const columns = isSelf ? delivery.columns : (other?.schema.columns ?? [])
  const wanted = rule.of.map((name) => columnNamed(columns, name, rule))
  const rows = isSelf
    ? rowsBeside({ job }, job.parent?.parts ?? [], wanted)
    : other && rowsOfParts(other.parts, wanted)
  const own = isSelf ? [`SELECT ${rule.of.map(quote).join(', ')} FROM staged`] : []
  const all = [rows, ...own].filter(Boolean)
  if (all.length > 0) return all.join(' UNION ALL ')
  throw new MillraceError('MR_DATA_OTHER_EMPTY', { dataset: rule.in })
}

function columnNamed<C extends { name: string }>(
  columns: readonly C[],
  name: string,
  rule: RuleOf<'exists'>,
): C {
  const found = columns.find((c) => c.name === name)
  if (found || columns.length === 0) return found ?? ({ name } as C)
  throw new MillraceError('MR_EXPR_UNKNOWN_COLUMN', {
    column: name,
    close: [],
    columns: columns.map((c) => c.name),
    place: `dataset "${rule.in}"`,
  })
}

/**
 * Rows whose value is not the most frequent one of their group; the least of equally frequent ones is right. Rows of the version before vote too.
 * Rows that lack a value of the rule neither vote nor fail.
 */
function outvoted({ job, delivery }: Import, rule: RuleOf<'determines'>): Marking {
  const names = [...rule.columns, rule.column]
  const columns = names.map(
    (name) => delivery.columns.find((c) => c.name === name) ?? ({ name, type: 'string' } as const),
  )
  const judged = names.map((name) => `${quote(name)} IS NOT NULL`).join(' AND ')
  const list = columns.map((c) => `${valueSql(c)} AS ${quote(c.name)}`).join(', ')
  const beside = rowsBeside({ job }, job.parent?.parts ?? [], columns)
  const before = beside ? ` UNION ALL ${beside}` : ''
  const keys = rule.columns.map(quote).join(', ')
  const value = quote(rule.column)
  const votes = `SELECT ${keys}, ${value}, count(*) AS _mr_votes FROM (SELECT ${list} FROM staged${before}) WHERE ${judged} GROUP BY ${keys}, ${value}`
  const ranked = `SELECT *, row_number() OVER (PARTITION BY ${keys} ORDER BY _mr_votes DESC, ${value}) AS _mr_place FROM (${votes})`
  const same = names.map((name) => `l.${quote(name)} = s.${quote(name)}`).join(' AND ')
  return {
    judged,
    failing: `SELECT s.rowid AS rid FROM staged s JOIN (SELECT * FROM (${ranked}) WHERE _mr_place > 1) l ON ${same}`,
  }
}
