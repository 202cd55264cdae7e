/** Rows as they happen: how many a second one sender of batches gets acknowledged over HTTP, each durable, and what sealing them takes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataset, project } from 'millrace'
import { openRuntime, up } from 'millrace/runtime'
import type { Section } from '../measure/sections.ts'
import { quantile, report } from '../report.ts'

const BENCH = 'versions'
const ROWS = Number(process.env.MILLRACE_ROWS_BENCH ?? 1_000_000)
const GOAL_PER_S = 50_000
const SIZES = [1, 100, 1_000, 10_000]

const section: Section = async () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-bench-rows-'))
  const def = project('bench', {
    datasets: [
      dataset('orders', { stream: { seal: { rows: 4_000_000, every: '1d' } }, parts: { by: 'rows' } }),
    ],
    models: [],
  })
  const rt = await openRuntime({ project: def, folder: dir, workers: 1 })
  const running = await up(rt, { port: 0, follow: 'by-hand' })
  try {
    const url = `${running.address}/data/orders/rows`
    let sent = 0
    for (const size of SIZES) {
      const requests = Math.max(20, Math.min(2_000, Math.round(ROWS / SIZES.length / size)))
      await send(url, size, 5, -1)
      const run = await send(url, size, requests, sent)
      sent += run.rows + 5 * size
      tell(size, run)
    }
    await reportSeal(running, sent)
  } finally {
    await running.close()
    await rt.close()
    rmSync(dir, { recursive: true, force: true })
  }
}
export default section

interface Sent {
  rows: number
  seconds: number
  cpu: number
  ms: number[]
}

/** Two requests are under way at any time, as a sender has that does not wait idly for the disk. */
async function send(url: string, size: number, requests: number, from: number): Promise<Sent> {
  const bodies = Array.from({ length: requests }, (_, i) => bodyOf(size, from + i * size))
  const ms: number[] = []
  const cpu = process.cpuUsage()
  const begin = performance.now()
  let next = 0
  const sender = async () => {
    for (let i = next++; i < bodies.length; i = next++) {
      const at = performance.now()
      const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': `${size}-${from}-${i}` }
      const answer = await fetch(url, { method: 'POST', headers, body: bodies[i] })
      if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`)
      await answer.arrayBuffer()
      ms.push(performance.now() - at)
    }
  }
  await Promise.all([sender(), sender()])
  const used = process.cpuUsage(cpu)
  return {
    rows: requests * size,
    seconds: (performance.now() - begin) / 1000,
    cpu: (used.user + used.system) / 1e6,
    ms,
  }
}

const CITIES = ['Berlin', 'Lagos', 'Lima', 'Osaka', 'Reykjavík']

/** Orders of ten columns of all types, a line each. */
function bodyOf(rows: number, from: number): string {
  let text = ''
  for (let i = from; i < from + rows; i++) {
    const row = {
      ...{ order: i, customer: (i * 7919) % 100_003, at: 1_700_000_000_000 + i * 250, city: CITIES[i % 5] },
      ...{
        amount: ((i * 37) % 10_007) / 100,
        items: 1 + (i % 9),
        express: i % 3 === 0,
        note: i % 10 ? null : `note ${i}`,
      },
      ...{ day: '2024-02-29', tags: { source: 'web', step: i % 4 } },
    }
    text += `${JSON.stringify(row)}\n`
  }
  return text
}

/** The goal is held against what a core gives, sender and server together; by the wall it is that of a machine others use too. */
function tell(size: number, { rows, seconds, cpu, ms }: Sent): void {
  const rate = rows / cpu
  const isAsked = size >= 1_000
  report({
    ...{ bench: BENCH, metric: `rows: requests of ${size}, durable, a core`, value: rate, unit: 'rows/s' },
    ...(isAsked && { goal: GOAL_PER_S, met: rate >= GOAL_PER_S }),
    note: `sender and server in one process; by the wall ${Math.round(rows / seconds).toLocaleString('en')} rows/s at load ${loadavg()[0]!.toFixed(1)}, p50 ${quantile(ms, 0.5).toFixed(1)} ms, p99 ${quantile(ms, 0.99).toFixed(1)} ms`,
  })
}

async function reportSeal(running: Awaited<ReturnType<typeof up>>, rows: number): Promise<void> {
  const begin = performance.now()
  const [outcome] = await running.seal()
  const seconds = (performance.now() - begin) / 1000
  if (outcome?.rows !== rows || !outcome.version)
    throw new Error(`sealed ${JSON.stringify(outcome)}, sent ${rows}`)
  report({
    bench: BENCH,
    metric: 'rows: sealed into a version',
    value: rows / seconds,
    unit: 'rows/s',
    note: `${rows} rows in ${seconds.toFixed(1)} s`,
  })
}
