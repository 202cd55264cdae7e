/** Trying checks on rows that they were not learned from, and giving them room where they need some. */
import { grouped } from '../../core/grouped.ts'
import type { Column } from '../../core/records.ts'
import type { CheckDef } from '../../define/types.ts'
import { toDuckDb } from '../../expr/duckdb.ts'
import type { Sql } from '../../expr/sql.ts'
import { clopperPearson } from '../../stats/intervals.ts'
import { type Duck, quote } from '../duck.ts'
import { type Candidate, percentText } from './candidate.ts'
import type { Dropped, Judged, Suggestion } from './types.ts'

/** Table of all rows; `_mr_block` is -1 where checks are learned and the number of a block of the held-out rows elsewhere. */
export const SEEN = 'seen_blocks'
export const BLOCK = '_mr_block'
export const BLOCKS = 10

/** Held-out rows that have to judge a check, at least. */
const JUDGED_MIN = 10
/** A block of fewer rows swings too much to be gone by. */
const BLOCK_ROWS_MIN = 100
/** How sure it is that a delivery passes a check with room while nothing changes. */
const ROOM_LEVEL = 0.99
const FALSE_ALARM_LEVEL = 0.9

export interface Trial {
  fitted: Judged
  blocks: Judged[]
}

type NamedType = Pick<Column, 'name' | 'type'>

/** All candidates on all rows: row rules in one scan, others one by one. Those that cannot be evaluated are left out of the answer. */
export async function tryAll(
  duck: Duck,
  candidates: readonly Candidate[],
  columns: readonly NamedType[],
): Promise<Map<Candidate, Trial>> {
  const byRow = candidates.flatMap((candidate) => {
    const sql = rowRule(candidate.check, columns)
    return sql ? [{ candidate, sql }] : []
  })
  const trials = await tryRows(duck, byRow)
  for (const candidate of candidates) {
    const asked = tableRule(candidate.check)
    if (asked) trials.set(candidate, trialOf(await duck.rows<BlockRow>(asked)))
  }
  return trials
}

function rowRule(check: CheckDef, columns: readonly NamedType[]): Sql | undefined {
  if (check.rule.kind !== 'row') return undefined
  const schema = { columns: columns.map((c) => ({ ...c, nullable: true })) }
  return toDuckDb(check.rule.holds, { schema, expect: 'bool', place: `check "${check.name}"` })
}

async function tryRows(
  duck: Duck,
  asked: readonly { candidate: Candidate; sql: Sql }[],
): Promise<Map<Candidate, Trial>> {
  const trials = new Map<Candidate, Trial>()
  if (asked.length === 0) return trials
  const verdicts = asked.map(({ sql }, i) => `CAST(${sql.text} AS BOOLEAN) AS h${i}`)
  const counts = asked.map((_, i) => `count(h${i}) AS j${i}, count(*) FILTER (NOT h${i}) AS f${i}`)
  const rows = await duck.rows<Record<string, number>>({
    text: `SELECT ${BLOCK} AS block, ${counts.join(', ')} FROM (SELECT ${BLOCK}, ${verdicts.join(', ')} FROM ${SEEN}) GROUP BY 1 ORDER BY 1`,
    params: asked.flatMap(({ sql }) => sql.params),
  })
  for (const [i, { candidate }] of asked.entries())
    trials.set(
      candidate,
      trialOf(rows.map((r) => ({ block: r.block!, judged: r[`j${i}`]!, failing: r[`f${i}`]! }))),
    )
  return trials
}

interface BlockRow {
  block: number
  judged: number
  failing: number
}

function trialOf(rows: readonly BlockRow[]): Trial {
  const of = (r: BlockRow | undefined): Judged => ({ rows: r?.judged ?? 0, failing: r?.failing ?? 0 })
  const blocks = Array.from({ length: BLOCKS }, (_, b) => of(rows.find(({ block }) => block === b)))
  return { fitted: of(rows.find(({ block }) => block === -1)), blocks }
}

/** Rules about several rows: a held-out row is judged by those that were learned from. */
function tableRule({ rule }: CheckDef): string | undefined {
  if (rule.kind === 'unique') return repeatedSql(rule.columns)
  if (rule.kind === 'determines') return determinedSql(rule.columns, rule.column)
  return undefined
}

function repeatedSql(columns: readonly string[]): string {
  const list = columns.map(quote).join(', ')
  return `SELECT ${BLOCK} AS block, count(*) AS judged, count(*) FILTER (place > 1) AS failing FROM (
    SELECT ${BLOCK}, row_number() OVER (PARTITION BY ${list} ORDER BY ${BLOCK}) AS place FROM ${SEEN} WHERE ${columns.map((c) => `${quote(c)} IS NOT NULL`).join(' AND ')}
  ) GROUP BY 1`
}

