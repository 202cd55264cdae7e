/** Looking at files before they are imported, in the child process: what they are, what is in them, and how to read them. */
import { statSync } from 'node:fs'
import type { Column } from '../core/records.ts'
import type { DatasetDef } from '../define/types.ts'
import { DUCK_TYPE } from '../engine/parts.ts'
import { BLANKS, type Delivery, openDelivery, relationsOf, schemaOf, selectList } from './columns-sql.ts'
import { type Duck, quote } from './duck.ts'
import { named, type OpenFile } from './reader.ts'
import { type Remark, remarksOf } from './remarks/index.ts'
import { type MissingCode, missingCodesOf } from './remarks/missing-codes.ts'
import type { ImportParams, InspectedColumn, Inspection, InspectJob } from './types.ts'

const EXAMPLES = 5
const TEXT_CHARS = 64
/**
 * Reads all rows once to guess missing codes and, when there are some, once more without them, since a column of numbers and `?` is a
 * column of numbers.
 */
export async function runInspect(duck: Duck, job: InspectJob): Promise<Inspection> {
  const given = job.read.missing ?? []
  const first = await loadSeen(duck, job, given)
  const codes = await missingCodesOf(duck, 'seen', first.columns)
  const found = [...new Set(codes.map(({ code }) => code))].filter((code) => !given.includes(code)).sort()
  const padded = await paddedCounts(duck, first)
  const last = found.length === 0 ? first : await loadSeen(duck, job, [...given, ...found])
  const columns = await inspectColumns(duck, last, codes, padded)
  const missing = [...given, ...found]
  const remarks = await remarksOf(duck, {
    from: 'seen',
    columns: last.columns,
    times: timeColumns(columns).slice(0, 1),
    files: relationsOf(last, missing),
    codes,
  })
  return await report(duck, job, last, columns, missing, remarks)
}

/** Loads all rows into the table `seen`, with these texts taken for missing values. */
export async function loadSeen(
  duck: Duck,
  job: Pick<InspectJob, 'files' | 'read'>,
  missing: string[],
): Promise<Delivery> {
  const read = { ...job.read, missing }
  const params: ImportParams = {
    dataset: 'new',
    time: null,
    key: [],
    checks: [],
    read,
    parts: { by: 'rows', rowsMax: 1 },
    files: [],
    select: null,
    period: null,
    message: '',
  }
  const delivery = await openDelivery(duck, job.files, params, null, true)
  await duck.run(
    `CREATE OR REPLACE TABLE seen (${delivery.columns.map((c) => `${quote(c.name)} ${DUCK_TYPE[c.type]}`).join(', ')})`,
  )
  for (const file of delivery.files) {
    await named(file, () =>
      duck.run(`INSERT INTO seen SELECT ${selectList(file, delivery.columns, missing)} FROM ${file.scan}`),
    )
  }
  return delivery
}

/** Counted on the texts as they stand in the file. */
async function paddedCounts(duck: Duck, { files }: Delivery): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const file of files.filter((f) => f.format === 'csv')) {
    const texts = file.columns.filter((c) => c.duckType === 'VARCHAR')
    if (texts.length === 0) continue
    const asked = texts.map(
      (c, i) => `count(*) FILTER (${quote(c.name)} <> trim(${quote(c.name)}, ${BLANKS})) AS p${i}`,
    )
    const row = await duck.one<Record<string, number>>(`SELECT ${asked.join(', ')} FROM ${file.scan}`)
    for (const [i, { name }] of texts.entries()) counts.set(name, (counts.get(name) ?? 0) + row[`p${i}`]!)
  }
  return counts
}

async function inspectColumns(
  duck: Duck,
  { columns }: Delivery,
  codes: readonly MissingCode[],
  padded: Map<string, number>,
): Promise<InspectedColumn[]> {
  const inspected: InspectedColumn[] = []
  for (const column of columns) {
    const known = {
      missingCodes: codes.filter((c) => c.column === column.name).map(({ code }) => code),
      padded: padded.get(column.name) ?? 0,
    }
    inspected.push({ ...(await inspectColumn(duck, column)), ...known })
  }
  return inspected
}

