/** Models of other libraries and what these libraries answer: `test/reference/models`. */
import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { Model } from '../../../src/model/score.ts'
import { compileScorer } from '../../../src/model/score.ts'

const folder = new URL('../../reference/models/', import.meta.url)

const unzipped = (name: string) => new Uint8Array(gunzipSync(readFileSync(new URL(`${name}.gz`, folder))))

export interface Answers {
  nFeatures: number
  rows: Float64Array
  raw: Float64Array
  output: Float64Array
  names?: string[]
  categories?: Record<string, string[]>
  classes?: (string | number)[] | null
}

/** Names of recorded models, `xgboost-binary.json`, that begin in some way. */
export function recordedModels(prefix: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix) && name.endsWith('.gz') && !name.endsWith('.answers.json.gz'))
    .map((name) => name.slice(0, -3))
}

export const modelBytes = unzipped

export function answersOf(model: string): Answers {
  const text = new TextDecoder().decode(unzipped(model.replace(/\.[a-z]+$/, '.answers.json')))
  const { rows, raw, output, ...rest } = JSON.parse(text) as Record<string, (number | string | null)[]>
  return { ...rest, rows: doubles(rows), raw: doubles(raw), output: doubles(output) } as unknown as Answers
}

function doubles(values: (number | string | null)[]): Float64Array {
  return Float64Array.from(values, (x) => {
    if (x === null) return Number.NaN
    return typeof x === 'number' ? x : x === 'inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  })
}

/** Raw scores and outputs of a model for recorded rows. */
export function scored(
  model: Model,
  { rows, nFeatures }: Answers,
): { raw: Float64Array; output: Float64Array } {
  const n = rows.length / nFeatures
  const raw = new Float64Array(n * model.nOutputs)
  const output = new Float64Array(n * model.nOutputs)
  const scorer = compileScorer(model)
  scorer.rawBatch(rows, n, raw)
  scorer.scoreBatch(rows, n, output)
  return { raw, output }
}

/** Largest difference, relative to numbers above 1. */
export function furthest(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let most = got.length === expected.length ? 0 : Number.POSITIVE_INFINITY
  for (let i = 0; i < got.length; i++) {
    const far = Math.abs(got[i] - expected[i]) / Math.max(1, Math.abs(expected[i]))
    most = Object.is(got[i], expected[i]) || got[i] === expected[i] ? most : Math.max(most, far)
    if (Number.isNaN(far)) most = Number.POSITIVE_INFINITY
  }
  return most
}
