import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { behaviourOf } from '../../src/gate/behaviour.ts'
import { movedSlices } from '../../src/gate/moved-slices.ts'
import reference from '../reference/behaviour/behaviour.json' with { type: 'json' }

const side = (outputs: ArrayLike<number>, threshold = 0.5) => ({
  outputs: Float64Array.from(outputs),
  threshold,
})

test('tells what NumPy and SciPy tell of the same scores', () => {
  const found = behaviourOf({
    task: 'binary',
    before: side(reference.before),
    after: side(reference.after, 0.4),
    targets: Float64Array.from(reference.target),
    columns: reference.columns,
  })
  const { decisions, moves } = found
  const { changed, ways, broken, mended } = decisions!
  const [share, low, high] = reference.decisions.changed
  expect(changed.value).toBeCloseTo(share, 12)
  expect(changed.interval).toEqual([expect.closeTo(low, 9), expect.closeTo(high, 9)])
  expect(Object.fromEntries(ways.map(({ from, to, n }) => [`${from} to ${to}`, n]))).toEqual(
    Object.fromEntries(
      Object.entries(reference.decisions).filter(([name, n]) => name.includes(' to ') && n !== 0),
    ),
  )
  expect({ broken, mended }).toEqual({
    broken: reference.decisions.broken,
    mended: reference.decisions.mended,
  })
  expect(moves.mean).toBeCloseTo(reference.mean, 12)
  expect(moves.meanAbsolute).toBeCloseTo(reference.meanAbsolute, 12)
  moves.quantiles.forEach(({ value }, i) => {
    expect(value).toBeCloseTo(reference.quantiles[i], 12)
  })
  expect(moves.histogram).toMatchObject({ counts: reference.histogram.counts })
  expect((moves.histogram as { edges: number[] }).edges).toEqual(
    reference.histogram.edges.map((x) => expect.closeTo(x, 9)),
  )
  const expected = Object.entries(reference.slices)
    .filter(([, slice]) => slice.q <= 0.05 && slice.moved > slice.rest)
    .sort(([, a], [, b]) => b.moved - a.moved)
  expect(found.slicesTested).toBe(Object.keys(reference.slices).length)
  expect(found.slices.length).toBe(expected.length)
  expected.forEach(([name, slice], i) => {
    const own = found.slices[i]!
    expect(name.startsWith(own.column)).toBe(true)
    expect(own).toMatchObject({ rows: slice.rows, changed: slice.changed })
    for (const key of ['moved', 'rest', 'shift', 'q'] as const) expect(own[key]).toBeCloseTo(slice[key], 9)
    expect(own.interval).toEqual(slice.interval.map((x) => expect.closeTo(x, 9)))
    const { value, interval } = own.loss!
    expect([value, ...interval]).toEqual(slice.loss.map((x) => expect.closeTo(x, 9)))
  })
  expect(found.slices[0]).toMatchObject({ column: 'city', value: 'SEA' })
})

/** Distances with a heavy tail over columns that have nothing to do with them. */
function unrelated(seed: number): ReturnType<typeof movedSlices> {
  const rng = seededRng(seed)
  const of = <T>(draw: () => T) => Array.from({ length: 600 }, draw)
  const moves = Float64Array.from(of(() => rng.next() ** 4 * (rng.next() < 0.5 ? -1 : 1)))
  return movedSlices({ town: of(() => `t${rng.nextInt(6)}`), wind: of(() => rng.next()) }, { moves })
}

test('slices where nothing happened are named in at most 5 % of comparisons', () => {
  const named = Array.from({ length: 400 }, (_, seed) => unrelated(seed).slices.length > 0)
  // At a rate of 5 % there are more than 34 in one of a thousand runs of 400.
  expect(named.filter(Boolean).length).toBeLessThanOrEqual(34)
})

test('classes move by the probability that went from some to others, and say from what to what', () => {
  const { moves, decisions, examples } = behaviourOf({
    task: 'multiclass',
    before: side([0.7, 0.2, 0.1, 0.1, 0.8, 0.1]),
    after: side([0.3, 0.6, 0.1, 0.1, 0.8, 0.1]),
    targets: Float64Array.of(1, 1),
    classes: ['dry', 'rain', 'snow'],
    columns: { day: [new Date(0), null] },
  })
  expect(moves.quantiles.at(-1)!.value).toBeCloseTo(0.4, 12)
  expect((moves.histogram as { edges: number[] }).edges[0]).toBe(0)
  expect(decisions).toMatchObject({ ways: [{ from: 'dry', to: 'rain', n: 1 }], broken: 0, mended: 1 })
  expect(examples[0]).toMatchObject({
    row: { day: '1970-01-01T00:00:00.000Z' },
    ...{ target: 'rain', before: 'dry', after: 'rain' },
  })
})

test('equal answers are no difference', () => {
  const scores = [0.2, 0.9, 0.4, 0.6]
  const { decisions, moves, metrics, slices } = behaviourOf({
    task: 'binary',
    before: side(scores),
    after: side(scores),
    targets: Float64Array.of(0, 1, 0, 1),
    columns: { a: ['x', 'x', 'y', null] },
  })
  expect(decisions).toMatchObject({ changed: { value: 0 }, ways: [], broken: 0, mended: 0 })
  expect(moves.meanAbsolute).toBe(0)
  expect(moves.histogram).toBeUndefined()
  expect(metrics.every(({ verdict }) => verdict === 'inconclusive')).toBe(true)
  expect(slices).toEqual([])
})
