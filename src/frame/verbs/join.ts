/** Two frames side by side. */
import { MillraceError } from '../../core/errors.ts'
import { quoted, type Sql, sql } from '../../expr/sql.ts'
import {
  clean,
  clearOf,
  columnNamed,
  type FrameColumn,
  list,
  numbered,
  requireDistinct,
  type Step,
  type Written,
} from '../step.ts'

export type JoinHow = 'inner' | 'left' | 'right' | 'outer' | 'semi' | 'anti' | 'cross'

export interface JoinAsk {
  how: JoinHow
  /** Pairs of columns that must be equal: of the left, of the right. Missing values equal nothing. */
  pairs: readonly (readonly [string, string])[]
  /** What columns of the right get added where the left has one of the name. */
  suffix: string
}

const KEYWORDS = {
  inner: 'INNER',
  left: 'LEFT',
  right: 'RIGHT',
  outer: 'FULL',
  semi: 'SEMI',
  anti: 'ANTI',
  cross: 'CROSS',
} as const
/** Joins whose every row is one of the left: conditions on its columns hold of what the left gives. */
const KEEPS_LEFT: Record<JoinHow, boolean> = {
  inner: true,
  left: true,
  right: false,
  outer: false,
  semi: true,
  anti: true,
  cross: true,
}

/** Rows of both whose keys are equal. The order of what comes out is not told, but for `semi` and `anti`; sort where it matters. */
export function join(left: Step, right: Step, ask: JoinAsk): Step {
  return {
    verb: 'join',
    async write(scope, wanted) {
      const a = await left.write(scope, KEEPS_LEFT[ask.how] ? wanted : [])
      const b = await right.write(scope, [])
      const on = conditionOf(a, b, ask)
      const [keyword, { pairs }] = [KEYWORDS[ask.how], ask]
      if (ask.how === 'semi' || ask.how === 'anti')
        return kept(a, sql`${keyword} JOIN (${b.body}) r ON ${on}`)
      const merged = new Set(pairs.flatMap(([one, other]) => (one === other ? [one] : [])))
      const { items, columns } = outputs(a, b, ask, merged)
      const rest = ask.how === 'cross' ? '' : ` ON ${on}`
      return {
        body: sql`SELECT ${items.join(', ')} FROM (${a.body}) l ${keyword} JOIN (${b.body}) r${rest}`,
        columns,
      }
    },
  }
}

/** Rows of the left that a semi or anti join keeps, in their order: the engine may look them up in either direction. */
function kept(a: Written, joined: Sql): Written {
  const { body, place } = numbered(a)
  return {
    body: sql`SELECT ${list(a.columns)} FROM (SELECT l.* FROM (${body}) l ${joined}) ORDER BY ${quoted(place)}`,
    columns: a.columns,
  }
}

function conditionOf(a: Written, b: Written, { pairs, how }: JoinAsk): string {
  if ((pairs.length === 0) !== (how === 'cross'))
    throw new MillraceError('MR_FRAME_OPTION', {
      verb: 'join',
      option: 'on',
      expected: how === 'cross' ? 'none, as a cross join has no keys' : 'at least one column',
      got: how === 'cross' ? 'keys' : 'none',
    })
  return pairs.map((pair) => equality(a, b, pair)).join(' AND ')
}

function equality(a: Written, b: Written, [one, other]: readonly [string, string]): string {
  const [left, right] = [columnNamed(a.columns, one, 'join'), columnNamed(b.columns, other, 'join')]
  if (kindOf(left) !== kindOf(right))
    throw new MillraceError('MR_FRAME_TYPE', {
      verb: `join on "${one}" and "${other}"`,
      expected: [left.type],
      got: right.type,
    })
  return `${within('l', left)} = ${within('r', right)}`
}

const KINDS: Partial<Record<FrameColumn['type'], string>> = {
  int: 'number',
  float: 'number',
  time: 'time',
  date: 'time',
}
const kindOf = ({ type }: FrameColumn): string => KINDS[type] ?? type

const within = (side: string, column: FrameColumn): string => {
  const name = `${side}.${quoted(column.name)}`
  return column.mayNan ? `CASE WHEN isnan(${name}) THEN NULL ELSE ${name} END` : name
}

function outputs(a: Written, b: Written, { suffix }: JoinAsk, merged: ReadonlySet<string>) {
  const items: string[] = []
  const columns: FrameColumn[] = []
  for (const column of a.columns) {
    const name = quoted(column.name)
    items.push(merged.has(column.name) ? `coalesce(l.${name}, r.${name}) AS ${name}` : `l.${name} AS ${name}`)
    columns.push(column)
  }
  const taken = new Set(a.columns.map((column) => column.name))
  for (const column of b.columns) {
    if (merged.has(column.name)) continue
    const name = taken.has(column.name) ? `${column.name}${suffix}` : column.name
    items.push(`r.${quoted(column.name)} AS ${quoted(name)}`)
    columns.push({ ...column, name })
  }
  requireDistinct(columns, 'join')
  return { items, columns }
}

