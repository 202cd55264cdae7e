// Tasks for the tests of Jobs, as plain JavaScript, since worker threads load them without a compiler.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../../../dist/core/errors.js'

/** Notes that the task ran, so that a test can count; returns how often it has run. */
function trace({ params }) {
  appendFileSync(params.trace, `${params.n}\n`)
  return readFileSync(params.trace, 'utf8')
    .split('\n')
    .filter((line) => line === String(params.n)).length
}

const put = async (store, value) => ({
  value: await store.objects.put(new TextEncoder().encode(JSON.stringify(value))),
})

export default [
  {
    name: 'queries',
    code: '1',
    async run({ spec, query }) {
      const q = await query()
      trace(spec)
      await q.rows({ text: 'SELECT count(*) AS n FROM range(100000000000) t(i) WHERE i % 7 = 8', params: [] })
      return { outputs: {} }
    },
  },
  {
    name: 'square',
    code: '1',
    async run({ store, spec, specDigest, progress }) {
      trace(spec)
      progress(0.5, 'half of it')
      if (spec.params.ms) await sleep(spec.params.ms)
      return { outputs: await put(store, spec.params.n ** 2), note: { of: specDigest } }
    },
  },
  {
    name: 'until-told',
    code: '1',
    async run({ store, spec, signal }) {
      trace(spec)
      while (!signal.aborted && !existsSync(spec.params.go ?? '')) await sleep(5)
      signal.throwIfAborted()
      return { outputs: await put(store, 'told') }
    },
  },
  {
    name: 'deaf',
    code: '1',
    run({ spec }) {
      trace(spec)
      for (;;);
    },
  },
  {
    name: 'dies',
    code: '1',
    async run({ store, spec }) {
      if (trace(spec) <= spec.params.times) process.exit(3)
      return { outputs: await put(store, 'alive') }
    },
  },
  {
    name: 'eats',
    code: '1',
    async run({ spec }) {
      trace(spec)
      const all = []
      for (;;) all.push(new Array(1e5).fill(spec.params.n).map((n, i) => `${n} ${i}`))
    },
  },
  {
    name: 'fails',
    code: '1',
    async run({ store, spec }) {
      if (trace(spec) > (spec.params.times ?? Infinity)) return { outputs: await put(store, 'well') }
      if (spec.params.coded) throw new MillraceError('MR_NO_SPACE', { path: '/full' })
      throw new TypeError('the reason in words')
    },
  },
  {
    name: 'asks',
    code: '1',
    async run({ store, spec, query }) {
      const q = await query()
      const before = await q.rows({ text: 'SELECT count(*) AS n FROM duckdb_tables()', params: [] })
      await q.exec({
        text: `CREATE TABLE left_behind AS SELECT 1 AS v; CREATE VIEW seen AS FROM left_behind`,
        params: [],
      })
      await q.exec({
        text: `CREATE TABLE IF NOT EXISTS mine AS SELECT i FROM range(?) t(i)`,
        params: [spec.params.n],
      })
      const sum = await q.rows({ text: 'SELECT sum(i)::DOUBLE AS v FROM mine', params: [] })
      return { outputs: await put(store, { tablesBefore: before[0].n, sum: sum[0].v }) }
    },
  },
]
