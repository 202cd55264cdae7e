/** FTRL-proximal: rows a second of CPU at 30 hashed categories, over a stream whose values are as uneven as those of advertisements. */
import { seededRng } from '../../dist/core/rng.js'
import { rowHasher } from '../../dist/model/hashing.js'
import { learnHashed, openFtrl } from '../../dist/train/ftrl/core.js'
import { cpuPerCall } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const ROWS = 200_000
const FIELDS = 30
const RATES = { alpha: 0.1, beta: 1, l1: 1, l2: 1 }
/** Asked of rows that are hashed already, on one core. */
const ROWS_PER_SECOND_MIN = 900_000

/** Values per field by a power law: a few are met all the time, most hardly ever. */
function stream(): { codes: Float64Array; target: Float64Array } {
  const rng = seededRng(7)
  const codes = Float64Array.from({ length: ROWS * FIELDS }, () => Math.floor(rng.next() ** 4 * 1e6))
  const target = Float64Array.from({ length: ROWS }, (_, i) =>
    rng.next() < (codes[i * FIELDS] < 1_000 ? 0.4 : 0.2) ? 1 : 0,
  )
  return { codes, target }
}

const section: Section = () => {
  const { codes, target } = stream()
  const out = new Float64Array(ROWS)
  const slots = new Int32Array(ROWS * FIELDS)
  for (const bits of [18, 22]) {
    const fields = Array.from({ length: FIELDS }, (_, j) => ({ kind: 'category' as const, salt: j * 77_777 }))
    const hasher = rowHasher({ bits, signed: false, fields, pairs: new Int32Array(0) })
    const hash = () => {
      for (let i = 0; i < ROWS; i++) hasher.hash(codes, i * FIELDS, slots, undefined, i * FIELDS)
    }
    hash()
    const state = openFtrl(bits, RATES, 'sigmoid')
    const learn = () => learnHashed(state, { nRows: ROWS, width: FIELDS, slots, target }, out)
    const hashAndLearn = () => {
      hash()
      learn()
    }
    const rate = ROWS / cpuPerCall(learn, { calls: 1, rounds: 7 })
    report({
      bench: BENCH,
      metric: `FTRL, 30 hashed features, 2^${bits} weights`,
      value: rate,
      unit: 'rows/s of CPU',
      goal: ROWS_PER_SECOND_MIN,
      met: rate >= ROWS_PER_SECOND_MIN,
    })
    report({
      bench: BENCH,
      metric: `FTRL, the same with hashing of codes, 2^${bits}`,
      value: ROWS / cpuPerCall(hashAndLearn, { calls: 1, rounds: 5 }),
      unit: 'rows/s of CPU',
    })
  }
}
export default section
