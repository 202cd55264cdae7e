/** Bodies as bytes, JSON under a limit of depth, and the shapes the plain routes take. */
import { isUtf8 } from 'node:buffer'
import type { Json } from '../../core/canonical.ts'
import { excerpt, MillraceError, toError } from '../../core/errors.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { RawRow } from '../predictor.ts'
import type { OutcomeIn } from '../station.ts'

/** Characters of the label of a class. */
const LABEL_CHARS_MAX = 1_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING = [0x5b, 0x7b]
const DEPTH = new Int8Array(256)
DEPTH[0x5b] = DEPTH[0x7b] = 1
DEPTH[0x5d] = DEPTH[0x7d] = -1

/** JSON of a body. Errors: MR_SERVE_JSON when it is not JSON (NaN is not), MR_LIMIT when it is nested deeper than `depthMax`. */
export function parseJson(body: Uint8Array, depthMax: number): Json {
  if (!isUtf8(body)) throw new MillraceError('MR_SERVE_JSON', { why: 'it is not UTF-8' })
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (!hasFewBrackets(bytes, depthMax)) checkDepth(bytes, depthMax)
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const why = text.trim() === '' ? 'it is empty' : excerpt(toError(error).message, 120)
    throw new MillraceError('MR_SERVE_JSON', { why }, { cause: error })
  }
}

/** A body with no more opening brackets than levels that are allowed needs no closer look: tensors are such. */
function hasFewBrackets(body: Buffer, max: number): boolean {
  let opened = 0
  for (const bracket of OPENING)
    for (let at = body.indexOf(bracket); at >= 0; at = body.indexOf(bracket, at + 1))
      if (++opened > max) return false
  return true
}

/** Counts brackets outside strings before anything is built. Cost: one pass over the bytes. */
function checkDepth(body: Uint8Array, depthMax: number): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]
    if (byte === QUOTE) inString = !inString
    else if (inString) i += byte === BACKSLASH ? 1 : 0
    else if (DEPTH[byte] !== 0) {
      depth += DEPTH[byte]
      if (depth > depthMax) {
        throw new MillraceError('MR_LIMIT', {
          limit: 'jsonDepthMax',
          max: depthMax,
          got: depth,
          unit: 'levels',
        })
      }
    }
  }
}

export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object') return 'an object'
  return `${typeof value} ${excerpt(JSON.stringify(value), 40)}`
}

export function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bodyError(where: string, need: string, got: unknown): MillraceError {
  return new MillraceError('MR_SERVE_BODY', { where, need, got: describeJson(got) })
}

/** What a plain prediction asks for. `single` when one row was sent as itself, so that one answer comes back as itself. */
export interface PlainRequest {
  rows: RawRow[]
  ids?: string[]
  key?: string
  /** Share from which a yes or no is a yes. */
  threshold?: number
  single: boolean
}

/**
 * Reads `{row}`, `{rows, ids?, key?}`, an array of rows, or a row as it is. Errors: MR_SERVE_BODY names what is wrong and where.
 */
export function readPlain(body: Json): PlainRequest {
  if (Array.isArray(body)) return { rows: checkRows('the body', body), single: false }
  if (!isObject(body))
    throw bodyError('the body', 'a row, {"row": …}, {"rows": […]} or an array of rows', body)
  const isWrapped = Array.isArray(body.rows) || isObject(body.row)
  const common = {
    key: optionalText('key', body.key),
    ...(isWrapped && { threshold: readThreshold(body.threshold) }),
  }
  if (Array.isArray(body.rows)) {
    const rows = checkRows('"rows"', body.rows)
    return {
      ...common,
      rows,
      ids: body.ids === undefined ? undefined : checkIds(body.ids, rows.length),
      single: false,
    }
  }
  if (!isObject(body.row)) return { rows: [body], single: true }
  const ids = body.id === undefined ? undefined : checkIds([body.id], 1)
  return { ...common, rows: [body.row], ids, single: true }
}