export interface AsofAsk {
  /** Times or numbers: of the left, of the right. */
  on: readonly [string, string]
  by: readonly (readonly [string, string])[]
  /** `backward`: the newest row of the right at or before; `forward`: the next at or after; `nearest`: whichever is nearer, `backward` of equals. */
  direction: 'backward' | 'forward' | 'nearest'
  /** How far the right may lie away: milliseconds of times, units of numbers. */
  tolerance?: number
  suffix: string
}

/** Each row of the left with the row of the right that is nearest in time; missing where there is none. Rows stay in the order of the left. */
export function asof(left: Step, right: Step, ask: AsofAsk): Step {
  return {
    verb: 'join',
    async write(scope, wanted) {
      const a = await left.write(scope, wanted)
      const b = await right.write(scope, [])
      const [one, other] = [
        columnNamed(a.columns, ask.on[0], 'join'),
        columnNamed(b.columns, ask.on[1], 'join'),
      ]
      equality(a, b, ask.on)
      const numberedLeft = numbered(a)
      const place = numberedLeft.place
      const unique = onePerTime(b, ask)
      const key = ask.on[0] === ask.on[1] ? [ask.on[0]] : []
      const merged = new Set([...key, ...ask.by.flatMap(([x, y]) => (x === y ? [x] : []))])
      const taken = new Set(a.columns.map((column) => column.name))
      const rights = b.columns.filter(({ name }) => !merged.has(name))
      const columns = [
        ...a.columns,
        ...rights.map((column) => ({
          ...clean(column),
          name: taken.has(column.name) ? `${column.name}${ask.suffix}` : column.name,
        })),
      ]
      requireDistinct(columns, 'join')
      const distance = `abs(${distanceOf(within('l', one), within('r', other), one)})`
      const near = ask.tolerance === undefined ? 'true' : `${distance} <= ${String(ask.tolerance)}`
      const looked = (sign: string) => {
        const equal = ask.by.map((pair) => equality(a, b, pair))
        const on = [...equal, `${within('l', one)} ${sign} ${within('r', other)}`].join(' AND ')
        const items = [
          'l.*',
          ...rights.map((column, i) => `CASE WHEN ${near} THEN ${within('r', column)} END AS "~r${i}"`),
          `CASE WHEN ${near} THEN ${distance} END AS "~far"`,
        ]
        return sql`SELECT ${items.join(', ')} FROM (${numberedLeft.body}) l ASOF LEFT JOIN (${unique}) r ON ${on}`
      }
      const all = [
        ...a.columns.map(({ name }) => quoted(name)),
        ...rights.map((_, i) => `"~r${i}" AS ${quoted(columns[a.columns.length + i]!.name)}`),
      ].join(', ')
      const rows =
        ask.direction === 'nearest'
          ? nearer(looked('>='), looked('<='), a, rights.length, place)
          : looked(ask.direction === 'backward' ? '>=' : '<=')
      return { body: sql`SELECT ${all} FROM (${rows}) ORDER BY ${quoted(place)}`, columns }
    },
  }
}

function distanceOf(left: string, right: string, column: FrameColumn): string {
  const isTime = column.type === 'time' || column.type === 'date'
  return isTime
    ? `((epoch_us(CAST(${left} AS TIMESTAMP)) - epoch_us(CAST(${right} AS TIMESTAMP))) / 1000.0::DOUBLE)`
    : `(${left} - ${right})`
}

function nearer(
  before: ReturnType<typeof sql>,
  after: ReturnType<typeof sql>,
  a: Written,
  n: number,
  place: string,
) {
  const isAfter = 'f."~far" IS NOT NULL AND (b."~far" IS NULL OR f."~far" < b."~far")'
  const items = [
    ...a.columns.map(({ name }) => `b.${quoted(name)}`),
    `b.${quoted(place)}`,
    ...Array.from(
      { length: n },
      (_, i) => `CASE WHEN ${isAfter} THEN f."~r${i}" ELSE b."~r${i}" END AS "~r${i}"`,
    ),
  ]
  return sql`SELECT ${items.join(', ')} FROM (${before}) b JOIN (${after}) f ON b.${quoted(place)} = f.${quoted(place)}`
}

/** Of several rows of the right at one time the last counts, as in pandas; those without a time never do. */
function onePerTime(b: Written, { on, by }: AsofAsk) {
  const { body, place } = numbered(b)
  const time = columnNamed(b.columns, on[1], 'join')
  const groups = [...by.map(([, name]) => columnNamed(b.columns, name, 'join')), time].map(clearOf)
  const newest = `row_number() OVER (PARTITION BY ${groups.join(', ')} ORDER BY ${quoted(place)} DESC) = 1`
  return sql`SELECT * FROM (${body}) WHERE ${clearOf(time)} IS NOT NULL QUALIFY ${newest}`
}
