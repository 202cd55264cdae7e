import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { suggestChecks, suggestForVersion } from '../../src/data/index.ts'
import { learnPattern } from '../../src/data/suggest/patterns.ts'
import { misspelt } from '../../src/data/suggest/sets.ts'
import type { Suggestion } from '../../src/data/suggest/types.ts'
import { checkText } from '../../src/define/check-text.ts'
import { openPlace, type Place } from './fixture.ts'

const SHARED = new URL('../../../shared/data/', import.meta.url).pathname
if (!existsSync(SHARED)) console.warn(`skipped: suggestions on real files, since ${SHARED} is not there`)

type Row = Record<string, string | number>

function csv(place: Place, rows: readonly Row[]): string {
  const names = Object.keys(rows[0]!)
  return place.file(
    `rows-${rows.length}-${names.length}.csv`,
    `${[names, ...rows.map((row) => names.map((n) => row[n]))].map((cells) => cells.join(',')).join('\n')}\n`,
  )
}

const rowsOf = (n: number, make: (rng: ReturnType<typeof seededRng>, i: number) => Row, seed = 1): Row[] => {
  const rng = seededRng(seed)
  return Array.from({ length: n }, (_, i) => make(rng, i))
}

const texts = (found: readonly Suggestion[], kind?: Suggestion['kind']): string[] =>
  found.filter((s) => kind === undefined || s.kind === kind).map(({ check }) => checkText(check))

const pick = <T>(rng: { nextInt(n: number): number }, of: readonly T[]): T => of[rng.nextInt(of.length)]!

