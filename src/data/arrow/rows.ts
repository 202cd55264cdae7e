/** Rows of an Arrow stream as objects, for requests. */
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { Refuse } from '../../model/import/refusal.ts'
import { type ArrowValue, plainOf } from './plain.ts'
import { arrowReader } from './read.ts'

const UNPACKED_BYTES_MAX = 256 * 1024 * 1024

const refuse: Refuse = (place, expected, got) =>
  new MillraceError('MR_ROWS_BODY', { format: 'Arrow', why: `${place} should be ${expected}, it is ${got}` })

/** Values as JSON has them. Errors: MR_ROWS_BODY, MR_LIMIT for more than `rowsMax`. */
export function arrowRows(body: Uint8Array, rowsMax: number): Record<string, ArrowValue>[] {
  const { fields, batches } = arrowReader(body, { refuse, rowsMax, unpackedBytesMax: UNPACKED_BYTES_MAX })
  const names = fields.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw refuse('the schema', 'columns of different names', `"${twice}" twice`)
  const rows: Record<string, ArrowValue>[] = []
  try {
    for (const batch of batches()) {
      const got = rows.length + batch.rows
      if (got > rowsMax)
        throw new MillraceError('MR_LIMIT', { limit: 'requestRowsMax', max: rowsMax, got, unit: 'rows' })
      for (let i = 0; i < batch.rows; i++)
        rows.push(Object.fromEntries(batch.columns.map((one) => [one.name, plainOf(one.type, one.read(i))])))
    }
  } catch (thrown) {
    throw isMillraceError(thrown) ? thrown : refuse('the bytes', 'whole', toError(thrown).message)
  }
  return rows
}
