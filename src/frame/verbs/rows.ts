/** Verbs that take rows away, or order them. */
import { MillraceError } from '../../core/errors.ts'
import type { ExprNode } from '../../expr/ast.ts'
import { quoted, raw, type Sql, sql } from '../../expr/sql.ts'
import { conditionSql, conditionsOf } from '../conditions.ts'
import { type Key, termOf } from '../ordering.ts'
import {
  clearOf,
  columnNamed,
  freeName,
  joined,
  list,
  numbered,
  type Step,
  settled,
  type Written,
} from '../step.ts'

/** Rows for which it holds; where it is missing it does not. */
export function filter(from: Step, where: ExprNode): Step {
  return {
    verb: 'filter',
    async write(scope, wanted) {
      const input = await from.write(scope, [...wanted, ...conditionsOf(where)])
      return {
        ...input,
        body: sql`SELECT * FROM (${input.body}) WHERE ${conditionSql(where, input.columns, 'filter')}`,
      }
    },
  }
}

/** Rows in order; rows equal in all keys stay as they were. */
export function sort(from: Step, keys: readonly Key<string>[]): Step {
  return {
    verb: 'sort',
    async write(scope, wanted) {
      const input = await from.write(scope, wanted)
      const terms = keys.map((key) => termOf(key, input.columns, 'sort'))
      const before = input.order
      return {
        ...input,
        order: { terms: [...terms, ...(before?.terms ?? [])], isTotal: before?.isTotal ?? false },
      }
    },
  }
}

/** Rows `[begin, end)` by their place. */
export function slice(from: Step, begin: number, end = Number.POSITIVE_INFINITY): Step {
  requirePlace('slice', 'begin', begin)
  if (end !== Number.POSITIVE_INFINITY) requirePlace('slice', 'end', end)
  return {
    verb: 'slice',
    async write(scope) {
      const input = await from.write(scope, [])
      const limit = end === Number.POSITIVE_INFINITY ? '' : ` LIMIT ${Math.max(0, end - begin)}`
      const offset = begin > 0 ? ` OFFSET ${begin}` : ''
      const rows = input.order ? settled(input) : sql`SELECT * FROM (${input.body})`
      return { body: sql`${rows}${limit}${offset}`, columns: input.columns }
    },
  }
}

/** The last rows, in their order. */
export function tail(from: Step, rows: number): Step {
  requirePlace('tail', 'rows', rows)
  return {
    verb: 'tail',
    async write(scope) {
      const input = await from.write(scope, [])
      const { body, place } = numbered(input)
      const kept = sql`SELECT * FROM (${body}) ORDER BY ${quoted(place)} DESC LIMIT ${String(rows)}`
      return {
        body: sql`SELECT ${list(input.columns)} FROM (${kept}) ORDER BY ${quoted(place)}`,
        columns: input.columns,
      }
    },
  }
}

function requirePlace(verb: string, option: string, got: number): void {
  if (Number.isSafeInteger(got) && got >= 0) return
  throw new MillraceError('MR_FRAME_OPTION', {
    verb,
    option,
    expected: 'a whole number, 0 at least',
    got: String(got),
  })
}

/** One row of each value of the columns: the first or last by place. Rows keep their order. */
export function distinct(from: Step, names: readonly string[], keep: 'first' | 'last'): Step {
  return {
    verb: 'distinct',
    async write(scope) {
      const input = await from.write(scope, [])
      const keys = (names.length > 0 ? names : input.columns.map(({ name }) => name)).map((name) =>
        columnNamed(input.columns, name, 'distinct'),
      )
      const { body, place } = numbered(input)
      const at = freeName([...input.columns, { name: place, type: 'int', duck: 'BIGINT' }], '~kept')
      const others = input.columns.filter((column) => !keys.includes(column))
      const best = keep === 'first' ? 'min' : 'max'
      const values = others.map(
        ({ name }) => `arg_${best}_null(${quoted(name)}, ${quoted(place)}) AS ${quoted(name)}`,
      )
      const groups = keys.map((key) => clearOf(key))
      const items = [
        ...keys.map((key, i) => `${groups[i]} AS ${quoted(key.name)}`),
        ...values,
        `${best}(${quoted(place)}) AS ${quoted(at)}`,
      ]
      const grouped = sql`SELECT ${items.join(', ')} FROM (${body}) GROUP BY ${groups.join(', ')}`
      return {
        body: sql`SELECT ${list(input.columns)} FROM (${grouped}) ORDER BY ${quoted(at)}`,
        columns: input.columns,
      }
    },
  }
}

