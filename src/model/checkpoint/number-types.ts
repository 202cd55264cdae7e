/** Numbers of tensors, by the names that safetensors gives their types. */

export interface NumberType {
  /** Bytes of one number. */
  width: number
  isFloat: boolean
  /** Numbers of little-endian bytes, as doubles; exact but for 64-bit integers beyond 2^53. */
  decode(bytes: Uint8Array): Float64Array
  /** Bytes of doubles, rounded to the nearest number of the type, to even in the middle. Floats alone have it. */
  encode?(values: Float64Array): Uint8Array
}

type Getter = (view: DataView, at: number) => number

function decoder(width: number, get: Getter): NumberType['decode'] {
  return (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => get(view, i * width))
  }
}

const integer = (width: number, get: Getter): NumberType => ({
  width,
  isFloat: false,
  decode: decoder(width, get),
})

const words = new Float32Array(1)
const bits = new Uint32Array(words.buffer)

function floatOfBits(pattern: number): number {
  bits[0] = pattern
  return words[0]
}

/** The float that the upper 16 bits of a float32 say. */
const bfloat16 = (half: number): number => floatOfBits(half << 16)

/** IEEE 754 binary16, and the two of 8 bits: a sign, exponent bits with a bias, and a fraction. */
function smallFloat(pattern: number, exponentBits: number, fractionBits: number): number {
  const sign = pattern >> (exponentBits + fractionBits) ? -1 : 1
  const exponent = (pattern >> fractionBits) & ((1 << exponentBits) - 1)
  const fraction = pattern & ((1 << fractionBits) - 1)
  const bias = (1 << (exponentBits - 1)) - 1
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits)
  if (exponent === (1 << exponentBits) - 1)
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / (1 << fractionBits)) * 2 ** (exponent - bias)
}

/** E4M3 as ONNX and safetensors have it: no infinities, and only all ones are no number. */
function float8e4m3(pattern: number): number {
  if ((pattern & 0x7f) === 0x7f) return Number.NaN
  const exponent = (pattern >> 3) & 15
  const fraction = pattern & 7
  const sign = pattern >> 7 ? -1 : 1
  return sign * (exponent === 0 ? fraction * 2 ** -9 : (1 + fraction / 8) * 2 ** (exponent - 7))
}

/** Nearest bfloat16, to even in the middle: a double is rounded once, not by way of a float32. */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0
  const near = Math.fround(value)
  words[0] = near
  const low = bits[0] & 0xffff
  const upper = bits[0] >>> 16
  if (low !== 0x8000) return low > 0x8000 ? upper + 1 : upper
  const isBeyond = Math.abs(value) - Math.abs(near)
  return isBeyond > 0 ? upper + 1 : isBeyond < 0 ? upper : upper + (upper & 1)
}

const FLOAT16_MAX = 65504

/** Nearest binary16, to even in the middle. */
function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size >= FLOAT16_MAX + 16) return sign | 0x7c00
  const exponent = Math.max(-14, size === 0 ? -14 : floorLog2(size))
  const units = roundEven(size / 2 ** (exponent - 10))
  return sign | (units + (exponent + 14) * 1024)
}

function floorLog2(value: number): number {
  words[0] = value
  const exponent = ((bits[0] >>> 23) & 255) - 127
  return 2 ** exponent > value ? exponent - 1 : exponent
}

function roundEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor
  return floor % 2 === 0 ? floor : floor + 1
}

function encoder16(pattern: (value: number) => number): NumberType['encode'] {
  return (values) => {
    const out = new DataView(new ArrayBuffer(values.length * 2))
    for (let i = 0; i < values.length; i++) out.setUint16(i * 2, pattern(values[i]), true)
    return new Uint8Array(out.buffer)
  }
}

export const NUMBER_TYPES: Readonly<Record<string, NumberType>> = {
  F64: {
    width: 8,
    isFloat: true,
    decode: decoder(8, (v, at) => v.getFloat64(at, true)),
    encode(values) {
      const out = new DataView(new ArrayBuffer(values.length * 8))
      for (let i = 0; i < values.length; i++) out.setFloat64(i * 8, values[i], true)
      return new Uint8Array(out.buffer)
    },
  },
  F32: {
    width: 4,
    isFloat: true,
    decode: decoder(4, (v, at) => v.getFloat32(at, true)),
    encode(values) {
      const out = new DataView(new ArrayBuffer(values.length * 4))
      for (let i = 0; i < values.length; i++) out.setFloat32(i * 4, values[i], true)
      return new Uint8Array(out.buffer)
    },
  },
  F16: {
    width: 2,
    isFloat: true,
    decode: decoder(2, (v, at) => smallFloat(v.getUint16(at, true), 5, 10)),
    encode: encoder16(float16Bits),
  },
  BF16: {
    width: 2,
    isFloat: true,
    decode: decoder(2, (v, at) => bfloat16(v.getUint16(at, true))),
    encode: encoder16(bfloat16Bits),
  },
  F8_E4M3: { width: 1, isFloat: true, decode: decoder(1, (v, at) => float8e4m3(v.getUint8(at))) },
  F8_E5M2: { width: 1, isFloat: true, decode: decoder(1, (v, at) => smallFloat(v.getUint8(at), 5, 2)) },
  I64: integer(8, (v, at) => Number(v.getBigInt64(at, true))),
  I32: integer(4, (v, at) => v.getInt32(at, true)),
  I16: integer(2, (v, at) => v.getInt16(at, true)),
  I8: integer(1, (v, at) => v.getInt8(at)),
  U64: integer(8, (v, at) => Number(v.getBigUint64(at, true))),
  U32: integer(4, (v, at) => v.getUint32(at, true)),
  U16: integer(2, (v, at) => v.getUint16(at, true)),
  U8: integer(1, (v, at) => v.getUint8(at)),
  BOOL: integer(1, (v, at) => v.getUint8(at)),
}
