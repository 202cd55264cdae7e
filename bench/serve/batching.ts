/**
 * Batches that nobody set against all static settings of a sweep (rows × delay), after a step of the load and at twice what can be done. The real server over HTTP, asked in an
 * open loop by another process; the model takes a known time and computes nothing, so that two cores suffice.
 *
 * MILLRACE_BATCHING_SECONDS (default 5) is the length of a measured window; MILLRACE_BATCHING_STEP (default 10) how long after the step of the load it begins, 30 in the goal.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { loadavg } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Load, openLoop } from '../../dist/api/bench/load.js'
import { payloadOf, Target } from '../../dist/api/bench/target.js'
import { seededRng } from '../../dist/core/rng.js'
import type { TimedOptions } from '../load/timed-server.ts'
import { report } from '../report.ts'

const MODEL = { fixedMs: 100, perRowMs: 2.5, threads: 1, latencyMs: 400 }
const ROWS = [16, 32, 64, 128]
const DELAYS = [0, 40, 130]
/** Requests a second before the step, and those driven after it, as shares of what the largest call of the objective could answer. */
const LOW = 10
const SHARES = [0.9, 1, 1.2, 1.5]
const WINDOW_S = Number(process.env.MILLRACE_BATCHING_SECONDS ?? 5)
const STEP_S = Number(process.env.MILLRACE_BATCHING_STEP ?? 10)
/** Time that static settings, which learn nothing but what calls cost, are given before they are measured. */
const SETTLE_S = 2
const SCRIPTS = fileURLToPath(new URL('../../scripts/run-ts.mjs', import.meta.url))
const SERVER = fileURLToPath(new URL('../load/timed-server.ts', import.meta.url))

export default async function batching(): Promise<void> {
  const share = MODEL.latencyMs / 2
  const most = (1000 * (share - MODEL.fixedMs)) / MODEL.perRowMs / share
  const step = 1.2 * most
  note(
    `objective ${MODEL.latencyMs} ms, a call ${MODEL.fixedMs} ms + ${MODEL.perRowMs} ms a row, load ${loadavg()[0].toFixed(1)}`,
  )
  const ours = await stepped({}, step, STEP_S)
  note(`found: ${lineOf(ours)}`)
  const sweep: { rows: number; delay: number; load: Load }[] = []
  for (const rows of ROWS)
    for (const delay of DELAYS) {
      const load = await stepped({ batchRowsMax: rows, batchDelayMs: delay }, step, SETTLE_S)
      note(`static ${rows} rows, ${delay} ms: ${lineOf(load)}`)
      sweep.push({ rows, delay, load })
    }
  const again = await stepped({}, step, STEP_S)
  const kept = sweep.filter(({ load }) => overOf(load) <= 0.01)
  const best = (kept.length > 0 ? kept : sweep).reduce((a, b) => (b.load.goodput > a.load.goodput ? b : a))
  note(`found: ${lineOf(again)}`)
  const goodput = (ours.goodput + again.goodput) / 2
  const over = 1 - (ours.goodput + again.goodput) / (ours.answered + again.answered)
  say('goodput after a step of the load, of two runs', goodput, 'requests/s', {
    peer: `static ${best.rows} rows, ${best.delay} ms`,
    peerValue: Math.round(best.load.goodput),
    ratio: Number((goodput / best.load.goodput).toFixed(3)),
    goal: 0.9,
    met: goodput >= 0.9 * best.load.goodput,
  })
  say('answers over the objective after the step', 100 * over, '%', { goal: 1, met: over <= 0.01 })
  await twice(most)
  server?.child.stdin?.end()
}

/** Goodput by offered load, its peak, and what is left of it at twice that. */
async function twice(most: number): Promise<void> {
  let peak = 0
  for (const share of SHARES) {
    const load = await stepped({}, share * most, SETTLE_S)
    note(`${share} of the largest call: ${lineOf(load)}`)
    peak = Math.max(peak, load.goodput)
  }
  const load = await stepped({}, 2 * peak, SETTLE_S)
  note(`twice the peak: ${lineOf(load)}`)
  say('goodput at twice the peak', (100 * load.goodput) / peak, '% of the peak', {
    goal: 95,
    met: load.goodput >= 0.95 * peak,
  })
  say('answers over the objective at twice the peak', 100 * overOf(load), '%', {
    goal: 1,
    met: overOf(load) <= 0.01,
  })
  const { p50, p99 } = load.refusalMs ?? { p50: 0, p99: 0 }
  say('refusals at twice the peak, half of them within', p50, 'ms', { goal: 5, met: p50 <= 5 })
  say('refusals at twice the peak, 99 of 100 within', p99, 'ms', {
    goal: 5,
    met: p99 <= 5,
    note: `the one that asks was itself late by ${load.lateMsP99.toFixed(1)} ms`,
  })
}

/** A server with these settings: two seconds of little, then the load, of which the time after `settleS` is measured. */
async function stepped(settings: Partial<TimedOptions>, rate: number, settleS: number): Promise<Load> {
  const target = new Target({ url: await served({ ...MODEL, ...settings }), connections: 512 })
  try {
    const payload = payloadOf([{ name: 'x', datatype: 'FP32', shape: [-1, 3] }], 1)
    const send = async () => (await target.infer('timed', payload)).status
    const drive = (perSecond: number, seconds: number, seed: number) =>
      openLoop({ rate: perSecond, seconds, send, rng: seededRng(seed), latencyMs: MODEL.latencyMs })
    await drive(LOW, 2, 1)
    // the measured window begins while the load before it is under way: there is no gap in which a queue could empty
    const settling = drive(rate, settleS, 2)
    await new Promise((resolve) => setTimeout(resolve, settleS * 1000))
    const [, measured] = await Promise.all([settling, drive(rate, WINDOW_S, 3)])
    return measured
  } finally {
    target.close()
  }
}

let server: { child: ChildProcess; addresses: AsyncIterator<string> } | undefined

/** Address of a server with these options, in the process that holds them all, one after the other. */
async function served(options: TimedOptions): Promise<string> {
  if (!server) {
    const child = spawn(process.execPath, [SCRIPTS, SERVER], { stdio: ['pipe', 'pipe', 'inherit'] })
    server = { child, addresses: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
  }
  server.child.stdin?.write(`${JSON.stringify(options)}\n`)
  const { value, done } = await server.addresses.next()
  if (done) throw new Error('the timed server ended')
  return value
}

const overOf = ({ answered, goodput }: Load): number => (answered === 0 ? 1 : 1 - goodput / answered)

const lineOf = (load: Load): string =>
  `asked ${Math.round(load.offered)}/s, in time ${Math.round(load.goodput)}/s, over ${(100 * overOf(load)).toFixed(2)} %, refused ${Math.round(load.refused)}/s, failed ${Math.round(load.failed)}/s, p50 ${load.latencyMs?.p50.toFixed(0)} ms, p99 ${load.latencyMs?.p99.toFixed(0)} ms, late ${load.lateMsP99.toFixed(1)} ms`

const note = (text: string): void => void process.stderr.write(`  ${text}\n`)

const say = (metric: string, value: number, unit: string, more: object): void =>
  report({ bench: 'serve/batching', metric, value, unit, ...more })
