/** What a person should know of rows that were just read, before anything is learned from them. */
import type { Duck } from '../duck.ts'
import {
  constantRemarks,
  countColumns,
  duplicateRemarks,
  identifierRemarks,
  sameColumnRemarks,
  sampleRows,
} from './columns.ts'
import { farRemarks, strayRemarks } from './far.ts'
import { codeRemarks, type MissingCode, missingCodesOf } from './missing-codes.ts'
import { REMARK_LIMITS, type Remark } from './remark.ts'
import { spellingRemark } from './spellings.ts'

export interface RemarksAsked {
  /** Table of the rows, as they are kept. */
  from: string
  columns: readonly { name: string; type: string }[]
  /** Columns that order the rows in time. */
  times: readonly string[]
  /** Relations by file, with the columns as they are kept. */
  files: readonly { name: string; rows: string }[]
  /** Codes for a missing value that were found and read as such; without, those that still stand in the rows are looked for. */
  codes?: readonly MissingCode[]
  /** Values that earlier rows of the dataset have, by column of texts. */
  before?: ReadonlyMap<string, readonly string[]>
}

/**
 * Remarks, those on rows first. Deterministic in the rows and their order. Cost: one pass for counts, one for extremes, one for copies, one over each text column of few values.
 */
export async function remarksOf(
  duck: Duck,
  { from, columns, times, files, codes, before }: RemarksAsked,
): Promise<Remark[]> {
  const { n } = await duck.one<{ n: number }>(`SELECT count(*) AS n FROM ${from}`)
  if (n === 0) return []
  const counts = await countColumns(duck, from, columns)
  const sample = await sampleRows(duck, from, n, columns)
  const identifiers = await identifierRemarks(duck, from, n, counts)
  const spellings: Remark[] = []
  for (const { name } of counts.filter((c) => c.type === 'string' && c.distinct <= REMARK_LIMITS.spellings))
    spellings.push(
      ...(await spellingRemark(duck, { from, column: name, files, before: before?.get(name) ?? [] })),
    )
  const strays: Remark[] = []
  for (const column of columns.filter(({ name }) => times.includes(name)))
    strays.push(...(await strayRemarks(duck, from, column)))
  // Rows that a column names are no copies.
  const copies = identifiers.some(({ unique }) => unique)
    ? []
    : await duplicateRemarks(duck, from, n, columns)
  return [
    ...(codes ? codeRemarks(codes, true) : codeRemarks(await missingCodesOf(duck, from, columns), false)),
    ...copies,
    ...spellings,
    ...strays,
    ...(await farRemarks(duck, from, n, columns)),
    ...identifiers.map(({ unique: _, ...remark }) => remark),
    ...(await constantRemarks(duck, from, n, counts, sample)),
    ...(await sameColumnRemarks(duck, from, n, columns, sample)),
  ]
}

export type { Remark, RemarkKind } from './remark.ts'
