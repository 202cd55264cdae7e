import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { type ShortcutsAsked, shortcutsOf } from '../../../src/train/worth/shortcuts.ts'

const DAY = 86_400_000

/**
 * Rows of four sources over a year. `honest` tells the label everywhere, though its spread and the rate of the label differ by source; `marker` tells it in all sources but the
 * last; `stamp` only names the source; `fresh` tells it until autumn; `nothing` tells nothing.
 */
function asked(seed: number, nRows: number): ShortcutsAsked {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 5 }, () => new Float64Array(nRows))
  const target = new Float64Array(nRows)
  const codes = new Int32Array(nRows)
  const times = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    const source = rng.nextInt(4)
    const day = Math.floor(rng.next() * 364)
    const x = rng.normal() * (1 + source / 2)
    const y = Number(rng.next() < 1 / (1 + Math.exp(-(1.5 * x + source - 1.5))))
    const told = y + 0.7 * rng.normal()
    columns[0][i] = x
    columns[1][i] = source === 3 ? 0.5 + 0.8 * rng.normal() : told
    columns[2][i] = source + 0.1 * rng.normal()
    columns[3][i] = day >= 273 ? 0.5 + 0.8 * rng.normal() : y + 0.7 * rng.normal()
    columns[4][i] = rng.normal()
    target[i] = y
    codes[i] = source
    times[i] = day * DAY
  }
  const features = ['honest', 'marker', 'stamp', 'fresh', 'nothing'].map((name) => ({
    name,
    type: 'number' as const,
  }))
  return {
    features,
    columns,
    target,
    classes: ['0', '1'],
    sources: { codes, names: ['a', 'b', 'c', 'd', null] },
    times,
  }
}

describe('shortcuts', () => {
  test('are found where they fail, over 20 seeds, and honest features are hardly ever called one', () => {
    let [marker, stamp, fresh, wrong] = [0, 0, 0, 0]
    for (let seed = 1; seed <= 20; seed++) {
      const found = shortcutsOf(asked(seed, 4000))
      marker += Number(found.some((s) => s.feature === 'marker' && s.where === 'd'))
      stamp += Number(found.some((s) => s.feature === 'stamp' && s.by === 'source' && s.where === ''))
      fresh += Number(found.some((s) => s.feature === 'fresh' && /^1970-(09-2|09-3|10)/.test(s.where)))
      wrong += Number(found.some((s) => s.feature === 'honest' || s.feature === 'nothing'))
      for (const { here, interval } of found) expect(interval[0] <= here && here <= interval[1]).toBe(true)
    }
    expect(marker).toBeGreaterThanOrEqual(19)
    expect(stamp).toBeGreaterThanOrEqual(19)
    expect(fresh).toBeGreaterThanOrEqual(19)
    expect(wrong).toBeLessThanOrEqual(1)
  })

  test('of a reversed feature have a slope below 0', () => {
    const given = asked(3, 4000)
    const { codes } = given.sources!
    given.columns[1].forEach((x, i) => {
      given.columns[1][i] = codes[i] === 3 ? 1 - given.target[i] + 0.1 * x : given.target[i] + 0.1 * x
    })
    const found = shortcutsOf(given).find((s) => s.feature === 'marker' && s.where === 'd')
    expect(found?.interval[1]).toBeLessThan(0)
  })

  test('of classes name the class, and of numbers work by ranks', () => {
    const given = asked(4, 6000)
    const three = given.target.map((y, i) => (y === 1 ? 1 : given.columns[4][i] > 0 ? 0 : 2))
    const classes = shortcutsOf({ ...given, target: three, classes: ['low', 'high', 'odd'] })
    expect(classes.some((s) => s.feature === 'marker' && s.class === 'high' && s.where === 'd')).toBe(true)
    const numbers = given.target.map((y, i) => 1000 * y + 100 * given.columns[4][i])
    const found = shortcutsOf({ ...given, target: numbers, classes: [] })
    expect(found.some((s) => s.feature === 'marker' && s.where === 'd')).toBe(true)
    expect(found.some((s) => s.feature === 'nothing')).toBe(false)
  })

  test('are none without places, in one place, of constants and of few rows', () => {
    const given = asked(5, 3000)
    expect(shortcutsOf({ ...given, sources: undefined, times: undefined })).toEqual([])
    const one = { codes: new Int32Array(3000), names: ['a', null] }
    expect(shortcutsOf({ ...given, sources: one, times: undefined })).toEqual([])
    const flat = given.columns.map(() => new Float64Array(3000).fill(7))
    expect(shortcutsOf({ ...given, columns: flat })).toEqual([])
    expect(shortcutsOf(asked(6, 60))).toEqual([])
  })
})
