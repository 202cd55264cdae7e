import type { Rng } from './clock.ts'

/**
 * A seeded generator: xoshiro128** 1.1 (Blackman and Vigna, 2018, prng.di.unimi.it), seeded through SplitMix32.
 * Period 2^128 - 1. 53 bits a draw (two 32-bit outputs). Not for secrets.
 */
export function seededRng(seed: number): Rng & { nextInt(end: number): number; normal(): number } {
  const s = new Uint32Array(4)
  let z = seed >>> 0
  for (let i = 0; i < 4; i++) {
    z = (z + 0x9e3779b9) >>> 0
    s[i] = mix32(z)
  }
  const next32 = (): number => {
    const result = Math.imul(rotl(Math.imul(s[1], 5), 7), 9) >>> 0
    const t = s[1] << 9
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotl(s[3], 11)
    return result
  }
  const next = () => ((next32() >>> 5) * 67108864 + (next32() >>> 6)) / 9007199254740992
  return {
    next,
    /** Integer in `[0, end)`. */
    nextInt: (end) => Math.floor(next() * end),
    /** Standard normal by Box and Muller; one value a call. */
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  }
}

/** The items themselves in an order by chance, all orders being equally likely. Source: Fisher and Yates. Cost: one draw an item. */
export function shuffle<A extends { [i: number]: number; length: number }>(
  items: A,
  rng: { nextInt(end: number): number },
): A {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.nextInt(i + 1)
    const item = items[i]
    items[i] = items[j]
    items[j] = item
  }
  return items
}

/** A 32-bit mix with full avalanche (the finaliser of MurmurHash3): a counter hash for draws that must not depend on order. */
export function mix32(x: number): number {
  let h = x | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}