/** Rows by chance: `rows` of them, or each with the probability `share`. By seed and place alone, so the same on every machine and number of threads. Rows keep their order. */
export function sample(from: Step, how: { rows?: number; share?: number; seed: number }): Step {
  const { rows, share, seed } = how
  if ((rows === undefined) === (share === undefined))
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'sample',
      option: 'rows or share',
      expected: 'one of both',
      got: rows === undefined ? 'neither' : 'both',
    })
  if (rows !== undefined) requirePlace('sample', 'rows', rows)
  if (share !== undefined && !(share >= 0 && share <= 1))
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'sample',
      option: 'share',
      expected: 'a number from 0 to 1',
      got: String(share),
    })
  return {
    verb: 'sample',
    async write(scope) {
      const input = await from.write(scope, [])
      const { body, place } = numbered(input)
      const drawn: Sql = { text: drawSql(quoted(place)), params: [BigInt(Math.trunc(seed))] }
      const kept =
        rows === undefined
          ? sql`SELECT * FROM (${body}) WHERE ${drawn} < ${String(Math.round(share! * 2 ** 53))}`
          : sql`SELECT * FROM (${body}) ORDER BY ${drawn}, ${quoted(place)} LIMIT ${String(rows)}`
      return {
        body: sql`SELECT ${list(input.columns)} FROM (${kept}) ORDER BY ${quoted(place)}`,
        columns: input.columns,
      }
    },
  }
}

/** 53 bits of a digest of seed and place: uniform whatever the engine's own hash becomes. */
const drawSql = (place: string): string =>
  `(CAST(('0x' || left(md5(CAST(CAST(? AS BIGINT) AS VARCHAR) || ':' || CAST(${place} AS VARCHAR)), 14)) AS BIGINT) >> 3)`

/** Rows that have a value in each of the columns; in all, when none is named. */
export function dropNull(from: Step, names: readonly string[], how: 'any' | 'all'): Step {
  return {
    verb: 'dropNull',
    async write(scope) {
      const input = await from.write(scope, [])
      const looked = (names.length > 0 ? names : input.columns.map(({ name }) => name)).map((name) =>
        columnNamed(input.columns, name, 'dropNull'),
      )
      const tests = looked.map((column) => raw(`${clearOf(column)} IS NOT NULL`))
      return {
        ...input,
        body: sql`SELECT * FROM (${input.body}) WHERE ${joined(tests, how === 'any' ? ' AND ' : ' OR ')}`,
      }
    },
  }
}

/** One after another, by the names of columns: a column that one of them lacks is missing there. */
export function union(steps: readonly Step[]): Step {
  return {
    verb: 'union',
    async write(scope) {
      const inputs: Written[] = []
      for (const step of steps) inputs.push(await step.write(scope, []))
      const [firstInput] = inputs
      const columns = [...firstInput!.columns]
      for (const input of inputs.slice(1))
        for (const column of input.columns) {
          const at = columns.findIndex(({ name }) => name === column.name)
          if (at < 0) columns.push(column)
          else columns[at] = widest(columns[at]!, column)
        }
      const bodies = inputs.map((input) => sql`SELECT * FROM (${settled(input)})`)
      return { body: joined(bodies, ' UNION ALL BY NAME '), columns }
    },
  }
}

const RANKS: Record<string, number> = {
  TINYINT: 1,
  UTINYINT: 1,
  SMALLINT: 2,
  USMALLINT: 2,
  INTEGER: 3,
  BIGINT: 4,
}

function widest(a: Written['columns'][number], b: Written['columns'][number]): Written['columns'][number] {
  const mayNan = a.mayNan || b.mayNan ? ({ mayNan: true } as const) : {}
  if (a.type === b.type) {
    const wider = a.type === 'int' && (RANKS[b.duck] ?? 4) > (RANKS[a.duck] ?? 4) ? b : a
    return { ...wider, name: a.name, ...mayNan }
  }
  const pair = `${a.type} ${b.type}`
  if (pair === 'int float' || pair === 'float int')
    return { name: a.name, type: 'float', duck: 'DOUBLE', ...mayNan }
  if (pair === 'time date' || pair === 'date time') return { name: a.name, type: 'time', duck: 'TIMESTAMP' }
  throw new MillraceError('MR_FRAME_TYPE', {
    verb: `union: column "${a.name}"`,
    expected: [a.type],
    got: b.type,
  })
}