describe('from rows of known make', () => {
  const CITIES = [
    'Bern',
    'Genf',
    'Chur',
    'Lugano',
    'Basel',
    'Thun',
    'Biel',
    'Olten',
    'Aarau',
    'Sion',
    'Brig',
    'Visp',
  ]
  const sound = (rng: ReturnType<typeof seededRng>, i: number): Row => {
    const city = rng.nextInt(CITIES.length)
    const start = rng.nextInt(1000)
    return {
      id: 5000 + i,
      zip: `${3000 + 7 * city}`.padStart(5, '0').replace(/^0/, '9'),
      city: CITIES[city]!,
      score: Number((50 + 10 * rng.normal()).toFixed(2)),
      opened: start,
      closed: start + rng.nextInt(400),
      code: `AB-${100 + rng.nextInt(900)}`,
      note: rng.next() < 0.2 ? '' : 'x y z',
    }
  }

  test('each kind of rule is found, with evidence from rows that it was not learned from', async () => {
    const { suggestions, split } = await suggestChecks([csv(await openPlace(), rowsOf(1500, sound))])
    expect(split.fitted + split.heldOut).toBe(1500)
    expect(split.heldOut / 1500).toBeCloseTo(0.3, 1)
    expect(texts(suggestions, 'unique')).toEqual(["checks.unique('id')"])
    expect(texts(suggestions, 'set')).toEqual([
      expect.stringMatching(/^checks.isIn\('city', \['Aarau', 'Basel'/),
    ])
    expect(texts(suggestions, 'order')).toEqual(["checks.holds(col('opened').le(col('closed')))"])
    expect(texts(suggestions, 'pattern')).toEqual(["checks.matches('code', '^AB-[0-9]{3}$')"])
    expect(texts(suggestions, 'determines').sort()).toEqual([
      "checks.determines('city', 'zip')",
      "checks.determines('zip', 'city')",
    ])
    const complete = suggestions.filter((s) => s.kind === 'complete')
    expect(complete.filter((s) => s.check.atLeast === 1)).toHaveLength(7)
    const [note] = complete.filter((s) => s.columns[0] === 'note')
    expect(note!.check).toMatchObject({ onFail: 'warn' })
    expect(note!.check.atLeast).toBeGreaterThan(0.7)
    expect(note!.check.atLeast).toBeLessThan(0.8)
    for (const s of suggestions) expect(s.heldOut.rows, s.check.name).toBeGreaterThan(50)
  })

  test('nothing is held to one value: no rule says that a number equals another', async () => {
    const { suggestions } = await suggestChecks([csv(await openPlace(), rowsOf(800, sound))])
    for (const { check } of suggestions)
      expect(JSON.stringify(check)).not.toMatch(/"fn":"eq"|"kind":"(metric|rowCount)"/)
  })

  test('slips and rows of another mind are found as exceptions, and checks with exceptions put nothing aside', async () => {
    const rng = seededRng(9)
    const dirty = rowsOf(1500, sound).map((row, i) => {
      if (i % 50 === 7)
        return { ...row, city: `${String(row.city).slice(0, 2)}x${String(row.city).slice(3)}` }
      return i % 60 === 11 ? { ...row, city: pick(rng, CITIES) } : row
    })
    const { suggestions } = await suggestChecks([csv(await openPlace(), dirty)])
    const [zip] = suggestions.filter((s) => s.kind === 'determines' && s.columns.join() === 'zip,city')
    expect(zip!.loosened).toBe(true)
    expect(zip!.check).toMatchObject({ onFail: 'warn' })
    expect(zip!.fitted.failing + zip!.heldOut.failing).toBeGreaterThan(40)
    expect(zip!.check.atLeast).toBeGreaterThan(0.9)
    const [set] = suggestions.filter((s) => s.kind === 'set' && s.columns[0] === 'city')
    expect(texts([set!])[0]).not.toContain('x')
  })

  test('the newest rows are held out where there is a time; a rule that they break is dropped and said', async () => {
    const rows = rowsOf(1000, (rng, i) => ({
      at: new Date(Date.UTC(2020, 0, 1) + i * 3_600_000).toISOString(),
      plan: i < 800 ? pick(rng, ['basic', 'plus']) : pick(rng, ['basic', 'plus', 'pro', 'max']),
    }))
    const { split, suggestions, dropped } = await suggestChecks([csv(await openPlace(), rows)], {
      time: 'at',
    })
    expect(split).toMatchObject({ by: 'time', column: 'at' })
    expect(texts(suggestions, 'set')).toEqual([])
    expect(dropped).toEqual([expect.objectContaining({ check: 'isIn(plan, 2 values)' })])
    expect(dropped[0]!.why).toMatch(/^it fails in \d+ % of 300 held-out rows$/)
  })

  test('freshness follows the pace of the rows, and an archive has none', async () => {
    const rows = rowsOf(400, (_, i) => ({
      at: new Date(Date.UTC(2020, 0, 1) + i * 3_600_000).toISOString(),
      x: i % 7,
    }))
    const path = csv(await openPlace(), rows)
    const now = Date.UTC(2020, 0, 1) + 401 * 3_600_000
    const live = await suggestChecks([path], { time: 'at', now })
    expect(texts(live.suggestions, 'fresh')).toEqual(["checks.fresh('at', '4h')"])
    const old = await suggestChecks([path], { time: 'at', now: now + 365 * 86_400_000 })
    expect(texts(old.suggestions, 'fresh')).toEqual([])
  })

  test('independent columns give no dependency and no order, over 12 seeds', async () => {
    const place = await openPlace()
    let found = 0
    for (let seed = 1; seed <= 12; seed++) {
      const rows = rowsOf(
        400,
        (rng) => ({
          a: pick(rng, CITIES),
          b: pick(rng, ['u', 'v', 'w', 'w', 'w', 'w', 'w', 'w', 'w', 'w', 'w', 'w']),
          c: rng.nextInt(40),
          d: rng.nextInt(50),
          e: pick(rng, ['p', 'q']),
        }),
        seed,
      )
      const { suggestions } = await suggestChecks([csv(place, rows)])
      found += suggestions.filter(
        (s) => s.kind === 'determines' || s.kind === 'order' || s.kind === 'unique',
      ).length
    }
    expect(found).toBe(0)
  })

  test('two columns that name a row together are one key, and only where no column does alone', async () => {
    const make = (extra: boolean) =>
      rowsOf(600, (rng, i) => ({
        source: `s${i % 20}`,
        flight: `f${Math.floor(i / 20)}`,
        ...(extra && { id: `k${i}` }),
        seats: rng.nextInt(9),
      }))
    const place = await openPlace()
    const pair = await suggestChecks([csv(place, make(false))])
    expect(texts(pair.suggestions, 'unique')).toEqual(["checks.unique('source', 'flight')"])
    const single = await suggestChecks([csv(place, make(true))])
    expect(texts(single.suggestions, 'unique')).toEqual(["checks.unique('id')"])
  })

  test('few rows are said to be few, and nothing is learned from them', async () => {
    const { suggestions, notes } = await suggestChecks([csv(await openPlace(), rowsOf(12, sound))])
    expect(suggestions).toEqual([])
    expect(notes).toEqual(['12 rows are too few to learn checks from; 30 are needed'])
  })

  test('columns of one value, of none, and hostile names do no harm', async () => {
    const rows = rowsOf(120, (_, i) => ({
      "'; DROP TABLE seen; --": i % 3,
      'a `b` c': i % 2,
      one: 'k',
      none: '',
    }))
    const { suggestions } = await suggestChecks([csv(await openPlace(), rows)])
    expect(suggestions.map((s) => s.columns[0])).not.toContain('none')
    expect(suggestions.length).toBeGreaterThan(0)
  })

  test('a version that was imported is looked at as it was accepted', async () => {
    const place = await openPlace()
    place.file('a.csv', `x,y\n${Array.from({ length: 200 }, (_, i) => `${i % 5},${i % 5}b`).join('\n')}\n`)
    await place.import({ source: ['a.csv'] })
    const { rows, suggestions } = await suggestForVersion(place.store, 'd')
    expect(rows).toBe(200)
    expect(texts(suggestions, 'determines')).toContain("checks.determines('x', 'y')")
  })
})

describe('patterns', () => {
  const learn = (...values: string[]) => learnPattern(values.map((value) => ({ value, rows: 10 })))?.pattern
  test('are runs of digits and letters with their lengths, and words that all share', () => {
    expect(learn('12 patients', '7 patients', '345 patients')).toBe('^[0-9]{1,3} patients$')
    expect(learn('AB-1', 'CD-2', 'EF-3')).toBe('^[A-Z]{2}-[0-9]$')
    expect(learn('(1)', '[2]', '(3)')).toBe('^(\\([0-9]\\)|\\[[0-9]\\])$')
  })
  test('are not made of prose', () => {
    expect(learn('some words', 'more words here', 'and others')).toBeUndefined()
  })
})

test('a slip is rare and near to a frequent value; codes, dimensions and lone repeated values are none', () => {
  const values = (counts: Record<string, number>) =>
    Object.entries(counts).map(([value, rows]) => ({ value, rows }))
  expect(misspelt(values({ 'heart attack': 400, 'heart attaxk': 2 }))).toEqual([
    { value: 'heart attaxk', meant: 'heart attack' },
  ])
  expect(misspelt(values({ grade1: 400, grade2: 2 }))).toEqual([])
  expect(misspelt(values({ ND: 2, NC: 400 }))).toEqual([])
  expect(misspelt(values({ INLAND: 6000, ISLAND: 5 }))).toEqual([])
})

describe.skipIf(!existsSync(SHARED))('on real files', () => {
  test('hospital: patterns, sets and dependencies with exceptions are found in the dirty file itself, one by two columns', async () => {
    const { suggestions } = await suggestChecks([`${SHARED}dirty-hospital/dirty.csv.gz`])
    const kinds = new Set(suggestions.filter((s) => s.loosened).map((s) => s.kind))
    expect(kinds).toEqual(new Set(['pattern', 'set', 'determines']))
    expect(texts(suggestions, 'determines').join('\n')).toContain(
      "checks.determines(['measure_code', 'state'], 'state_average')",
    )
  })

  test('adult: education and its number decide one another, and nothing else is claimed to', async () => {
    const { suggestions } = await suggestChecks([`${SHARED}adult/adult-train.csv.gz`])
    expect(texts(suggestions, 'determines').sort()).toEqual([
      "checks.determines('column03', 'column04')",
      "checks.determines('column04', 'column03')",
    ])
  })
})
