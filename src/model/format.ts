import { canonicalJson, type Json } from '../core/canonical.ts'
import { isMillraceError, MillraceError } from '../core/errors.ts'
import { CALIBRATION_KINDS, calibrationArrays, readCalibration } from './calibrations.ts'
import { MODEL_LIMITS } from './checks.ts'
import type { NamedArrays, SectionReader } from './form.ts'
import { formOf, MODEL_KINDS, type Model } from './forms/registry.ts'
import type { Calibration, Link } from './trees.ts'
import { validateModel } from './validate.ts'

/**
 * Bytes of a model: `MRMODEL`, format version (one byte), header length (u32), header (canonical JSON), then one section an array,
 * each from a multiple of 8 bytes on, little-endian, in the narrowest number type that holds its values. Equal models have equal bytes.
 * Only what a node needs is kept: thresholds of splits, values of leaves.
 */
const MAGIC = 'MRMODEL'
const VERSION = 1
const HEADER_AT = 12

export interface DecodedModel {
  model: Model
  calibration: Calibration | null
}

const WIDTHS = { u8: 1, u16: 2, u32: 4, i32: 4, f32: 4, f64: 8 } as const
type NumberType = keyof typeof WIDTHS

interface Section {
  name: string
  type: NumberType
  length: number
}

/** Beside these, the small values of the form: strings, numbers and booleans under names of its own. */
interface Header {
  kind: string
  nFeatures: number
  /** Absent for one output. */
  nOutputs?: number
  link: Link
  calibration: Calibration['kind'] | null
  sections: Section[]
}

/**
 * Bytes of a model and, where given, its calibration. Law: `decodeModel(encodeModel(m, c))` equals `{ model: m, calibration: c }`.
 * Errors: MR_MODEL_INVALID when the model breaks a rule of its form. Cost: O(nodes); about 15 bytes a node.
 */
export function encodeModel(model: Model, calibration: Calibration | null = null): Uint8Array {
  validateModel(model, calibration)
  const form = formOf(model)
  const arrays = form.arrays(model)
  if (calibration) arrays.push(...calibrationArrays(calibration))
  const sections = arrays.map(([name, values]) => ({ name, type: narrowest(values), length: values.length }))
  const { kind, nFeatures, nOutputs, link } = model
  const header: Header = {
    ...form.extra?.(model),
    kind,
    nFeatures,
    ...(nOutputs > 1 ? { nOutputs } : {}),
    link,
    calibration: calibration?.kind ?? null,
    sections,
  }
  return writeBytes(header, arrays)
}

/**
 * Reads a model and checks every index and number in it, so that hostile bytes cannot loop, read outside or exhaust memory.
 * Errors: MR_MODEL_FORMAT, MR_MODEL_VERSION, MR_MODEL_INVALID. Cost: O(bytes).
 */
export function decodeModel(bytes: Uint8Array): DecodedModel {
  const { header, dataAt } = readHeader(bytes)
  const arrays = readSections(bytes, header.sections, dataAt)
  const { kind, nFeatures, nOutputs = 1, link, calibration: _, sections: __, ...extra } = header
  const head = { kind, nFeatures, nOutputs, link, extra: extra as Record<string, Json> }
  const model = formOf(kind)!.read(head, arrays) as Model
  const calibration = header.calibration && readCalibration(header.calibration, arrays)
  arrays.finish()
  validateModel(model, calibration)
  return { model, calibration }
}

// ---------------------------------------------------------------- bytes

/** The narrowest type that holds all values exactly; -0 needs a float. */
function narrowest(values: ArrayLike<number>): NumberType {
  let min = 0
  let max = 0
  for (let i = 0; i < values.length; i++) {
    const x = values[i]
    if (!Number.isInteger(x) || Object.is(x, -0)) return narrowestFloat(values)
    if (x < min) min = x
    if (x > max) max = x
  }
  if (min < 0) return min >= -(2 ** 31) && max < 2 ** 31 ? 'i32' : 'f64'
  if (max < 2 ** 8) return 'u8'
  if (max < 2 ** 16) return 'u16'
  return max < 2 ** 32 ? 'u32' : 'f64'
}

function narrowestFloat(values: ArrayLike<number>): NumberType {
  for (let i = 0; i < values.length; i++) if (!Object.is(Math.fround(values[i]), values[i])) return 'f64'
  return 'f32'
}

const align8 = (n: number) => Math.ceil(n / 8) * 8

function writeBytes(header: Header, arrays: NamedArrays): Uint8Array {
  const text = new TextEncoder().encode(canonicalJson(header))
  let size = align8(HEADER_AT + text.length)
  for (const { type, length } of header.sections) size = align8(size + WIDTHS[type] * length)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  bytes.set(new TextEncoder().encode(MAGIC))
  bytes[MAGIC.length] = VERSION
  view.setUint32(8, text.length, true)
  bytes.set(text, HEADER_AT)
  let at = align8(HEADER_AT + text.length)
  header.sections.forEach(({ type, length }, s) => {
    const values = arrays[s][1]
    for (let i = 0; i < length; i++) WRITERS[type](view, at + i * WIDTHS[type], values[i])
    at = align8(at + WIDTHS[type] * length)
  })
  return bytes
}

