/** Lists of numbers in the bytes of a text: read in WebAssembly where that is to be had, else as texts. Both give the same bits. */
import { compileWasm, instantiateWasm, openMemory } from '../../core/wasm.ts'
import { DECIMAL_KERNELS } from './kernels-wasm.ts'

interface DecimalKernels {
  configure(powers: number, tens: number): void
  numbers(at: number, end: number, out: number): number
  count(): number
}

/** Numbers of the lists of one piece of text. What it gives is good until the next piece is opened. */
export interface DecimalLists {
  /** The numbers between blanks from `begin` to before `end`, bytes of the piece; NaN for what is no number. */
  read(begin: number, end: number): ArrayLike<number>
}

interface Room {
  kernels: DecimalKernels
  u8: Uint8Array
  f64: Float64Array
}

const [SPACE, TILDE] = [0x20, 0x7e]
const POWER_MIN = -342
const POWER_MAX = 308
const TENS = 23
/** `5^27` is the greatest power of five in 64 bits. */
const EXACT_INVERSE_MIN = -27
const TABLE_BYTES = (POWER_MAX - POWER_MIN + 1) * 16 + TENS * 8
const TEXT_AT = Math.ceil(TABLE_BYTES / 64) * 64
/** A number has a byte and a blank at least, and becomes eight bytes. */
const OUT_PER_BYTE = 4
const ROOM_BYTES_MIN = 256 * 1024
/** Larger pieces are read as texts: memory of a kernel is never given back while its thread lives. */
export const PIECE_BYTES_MAX = 16 * 1024 * 1024

let compiled: object | null | undefined
let room: Room | null = null

/** Opens a piece of text, whose lists are read one after the other. `kernels`: `js` reads them as texts. */
export function openDecimals(piece: Uint8Array, kernels: 'wasm' | 'js' = 'wasm'): DecimalLists {
  const here = kernels === 'wasm' && piece.length <= PIECE_BYTES_MAX ? roomFor(piece.length) : null
  return here ? inKernel(here, piece) : asTexts(piece)
}

function inKernel({ kernels, u8, f64 }: Room, piece: Uint8Array): DecimalLists {
  u8.set(piece, TEXT_AT)
  let free = Math.ceil((TEXT_AT + piece.length) / 8)
  return {
    read: (begin, end) => {
      const first = free
      let at = TEXT_AT + begin
      for (;;) {
        at = kernels.numbers(at, TEXT_AT + end, free * 8)
        free += kernels.count()
        if (at >= TEXT_AT + end) return f64.subarray(first, free)
        const token = tokenAt(piece, at - TEXT_AT, end)
        if (token === null) return listOf(textOf(piece, begin, end))
        f64[free++] = numberOf(token)
        at += token.length
      }
    },
  }
}

/** `null` where there are bytes that may be blanks of other kinds. */
function tokenAt(piece: Uint8Array, begin: number, end: number): string | null {
  let at = begin
  for (; at < end && piece[at] !== SPACE; at++) if (piece[at] < SPACE || piece[at] > TILDE) return null
  return textOf(piece, begin, at)
}

function asTexts(piece: Uint8Array): DecimalLists {
  return { read: (begin, end) => listOf(textOf(piece, begin, end)) }
}

const decoder = new TextDecoder()

const textOf = (piece: Uint8Array, begin: number, end: number): string =>
  decoder.decode(piece.subarray(begin, end))

function listOf(text: string): number[] {
  const list = text.trim()
  return list === '' ? [] : list.split(/\s+/).map(numberOf)
}

/** As C++ prints doubles: infinities are `inf`. */
function numberOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY
  return text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

// ---------------------------------------------------------------- memory

/** Memory for a piece of so many bytes: that of the piece before, where it is large enough. */
function roomFor(bytes: number): Room | null {
  const need = TEXT_AT + bytes + OUT_PER_BYTE * bytes + 64
  if (room && room.u8.length >= need) return room
  room = openRoom(Math.max(ROOM_BYTES_MIN, need))
  return room
}

function openRoom(bytes: number): Room | null {
  if (compiled === undefined) compiled = compileWasm(DECIMAL_KERNELS)
  const memory = compiled ? openMemory(bytes) : null
  if (!memory) return null
  const { buffer } = memory
  const kernels = instantiateWasm<DecimalKernels>(compiled, memory)
  const tensAt = (POWER_MAX - POWER_MIN + 1) * 16
  new BigUint64Array(buffer, 0, tensAt / 8).set(powersOfFive())
  const f64 = new Float64Array(buffer)
  for (let k = 0; k < TENS; k++) f64[tensAt / 8 + k] = Number(`1e${k}`)
  kernels.configure(0, tensAt)
  return { kernels, u8: new Uint8Array(buffer), f64 }
}

let powers: BigUint64Array | undefined

/** The 128 leading bits of `5^q`, low half first: cut off, but for inverses that products can be exact multiples of, which are the next above, as the proof wants it. */
function powersOfFive(): BigUint64Array {
  if (powers) return powers
  powers = new BigUint64Array(2 * (POWER_MAX - POWER_MIN + 1))
  for (let q = POWER_MIN; q <= POWER_MAX; q++) {
    const bits = leadingBits(q)
    powers[2 * (q - POWER_MIN)] = BigInt.asUintN(64, bits)
    powers[2 * (q - POWER_MIN) + 1] = bits >> 64n
  }
  return powers
}

function leadingBits(q: number): bigint {
  const power = 5n ** BigInt(Math.abs(q))
  const size = power.toString(2).length
  if (q >= 0) return size <= 128 ? power << BigInt(128 - size) : power >> BigInt(size - 128)
  return (1n << BigInt(size + 127)) / power + (q >= EXACT_INVERSE_MIN ? 1n : 0n)
}
