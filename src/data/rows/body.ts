/** From the bytes of a request to rows: a JSON array, JSON Lines, or an Arrow IPC stream. */
import { isUtf8 } from 'node:buffer'
import { excerpt, MillraceError, toError } from '../../core/errors.ts'
import { ROWS_LIMITS } from './limits.ts'

export type RowsFormat = 'json' | 'lines' | 'arrow'

/** Types of content that are taken, and what each is. JSON may be an array or one object. */
export const ROWS_TYPES: Readonly<Record<string, RowsFormat>> = {
  'application/json': 'json',
  'application/x-ndjson': 'lines',
  'application/ndjson': 'lines',
  'application/jsonl': 'lines',
  'application/x-jsonlines': 'lines',
  'application/jsonlines': 'lines',
  'application/vnd.apache.arrow.stream': 'arrow',
  'application/vnd.apache.arrow.file': 'arrow',
}

/** Rows of a body, in order, as they were sent. Errors: MR_ROWS_BODY, MR_LIMIT for more than `requestRowsMax`. */
export async function rowsOf(body: Uint8Array, format: RowsFormat): Promise<unknown[]> {
  const rows = await READERS[format](body)
  if (rows.length > ROWS_LIMITS.requestRowsMax)
    throw new MillraceError('MR_LIMIT', {
      limit: 'requestRowsMax',
      max: ROWS_LIMITS.requestRowsMax,
      got: rows.length,
      unit: 'rows',
    })
  return rows
}

const READERS: Record<RowsFormat, (body: Uint8Array) => unknown[] | Promise<unknown[]>> = {
  json: (body) => jsonRows(textOf(body, 'JSON')),
  lines: (body) => lineRows(textOf(body, 'JSON Lines')),
  arrow: async (body) => (await import('../arrow/rows.ts')).arrowRows(body, ROWS_LIMITS.requestRowsMax),
}

function textOf(body: Uint8Array, format: string): string {
  if (!isUtf8(body)) throw new MillraceError('MR_ROWS_BODY', { format, why: 'it is not UTF-8' })
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    .toString('utf8')
    .replace(/^\ufeff/, '')
}

function jsonRows(text: string): unknown[] {
  const value = parsed(text, 'JSON', '')
  return Array.isArray(value) ? value : [value]
}

/** All lines are parsed as one array, which is faster; where that fails, one by one, so that the line at fault is named. */
function lineRows(text: string): unknown[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  try {
    const rows = JSON.parse(`[${lines.join(',')}]`) as unknown[]
    if (rows.length === lines.length) return rows
  } catch {
    // The line at fault is looked for below.
  }
  return lines.map((line, i) => parsed(line, 'JSON Lines', `line ${i + 1}: `))
}

function parsed(text: string, format: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = text.trim() === '' ? 'it is empty' : excerpt(toError(error).message, 120)
    throw new MillraceError('MR_ROWS_BODY', { format, why: place + why }, { cause: error })
  }
}