async function inspectColumn(
  duck: Duck,
  { name, type }: Pick<Column, 'name' | 'type'>,
): Promise<Omit<InspectedColumn, 'missingCodes' | 'padded'>> {
  const value = shown(name, type)
  const extreme = (f: string) => (type === 'json' ? 'NULL' : shownValue(`${f}(${quote(name)})`, type))
  const basics = await duck.one<Pick<InspectedColumn, 'nulls' | 'distinct' | 'min' | 'max'>>(
    `SELECT count(*) - count(${quote(name)}) AS nulls, count(DISTINCT ${quote(name)}) AS distinct, ${extreme('min')} AS min, ${extreme('max')} AS max FROM seen`,
  )
  const examples = await duck.rows<{ v: string | number | boolean }>(
    `SELECT ${value} AS v FROM seen WHERE ${quote(name)} IS NOT NULL GROUP BY ${quote(name)} ORDER BY count(*) DESC, ${quote(name)} LIMIT ${EXAMPLES}`,
  )
  return { name, type, ...basics, examples: examples.map((r) => r.v) }
}

const shown = (name: string, type: Column['type']): string => `${shownValue(quote(name), type)}`

/** A value as JSON can show it: instants and days as ISO text, texts cut. */
function shownValue(value: string, type: Column['type']): string {
  if (type === 'time') return `strftime(${value}, '%Y-%m-%dT%H:%M:%S.%gZ')`
  if (type === 'date') return `strftime(${value}, '%Y-%m-%d')`
  if (type === 'string' || type === 'json') return `left(${value}, ${TEXT_CHARS})`
  return value
}

async function report(
  duck: Duck,
  job: InspectJob,
  delivery: Delivery,
  columns: InspectedColumn[],
  missing: string[],
  remarks: Remark[],
): Promise<Inspection> {
  const { n } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM seen')
  const list = delivery.columns.map((c) => `${shown(c.name, c.type)} AS ${quote(c.name)}`).join(', ')
  const nullable = new Set(columns.filter((c) => c.nulls > 0).map((c) => c.name))
  const [first] = delivery.files
  const delimiter = first!.format === 'csv' ? first!.delimiter : undefined
  return {
    format: first!.format,
    files: delivery.files.map(fileReport),
    rows: n,
    schema: schemaOf(delivery.columns, nullable, null),
    columns,
    preview: await duck.rows(`SELECT ${list} FROM seen LIMIT ${job.previewRows}`),
    read: { ...readFormat(first!), ...(delimiter === undefined ? {} : { delimiter }), missing },
    timeColumns: timeColumns(columns),
    notes: notesOf(delivery, columns, remarks),
    remarks,
  }
}

/** What a copy of rows is, its address says. */
const readFormat = ({ format }: OpenFile): Partial<DatasetDef['read']> =>
  format === 'postgres' ? {} : { format }

const timeColumns = (columns: readonly InspectedColumn[]): string[] =>
  columns.filter((c) => (c.type === 'time' || c.type === 'date') && c.nulls === 0).map((c) => c.name)

function fileReport(file: OpenFile): Inspection['files'][number] {
  const { name, gzip, encoding, delimiter, header, guesses } = file
  const dialect = guesses ? { encoding, delimiter, header, guesses } : {}
  return { name, bytes: statSync(file.path).size, gzip, ...dialect }
}

function notesOf({ files }: Delivery, columns: InspectedColumn[], remarks: readonly Remark[]): string[] {
  const notes: string[] = files.flatMap((file) => file.notes ?? [])
  for (const file of files.filter((f) => f.format === 'csv')) {
    if (file.encoding !== 'utf-8') notes.push(`${file.name} is written in ${file.encoding}, not in UTF-8`)
    if (file.header === false)
      notes.push(
        `${file.name} has no line of column names; columns are called ${file.columns[0]!.name} and so on`,
      )
  }
  const padded = columns.filter((c) => c.padded > 0)
  if (padded.length > 0)
    notes.push(
      `blanks around values are trimmed in ${padded.map((c) => `${c.name} (${c.padded})`).join(', ')}`,
    )
  notes.push(...remarks.map(({ text }) => text))
  return notes
}
