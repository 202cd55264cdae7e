/** What all fuzzing here draws from: values that readers trip over, JSON with one place changed, bytes that are damaged. */
import { seededRng } from '../../../src/core/rng.ts'

export type Rng = ReturnType<typeof seededRng>

/** Cases of a kind of fuzzing: a hundred times the usual number and more are run by hand. */
export const casesOf = (usual: number): number => Number(process.env.MILLRACE_FUZZ_CASES ?? usual)

export const pick = <T>(rng: Rng, of: readonly T[]): T => of[rng.nextInt(of.length)]

const VALUES: unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  2 ** 53,
  0.5,
  '',
  'x',
  '\ud800',
  [],
  {},
  [[[]]],
  JSON.parse('{"__proto__": {"x": 1}, "constructor": 1}'),
  Array(50).fill(0),
  'FP32',
  'BF16',
  [1, 3],
  [-1],
  [2 ** 40, 2 ** 40],
  [0],
]

export const LENGTHS = ['0', '-1', '1e3', '99999999', 'abc', '4294967296', '', '+5', '0x10', '5, 5']

/** Changes one place of a value, however deep. */
export function changed(rng: Rng, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || rng.next() < 0.15) return pick(rng, VALUES)
  if (Array.isArray(value)) {
    if (value.length === 0) return [pick(rng, VALUES)]
    const at = rng.nextInt(value.length)
    return rng.next() < 0.2
      ? value.filter((_, i) => i !== at)
      : value.map((one, i) => (i === at ? changed(rng, one) : one))
  }
  const keys = Object.keys(value)
  const key = pick(rng, [...keys, 'inputs'])
  return { ...value, [key]: changed(rng, (value as Record<string, unknown>)[key]) }
}

/** Bytes with some flipped, cut off, doubled, or put in. */
export function broken(rng: Rng, bytes: Uint8Array): Buffer {
  const own = Buffer.from(bytes)
  const at = rng.nextInt(own.length + 1)
  return pick(rng, [
    () => own.subarray(0, at),
    () => Buffer.concat([own.subarray(0, at), Buffer.from([rng.nextInt(256)]), own.subarray(at)]),
    () => Buffer.concat([own, own]),
    () => {
      for (let i = 0; i < 1 + rng.nextInt(4); i++)
        if (own.length > 0) own[rng.nextInt(own.length)] ^= 1 << rng.nextInt(8)
      return own
    },
  ])()
}

export const randomBytes = (rng: Rng, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => rng.nextInt(256)))

/** Runs `work` for the seeds that once failed and for `cases` new ones, some at a time; what fails says its seed. */
export async function overSeeds(
  cases: number,
  { kept, atOnce }: { kept: readonly number[]; atOnce: number },
  work: (rng: Rng, seed: number) => Promise<void>,
): Promise<void> {
  const one = async (seed: number) => {
    try {
      await work(seededRng(seed), seed)
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
  for (const seed of kept) await one(seed)
  for (let from = 0; from < cases; from += atOnce)
    await Promise.all(Array.from({ length: Math.min(atOnce, cases - from) }, (_, i) => one(from + i)))
}
