/** Checked by the compiler alone: a frame whose columns are known takes no other, and says what it makes of them. */
import { col, count, desc, type Frame, frame, lag, listOf, max, mean, sum } from '../../src/frame/index.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type RowOf<F> = F extends Frame<infer R> ? R : never
function is<_ extends true>(): void {}

interface Flight {
  origin: string
  delay: number | null
  at: Date
}
const flights = frame<Flight>('flights.parquet')

const late = flights.filter(col('delay').gt(15))
is<Equal<RowOf<typeof late>, Flight>>()

const hours = flights.with((c) => ({ hours: c.delay.div(60), isLate: c.delay.gt(15) }))
is<Equal<RowOf<typeof hours>['hours'], number | null>>()
is<Equal<RowOf<typeof hours>['isLate'], boolean | null>>()
is<Equal<keyof RowOf<typeof hours>, 'origin' | 'delay' | 'at' | 'hours' | 'isLate'>>()

const means = flights.groupBy('origin').agg({ mean: mean('delay'), n: count(), all: listOf('origin') })
is<Equal<keyof RowOf<typeof means>, 'origin' | 'mean' | 'n' | 'all'>>()
is<Equal<RowOf<typeof means>['mean'], number | null>>()
is<Equal<RowOf<typeof means>['n'], number>>()

const joined = flights.join(frame({ origin: ['ATL'], delay: Float64Array.of(1) }), {
  on: 'origin',
  how: 'left',
})
is<Equal<keyof RowOf<typeof joined>, 'origin' | 'delay' | 'at' | 'delay_right'>>()
is<Equal<RowOf<typeof joined>['delay_right'], number | null>>()

const renamed = flights.rename({ at: 'when' }).drop('delay')
is<Equal<keyof RowOf<typeof renamed>, 'origin' | 'when'>>()

const whole = flights.dropNull('delay')
is<Equal<RowOf<typeof whole>['delay'], number>>()

const rows = frame([{ a: 1, b: 'x' }])
is<Equal<RowOf<typeof rows>, { a: number; b: string }>>()

const windowed = flights.window(
  { by: 'origin', order: desc('at') },
  { before: lag('delay'), most: max('delay') },
)
is<Equal<keyof RowOf<typeof windowed>, 'origin' | 'delay' | 'at' | 'before' | 'most'>>()

const long = flights.unpivot({ index: 'origin', name: 'what' })
is<Equal<keyof RowOf<typeof long>, 'origin' | 'what' | 'value'>>()

// @ts-expect-error there is no column "dealy"
flights.filter(col('dealy').gt(15))
// @ts-expect-error there is no column "dealy"
flights.filter((c) => c.dealy.gt(15))
// @ts-expect-error a text is no number
flights.filter((c) => c.origin.gt(15))
// @ts-expect-error there is no column "dealy"
flights.select('dealy')
// @ts-expect-error there is no column "dealy"
flights.with({ x: col('dealy').add(1) })
// @ts-expect-error there is no column "orgin"
flights.groupBy('orgin')
// @ts-expect-error there is no column "dealy"
flights.groupBy('origin').agg({ x: sum('dealy') })
// @ts-expect-error there is no column "dealy"
flights.sort(desc('dealy'))
// @ts-expect-error "delay" is gone
flights.drop('delay').select('delay')
// @ts-expect-error there is no column "dealy"
flights.window({ by: 'origin' }, { x: lag('dealy') })
// @ts-expect-error the right has no column "origin"
flights.join(frame({ dest: ['ATL'] }), { on: 'origin' })
// @ts-expect-error there is no column "dealy"
flights.rename({ dealy: 'x' })

// Where nothing is known, any name is taken.
frame('unknown.parquet').filter(col('anything').gt(1)).select('whatever')