/** A share: a number from 0 to 1, or nothing. Errors: MR_SERVE_BODY. */
export function readThreshold(value: Json | undefined): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw bodyError('"threshold"', 'a number from 0 to 1', value)
}

function checkRows(where: string, rows: Json[]): RawRow[] {
  if (rows.length === 0) throw bodyError(where, 'an array of at least one row', rows)
  for (let i = 0; i < rows.length; i++) {
    if (!isObject(rows[i])) throw bodyError(`row ${i}`, 'an object by column', rows[i])
  }
  return rows as RawRow[]
}

/** Ids of rows: unique texts, one a row. */
function checkIds(ids: Json, nRows: number): string[] {
  if (!Array.isArray(ids) || ids.length !== nRows)
    throw bodyError('"ids"', `an array of ${nRows} ids, one a row`, ids)
  const seen = new Set<string>()
  for (let i = 0; i < ids.length; i++) {
    const id = checkId(`id ${i}`, ids[i])
    if (seen.has(id)) throw bodyError(`id ${i}`, 'different from the ids before it', id)
    seen.add(id)
  }
  return ids as string[]
}

export function checkId(where: string, id: Json | undefined): string {
  const need = `a text of 1 to ${SERVE_LIMITS.idCharsMax} characters`
  if (typeof id !== 'string' || id.length === 0 || id.length > SERVE_LIMITS.idCharsMax)
    throw bodyError(where, need, id)
  return id
}

function optionalText(where: string, value: Json | undefined): string | undefined {
  return value === undefined || value === null ? undefined : checkId(`"${where}"`, value)
}

/** Reads `{id, value, at?}`, an array of them, or `{ids, values, ats?}`. Errors: MR_SERVE_BODY. */
export function readFeedback(body: Json): OutcomeIn[] {
  if (isObject(body) && Array.isArray(body.ids)) return readFeedbackColumns(body, body.ids)
  const list = Array.isArray(body) ? body : [body]
  if (list.length === 0) throw bodyError('the body', 'at least one outcome {"id": …, "value": …}', body)
  return list.map((item, i) => {
    if (!isObject(item)) throw bodyError(`outcome ${i}`, '{"id": …, "value": …}', item)
    return readOutcome(item.id, item.value, item.at, i)
  })
}

function readFeedbackColumns(body: Record<string, Json>, ids: Json[]): OutcomeIn[] {
  const { values, ats } = body
  if (!Array.isArray(values) || values.length !== ids.length) {
    throw bodyError('"values"', `an array of ${ids.length} values, one an id`, values)
  }
  if (ats !== undefined && (!Array.isArray(ats) || ats.length !== ids.length)) {
    throw bodyError('"ats"', `an array of ${ids.length} times, one an id`, ats)
  }
  if (ids.length === 0) throw bodyError('"ids"', 'an array of at least one id', ids)
  return ids.map((id, i) => readOutcome(id, values[i], (ats as Json[] | undefined)?.[i], i))
}

function readOutcome(id: Json, value: Json, at: Json | undefined, i: number): OutcomeIn {
  const isLabel = typeof value === 'string' && value.length > 0 && value.length <= LABEL_CHARS_MAX
  if (typeof value !== 'boolean' && !isLabel && !(typeof value === 'number' && Number.isFinite(value))) {
    throw bodyError(`value of outcome ${i}`, 'a finite number, true or false, or the label of a class', value)
  }
  const known = checkId(`id of outcome ${i}`, id)
  return at === undefined || at === null ? { id: known, value } : { id: known, value, at: readTime(at, i) }
}

function readTime(at: Json, i: number): number {
  const ms = typeof at === 'string' ? Date.parse(at) : at
  if (typeof ms !== 'number' || !Number.isFinite(ms)) {
    throw bodyError(`"at" of outcome ${i}`, 'epoch milliseconds or an ISO 8601 time', at)
  }
  return ms
}
