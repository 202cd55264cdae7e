/** A model that ranks, on the films of vega-datasets: within a year, which were liked best. Trained, released, asked, told and judged. */
import { existsSync } from 'node:fs'
import { col, dataset, gates, gbdt, immediate, model, project } from 'millrace'
import { describe, expect, test } from 'vitest'
import { Follower } from '../../src/loop/follow.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { trainModel } from '../../src/loop/train.ts'
import type { WindowReport } from '../../src/watch/records.ts'
import { openLoop } from '../fixtures/loop-place.ts'

const FILE = new URL('../../node_modules/vega-datasets/data/movies.json', import.meta.url).pathname
const COLUMNS = {
  season: 'string',
  budget: 'float',
  minutes: 'float',
  genre: 'string',
  tomatoes: 'float',
  liked: 'int',
} as const
/** Quarters of a year are what is ordered within; 0 to 3 by the rating of the public. */
const ROWS = `
  select strftime(day, '%Y-') || (month(day) + 2) // 3 as season, "Production Budget"::double as budget, "Running Time min"::double as minutes,
    "Major Genre" as genre, "Rotten Tomatoes Rating"::double as tomatoes,
    (case when r >= 7.5 then 3 when r >= 6.8 then 2 when r >= 6 then 1 else 0 end)::int as liked
  from (select *, try_strptime("Release Date", '%b %d %Y') as day, "IMDB Rating"::double as r from read_json('${FILE}'))
  where day is not null and r is not null and year(day) between 1990 and 2010 order by day`

const films = dataset('films', { source: 'none' })
const best = model('best', {
  from: films,
  target: col('liked'),
  group: 'season',
  trainer: gbdt({ trees: 60, leaves: 7, minRowsInLeaf: 10 }),
  split: { by: 'random', validate: 0.2, test: 0.3 },
  gates: [gates.beatsBaseline(), gates.noWorseThanLive(), gates.noLeak()],
  release: immediate(),
  watch: { window: 'week', owner: 'oncall@example.com' },
})

describe.skipIf(!existsSync(FILE))('films of a season', () => {
  test('are ordered, told apart by request or column, and judged once every row of a season is known', async () => {
    const def = project('films', { datasets: [films], models: [best] })
    const place = await openLoop(def as never, Date.UTC(2024, 0, 1, 0, 0, 1))
    await place.deliver('films', ROWS, COLUMNS)
    const follower = await Follower.open(place.rt)
    const { passed, plan, report } = await trainModel(place.rt, {
      model: 'best',
      reason: 'first',
      actor: 'test',
    })
    expect(report.findings.map((f) => [f.check, f.verdict]).filter(([, v]) => v !== 'pass')).toEqual([])
    expect(passed).toBe(true)
    expect(plan.task).toBe('ranking')
    expect(report.promise.metrics.ndcg.value).toBeGreaterThan(0.6)
    await releaseLatest(place.rt, { model: 'best', actor: 'test' })
    await place.server.station.router.refresh()

    const query = await place.rt.query()
    const rows = await query.rows<Record<string, unknown>>({
      text: `select * from (${ROWS}) where season >= '2000'`,
      params: [],
    })
    const some = rows
      .filter((r) => r.season === rows[0].season)
      .concat(rows.filter((r) => r.season === rows.at(-1)?.season))
    const { body } = await place.post('/predict/best/rank', { rows: some })
    expect(body.ranking).toHaveLength(some.length)
    const first = body.ranking.filter((r: { row: number }) => some[r.row].season === some[0].season)
    expect(first.map((r: { rank: number }) => r.rank)).toEqual(first.map((_: unknown, i: number) => i + 1))
    const scores = first.map((r: { score: number }) => r.score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))

    const seasons = [...new Set(rows.map((r) => r.season))]
    let told = 0
    for (const season of seasons) {
      const own = rows.filter((r) => r.season === season)
      const { body: answered } = await place.post('/predict/best', { rows: own })
      const known = answered.predictions
        .map(({ id }: { id: string }, i: number) => ({ id, value: Number(own[i].liked) }))
        .slice(season === seasons[0] ? 1 : 0)
      told += known.length
      expect((await place.post('/predict/best/feedback', known)).status).toBe(200)
    }
    const refused = await place.post('/predict/best/feedback', { id: 'x', value: 'good' })
    expect([refused.status, refused.body.detail]).toEqual([400, expect.stringContaining('a relevance')])
    await place.server.station.settled()
    place.clock.set(Date.UTC(2024, 0, 10))
    const window = (await follower.poll()).find((h) => h.kind === 'window')?.report as WindowReport
    expect(window.joined).toBe(told)
    expect(window.metrics.ndcg.n).toBeLessThan(seasons.length)
    expect(window.metrics.ndcg.value).toBeGreaterThan(0.6)
    expect(window.expected?.metric).toBe('ndcg')
    expect(window.findings.find((f) => f.check === 'watch.quality')?.verdict).toBe('pass')
    expect(window.findings.some((f) => f.check === 'watch.calibration')).toBe(false)
  }, 60_000)
})
