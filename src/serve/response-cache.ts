/**
 * Answers kept by what they are answers to: the version of a model, by its digest, and the columns of a row as they are scored, by theirs. Off unless a config or the command line asks for it:
 * it pays where a model takes longer than a digest (a few microseconds a row), and rows come again.
 *
 * An entry is outputs or an explanation of one row by one version, so it cannot be stale: another version has another digest. Entries leave when bytes or entries are beyond their limit, the one used
 * longest ago first, or when they are older than their time. Explanations that are sampled are not kept: they lean on the rows of the time when they were made.
 * What is kept is only not computed again; each prediction is logged under its own id.
 */
import { createHash } from 'node:crypto'
import { type CacheLimits, KeptAnswers } from './kept-answers.ts'
import type { Explanation, Predictor, RawRow } from './predictor.ts'
import { fieldOf } from './predictor.ts'

/** What a request found and did not find. */
export interface CacheTally {
  hits: number
  misses: number
}

/** What a contribution takes: an object of a name, two or three numbers. */
const CONTRIBUTION_BYTES = 96
const EXPLANATION_BYTES = 400

type Asked = Pick<Predictor, 'score' | 'explain'>

export class ResponseCache {
  readonly kept: KeptAnswers<Float64Array | Explanation>

  /** `now` is a clock that only goes forward, in milliseconds. */
  constructor(limits: Partial<CacheLimits> = {}, now?: () => number) {
    this.kept = new KeptAnswers(limits, now)
  }

  /** A predictor that is asked only for what is not kept, with what a request found counted in `tally`. */
  over(predictor: Predictor, tally: CacheTally): Asked {
    const width = predictor.classes?.length ?? 1
    return {
      score: (rows, rowNumbers) => {
        const keys = rows.map((row) => keyOf(predictor, row, 'score'))
        const found = keys.map((key) => this.#find<Float64Array>(key, tally))
        const missing = indexesOf(found)
        if (missing.length === 0) return together(found as Float64Array[], width)
        const keep = (outputs: Float64Array): Float64Array => {
          missing.forEach((at, k) => {
            found[at] = outputs.slice(k * width, (k + 1) * width)
            this.kept.keep(keys[at], found[at], width * 8)
          })
          return together(found as Float64Array[], width)
        }
        const scored = predictor.score(
          missing.map((at) => rows[at]),
          missing.map((at) => rowNumbers[at]),
        )
        return scored instanceof Promise ? scored.then(keep) : keep(scored)
      },
      explain: async (rows, outputs, code) => {
        const keys = rows.map((row, i) => keyOf(predictor, row, `explain ${code(i)}`))
        const found = keys.map((key) => this.#find<Explanation>(key, tally))
        const missing = indexesOf(found)
        if (missing.length === 0) return found as Explanation[]
        const explained = await predictor.explain(
          missing.map((at) => rows[at]),
          together(
            missing.map((at) => outputs.subarray(at * width, (at + 1) * width)),
            width,
          ),
          (row) => code(missing[row]),
        )
        missing.forEach((at, k) => {
          found[at] = explained[k]
          if (explained[k].exact)
            this.kept.keep(
              keys[at],
              explained[k],
              EXPLANATION_BYTES + explained[k].contributions.length * CONTRIBUTION_BYTES,
            )
        })
        return found as Explanation[]
      },
    }
  }

  #find<V extends Float64Array | Explanation>(key: string, tally: CacheTally): V | undefined {
    const found = this.kept.find(key) as V | undefined
    tally[found ? 'hits' : 'misses']++
    return found
  }
}

/** Digest of a version, of a row's columns in the order of the signature, and of what is asked. -0 is not 0: 1 / x tells them apart. */
function keyOf({ digest, inputs }: Predictor, row: RawRow, asked: string): string {
  const values = inputs.map(({ name }) => fieldOf(row, name))
  const text = JSON.stringify(values, (_, value) => (Object.is(value, -0) ? '\u0000-0' : value))
  return createHash('sha256').update(digest).update(asked).update('\u0000').update(text).digest('base64')
}

const indexesOf = (found: readonly unknown[]): number[] =>
  found.flatMap((value, i) => (value === undefined ? [i] : []))

function together(rows: readonly Float64Array[], width: number): Float64Array {
  const outputs = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    outputs.set(row, i * width)
  })
  return outputs
}
