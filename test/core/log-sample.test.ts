import { expect, test } from 'vitest'
import { isKept } from '../../src/core/log-sample.ts'
import { binomialCdf } from '../../src/stats/distributions.ts'

/** Ids as serving and clients make them. */
const KINDS: [string, (i: number) => string][] = [
  ['numbers', (i) => String(i)],
  ['ids of serving', (i) => `01J${i.toString(36).padStart(23, '0').toUpperCase()}`],
  ['rows of a request', (i) => `order-${Math.floor(i / 50)}:${i % 50}`],
  ['long names', (i) => `${'customer/'.repeat(10)}${i}`],
]

test.each(KINDS)('a share of %s is kept, as chance would have it', (_, idOf) => {
  const n = 20_000
  for (const share of [0.01, 0.1, 0.5, 0.9]) {
    let kept = 0
    for (let i = 0; i < n; i++) if (isKept(idOf(i), share)) kept++
    const p = binomialCdf(kept, n, share)
    expect(p, `${kept} of ${n} at ${share}`).toBeGreaterThan(1e-5)
    expect(p, `${kept} of ${n} at ${share}`).toBeLessThan(1 - 1e-5)
  }
})

test('all are kept at 1, and what a smaller share keeps, a larger one does', () => {
  for (let i = 0; i < 5_000; i++) {
    const kept = [0.05, 0.2, 0.7, 1].map((share) => isKept(`id ${i}`, share))
    expect(kept).toEqual([...kept].sort((a, b) => Number(a) - Number(b)))
    expect(kept[3]).toBe(true)
  }
})
