import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { paired, peakOver, totalOf } from '../../console/src/charts/histogram-bins.ts'
import {
  busyScale,
  extent,
  forceSteps,
  linear,
  linePath,
  riverBands,
  ticks,
  wilson,
} from '../../console/src/charts/scale.ts'

describe('scales', () => {
  it('puts a domain of one point in the middle', () => {
    expect(linear([3, 3], [0, 100])(3)).toBe(50)
    expect(linear([0, 10], [100, 0])(2.5)).toBe(75)
  })

  it('ignores what is missing or infinite when it looks for the extent', () => {
    expect(extent([null, 2, Number.NaN, 5, Number.POSITIVE_INFINITY])).toEqual([2, 5])
    expect(extent([null, undefined])).toBeNull()
    expect(extent([0, 0])).toEqual([-0.5, 0.5])
  })

  it('chooses round ticks inside the domain', () => {
    expect(ticks([0.631, 0.682], 5)).toEqual([0.64, 0.65, 0.66, 0.67, 0.68])
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        (from, span) => {
          const marks = ticks([from, from + span], 5)
          expect(marks.length).toBeLessThanOrEqual(7)
          for (const mark of marks)
            expect(mark >= from - span * 1e-6 && mark <= from + span * (1 + 1e-6)).toBe(true)
        },
      ),
    )
  })

  it('breaks a line where a value is missing', () => {
    expect(linePath([{ x: 0, y: 1 }, null, { x: 2, y: 3 }, { x: 3, y: 4 }])).toBe('M0.0 1.0M2.0 3.0L3.0 4.0')
  })

  it('cuts idle time from the line of runs', () => {
    const at = busyScale([
      [0, 10],
      [1000, 1010],
      [5, 8],
    ])
    expect(at(0)).toBe(0)
    expect(at(10)).toBeCloseTo(49)
    expect(at(1000)).toBeCloseTo(51)
    expect(at(1010)).toBeCloseTo(100)
  })

  it('draws the interval of a share by Wilson, as published for 8 of 10 and 0 of 10', () => {
    const [low, high] = wilson(0.8, 10)
    expect(low).toBeCloseTo(0.4902, 4)
    expect(high).toBeCloseTo(0.9433, 4)
    expect(wilson(0, 10)[0]).toBe(0)
    expect(wilson(0, 10)[1]).toBeCloseTo(0.2775, 4)
    expect(wilson(0.5, 0)).toEqual([0, 1])
  })
})

describe('the walk from base to score', () => {
  const part = fc.record({
    feature: fc.string(),
    value: fc.constant(null),
    contribution: fc.double({ min: -5, max: 5, noNaN: true }),
  })

  it('ends at base plus all contributions, however many are folded together', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.array(part, { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 2, max: 12 }),
        (base, parts, most) => {
          const steps = forceSteps(base, parts, most)
          const sum = parts.reduce((s, p) => s + p.contribution, base)
          expect(steps.length).toBeLessThanOrEqual(most)
          expect(steps.at(-1)?.to).toBeCloseTo(sum, 9)
        },
      ),
    )
  })

  it('names how many were folded', () => {
    const parts = [3, 1, 2, 0.5].map((contribution, i) => ({ feature: `f${i}`, value: null, contribution }))
    expect(forceSteps(0, parts, 3).map((s) => s.feature)).toEqual(['f0', 'f2', '2 others'])
  })
})

describe('the traffic river', () => {
  const canary = [
    { at: 0, routes: [{ version: 1, role: 'live', weight: 1 }] },
    {
      at: 10,
      routes: [
        { version: 2, role: 'canary', weight: 0.1 },
        { version: 1, role: 'live', weight: 0.9 },
      ],
    },
    {
      at: 20,
      routes: [
        { version: 2, role: 'live', weight: 1 },
        { version: 3, role: 'shadow', weight: 0 },
      ],
    },
  ]

  it('stacks the answering versions and leaves shadows out', () => {
    const bands = riverBands(canary, 30)
    expect(bands.map((b) => b.version)).toEqual([1, 2])
    expect(bands[1]?.blocks).toEqual([
      { fromAt: 10, toAt: 20, low: 0.9, high: 1 },
      { fromAt: 20, toAt: 30, low: 0, high: 1 },
    ])
  })

  it('does not depend on the order in which releases are listed', () => {
    expect(riverBands([...canary].reverse(), 30)).toEqual(riverBands(canary, 30))
  })
})

describe('paired histograms', () => {
  it('compares shares, not counts', () => {
    const bins = paired(
      { kind: 'numeric', edges: [0, 1, 2], counts: [30, 10], nulls: 0 },
      { kind: 'numeric', edges: [0, 1, 2], counts: [1, 3], nulls: 0 },
    )
    expect(bins.reference).toEqual([0.75, 0.25])
    expect(bins.current).toEqual([0.25, 0.75])
    expect(peakOver(bins.current, bins.reference)).toBe(1)
  })

  it('gives missing values a bin of their own when there are any', () => {
    const bins = paired(
      { kind: 'numeric', edges: [0, 1], counts: [8], nulls: 2 },
      { kind: 'numeric', edges: [0, 1], counts: [5], nulls: 0 },
    )
    expect(bins.labels.at(-1)).toBe('missing')
    expect(bins.reference).toEqual([0.8, 0.2])
    expect(bins.current).toEqual([1, 0])
  })

  it('lines categories up by name and keeps the order of few', () => {
    const reference = {
      kind: 'category' as const,
      categories: ['Mon', 'Tue'],
      counts: [1, 3],
      other: 0,
      nulls: 0,
    }
    const current = {
      kind: 'category' as const,
      categories: ['Tue', 'Wed'],
      counts: [2, 2],
      other: 4,
      nulls: 0,
    }
    const bins = paired(reference, current)
    expect(bins.labels).toEqual(['Mon', 'Tue', 'Wed'])
    expect(bins.current).toEqual([0, 0.25, 0.25])
    expect(totalOf(current)).toBe(8)
  })
})
