import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { openDecimals, PIECE_BYTES_MAX } from '../../../src/model/import/decimal-lists.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** The engine's own reading of decimals is what both ways are held to. */
const expected = (token: string) =>
  token === 'inf' || token === '-inf' ? Number(token.replace('inf', 'Infinity')) : Number(token)

function differing(tokens: string[], kernels?: 'wasm' | 'js'): string[] {
  const piece = bytesOf(tokens.join(' '))
  const got = openDecimals(piece, kernels).read(0, piece.length)
  expect(got.length).toBe(tokens.length)
  return tokens.filter((token, i) => !Object.is(got[i], expected(token)))
}

const bits = new BigUint64Array(1)
const double = new Float64Array(bits.buffer)

/** A double of any size, in one of the ways that programs print one; or digits that are near the middle of two doubles. */
function drawn(rng: ReturnType<typeof seededRng>): string {
  const word = () => BigInt(rng.nextInt(2 ** 31)) * 2n + BigInt(rng.nextInt(2))
  bits[0] = (word() << 32n) | word()
  const [x] = double
  if (!Number.isFinite(x)) return 'inf'
  const ways = [
    () => x.toPrecision(17),
    () => x.toExponential(18),
    () => x.toPrecision(5),
    () => String(x),
    () => String(rng.nextInt(10_000_000) / 10 ** rng.nextInt(9)),
    () => `${bits[0]}e${rng.nextInt(120) - 60}`,
    () => `${(bits[0] >> 11n) * 2n + 1n}e${rng.nextInt(50) - 25}`,
    () => `0.000${bits[0]}`,
    () => (double[0] / 2 ** 1000).toExponential(16),
  ]
  return ways[rng.nextInt(ways.length)]()
}

test('decimals of any size are read to the double that Number gives, bit for bit', () => {
  const rng = seededRng(20261128)
  for (let round = 0; round < 60; round++)
    expect(differing(Array.from({ length: 1_000 }, () => drawn(rng)))).toEqual([])
})

const EDGES =
  '0 -0 .5 5. - . -. 1e 1e+ 1e-5 1E5 1e+5 abc +5 0x10 0b1 1_0 00000000000000000000001.5 0.0000000000000000000000012345 9007199254740993 9007199254740993.0 1e22 1e23 8.5e22 1.7976931348623157e308 1.7976931348623159e308 1.8e308 4.9e-324 2.4e-324 2.2250738585072011e-308 2.2250738585072014e-308 inf -inf nan NaN Infinity 1e-400 1e400 123456789012345678901 18446744073709551616 9999999999999999999 0e99999999 1e99999999999 --5 1.2.3 1e5e5'

test('edges of decimals, and what is no number, are read alike by both ways', () => {
  const tokens = EDGES.split(' ')
  expect(differing(tokens)).toEqual([])
  expect(differing(tokens, 'js')).toEqual([])
})

test('blanks of all kinds part numbers', () => {
  const piece = bytesOf('  1  2\t3\u00a04\r 5 ')
  for (const kernels of ['wasm', 'js'] as const)
    expect(Array.from(openDecimals(piece, kernels).read(0, piece.length))).toEqual([1, 2, 3, 4, 5])
})

test('lists of one piece lie beside one another', () => {
  const piece = bytesOf('1 2 3=4.5 1e-7 -2')
  const lists = openDecimals(piece)
  const [first, second] = [lists.read(0, 5), lists.read(6, piece.length)]
  expect(Array.from(first)).toEqual([1, 2, 3])
  expect(Array.from(second)).toEqual([4.5, 1e-7, -2])
  expect(lists.read(0, 0).length).toBe(0)
})

test('a piece with a number in every second byte has room, and one that is too large is read as text', () => {
  const piece = bytesOf('7 '.repeat(400_000))
  expect(openDecimals(piece).read(0, piece.length).length).toBe(400_000)
  const large = new Uint8Array(PIECE_BYTES_MAX + 1).fill(0x20)
  large.set(bytesOf('1.25 3'))
  expect(openDecimals(large).read(0, large.length)).toEqual([1.25, 3])
})
