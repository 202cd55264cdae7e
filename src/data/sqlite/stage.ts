/** Rows of a table of a SQLite file as a table of the engine. The file is copied, so that whatever opening it does is done to the copy. */
import { copyFileSync } from 'node:fs'
import Database from 'libsql'
import { MillraceError } from '../../core/errors.ts'
import type { ReadDef } from '../../define/types.ts'
import { type Duck, quote } from '../duck.ts'
import { instantText } from '../rows/instants.ts'
import { ColumnKinds, type StagedValue, stageRows } from '../staged-columns.ts'
import { requireNames } from '../staged-table.ts'

interface Column {
  name: string
  /** As the table declares it, which SQLite does not hold values to. */
  declared: string
}

/** Errors: MR_DATA_TABLE, MR_DATA_UNREADABLE. Values of a column are read twice: once for their types. */
export async function stageSqlite(
  duck: Duck,
  file: { path: string; name: string },
  { table: asked }: Pick<ReadDef, 'table'>,
): Promise<{ columns: { name: string; duckType: string }[]; scan: string }> {
  const copy = duck.scratch('sqlite')
  copyFileSync(file.path, copy)
  const db = new Database(copy)
  try {
    const name = tableOf(db, asked, file.name)
    const columns = columnsOf(db, name)
    requireNames(columns, { file: file.name, format: 'sqlite' })
    const rows = () => rowsOf(db, name, columns)
    const kinds = new ColumnKinds(columns.length)
    for (const row of rows()) kinds.see(row)
    const table = `sqlite ${file.path}`
    await stageRows(
      duck,
      table,
      columns.map((one) => one.name),
      kinds.all,
      rows(),
    )
    return { columns: await describe(duck, table), scan: quote(table) }
  } finally {
    db.close()
  }
}

async function describe(duck: Duck, table: string): Promise<{ name: string; duckType: string }[]> {
  const rows = await duck.rows<{ column_name: string; column_type: string }>(
    `DESCRIBE SELECT * FROM ${quote(table)}`,
  )
  return rows.map((r) => ({ name: r.column_name, duckType: r.column_type }))
}

type Db = InstanceType<typeof Database>

function tableOf(db: Db, asked: string | undefined, file: string): string {
  const found = db
    .prepare(
      "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .all() as { name: string }[]
  const known = found.map(({ name }) => name)
  if (asked === undefined && known.length === 1) return known[0]!
  if (asked !== undefined && known.includes(asked)) return asked
  throw new MillraceError('MR_DATA_TABLE', {
    file,
    what: 'table',
    asked: asked ?? '',
    known: known.slice(0, 20),
  })
}

function columnsOf(db: Db, table: string): Column[] {
  const found = db.prepare(`PRAGMA table_info(${quote(table)})`).all() as { name: string; type: string }[]
  return found.map(({ name, type }) => ({ name, declared: type.toUpperCase() }))
}

function* rowsOf(db: Db, table: string, columns: readonly Column[]): Generator<StagedValue[]> {
  const statement = db.prepare(
    `SELECT ${columns.map(({ name }) => quote(name)).join(', ')} FROM ${quote(table)}`,
  )
  statement.raw(true).safeIntegers(true)
  for (const row of statement.iterate() as Iterable<unknown[]>)
    yield row.map((value, i) => valueIn(value, columns[i]!))
}

/** Days, instants and truth values are texts and numbers in SQLite: what the table declares, and what has the form, becomes them. */
function valueIn(value: unknown, { declared }: Column): StagedValue {
  if (value === null || value === undefined) return null
  if (declared.startsWith('BOOL') && (value === 0n || value === 1n)) return value === 1n
  if (typeof value === 'string' && /^(DATE|TIME)/.test(declared)) return instantOf(value) ?? value
  if (value instanceof ArrayBuffer) return new Uint8Array(value)
  return value as StagedValue
}

function instantOf(text: string): StagedValue | undefined {
  const plain = instantText(text)
  if (plain === undefined) return undefined
  const micros =
    BigInt(Date.parse(`${plain.slice(0, 19).replace(' ', 'T')}Z`)) * 1_000n + BigInt(plain.slice(20))
  return { micros, isDay: text.length === 10 }
}
