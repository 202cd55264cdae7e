import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { normalSf } from '../../src/stats/distributions.ts'
import * as m from '../../src/stats/multiplicity.ts'
import { gammaQ } from '../../src/stats/special.ts'
import reference from '../reference/stats/metrics.json' with { type: 'json' }
import { expectClose, expectCode, hitsAtMost } from './close.ts'

test('of ten known p-values at 5 % Benjamini-Hochberg rejects two, Holm one, Bonferroni one', () => {
  const { p, benjaminiHochberg } = reference.multiplicity
  const rejected = (adjusted: number[]) => adjusted.filter((x) => x <= 0.05).length
  expect(rejected(m.benjaminiHochberg(p))).toBe(2)
  expect(rejected(m.holm(p))).toBe(1)
  expect(rejected(m.bonferroni(p))).toBe(1)
  for (const [i, q] of m.benjaminiHochberg(p).entries())
    expectClose(q, benjaminiHochberg[i], 1e-12, `q of ${p[i]}`)
})

test('adjusted p-values keep their order, are never below p, and do not depend on the order of tests', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (p) => {
      for (const adjust of [m.bonferroni, m.holm, m.benjaminiHochberg]) {
        const adjusted = adjust(p)
        for (const [i, x] of p.entries()) expect(adjusted[i]).toBeGreaterThanOrEqual(x)
        expect(adjust([...p].reverse()).reverse()).toEqual(adjusted)
      }
      for (const [i, x] of m.holm(p).entries()) expect(x).toBeLessThanOrEqual(m.bonferroni(p)[i])
    }),
  )
  expect(m.holm([])).toEqual([])
  expectCode(() => m.holm([1.1]), 'MR_STATS_RANGE')
  expectCode(() => m.benjaminiHochberg([Number.NaN]), 'MR_STATS_NAN')
})

test('the shares of all looks to come are at most the whole budget', () => {
  let total = 0
  for (let look = 1; look <= 200_000; look++) total += m.spendingShare(look)
  const tail = 2 * 6 * 0.0772 * gammaQ(4, Math.sqrt(Math.log(200_000)))
  expect(total + tail).toBeLessThan(1)
  expect(total + tail).toBeGreaterThan(0.95)
})

test('without drift a year of weekly windows over 20 columns alarms ever in at most 5 % of 400 lives', () => {
  let lives = 0
  let naive = 0
  for (let seed = 0; seed < 400; seed++) {
    const rng = seededRng(seed)
    let state = m.openSpending(0.05)
    let alarmed = false
    let cried = false
    for (let week = 0; week < 52; week++) {
      const p = Array.from({ length: 20 }, () => rng.next())
      const answer = m.nextSpendingWindow(state, p)
      state = answer.state
      alarmed ||= answer.rejected.includes(true)
      cried ||= m.benjaminiHochberg(p).some((q) => q <= 0.05)
    }
    if (alarmed) lives++
    if (cried) naive++
  }
  expect(lives).toBeLessThanOrEqual(hitsAtMost(400, 0.05))
  expect(naive).toBeGreaterThan(300)
})

test('a spending stream of single looks holds its level too', () => {
  let lives = 0
  for (let seed = 0; seed < 500; seed++) {
    const rng = seededRng(seed + 5000)
    let state = m.openSpending(0.1)
    let alarmed = false
    for (let look = 0; look < 300; look++) {
      const answer = m.nextSpending(state, rng.next())
      state = answer.state
      alarmed ||= answer.rejected
    }
    if (alarmed) lives++
  }
  expect(lives).toBeLessThanOrEqual(hitsAtMost(500, 0.1))
})

test('LORD++ keeps the false discovery rate at 10 % over 300 streams, and finds most real shifts', () => {
  let falseShare = 0
  let found = 0
  let real = 0
  for (let seed = 0; seed < 300; seed++) {
    const rng = seededRng(seed)
    let state = m.openLord(0.1)
    let wrong = 0
    let right = 0
    for (let t = 0; t < 300; t++) {
      const shifted = rng.next() < 0.2
      if (shifted) real++
      const answer = m.nextLord(state, normalSf(rng.normal() + (shifted ? 4 : 0)))
      state = answer.state
      if (answer.rejected && shifted) right++
      if (answer.rejected && !shifted) wrong++
    }
    falseShare += wrong / Math.max(1, wrong + right)
    found += right
  }
  expect(falseShare / 300).toBeLessThan(0.1)
  expect(found / real).toBeGreaterThan(0.6)
})

test('LORD++ without any shift alarms in at most 10 % of 500 streams', () => {
  let streams = 0
  for (let seed = 0; seed < 500; seed++) {
    const rng = seededRng(seed + 900)
    let state = m.openLord(0.1)
    for (let t = 0; t < 200; t++) state = m.nextLord(state, rng.next()).state
    if (state.first > 0) streams++
  }
  expect(streams).toBeLessThanOrEqual(hitsAtMost(500, 0.1))
})

test('a stream that was stored and read back goes on as if it had not been', () => {
  const rng = seededRng(4)
  let kept = m.openLord(0.1)
  let stored = m.openLord(0.1)
  for (let t = 0; t < 400; t++) {
    const p = rng.next() < 0.9 ? 1e-9 : rng.next()
    const a = m.nextLord(kept, p)
    const b = m.nextLord(JSON.parse(JSON.stringify(stored)), p)
    expect(b).toEqual(a)
    kept = a.state
    stored = b.state
  }
  expect(kept.rejections.length).toBe(m.REJECTIONS_MAX)
})

test('the first levels of LORD++ are those of its formula', () => {
  const g = m.spendingShare
  let state = m.openLord(0.05, 0.02)
  const levels = [0, 1, 1, 0, 1].map((p) => {
    const answer = m.nextLord(state, p)
    state = answer.state
    return answer.level
  })
  const expected = [
    g(1) * 0.02,
    g(2) * 0.02 + 0.03 * g(1),
    g(3) * 0.02 + 0.03 * g(2),
    g(4) * 0.02 + 0.03 * g(3),
    g(5) * 0.02 + 0.03 * g(4) + 0.05 * g(1),
  ]
  for (const [i, level] of levels.entries()) expectClose(level, expected[i], 1e-14, `level ${i + 1}`)
})