const WRITERS: Record<NumberType, (view: DataView, at: number, x: number) => void> = {
  u8: (view, at, x) => view.setUint8(at, x),
  u16: (view, at, x) => view.setUint16(at, x, true),
  u32: (view, at, x) => view.setUint32(at, x, true),
  i32: (view, at, x) => view.setInt32(at, x, true),
  f32: (view, at, x) => view.setFloat32(at, x, true),
  f64: (view, at, x) => view.setFloat64(at, x, true),
}

function readHeader(bytes: Uint8Array): { header: Header; dataAt: number } {
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length))
  if (magic !== MAGIC || bytes.length < HEADER_AT)
    throw damaged(0, `"${MAGIC}"`, `${bytes.length} other bytes`)
  const version = bytes[MAGIC.length]
  if (version !== VERSION) throw new MillraceError('MR_MODEL_VERSION', { got: version, known: VERSION })
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true)
  if (length > bytes.length - HEADER_AT || length > MODEL_LIMITS.headerBytesMax) {
    throw damaged(8, `a header of at most ${MODEL_LIMITS.headerBytesMax} bytes within the file`, `${length}`)
  }
  return {
    header: parseHeader(bytes.subarray(HEADER_AT, HEADER_AT + length)),
    dataAt: align8(HEADER_AT + length),
  }
}

function parseHeader(text: Uint8Array): Header {
  try {
    const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text)) as Header
    checkHeader(header)
    return header
  } catch (cause) {
    if (isMillraceError(cause)) throw cause
    throw new MillraceError(
      'MR_MODEL_FORMAT',
      { offset: HEADER_AT, expected: 'a JSON header', got: 'other text' },
      { cause },
    )
  }
}

function checkHeader(header: Header): void {
  const check = (holds: boolean, expected: string) => {
    if (!holds) throw damaged(HEADER_AT, `header with ${expected}`, 'another')
  }
  check(typeof header === 'object' && header !== null && Array.isArray(header.sections), 'sections')
  check(MODEL_KINDS.includes(header.kind), `kind ${MODEL_KINDS.join(' or ')}`)
  check(Number.isInteger(header.nFeatures), 'an integer nFeatures')
  check(
    header.nFeatures >= 0 && header.nFeatures <= MODEL_LIMITS.featuresMax,
    `nFeatures up to ${MODEL_LIMITS.featuresMax}`,
  )
  check(
    header.nOutputs === undefined ||
      (Number.isInteger(header.nOutputs) &&
        header.nOutputs > 1 &&
        header.nOutputs <= MODEL_LIMITS.outputsMax),
    `nOutputs from 2 to ${MODEL_LIMITS.outputsMax}`,
  )
  check(header.calibration === null || CALIBRATION_KINDS.includes(header.calibration), 'a known calibration')
  for (const section of header.sections) {
    check(Object.hasOwn(WIDTHS, section?.type), 'known number types')
    check(Number.isInteger(section.length) && section.length >= 0, 'section lengths')
  }
}

function readSections(
  bytes: Uint8Array,
  sections: Section[],
  dataAt: number,
): SectionReader & { finish(): void } {
  const found = new Map<string, Float64Array>()
  let at = dataAt
  for (const { name, type, length } of sections) {
    const end = at + WIDTHS[type] * length
    if (end > bytes.length) throw damaged(at, `${length} values of ${type}`, `${bytes.length - at} bytes`)
    found.set(name, readValues(bytes, at, type, length))
    at = align8(end)
  }
  if (at !== bytes.length || found.size !== sections.length)
    throw damaged(at, 'the end of the file', `${bytes.length} bytes`)
  const expect = (name: string, expected: number, got: number) => {
    if (expected !== got) throw damaged(dataAt, `${expected} values in section ${name}`, `${got}`)
  }
  const take = (name: string, length?: number) => {
    const values = found.get(name)
    if (!values) throw damaged(dataAt, `a section ${name}`, 'none')
    found.delete(name)
    if (length !== undefined) expect(name, length, values.length)
    return values
  }
  return { take, has: (name) => found.has(name), expect, finish: () => expect('(unknown)', 0, found.size) }
}

function readValues(bytes: Uint8Array, at: number, type: NumberType, length: number): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, WIDTHS[type] * length)
  const out = new Float64Array(length)
  if (type === 'u8') for (let i = 0; i < length; i++) out[i] = view.getUint8(i)
  else if (type === 'u16') for (let i = 0; i < length; i++) out[i] = view.getUint16(i * 2, true)
  else if (type === 'u32') for (let i = 0; i < length; i++) out[i] = view.getUint32(i * 4, true)
  else if (type === 'i32') for (let i = 0; i < length; i++) out[i] = view.getInt32(i * 4, true)
  else if (type === 'f32') for (let i = 0; i < length; i++) out[i] = view.getFloat32(i * 4, true)
  else for (let i = 0; i < length; i++) out[i] = view.getFloat64(i * 8, true)
  return out
}

function damaged(offset: number, expected: string, got: string): MillraceError {
  return new MillraceError('MR_MODEL_FORMAT', { offset, expected, got })
}
