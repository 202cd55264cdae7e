import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import {
  confidentJoint,
  jointShares,
  LABEL_ISSUE_RULES,
  labelIssues,
  normalizedMargin,
  rankIssues,
  selfConfidence,
} from '../../src/stats/label-issues.ts'
import { expectCode } from './close.ts'

interface Results {
  name: string
  thresholds: number[]
  counts: number[][]
  calibrated: number[][]
  joint: number[][]
  issues: Record<string, number[]>
  ranked: { self_confidence: number[]; normalized_margin: number[] }
}
interface Case extends Results {
  labels: number[]
  probabilities: number[][]
  scores: { self_confidence: number[]; normalized_margin: number[] }
}

const reference = (name: string) =>
  JSON.parse(readFileSync(new URL(`../reference/worth/${name}`, import.meta.url), 'utf8'))
const cases = reference('label-issues.json') as Case[]
const PEER_NAMES = {
  'prune-by-noise-rate': 'prune_by_noise_rate',
  'prune-by-class': 'prune_by_class',
  both: 'both',
  'confident-learning': 'confident_learning',
  'predicted-not-given': 'predicted_neq_given',
} as const

const rowsOf = (flags: Uint8Array) => [...flags.keys()].filter((i) => flags[i] === 1)

function expectSame(expected: Results, p: Float64Array, labels: ArrayLike<number>): void {
  const joint = confidentJoint(p, labels)
  expect([...joint.counts]).toEqual(expected.counts.flat())
  expect([...joint.calibrated]).toEqual(expected.calibrated.flat())
  for (const rule of LABEL_ISSUE_RULES)
    expect(rowsOf(labelIssues(p, labels, rule).flags), rule).toEqual(expected.issues[PEER_NAMES[rule]])
  const { flags } = labelIssues(p, labels)
  expect([...rankIssues(flags, selfConfidence(p, labels))]).toEqual(expected.ranked.self_confidence)
  expect([...rankIssues(flags, normalizedMargin(p, labels))]).toEqual(expected.ranked.normalized_margin)
}

describe('label issues', () => {
  it.each(cases)('are those of cleanlab: $name', (given) => {
    expectSame(given, Float64Array.from(given.probabilities.flat()), given.labels)
  })

  it.each(cases)('have the scores and the joint of cleanlab: $name', (given) => {
    const p = Float64Array.from(given.probabilities.flat())
    const joint = confidentJoint(p, given.labels)
    const near = (got: ArrayLike<number>, want: number[]) =>
      want.forEach((value, i) => {
        expect(Math.abs(got[i] - value), `${i}`).toBeLessThan(1e-12)
      })
    near(joint.thresholds, given.thresholds)
    near(jointShares(joint), given.joint.flat())
    near(selfConfidence(p, given.labels), given.scores.self_confidence)
    near(normalizedMargin(p, given.labels), given.scores.normalized_margin)
  })

  const folder = join(import.meta.dirname, '../../../shared/data/mnist-t10k')
  const absent = !existsSync(folder)
  if (absent) console.warn('SKIPPED: label issues of MNIST: the folder ../shared/data/mnist-t10k is absent')
  it.skipIf(absent)('are the 15 of the MNIST test set', () => {
    const labels = new Uint16Array(npyBody(join(folder, 'mnist_test_set_original_labels.npy')))
    const p = unitRows(npyBody(join(folder, 'mnist_test_set_pyx.npy')), labels.length)
    const expected = reference('mnist.json') as Results
    expect(expected.issues.prune_by_noise_rate).toHaveLength(15)
    expectSame(expected, p, labels)
  })

  it('find planted noise of 5, 10 and 20 %, over 30 seeds', () => {
    for (const [share, precisionMin, recallMin] of [
      [0.05, 0.5, 0.75],
      [0.1, 0.65, 0.75],
      [0.2, 0.75, 0.75],
    ]) {
      let [found, flagged, planted] = [0, 0, 0]
      for (let seed = 0; seed < 30; seed++) {
        const { p, labels, wrong } = planted3(seed, 600, share)
        const { flags, suggested } = labelIssues(p, labels)
        const hits = rowsOf(flags).filter((i) => wrong[i] >= 0)
        expect(hits.filter((i) => suggested[i] === wrong[i]).length).toBeGreaterThan(0.8 * hits.length)
        found += hits.length
        flagged += rowsOf(flags).length
        planted += wrong.filter((k) => k >= 0).length
      }
      expect(found / flagged, `precision at ${share}`).toBeGreaterThan(precisionMin)
      expect(found / planted, `recall at ${share}`).toBeGreaterThan(recallMin)
    }
  })

  it('are none where the model is sure of every label', () => {
    const labels = [0, 1, 2, 0, 1, 2]
    const p = labels.flatMap((label) => [0, 1, 2].map((k) => (k === label ? 0.98 : 0.01)))
    for (const rule of LABEL_ISSUE_RULES) expect(labelIssues(p, labels, rule).nIssues, rule).toBe(0)
  })

  it('refuse what is no label or no probability', () => {
    expectCode(() => labelIssues([], []), 'MR_STATS_EMPTY')
    expectCode(() => labelIssues([0.5, 0.5, 1], [0, 1]), 'MR_STATS_RANGE')
    expectCode(() => labelIssues([1, 1], [0, 0]), 'MR_STATS_RANGE')
    expectCode(() => labelIssues([0.5, 0.5], [2]), 'MR_STATS_RANGE')
    expectCode(() => labelIssues([0.5, Number.NaN], [1]), 'MR_STATS_NAN')
    expectCode(() => labelIssues([0.5, 1.5], [1]), 'MR_STATS_RANGE')
  })
})

/** Rows of three clouds with the true posterior, and labels of which a share was turned; `wrong` holds what they were. */
function planted3(seed: number, n: number, share: number) {
  const rng = seededRng(seed + 100)
  const labels: number[] = []
  const wrong: number[] = []
  const p: number[] = []
  for (let i = 0; i < n; i++) {
    const truth = rng.nextInt(3)
    const at = [0, 1, 2].map((k) => (k === truth ? 2.4 : 0) + rng.normal())
    const odds = at.map((x) => Math.exp(2.4 * x))
    const total = odds.reduce((a, b) => a + b)
    // A model that learned from such labels hedges by their share.
    p.push(...odds.map((o) => (1 - share) * (o / total) + share / 3))
    const turned = rng.next() < share
    labels.push(turned ? (truth + 1 + rng.nextInt(2)) % 3 : truth)
    wrong.push(turned ? truth : -1)
  }
  return { p, labels, wrong }
}

function npyBody(path: string): ArrayBuffer {
  const file = readFileSync(path)
  const start = 10 + file.readUInt16LE(8)
  return new Uint8Array(file.subarray(start)).buffer
}

/** Probabilities brought to sums of 1. */
function unitRows(body: ArrayBuffer, nRows: number): Float64Array {
  const values = new Float64Array(body)
  const width = values.length / nRows
  for (let at = 0; at < values.length; at += width) {
    const row = values.subarray(at, at + width)
    const total = row.reduce((a, b) => a + b, 0)
    row.forEach((x, k) => {
      row[k] = x / total
    })
  }
  return values
}
