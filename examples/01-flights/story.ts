/**
 * Three months of flights become a family of models; three more arrive as live traffic. Every step is real, and every step that is done is
 * found again after Ctrl-C, `kill -9` or a second run.
 *
 *   npm start              runs the story, then keeps serving
 *   npm start -- --once    ends after the story
 */
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  backtest,
  currentRelease,
  type DatasetVersion,
  type Happening,
  importData,
  loadProject,
  openRuntime,
  refs,
  releaseLatest,
  retrainIfDue,
  rollBackModel,
  steppedClock,
  trainModel,
  up,
} from 'millrace/runtime'
import { Replay } from './replay.ts'
import { Teller } from './teller.ts'
import { findingLine, share, table } from './words.ts'

const day = (text: string) => Date.parse(`${text}T00:00:00Z`)
const MONTHS = ['2001-01', '2001-02', '2001-03', '2001-04', '2001-05', '2001-06', '2001-07'].map((m) =>
  day(`${m}-01`),
)
const DAY = 86_400_000
const [JAN, FEB, , APR, MAY, JUN, JUL] = MONTHS
const ACTOR = 'story'
const MODEL = 'late'

const { values: flags } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '127.0.0.1' },
    state: { type: 'string' },
    until: { type: 'string', default: '2001-07-01' },
    share: { type: 'string', default: '1' },
    /** Folder of another config with a dataset `flights` and a model `late`. */
    config: { type: 'string' },
    /** File to which the id of each answered flight is appended. */
    answered: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const UNTIL = Math.min(JUL, day(flags.until))
const teller = new Teller({ json: flags.json, steps: 6 })
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))

const { project, folder } = await loadProject(flags.config ?? dirname(fileURLToPath(import.meta.url)))
const flightsFile = resolve(folder, project.datasets[0].source[0])
const clock = steppedClock(APR)
const rt = await openRuntime({ project, folder, stateDir: flags.state, clock })
const running = await up(rt, {
  host: flags.host,
  port: Number(flags.port),
  progress: teller,
  follow: 'by-hand',
})
teller.address(running.address)

try {
  await importFirstQuarter()
  await trainAndRelease()
  await replayTraffic()
  await rollBackOnce()
  await backtestOnJune()
  await tellTheEnd()
  if (!flags.once) await keepServing()
} catch (error) {
  if (!stop.signal.aborted) throw error
  teller.line(`Stopped. The same command goes on from here; what is finished is not done again.`)
} finally {
  await running.close()
  await rt.close()
}
process.exit(stop.signal.aborted && flags.once ? 130 : 0)

// ---------------------------------------------------------------- the steps

async function importFirstQuarter(): Promise<void> {
  teller.step('Import January to March', 5)
  const { version, known } = await importData(rt, {
    dataset: 'flights',
    select: { fromAt: JAN, toAt: APR },
    period: { fromAt: JAN, toAt: APR },
    message: 'January to March 2001',
    actor: ACTOR,
    signal: stop.signal,
    onProgress: teller.progress,
  })
  teller.done(
    known,
    `${version.rows.toLocaleString('en')} rows in ${version.parts.length} parts; ${version.rowsQuarantined} quarantined with their reasons`,
  )
  for (const finding of version.findings.filter((f) => f.verdict !== 'pass' || (f.value ?? 1) < 1))
    teller.line(findingLine(finding))
}

async function trainAndRelease(): Promise<void> {
  teller.step('Train one model an airport, gate and release them', 45)
  const current = await currentRelease(rt.store, MODEL)
  if (current) return teller.done(true, `v${current.release.routes[0].version} is ${current.release.state}`)
  const trained = await trainModel(rt, {
    model: MODEL,
    reason: 'first training, on January to March',
    actor: ACTOR,
    signal: stop.signal,
    onProgress: teller.training,
  })
  const members = Object.keys(trained.bundle.members).length
  for (const finding of trained.report.findings.filter((f) => f.slice === undefined))
    teller.line(findingLine(finding))
  await releaseLatest(rt, { model: MODEL, actor: ACTOR })
  await running.refresh()
  teller.done(
    trained.known,
    `v${trained.bundle.version} is live: a parent and ${members} airports of their own; ${Object.keys(trained.bundle.held).length} more do not beat the parent and share it`,
  )
  teller.line(
    `Ask it:  curl -s '${running.address}/predict/late?explain=1' -H 'content-type: application/json' -d '{"date":"2001-04-02T17:30:00Z","origin":"ORD","destination":"SFO","distance":1846}'`,
  )
}

