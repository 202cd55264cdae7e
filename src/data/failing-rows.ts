/**
 * Failing rows as Parquet, in the form of all findings of rows (docs/concepts/worth.md): `row`, the key columns, and one column a check that judges rows, named as the
 * check: true where the row fails, false where it holds, null where it cannot be judged. Rows that fail no check are left out.
 */
import { join, raw, type Sql } from '../expr/sql.ts'
import { failingByVotes, ROW, repeatsSql, type Scan, verdictsOf, votesSql } from './check-scan.ts'
import { literal, quote } from './duck.ts'

/** Columns beside the key columns while the file is made, of names that no column of data has. */
const flag = (i: number): string => `_mr_flag${i}`
const mark = (i: number): string => `_mr_mark${i}`

/** Writes the file and says how many rows fail. Checks that cannot be evaluated have no column. Cost: a pass over the rows, and one over the columns of each rule that groups rows. */
export async function writeFailing(
  scan: Scan,
  { path, key }: { path: string; key: readonly string[] },
): Promise<number> {
  const { duck } = scan
  const verdicts = await fitting(scan)
  await duck.run('CREATE OR REPLACE TEMP TABLE failing_marks (rid BIGINT, name VARCHAR)')
  const marked = await markGroups(scan)
  const fails = verdicts.map(
    ({ sql }): Sql => ({ text: `NOT CAST(${sql.text} AS BOOLEAN)`, params: sql.params }),
  )
  const flags = fails.map((fail, i): Sql => ({ text: `${fail.text} AS ${flag(i)}`, params: fail.params }))
  const marks = marked.map((name, i) =>
    raw(`coalesce(list_contains(m.names, ${literal(name)}), false) AS ${mark(i)}`),
  )
  const keys = key.map((name) => raw(quote(name)))
  const rows = join([raw(`SELECT ${ROW} AS _mr_rid`), ...keys.map((k) => raw(k.text)), ...flags], ', ')
  const inner = join([rows, raw(` FROM ${scan.relation.from}`)], '')
  const names = [
    ...verdicts.map(({ check }, i) => `${flag(i)} AS ${quote(check.name)}`),
    ...marked.map((name, i) => `${mark(i)} AS ${quote(name)}`),
  ]
  const failing = [...verdicts.map((_, i) => flag(i)), ...marked.map((_, i) => mark(i))]
  const joined = join([raw('SELECT r.*'), ...marks], ', ')
  const all = join(
    [
      joined,
      raw(' FROM ('),
      inner,
      raw(
        ') r LEFT JOIN (SELECT rid, list(name) AS names FROM failing_marks GROUP BY rid) m ON m.rid = r._mr_rid',
      ),
    ],
    '',
  )
  const where = failing.length === 0 ? 'FALSE' : failing.join(' OR ')
  const list = ['_mr_rid AS row', ...key.map(quote), ...names].join(', ')
  await duck.run(
    join(
      [
        raw(`COPY (SELECT ${list} FROM (`),
        all,
        raw(`) WHERE ${where} ORDER BY 1) TO ${literal(path)} (FORMAT parquet, COMPRESSION zstd)`),
      ],
      '',
    ),
  )
  const { n } = await duck.one<{ n: number }>(`SELECT count(*) AS n FROM read_parquet(${literal(path)})`)
  return n
}

/** Row rules that the engine takes. */
async function fitting(scan: Scan): Promise<ReturnType<typeof verdictsOf>> {
  const fit: ReturnType<typeof verdictsOf> = []
  for (const verdict of verdictsOf(scan, new Map())) {
    const { text, params } = verdict.sql
    try {
      await scan.duck.run({
        text: `SELECT CAST(${text} AS BOOLEAN) FROM ${scan.relation.from} LIMIT 0`,
        params,
      })
      fit.push(verdict)
    } catch {
      // Its verdict is `error`, which the findings say.
    }
  }
  return fit
}

/** Marks rows that fail among others, and gives the names of the checks. */
async function markGroups(scan: Scan): Promise<string[]> {
  const names: string[] = []
  for (const { name, rule } of scan.checks) {
    if (rule.kind !== 'unique' && rule.kind !== 'determines') continue
    try {
      const from =
        rule.kind === 'unique'
          ? repeatsSql(scan, rule).from
          : failingByVotes(scan, rule, votesSql(scan, rule).losers)
      await scan.duck.run(`INSERT INTO failing_marks SELECT s.${ROW}, ${literal(name)} FROM ${from}`)
      names.push(name)
    } catch {
      // As above.
    }
  }
  return names
}
