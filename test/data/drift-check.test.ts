import { expect, test } from 'vitest'
import type { ColumnStats, DatasetVersion } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { type DriftCheck, driftFinding } from '../../src/data/drift-check.ts'
import { checks } from '../../src/index.ts'
import { normalCdf } from '../../src/stats/distributions.ts'
import { drawMultinomial } from '../../src/stats/draws.ts'
import { hitsAtMost } from '../stats/close.ts'

type Rng = ReturnType<typeof seededRng>

const BINS = 20
/** Edges of a standard normal column at every twentieth, and the chance of each bin when it moved. */
const EDGES = [
  -3, -1.645, -1.282, -1.036, -0.842, -0.674, -0.524, -0.385, -0.253, -0.126, 0, 0.126, 0.253, 0.385, 0.524,
  0.674, 0.842, 1.036, 1.282, 1.645, 3,
]

function chances(shift: number): Float64Array {
  return Float64Array.from({ length: BINS }, (_, i) => {
    const [low, high] = [
      i === 0 ? Number.NEGATIVE_INFINITY : EDGES[i]! - shift,
      i === BINS - 1 ? Number.POSITIVE_INFINITY : EDGES[i + 1]! - shift,
    ]
    return (
      (high === Number.POSITIVE_INFINITY ? 1 : normalCdf(high)) -
      (low === Number.NEGATIVE_INFINITY ? 0 : normalCdf(low))
    )
  })
}

function statsOf(rng: Rng, n: number, shift: number, sway = 0): ColumnStats {
  const weights = chances(shift).map((p) => p * Math.exp(sway * rng.normal()))
  const counts = new Float64Array(BINS)
  drawMultinomial(rng, n, weights, counts)
  return {
    nulls: 0,
    distinctApprox: n,
    histogram: { kind: 'numeric', edges: EDGES, counts: Array.from(counts), nulls: 0 },
  }
}

const columnsOf = (
  rng: Rng,
  width: number,
  n: number,
  shifted = 0,
  shift = 0,
  sway = 0,
): Record<string, ColumnStats> =>
  Object.fromEntries(
    Array.from({ length: width }, (_, j) => [`x${j}`, statsOf(rng, n, j < shifted ? shift : 0, sway)]),
  )

function version(
  rng: Rng,
  width: number,
  rows: number[],
  sway = 0,
): { version: Pick<DatasetVersion, 'parts'>; name: string } {
  const parts = rows.map((n, i) => ({
    digest: `sha256:${i}`,
    rows: n,
    bytes: 1,
    key: String(i),
    keyRange: { min: '', max: '' },
    stats: columnsOf(rng, width, n, 0, 0, sway),
  }))
  return { version: { parts: parts as DatasetVersion['parts'] }, name: 'the version before' }
}

const rule = (options: Parameters<typeof checks.drift>[0] = {}) => checks.drift(options).def as DriftCheck

test('fifty columns that did not move raise no more alarms than promised, at every size of a delivery', () => {
  for (const n of [100, 200, 1_000, 10_000, 50_000]) {
    let alarms = 0
    for (let seed = 0; seed < 60; seed++) {
      const rng = seededRng(1_000 * n + seed)
      const found = driftFinding(
        'd',
        rule({ alpha: 0.05, psiMin: 0 }),
        version(rng, 50, [5_000]),
        columnsOf(rng, 50, n),
      )
      if (found.verdict === 'fail') alarms++
    }
    expect(alarms, `${n} rows`).toBeLessThanOrEqual(hitsAtMost(60, 0.05))
  }
})

test('five columns of fifty that moved by 0.3 deviations are named at 1,000 rows, and one by 0.05 at 50,000', () => {
  let [named, trifles] = [0, 0]
  for (let seed = 0; seed < 60; seed++) {
    const rng = seededRng(seed)
    const found = driftFinding('d', rule(), version(rng, 50, [5_000]), columnsOf(rng, 50, 1_000, 5, 0.3))
    if (found.verdict === 'fail') named++
    const large = driftFinding(
      'd',
      rule({ alpha: 0.05, psiMin: 0 }),
      version(rng, 1, [50_000]),
      columnsOf(rng, 1, 50_000, 1, 0.05),
    )
    if (large.verdict === 'fail') trifles++
  }
  expect(named).toBe(60)
  expect(trifles).toBeGreaterThanOrEqual(59) // chance 0.99 and more
})

test('months that sway together are no drift, where independent rows would raise the alarm each time', () => {
  let [swaying, plain] = [0, 0]
  for (let seed = 0; seed < 60; seed++) {
    const rng = seededRng(seed)
    const months = version(rng, 5, new Array(12).fill(40_000), 0.05)
    const one = { ...months, version: { parts: months.version.parts.slice(0, 1) } }
    const delivered = columnsOf(rng, 5, 40_000, 0, 0, 0.05)
    if (driftFinding('d', rule({ psiMin: 0 }), months, delivered).verdict === 'fail') swaying++
    if (driftFinding('d', rule({ psiMin: 0 }), one, delivered).verdict === 'fail') plain++
  }
  expect(swaying).toBeLessThanOrEqual(hitsAtMost(60, 0.01))
  expect(plain).toBe(60)
})

test('too few rows, no bins and no version before are inconclusive, and the finding says which', () => {
  const rng = seededRng(1)
  const before = version(rng, 2, [5_000])
  const said = (found: ReturnType<typeof driftFinding>) => [found.verdict, found.message]
  expect(said(driftFinding('d', rule(), undefined, {}))).toEqual([
    'inconclusive',
    'drift(all columns): there is no earlier version to compare with',
  ])
  expect(driftFinding('d', rule(), before, columnsOf(rng, 2, 50)).verdict).toBe('inconclusive')
  expect(driftFinding('d', rule({ columns: ['at'] }), before, columnsOf(rng, 2, 500)).message).toContain(
    'no column has 100 rows on both sides',
  )
})