async function replayTraffic(): Promise<void> {
  teller.step('Replay April to June as live traffic', 70)
  const replay = await Replay.open(rt, {
    file: flightsFile,
    address: running.address,
    model: MODEL,
    fromAt: APR,
    toAt: UNTIL,
    share: Number(flags.share),
    answered: flags.answered,
    signal: stop.signal,
  })
  // Releases are looked at when a day is over, as without an interruption: no look in the middle of the day that is gone on with.
  clock.set(replay.resumeAt)
  if (!replay.finished) await replayDays(replay)
  // The last week is still open: its Sunday is not in the data, and a week without a Sunday would look like drift.
  clock.set(UNTIL + 3_600_000)
  await onHappenings(await running.poll())
  teller.done(
    replay.finished,
    `${replay.total.toLocaleString('en')} flights answered and joined with what really happened`,
  )
}

async function replayDays(replay: Replay): Promise<void> {
  for await (const { at, sent, total } of replay.days()) {
    clock.set(at)
    await onHappenings(await running.poll())
    await deliverMonth(at)
    await retrain(at)
    teller.progress(
      sent / total,
      `${new Date(at).toISOString().slice(0, 10)}: ${sent.toLocaleString('en')} predictions, ${running.alertsOpen()} open alerts`,
    )
  }
}

/** The airline delivers at the end of each month; the last delivery holds six flights of 1 July. */
async function deliverMonth(at: number): Promise<void> {
  if (MONTHS.includes(at) && at !== APR) await deliverUntil(at)
}

/** What happened since the delivery before. The last one is open at its end: what lies beyond its period is a stray. */
async function deliverUntil(at: number): Promise<void> {
  const fromAt = await deliveredUntil()
  if (fromAt >= at) return
  const period = { fromAt, toAt: at }
  const { version, known } = await importData(rt, {
    dataset: 'flights',
    select: { fromAt, toAt: at === JUL ? undefined : at },
    period,
    message: `${date(fromAt)} to ${date(at)}`,
    actor: ACTOR,
    signal: stop.signal,
  })
  if (known) return
  const strays = version.findings.find((f) => f.check.includes('period'))
  const aside = strays && (strays.value ?? 1) < 1 ? `; ${strays.message}` : ''
  teller.line(
    `  ▸ ${date(at)}  delivery: the dataset has ${version.rows.toLocaleString('en')} rows now${aside}`,
  )
}

/** The day after the newest flight in the dataset. */
async function deliveredUntil(): Promise<number> {
  const head = await rt.store.meta.ref(refs.dataset('flights'))
  if (!head) return JAN
  const { window } = await rt.store.getRecord<DatasetVersion>(head.digest, 'DatasetVersion')
  return Math.ceil((window?.toAt ?? JAN) / DAY) * DAY
}

async function onHappenings(happenings: Happening[]): Promise<void> {
  for (const happening of happenings) {
    if (happening.kind === 'release') {
      await running.refresh()
      teller.line(`  ▸ ${date(happening.release.at)}  release: ${happening.release.reason}`)
      continue
    }
    const { report, alerts } = happening
    for (const alert of alerts.raise)
      teller.line(
        `  ▸ ${date(report.window.toAt)}  alert for ${alert.owner}: ${alert.finding.subject.replace('models/', '')} ${alert.finding.message}${alert.affected.length > 1 ? ` (and ${alert.affected.length - 1} more)` : ''}`,
      )
    for (const alert of alerts.resolve)
      teller.line(`  ▸ ${date(report.window.toAt)}  resolved: ${alert.dedupeKey}`)
  }
}

