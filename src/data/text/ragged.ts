/** Rows with other numbers of cells than the rest: counted, and written over where that loses nothing or where it is asked for. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { MillraceError } from '../../core/errors.ts'
import type { Dialect } from './dialect.ts'
import { recordsOf, type TextRecord } from './records.ts'

export interface RaggedFile {
  path: string
  /** As errors name it. */
  name: string
  gzip: boolean
}

const CHUNK_CHARS = 1 << 20
/** A row, or a cell whose quote is never closed. */
const RECORD_CHARS_MAX = 16 * 1024 * 1024

/**
 * Writes a copy in which each row has the dialect's number of cells: empty ones too many are left out, and with `pad` missing ones are added empty. Gives how many rows were changed. The copy has commas, plain
 * quotes, and nothing above its names. Errors: MR_DATA_RAGGED where that would lose something, or rows are short and may not be padded.
 */
export async function evenCopy(
  file: RaggedFile,
  to: string,
  dialect: Dialect,
  pad: boolean,
): Promise<number> {
  const out = await open(to, 'wx')
  const first = dialect.skip + 1
  let changed = 0
  let wrong: { record: TextRecord; rows: number } | undefined
  try {
    let text = ''
    for await (const record of recordsIn(file, dialect)) {
      const { cells, line } = record
      if (line < first || cells.every((cell) => cell.trim() === '')) continue
      const isNames = dialect.header && line === first
      const even = cells.slice(0, dialect.width)
      const isShort = cells.length < dialect.width
      const losesSomething = cells.slice(dialect.width).some((cell) => cell.trim() !== '')
      if (losesSomething || (isShort && !pad && !isNames)) {
        wrong = { record: wrong?.record ?? record, rows: (wrong?.rows ?? 0) + 1 }
        continue
      }
      if (cells.length !== dialect.width && !isNames) changed++
      while (even.length < dialect.width) even.push('')
      text += `${even.map(quoted).join(',')}\n`
      if (text.length < CHUNK_CHARS) continue
      await out.writeFile(text)
      text = ''
    }
    await out.writeFile(text)
  } finally {
    await out.close()
  }
  if (!wrong) return changed
  const { record, rows } = wrong
  throw new MillraceError('MR_DATA_RAGGED', {
    file: file.name,
    line: record.line,
    cells: record.cells.length,
    expected: dialect.width,
    rows,
  })
}

/** Quoted unless it is plain: an empty text stays a missing value. */
const quoted = (cell: string): string =>
  /^[^",\r\n]*$/.test(cell) ? cell : `"${cell.replaceAll('"', '""')}"`

/** All records of a file in UTF-8, with their lines. */
async function* recordsIn(
  { path, gzip, name }: RaggedFile,
  { delimiter, quote }: Dialect,
): AsyncIterable<TextRecord> {
  const source = createReadStream(path, { highWaterMark: CHUNK_CHARS })
  const decoder = new TextDecoder()
  let rest = ''
  let line = 1
  const whole = function* (text: string, isLast: boolean): Generator<TextRecord> {
    const records = recordsOf(text, delimiter, quote, !isLast)
    for (const record of records) yield { ...record, line: record.line + line - 1 }
    const end = records.at(-1)?.end ?? 0
    line += text.slice(0, end).split('\n').length - 1
    rest = text.slice(end)
  }
  for await (const chunk of gzip ? source.pipe(createGunzip()) : source) {
    yield* whole(rest + decoder.decode(chunk as Buffer, { stream: true }).replace(/\r\n?/g, '\n'), false)
    if (rest.length > RECORD_CHARS_MAX)
      throw new MillraceError('MR_DATA_UNREADABLE', {
        file: name,
        format: 'csv',
        why: `line ${line}: a quote is not closed within ${RECORD_CHARS_MAX} characters`,
      })
  }
  yield* whole(rest + decoder.decode(), true)
}