function determinedSql(columns: readonly string[], column: string): string {
  const by = columns.map(quote).join(', ')
  const value = quote(column)
  const filled = [...columns, column].map((c) => `${quote(c)} IS NOT NULL`).join(' AND ')
  return `WITH counted AS (SELECT ${by}, ${value} AS most, count(*) AS n FROM ${SEEN} WHERE ${BLOCK} = -1 AND ${filled} GROUP BY ALL),
    best AS (SELECT ${by}, most, sum(n) OVER (PARTITION BY ${by}) AS rows, row_number() OVER (PARTITION BY ${by} ORDER BY n DESC, most) AS place FROM counted)
    SELECT ${BLOCK} AS block, count(*) AS judged, count(*) FILTER (${value} <> most) AS failing
    FROM ${SEEN} JOIN best USING (${by}) WHERE place = 1 AND (${BLOCK} >= 0 OR rows > 1) AND ${value} IS NOT NULL GROUP BY 1`
}

/**
 * What is made of a trial: a suggestion, with room where it failed a few rows, or why it is none. `again` is the candidate as all rows would have it: one that failed
 * held-out rows takes in what they showed, and keeps the room that it needed without.
 */
export function verdictOf(
  candidate: Candidate,
  trial: Trial,
  again?: Candidate,
): { suggestion: Suggestion } | { dropped: Dropped } {
  const heldOut = sumOf(trial.blocks)
  const shareOut = heldOut.rows === 0 ? 0 : heldOut.failing / heldOut.rows
  const drop = (why: string) => ({ dropped: { check: candidate.check.name, why } })
  if (heldOut.rows < JUDGED_MIN && candidate.check.rule.kind !== 'fresh')
    return drop(`only ${heldOut.rows} held-out rows could judge it`)
  if (candidate.failingMax === 0 && trial.fitted.failing > 0)
    return drop(`it fails in ${grouped(trial.fitted.failing)} of the rows that it was learned from`)
  if (shareOut > candidate.failingMax)
    return drop(`it fails in ${percentText(shareOut)} of ${grouped(heldOut.rows)} held-out rows`)
  const unseen = candidate.unseen ?? 0
  const strict = heldOut.failing === 0 && trial.fitted.failing === 0 && unseen === 0
  return {
    suggestion: {
      kind: candidate.kind,
      check: strict ? candidate.check : withRoom((again ?? candidate).check, trial, unseen),
      columns: candidate.columns,
      why: (again ?? candidate).why,
      fitted: trial.fitted,
      heldOut,
      falseAlarms: {
        share: shareOut,
        atMost:
          heldOut.rows === 0
            ? 1
            : clopperPearson(heldOut.failing, heldOut.rows, FALSE_ALARM_LEVEL).interval[1],
      },
      loosened: !strict,
    },
  }
}

function sumOf(judged: readonly Judged[]): Judged {
  return judged.reduce(
    (sum, { rows, failing }) => ({ rows: sum.rows + rows, failing: sum.failing + failing }),
    {
      rows: 0,
      failing: 0,
    },
  )
}

/**
 * The share that must hold, such that a delivery of as many rows as were held out passes as often as the level says, by what failed of those rows or of the rows that
 * were learned from, whichever is more; and no more than the worst block of a size that tells had. Rows that fail such a check are not put aside: they are too many to
 * be faults one and all.
 */
function withRoom(check: CheckDef, { fitted, blocks }: Trial, unseen: number): CheckDef {
  const heldOut = sumOf(blocks)
  const share = Math.max(shareOf(fitted), shareOf(heldOut), unseen)
  const asked = heldOut.rows > 0 ? heldOut.rows : fitted.rows
  const failing = clopperPearson(share * asked, asked, ROOM_LEVEL).interval[1]
  const worst = Math.max(0, ...blocks.filter(({ rows }) => rows >= BLOCK_ROWS_MIN).map(shareOf))
  return { ...check, atLeast: floored(1 - Math.max(failing, worst)), onFail: 'warn' }
}

const shareOf = ({ rows, failing }: Judged): number => (rows === 0 ? 0 : failing / rows)

/** Down to hundredths, or to thousandths near 1. */
function floored(share: number): number {
  const steps = share >= 0.99 ? 1000 : 100
  return Math.max(0.01, Math.floor(share * steps) / steps)
}