async function retrain(at: number): Promise<void> {
  const result = await retrainIfDue(rt, MODEL, {
    signal: stop.signal,
    onProgress: teller.training,
    deliver: async (why) => {
      await deliverUntil(at)
      teller.line(`  ▸ ${date(at)}  retraining: ${why}`)
    },
  })
  if (!result) return
  const { trained, release } = result
  if (!trained.passed) {
    const closed = trained.report.findings.filter((f) => f.slice === undefined && f.verdict !== 'pass')
    for (const finding of closed) teller.line(`    ${findingLine(finding)}`)
  }
  if (!release) return
  await running.refresh()
  teller.line(`  ▸ ${date(at)}  release: ${release.release.reason}`)
}

async function rollBackOnce(): Promise<void> {
  teller.step('millrace rollback late', 1)
  const before = (await rt.store.meta.events({ subject: `models/${MODEL}`, newest: true, limit: 200 })).find(
    (e) => e.actor === ACTOR && e.type.startsWith('release.') && e.reason.includes('rollback'),
  )
  if (before) return teller.done(true, before.reason)
  const current = await currentRelease(rt.store, MODEL)
  if (!current?.release.previous)
    return teller.done(false, 'only one version was ever live, so there is nothing to go back to')
  const { effects } = await rollBackModel(rt, {
    model: MODEL,
    actor: ACTOR,
    reason: 'rollback, to show that one call restores the split before',
  })
  await running.refresh()
  teller.done(false, effects[0])
}

async function backtestOnJune(): Promise<void> {
  teller.step('Backtest: train on 5, 2 and 1 months ago and on all, test on June', 30)
  if (UNTIL < JUL) return teller.done(true, 'left out: the replay ended before June did')
  const { report } = await backtest(rt, {
    model: MODEL,
    tests: [{ fromAt: JUN, toAt: JUL }],
    windows: [
      { label: 'Jan (5 months ago)', window: { fromAt: JAN, toAt: FEB }, ageMonths: 5 },
      { label: 'Apr (2 months ago)', window: { fromAt: APR, toAt: MAY }, ageMonths: 2 },
      { label: 'May (1 month ago)', window: { fromAt: MAY, toAt: JUN }, ageMonths: 1 },
      { label: 'Jan–May (all)', window: { fromAt: JAN, toAt: JUN }, ageMonths: null },
    ],
    actor: ACTOR,
    signal: stop.signal,
    onProgress: teller.progress,
  })
  teller.done(false, report.lesson)
  const lines = report.rows.map((r) => [
    r.label,
    r.rowsTrained.toLocaleString('en'),
    r.lead.value.toFixed(3),
    r.loss.value.toFixed(3),
    share(r.meanPredicted),
    share(r.meanActual),
  ])
  for (const line of table(['trained on', 'rows', 'AUC', 'log loss', 'predicted', 'happened'], lines))
    teller.line(line)
}

async function tellTheEnd(): Promise<void> {
  const current = await currentRelease(rt.store, MODEL)
  const state = await running.watchState(MODEL)
  teller.step('What stands now', 0)
  const rows = (state?.windows ?? []).map((w) => [
    date(w.window.fromAt),
    w.joined.toLocaleString('en'),
    `v${w.version}`,
    (w.metrics.auc?.value ?? 0).toFixed(3),
    share(w.meanPredicted),
    share(w.meanActual),
    w.verdict,
  ])
  for (const line of table(
    ['week of', 'outcomes', 'version', 'AUC', 'predicted', 'happened', 'verdict'],
    rows,
  ))
    teller.line(line)
  const events = await rt.store.meta.events({ subject: `models/${MODEL}`, newest: true, limit: 500 })
  const count = (type: string) => events.filter((e) => e.type === type).length
  teller.line(
    `${count('train.finished')} trainings, ${count('release.live')} times live, ${count('release.canary')} canary steps, ${count('alert.raised')} alerts raised, ${count('alert.resolved')} resolved`,
  )
  teller.done(
    false,
    `${current ? current.release.reason : 'nothing is live'}; the story took ${teller.elapsed().toFixed(0)} s`,
  )
}

async function keepServing(): Promise<void> {
  teller.line(`\nThe console is at ${running.address}  (Ctrl-C ends; the same command resumes)`)
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
}

function date(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
