/**
 * Blocks of Snappy, LZ4 and LZO1X, unpacked. All three are literals and copies of what came before, within `max` bytes of output. Sources: google/snappy
 * format_description.txt; lz4/lz4 doc/lz4_Block_format.md; the kernel's Documentation/staging/lzo.rst.
 */
import type { Refuse } from '../../model/import/refusal.ts'

/** Unpacks one block into at most `max` bytes. Errors: by `refuse`, for blocks that reach beyond their bytes or `max`. */
export type BlockCodec = (block: Uint8Array, max: number, refuse: Refuse) => Uint8Array

/** Output that only grows by what a block may say. */
class Unpacked {
  readonly bytes: Uint8Array
  length = 0
  readonly #block: Uint8Array
  readonly #refuse: Refuse
  at = 0

  constructor(block: Uint8Array, max: number, refuse: Refuse) {
    this.bytes = new Uint8Array(max)
    this.#block = block
    this.#refuse = refuse
  }

  get isAtEnd(): boolean {
    return this.at >= this.#block.length
  }

  byte(): number {
    if (this.at >= this.#block.length) throw this.#refuse('a compressed block', 'longer', 'cut off')
    return this.#block[this.at++]!
  }

  /** Little-endian, of `n` bytes. */
  number(n: number): number {
    let value = 0
    for (let i = 0; i < n; i++) value += this.byte() * 2 ** (8 * i)
    return value
  }

  literals(n: number): void {
    this.#reserve(n)
    if (n > this.#block.length - this.at) throw this.#refuse('a compressed block', 'longer', 'cut off')
    this.bytes.set(this.#block.subarray(this.at, this.at + n), this.length)
    this.at += n
    this.length += n
  }

  copy(distance: number, n: number): void {
    this.#reserve(n)
    if (distance < 1 || distance > this.length)
      throw this.#refuse(
        'a compressed block',
        `a copy from within the ${this.length} bytes before it`,
        `${distance}`,
      )
    const { bytes } = this
    if (distance >= n) bytes.copyWithin(this.length, this.length - distance, this.length - distance + n)
    else for (let i = 0; i < n; i++) bytes[this.length + i] = bytes[this.length + i - distance]!
    this.length += n
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  #reserve(n: number): void {
    if (this.length + n > this.bytes.length)
      throw this.#refuse('a compressed block', `of at most ${this.bytes.length} bytes when unpacked`, 'more')
  }
}

export const unpackSnappy: BlockCodec = (block, max, refuse) => {
  const out = new Unpacked(block, max, refuse)
  let size = 0
  for (let shift = 0, more = true; more; shift += 7) {
    const byte = out.byte()
    size += (byte & 127) * 2 ** shift
    more = byte > 127 && shift < 28
  }
  while (out.length < size) snappyElement(out)
  return out.done()
}

function snappyElement(out: Unpacked): void {
  const tag = out.byte()
  const kind = tag & 3
  const upper = tag >> 2
  if (kind === 0) out.literals(upper < 60 ? upper + 1 : out.number(upper - 59) + 1)
  else if (kind === 1) out.copy((upper >> 3) * 256 + out.byte(), (upper & 7) + 4)
  else out.copy(out.number(kind === 2 ? 2 : 4), upper + 1)
}

export const unpackLz4: BlockCodec = (block, max, refuse) => {
  const out = new Unpacked(block, max, refuse)
  while (!out.isAtEnd) {
    const token = out.byte()
    out.literals(lz4Length(out, token >> 4))
    if (out.isAtEnd) break
    const distance = out.number(2)
    out.copy(distance, lz4Length(out, token & 15) + 4)
  }
  return out.done()
}

function lz4Length(out: Unpacked, nibble: number): number {
  let length = nibble
  if (nibble === 15) for (let byte = 255; byte === 255; length += byte) byte = out.byte()
  return length
}

/** What the last instruction of LZO left: how many literals it was followed by, 4 standing for a long run of them. */
export const unpackLzo: BlockCodec = (block, max, refuse) => {
  const out = new Unpacked(block, max, refuse)
  let state = 0
  const first = out.byte()
  if (first > 17) {
    out.literals(first - 17)
    state = first - 17 < 4 ? first - 17 : 4
  } else out.at--
  while (true) {
    const op = out.byte()
    if (op >= 64) {
      out.copy(out.byte() * 8 + ((op >> 2) & 7) + 1, op >= 128 ? ((op >> 5) & 3) + 5 : ((op >> 5) & 1) + 3)
      state = trailing(out, op)
    } else if (op >= 32) {
      const n = lzoLength(out, op & 31, 31) + 2
      state = near(out, n, 1)
    } else if (op >= 16) {
      const n = lzoLength(out, op & 7, 7) + 2
      const base = ((op & 8) << 11) + 16_384
      const low = out.number(2)
      if (base === 16_384 && low >> 2 === 0) return out.done()
      out.copy(base + (low >> 2), n)
      state = trailing(out, low)
    } else if (state === 0) {
      out.literals(lzoLength(out, op, 15) + 3)
      state = 4
    } else {
      const distance = out.byte() * 4 + (op >> 2) + (state === 4 ? 2_049 : 1)
      out.copy(distance, state === 4 ? 3 : 2)
      state = trailing(out, op)
    }
  }
}

function near(out: Unpacked, n: number, base: number): number {
  const low = out.number(2)
  out.copy((low >> 2) + base, n)
  return trailing(out, low)
}

/** The literals that the last two bits of an instruction ask for. */
function trailing(out: Unpacked, op: number): number {
  out.literals(op & 3)
  return op & 3
}

/** A length that is kept in the instruction, or where that is 0, in the bytes after it. */
function lzoLength(out: Unpacked, given: number, most: number): number {
  if (given > 0) return given
  let length = most
  let byte = out.byte()
  for (; byte === 0; byte = out.byte()) length += 255
  return length + byte
}
