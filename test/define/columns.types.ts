/** Compiled, never run: what the type checker must refuse and must let pass. */
import { checks, col, dataset, each, gates, lit, model, when } from 'millrace'

declare module 'millrace' {
  interface Datasets {
    'known-columns': { delay: number | null; date: Date; origin: string; destination: string }
  }
}

const known = dataset('known-columns', {
  source: 'a.csv',
  time: 'date',
  checks: [
    checks.notNull('delay', 'origin'),
    checks.rowCount({ min: 1 }),
    checks.holds(col('delay').lt(2880)),
  ],
})

dataset('known-columns', {
  source: 'a.csv',
  // @ts-expect-error there is no column "dtae"
  time: 'dtae',
})

dataset('known-columns', {
  source: 'a.csv',
  // @ts-expect-error there is no column "dealy"
  checks: [checks.notNull('dealy')],
})

dataset('known-columns', {
  source: 'a.csv',
  // @ts-expect-error there is no column "dealy"
  checks: [checks.holds(col('delay').add(col('dealy')).gt(0))],
})

model('late', {
  from: known,
  target: col('delay').gt(15),
  features: {
    hour: col('date').hour({ zone: 'America/New_York' }),
    route: col('origin').concat(lit('>'), col('destination')).rate({ smoothing: 10 }),
    far: when(col('origin').eq('SFO')).then(1).otherwise(col('delay')),
  },
  gates: [gates.slices('destination', { floor: 0.6 }), gates.noWorseThanLive()],
  each: each('origin', { rowsMin: 500 }),
})

model('late', {
  from: known,
  // @ts-expect-error there is no column "dealy"
  target: col('dealy').gt(15),
})

model('late', {
  from: known,
  target: col('delay').gt(15),
  features: {
    // @ts-expect-error there is no column "hour"
    hour: col('hour'),
    // @ts-expect-error there is no column "orgin"
    origin: col('orgin').category(),
  },
})

model('late', {
  from: known,
  target: col('delay').gt(15),
  // @ts-expect-error there is no column "carrier"
  gates: [gates.slices('carrier', { floor: 0.6 })],
})

model('late', {
  from: known,
  target: col('delay').gt(15),
  // @ts-expect-error there is no column "airport"
  each: 'airport',
})

const anything = dataset('unlisted', { source: 'b.csv', time: 'when', checks: [checks.notNull('whatever')] })
model('free', { from: anything, target: col('x').gt(1), features: { y: col('y'), z: col('z').rate() } })

col('a').lower().contains('x').not()
// @ts-expect-error a number has no letters
col('a').add(1).lower()
// @ts-expect-error a text is not a number
col('a').lower().add(1)
// @ts-expect-error a boolean is not compared with a number
col('a').gt(1).eq(1)
// @ts-expect-error an hour is not a time
col('a').hour().weekday()
// @ts-expect-error nothing can be computed from a learned step
col('a').category().add(1)
// @ts-expect-error no such unit
col('a').truncate('fortnight')
