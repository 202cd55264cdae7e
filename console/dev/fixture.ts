/**
 * A made-up project for working on the console without a server: the same numbers for the same seed, times relative to the start.
 * Development only; nothing of it enters the bundle.
 */
import type * as T from '../src/api/types.ts'

/** One row in 40 microseconds, 256 in 800. */
const SCORING = {
  words:
    'One row at a time takes 0.04 ms: 25,000 rows a second. 256 at a time take 0.8 ms: 320,000 rows a second, each of which waits longer.',
  sizes: [1, 2, 4, 8, 16, 32, 64, 128, 256].map((rows) => {
    const callMs = 0.037 + 0.00298 * rows
    return { rows, callMs, rowsPerSecond: (1000 * rows) / callMs }
  }),
}

const DAY = 86_400_000
const utc = (text: string) => Date.parse(`${text}T00:00:00Z`)

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function dice(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

function seedOf(text: string): number {
  let h = 2166136261
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 16777619)
  return h >>> 0
}

export function digestOf(text: string): `sha256:${string}` {
  const roll = dice(seedOf(text))
  return `sha256:${Array.from({ length: 64 }, () => Math.floor(roll() * 16).toString(16)).join('')}`
}

const START = Date.now()
const ago = (minutes: number) => START - minutes * 60_000

const HUBS =
  'ATL ORD DFW LAX PHX STL DTW MSP LAS DEN IAH PHL SFO CLT PIT EWR BOS SEA LGA CVG MCO BWI SLC DCA SAN TPA MIA MDW IAD CLE JFK PDX MCI FLL OAK SMF HOU BNA SJC RDU MSY IND SNA MEM AUS SAT PVD ABQ CMH BDL ONT JAX PBI MKE DAL RNO BUR TUL ELP OMA BUF OKC TUS RSW LIT BHM SDF ROC ORF RIC GEG BOI CAE DSM SYR'.split(
    ' ',
  )

export function airports(n: number): string[] {
  const roll = dice(7)
  const names = [...HUBS]
  const taken = new Set(names)
  while (names.length < n) {
    const size = names.length > 4000 ? 4 : 3
    const name = Array.from({ length: size }, () => String.fromCharCode(65 + Math.floor(roll() * 26))).join(
      '',
    )
    if (!taken.has(name)) {
      taken.add(name)
      names.push(name)
    }
  }
  return names.slice(0, n)
}

const finding = (part: Partial<T.Finding> & Pick<T.Finding, 'check' | 'verdict' | 'message'>): T.Finding => ({
  kind: 'Finding',
  subject: 'models/late',
  value: 0.7,
  limit: '>= 0.6',
  n: 12_430,
  at: ago(12),
  ...part,
})

export interface World {
  project: string
  members: T.MemberRow[]
  alerts: T.Alert[]
  events: T.JournalEvent[]
  fleet: T.Fleet
  models: Map<string, T.ModelPage>
  runs: T.RunRow[]
}

const WINDOWS = Array.from({ length: 13 }, (_, i) => ({
  fromAt: utc('2001-04-01') + i * 7 * DAY,
  toAt: utc('2001-04-01') + (i + 1) * 7 * DAY,
}))

function points(name: string, base: number, swing: number, dipAt: number, higher: boolean): T.QualityPoint[] {
  const roll = dice(seedOf(name))
  return WINDOWS.map((w, i) => {
    const n = Math.round(9000 + roll() * 5000)
    const dip = i >= dipAt && i < dipAt + 2 ? swing * 3.2 : 0
    const value = base + (roll() - 0.5) * swing + (higher ? -dip : dip)
    const half = swing * (0.7 + roll() * 0.3)
    const verdict = dip > 0 ? 'fail' : i === 2 ? 'inconclusive' : 'pass'
    return {
      ...w,
      value,
      interval: [value - half, value + half],
      n,
      verdict,
      version: i < 4 ? 10 : i < dipAt + 2 ? 11 : 12,
    }
  })
}

function numeric(seed: string, edges: number[], shape: (x: number) => number, n: number): T.Histogram {
  const roll = dice(seedOf(seed))
  const raw = edges.slice(1).map((e, i) => Math.max(0, shape((e + edges[i]!) / 2)) * (0.92 + roll() * 0.16))
  const sum = raw.reduce((a, b) => a + b, 0)
  return { kind: 'numeric', edges, counts: raw.map((r) => Math.round((r / sum) * n)), nulls: 0 }
}

const edgesOf = (from: number, to: number, n: number) =>
  Array.from({ length: n + 1 }, (_, i) => from + ((to - from) * i) / n)
const bell = (mid: number, sd: number) => (x: number) => Math.exp(-((x - mid) ** 2) / (2 * sd * sd))

function names(seed: string, categories: string[], weights: number[], n: number, other = 0): T.Histogram {
  const roll = dice(seedOf(seed))
  const sum = weights.reduce((a, b) => a + b, 0)
  return {
    kind: 'category',
    categories,
    counts: weights.map((w) => Math.round((w / sum) * n * (0.97 + roll() * 0.06))),
    other,
    nulls: 0,
  }
}

const hourly = (x: number) => (x < 5 ? 0.05 : 0.6 + 0.4 * Math.sin((x - 6) / 3) + 0.2)

function driftColumns(): T.DriftColumn[] {
  const history = (seed: string, last: number, failing: boolean) => {
    const roll = dice(seedOf(seed))
    return WINDOWS.map((w, i) => ({
      fromAt: w.fromAt,
      psi: last * (0.3 + 0.7 * (i / 12) ** 2) * (0.8 + roll() * 0.4),
      verdict: (failing && i > 9 ? 'fail' : 'pass') as T.Verdict,
    }))
  }
  const column = (
    name: string,
    psi: number,
    verdict: T.Verdict,
    reference: T.Histogram,
    current: T.Histogram,
  ): T.DriftColumn => ({
    column: name,
    psi,
    verdict,
    pAdjusted: verdict === 'fail' ? 2e-6 : 0.34,
    n: 11_204,
    reference,
    current,
    history: history(name, psi, verdict === 'fail'),
  })
  const dest = HUBS.slice(0, 9)
  const missing = numeric('dd2', edgesOf(0, 2700, 18), bell(700, 520), 11_000)
  return [
    column(
      'hour',
      0.031,
      'pass',
      numeric('h1', edgesOf(0, 24, 24), hourly, 900_000),
      numeric('h2', edgesOf(0, 24, 24), hourly, 11_000),
    ),
    column(
      'delay_rate_origin',
      0.342,
      'fail',
      numeric('r1', edgesOf(0.05, 0.45, 20), bell(0.19, 0.05), 900_000),
      numeric('r2', edgesOf(0.05, 0.45, 20), bell(0.265, 0.06), 11_000),
    ),
    column(
      'destination',
      0.148,
      'fail',
      names('d1', dest, [9, 8, 7, 6, 5, 4, 4, 3, 3], 900_000, 4000),
      names('d2', dest, [7, 9, 7, 5, 8, 4, 3, 3, 2], 11_000, 60),
    ),
    column(
      'weekday',
      0.004,
      'pass',
      names('w1', ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'], [15, 15, 15, 15, 15, 12, 13], 900_000),
      names('w2', ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'], [15, 14, 15, 15, 15, 12, 14], 11_000),
    ),
    column('distance', 0.061, 'inconclusive', numeric('dd1', edgesOf(0, 2700, 18), bell(700, 500), 900_000), {
      ...missing,
      nulls: 240,
    }),
    column(
      'score',
      0.21,
      'fail',
      numeric('s1', edgesOf(0, 1, 20), bell(0.19, 0.1), 200_000),
      numeric('s2', edgesOf(0, 1, 20), bell(0.25, 0.12), 11_000),
    ),
  ]
}

export const SIGNATURE: T.Signature = {
  inputs: [
    { name: 'date', type: 'time', nullable: false },
    { name: 'distance', type: 'float', nullable: true },
    { name: 'origin', type: 'string', nullable: false },
    { name: 'destination', type: 'string', nullable: false },
    { name: 'holiday', type: 'bool', nullable: true },
  ],
  outputs: [
    { name: 'late', type: 'float', description: 'probability that the arrival is more than 15 minutes late' },
  ],
}

const trainedOn = (i: number): T.TrainedOn => ({
  dataset: 'flights',
  version: digestOf(`flights ${Math.min(5, i)}`),
  fromAt: utc('2001-01-01'),
  toAt: utc(`2001-0${Math.min(6, 3 + Math.floor(i / 2))}-01`),
  rows: 1_204_311 + i * 84_120,
})

function versions(model: string, members: number): T.VersionRow[] {
  const reasons = [
    'weekly schedule',
    'drift of delay_rate_origin and 2 others',
    'first version',
    'weekly schedule',
    'quality of auc below its band',
    'weekly schedule',
  ]
  return Array.from({ length: 12 }, (_, k) => {
    const v = 13 - k
    const roll = dice(seedOf(`${model} v${v}`))
    const auc = 0.655 + v * 0.0018 + roll() * 0.004
    return {
      version: v,
      bundle: digestOf(`bundle ${model} ${v}`),
      answersBy: digestOf(`version ${model} ${v}`),
      heldReason: null,
      createdAt: ago(8 + k * k * 47),
      reason: reasons[k % reasons.length]!,
      members,
      held: members > 0 ? 24 : 0,
      metrics: {
        auc: { value: auc, interval: [auc - 0.006, auc + 0.006], n: 96_420 },
        logLoss: { value: 0.472 - v * 0.0012, interval: [0.466 - v * 0.0012, 0.478 - v * 0.0012], n: 96_420 },
        ece: { value: 0.011 + roll() * 0.006, interval: [0.008, 0.019], n: 96_420 },
      },
      trainedOn: trainedOn(Math.max(0, 6 - k)),
      state: v === 13 ? 'canary' : v === 12 ? 'live' : v === 9 ? 'refused' : 'past',
    } satisfies T.VersionRow
  })
}

const GATES: T.Finding[] = [
  finding({
    check: 'no-worse-than-live',
    verdict: 'pass',
    value: 0.0041,
    interval: [0.0012, 0.007],
    limit: '>= -0.002',
    message: 'AUC is 0.004 better than v12 on the same rows',
    n: 96_420,
  }),
  finding({
    check: 'slices',
    slice: 'destination = HNL',
    verdict: 'inconclusive',
    value: 0.588,
    interval: [0.51, 0.66],
    limit: '>= 0.6',
    n: 212,
    message: 'too few rows to tell: 212 of the 400 needed',
  }),
  finding({
    check: 'slices',
    slice: 'destination = ASE',
    verdict: 'fail',
    value: 0.561,
    interval: [0.532, 0.59],
    limit: '>= 0.6',
    n: 1890,
    message: 'AUC for Aspen is below its floor; it was above in v12',
  }),
  finding({
    check: 'calibration',
    verdict: 'pass',
    value: 0.012,
    interval: [0.009, 0.016],
    limit: '<= 0.03',
    n: 96_420,
    message: 'predicted and actual rates differ by 1.2 points on average',
  }),
  finding({
    check: 'beats-baseline',
    verdict: 'pass',
    value: 0.171,
    interval: [0.165, 0.177],
    limit: '> 0',
    n: 96_420,
    message: 'AUC is 0.171 above the constant prediction',
  }),
  finding({
    check: 'latency',
    verdict: 'pass',
    value: 0.84,
    limit: '<= 5',
    n: 2000,
    message: 'p99 of 2,000 single predictions is 0.84 ms',
  }),
  finding({
    check: 'size',
    verdict: 'pass',
    value: 41_200_312,
    limit: '<= 100000000',
    n: 1,
    message: '41.2 MB for the family',
  }),
  finding({
    check: 'no-leak',
    verdict: 'pass',
    value: 0.612,
    limit: '<= 0.95',
    n: 96_420,
    message: 'no single feature tells the target',
  }),
]

function release(model: string): { now: T.Release; past: T.ModelPage['releases'] } {
  const route = (version: number, role: T.Route['role'], weight: number): T.Route => ({
    bundle: digestOf(`bundle ${model} ${version}`),
    version,
    role,
    weight,
  })
  const make = (
    state: T.ReleaseState,
    routes: T.Route[],
    step: number,
    reason: string,
    minutes: number,
    findings: T.Finding[] = [],
  ): T.Release => ({
    kind: 'Release',
    model,
    state,
    routes,
    step,
    steps: [0.01, 0.1, 0.5],
    salt: 'a1',
    findings,
    reason,
    at: ago(minutes),
  })
  const chain: T.Release[] = []
  let t = 900
  for (const v of [10, 11, 12]) {
    const was = v - 1
    chain.push(
      make('shadow', [route(was, 'live', 1), route(v, 'shadow', 0)], -1, `v${v} shadows: weekly schedule`, t),
    )
    chain.push(
      make(
        'canary',
        [route(was, 'live', 0.99), route(v, 'canary', 0.01)],
        0,
        'shadow agreed with live on 2,000 rows',
        t - 30,
      ),
    )
    chain.push(
      make(
        'canary',
        [route(was, 'live', 0.9), route(v, 'canary', 0.1)],
        1,
        'loss not worse than live, n 1,204',
        t - 70,
      ),
    )
    if (v === 11)
      chain.push(
        make('rolled-back', [route(was, 'live', 1)], 1, 'loss worse than live by 0.004 to 0.021', t - 120),
      )
    chain.push(
      make(
        'canary',
        [route(was, 'live', 0.5), route(v, 'canary', 0.5)],
        2,
        'loss not worse than live, n 9,870',
        t - 150,
      ),
    )
    chain.push(make('live', [route(v, 'live', 1)], 3, 'all steps passed', t - 200))
    t -= 260
  }
  chain.push(
    make(
      'shadow',
      [route(12, 'live', 1), route(13, 'shadow', 0)],
      -1,
      'v13 shadows: drift of delay_rate_origin',
      40,
    ),
  )
  const test = [
    finding({
      check: 'canary-loss',
      verdict: 'inconclusive',
      value: -0.0021,
      interval: [-0.0094, 0.0052],
      limit: '<= 0.005',
      n: 3412,
      message: 'v13 looks better, but 1,900 more answers with outcomes are needed to be sure',
    }),
    finding({
      check: 'canary-latency',
      verdict: 'pass',
      value: 0.91,
      limit: '<= 5',
      n: 3412,
      message: 'p99 0.91 ms against 0.89 ms',
    }),
    finding({
      check: 'canary-errors',
      verdict: 'pass',
      value: 0,
      interval: [0, 0.0009],
      limit: '<= 0.001',
      n: 3412,
      message: 'no failed answer',
    }),
  ]
  chain.push(
    make(
      'canary',
      [route(12, 'live', 0.99), route(13, 'canary', 0.01)],
      0,
      'shadow agreed with live on 2,000 rows',
      26,
    ),
  )
  const now = make(
    'canary',
    [route(12, 'live', 0.9), route(13, 'canary', 0.1)],
    1,
    'loss not worse than live, n 1,020',
    9,
    test,
  )
  chain.push(now)
  return {
    now,
    past: chain.map((r) => ({ release: r, digest: digestOf(`${r.state} ${r.at}`), at: r.at })).reverse(),
  }
}

function members(n: number): T.MemberRow[] {
  return airports(n).map((key, i) => {
    const roll = dice(seedOf(key))
    const rows = Math.round(180_000 / (1 + i * 0.16) + 40 + roll() * 300)
    const held = rows < 1500 || roll() < 0.04
    const value = 0.665 + (roll() - 0.5) * (0.03 + 2.2 / Math.sqrt(rows))
    const half = 1.1 / Math.sqrt(rows)
    const measured = {
      value,
      interval: [value - half, value + half] as [number, number],
      n: Math.round(rows / 12),
    }
    const live = {
      value: value - 0.006 + (roll() - 0.5) * 0.02,
      interval: [value - half * 1.6, value + half * 1.6] as [number, number],
      n: Math.round(rows / 16),
    }
    return {
      key,
      model: `late/${key}`,
      answers: held ? 'parent' : 'self',
      heldReason: held ? (rows < 1500 ? `${rows} rows, 1500 are needed` : 'did not beat the parent') : null,
      rows,
      metric: rows < 200 ? null : measured,
      liveMetric: rows < 600 ? null : live,
      predictions: Math.round(rows * 0.4),
      drift: rows < 400 ? null : roll() * roll() * 0.4,
      alerts: i === 1 || i === 11 || i === 24 ? 1 : 0,
    }
  })
}

function alerts(): T.Alert[] {
  const alert = (id: string, part: Partial<T.Alert> & { finding: T.Finding }): T.Alert => ({
    kind: 'Alert',
    id,
    owner: 'oncall@example.com',
    runbook: 'docs/operating/drift.md',
    dedupeKey: id,
    state: 'raised',
    raisedAt: ago(40),
    affected: [],
    ...part,
  })
  return [
    alert('a-aspen', {
      finding: finding({
        check: 'slice-floor',
        slice: 'destination = ASE',
        verdict: 'fail',
        value: 0.561,
        interval: [0.532, 0.59],
        n: 1890,
        message: 'AUC for flights to Aspen fell to 0.561, below its floor of 0.6',
      }),
      runbook: 'docs/operating/slices.md',
      raisedAt: ago(22),
      affected: ['late/ASE', 'late/DEN', 'late/EGE'],
    }),
    alert('a-drift', {
      finding: finding({
        check: 'drift',
        slice: 'delay_rate_origin',
        verdict: 'fail',
        value: 0.342,
        limit: '<= 0.2',
        n: 11_204,
        message: 'delay_rate_origin moved in 38 airports since the week of 17 June',
      }),
      action: 'retrained on all months; v13 passed its gates and is at 10 % of the traffic',
      affected: HUBS.slice(0, 38).map((h) => `late/${h}`),
      raisedAt: ago(58),
    }),
    alert('a-rows', {
      finding: finding({
        check: 'between(delay, -120, 2880)',
        subject: 'datasets/flights',
        verdict: 'fail',
        value: 0.99987,
        limit: '>= 0.9999',
        n: 512_004,
        message: '66 of 512,004 new rows of flights have an impossible delay',
      }),
      owner: 'data@example.com',
      runbook: 'docs/operating/quarantine.md',
      state: 'acknowledged',
      action: 'the rows were set aside in quarantine',
      affected: [],
      raisedAt: ago(130),
    }),
    alert('a-auc', {
      finding: finding({
        check: 'quality',
        verdict: 'fail',
        value: 0.641,
        interval: [0.634, 0.648],
        limit: '>= 0.655',
        n: 10_882,
        message: 'AUC of late left its band in the week of 13 May',
      }),
      state: 'resolved',
      action: 'retrained; v12 went live and quality is within its band again',
      raisedAt: ago(720),
      affected: ['late'],
    }),
  ]
}

function events(n: number): T.JournalEvent[] {
  const kinds: [string, string, string, string][] = [
    ['release.canary', 'models/late', 'loop', 'v13 takes 10 %: loss not worse than live, n 1,020'],
    ['gate.passed', 'models/late', 'loop', '7 pass, 1 inconclusive, 1 fail (warn only)'],
    ['train.finished', 'models/late', 'worker-1', '198 members in 41 s, 24 held'],
    ['alert.raised', 'models/late', 'loop', 'AUC for flights to Aspen fell to 0.561'],
    ['data.imported', 'datasets/flights', 'loop', '512,004 rows of June, 66 set aside'],
    ['watch.window', 'models/late', 'loop', 'week of 24 June: 6 columns, 2 moved'],
    [
      'alert.acknowledged',
      'alerts/a-rows',
      'mira@example.com',
      'seen; the carrier sends a corrected file on Monday',
    ],
    ['release.live', 'models/taxi-out', 'loop', 'v4 live: all steps passed'],
  ]
  return Array.from({ length: n }, (_, i) => {
    const [type, subject, actor, reason] = kinds[i % kinds.length]!
    const seq = n - i
    return {
      seq,
      at: ago(9 + i * 7.3),
      type,
      subject,
      actor,
      reason,
      data: { version: 13, step: 1, weights: { v12: 0.9, v13: 0.1 } },
      previous: digestOf(`e${seq - 1}`),
      hash: digestOf(`e${seq}`),
    }
  })
}

/** A model that tells several classes apart. */
const CAUSES = ['carrier', 'late aircraft', 'security', 'weather']

function classesOf(): Pick<T.ModelPage, 'classes' | 'confusion'> {
  const rows = [4120, 5310, 96, 1480]
  const measured = (value: number, n: number): T.Measured => ({
    value,
    n,
    interval: [value - 0.03, value + 0.03],
  })
  return {
    classes: CAUSES.map((label, i) => ({
      label,
      trainRows: rows[i]!,
      recall: measured([0.71, 0.78, 0.21, 0.63][i]!, rows[i]! / 5),
      precision: measured([0.69, 0.74, 0.5, 0.72][i]!, rows[i]! / 5),
      said: rows[i]! / 8,
      happened: rows[i]! / 8 + 7,
    })),
    confusion: CAUSES.flatMap((_, actual) =>
      CAUSES.map((_, said): [number, number, number] => [
        actual,
        said,
        Math.round((rows[actual]! / 5) * (actual === said ? 0.7 : 0.1)),
      ]),
    ).sort((a, b) => b[2] - a[2]),
  }
}

function causePage(base: T.ModelPage): T.ModelPage {
  const [first] = base.quality.metrics
  const expected = { value: 0.712, low: 0.69, high: 0.734 }
  const accuracy = points('delay-cause accuracy', 0.71, 0.012, 6, true)
  return {
    ...base,
    task: 'multiclass',
    description: 'what held a late flight up',
    sentence: 'delay-cause is live at v4; quality is within its band.',
    quality: { metrics: [{ ...first!, name: 'accuracy', points: accuracy, expected }] },
    importance: ['wind', 'hour', 'carrier', 'distance'].map((feature, i) => ({
      feature,
      meanAbs: 0.5 * 0.6 ** i,
    })),
    ...classesOf(),
  }
}

function modelPage(model: string, list: T.Alert[], rows: number): T.ModelPage {
  const family = model === 'late'
  const regression = model === 'taxi-out'
  const parent = model.startsWith('late/') ? 'late' : null
  const { now, past } = release(model)
  const band = (value: number, half: number) => ({ value, low: value - half, high: value + half })
  const metrics: T.MetricSeries[] = regression
    ? [
        {
          name: 'mae',
          points: points(`${model} mae`, 3.9, 0.3, 20, false),
          expected: band(3.9, 0.4),
          higherIsBetter: false,
        },
      ]
    : [
        {
          name: 'auc',
          points: points(`${model} auc`, 0.668, 0.009, 6, true),
          expected: band(0.668, 0.012),
          higherIsBetter: true,
        },
        {
          name: 'logLoss',
          points: points(`${model} ll`, 0.46, 0.01, 6, false),
          expected: band(0.46, 0.013),
          higherIsBetter: false,
        },
        {
          name: 'ece',
          points: points(`${model} ece`, 0.014, 0.004, 6, false),
          expected: band(0.014, 0.008),
          higherIsBetter: false,
        },
      ]
  return {
    model,
    task: regression ? 'regression' : 'binary',
    description: 'arrivals more than 15 minutes late',
    owner: 'ml@example.com',
    sentence: parent
      ? `${model} answers for itself at v12; quality is within its band.`
      : family
        ? 'late is live at v12 since this morning and v13 takes 10 % as a canary; quality is within its band; 1 of 198 airports needs you.'
        : `${model} is live at v4; quality is within its band.`,
    parent,
    release: parent ? null : now,
    releases: parent ? [] : past,
    versions: versions(model, family ? rows : 0),
    gates: GATES,
    quality: { metrics },
    drift: driftColumns(),
    importance: [
      'delay_rate_origin',
      'hour',
      'delay_rate_destination',
      'distance',
      'weekday',
      'holiday',
      'month',
      'carrier_share',
    ].map((feature, i) => ({ feature, meanAbs: 0.41 * 0.62 ** i })),
    calibration: regression
      ? []
      : Array.from({ length: 10 }, (_, i) => {
          const p = 0.05 + i * 0.062
          return {
            meanPredicted: p,
            meanActual: p * (1 + (i - 4) * 0.012),
            n: Math.round(18_000 * 0.68 ** i),
          }
        }),
    signature: SIGNATURE,
    speed: {
      latencyMs: { p50: 0.41, p90: 0.62, p99: 0.89 },
      requestsPerSecond: 412,
      rowsPerSecond: 530,
      modelBytes: 41_200_312,
      scoring: SCORING,
    },
    alerts: list.filter((a) => a.finding.subject === `models/${model}`),
    events: events(12),
    commands: {
      rollback: `millrace rollback ${model}`,
      promote: `millrace release promote ${model}@v13`,
      train: `millrace train ${model}`,
    },
  }
}

function row(page: T.ModelPage, part: Partial<T.FleetRow>): T.FleetRow {
  const first = page.quality.metrics[0]!
  return {
    model: page.model,
    task: page.task,
    description: page.description,
    members: 0,
    membersHeld: 0,
    liveVersion: 12,
    release: page.release,
    owner: page.owner,
    quality: first.points,
    qualityMetric: first.name,
    expected: first.expected,
    requestsPerSecond: page.speed.requestsPerSecond,
    predictions: 1_284_003,
    latencyMsP99: 0.89,
    freshAt: utc('2001-06-30'),
    trainedAt: ago(380),
    alerts: page.alerts.filter((a) => a.state !== 'resolved').length,
    ...part,
  }
}

const DATASET_LOG = ['June', 'May', 'April', 'March', 'February', 'January']

export function datasetPage(name: string): T.DatasetPage {
  const log = DATASET_LOG.map((month, i) => ({
    digest: digestOf(`${name} ${5 - i}`),
    at: ago(130 + i * 300),
    rows: 3_000_000 - i * 494_000,
    rowsAdded: i === 5 ? 530_000 : 470_000 + i * 9000,
    rowsQuarantined: [66, 41, 12, 388, 9, 103][i]!,
    message: `import of ${month} 2001`,
    partsNew: 1,
    parts: 6 - i,
  }))
  return {
    dataset: name,
    rows: 3_000_000,
    rowsQuarantined: 619,
    version: log[0]!.digest,
    versions: 6,
    importedAt: log[0]!.at,
    window: { fromAt: utc('2001-01-01'), toAt: utc('2001-07-01') },
    bytes: 48_203_112,
    findings: { pass: 5, fail: 1, inconclusive: 1, error: 0 },
    source: 'node_modules/vega-datasets/data/flights-3m.parquet',
    log,
  }
}

export function versionPage(dataset: string, digest: string): T.DatasetVersionPage {
  const column = (
    name: string,
    type: T.ProfiledColumn['type'],
    nullable: boolean,
    profile: T.ProfiledColumn['profile'],
    psi: number | null,
  ): T.ProfiledColumn => ({ name, type, nullable, profile, parent: { psi } })
  return {
    digest: digest as `sha256:${string}`,
    dataset,
    rows: 3_000_000,
    rowsQuarantined: 619,
    createdAt: ago(130),
    parents: [digestOf(`${dataset} 4`)],
    columns: [
      column(
        'date',
        'time',
        false,
        {
          nulls: 0,
          min: utc('2001-01-01'),
          max: utc('2001-07-01'),
          distinctApprox: 241_000,
          histogram: numeric('date', edgesOf(0, 181, 26), () => 1, 3_000_000),
        },
        0.42,
      ),
      column(
        'delay',
        'int',
        true,
        {
          nulls: 84_211,
          min: -120,
          max: 1688,
          mean: 5.72,
          std: 29.4,
          distinctApprox: 912,
          histogram: numeric(
            'delay',
            edgesOf(-60, 240, 30),
            (x) => (x < -4 ? bell(-4, 10)(x) : bell(-4, 34)(x)),
            2_900_000,
          ),
        },
        0.018,
      ),
      column(
        'distance',
        'int',
        false,
        {
          nulls: 0,
          min: 21,
          max: 4962,
          mean: 723.4,
          std: 560,
          distinctApprox: 1204,
          histogram: numeric('distance', edgesOf(0, 2700, 27), bell(520, 480), 3_000_000),
        },
        0.004,
      ),
      column(
        'origin',
        'string',
        false,
        {
          nulls: 0,
          min: 'ABE',
          max: 'YUM',
          distinctApprox: 229,
          histogram: names(
            'origin',
            HUBS.slice(0, 14),
            [30, 28, 26, 24, 18, 15, 14, 13, 12, 11, 10, 10, 9, 8],
            1_600_000,
            1_400_000,
          ),
        },
        0.031,
      ),
      column(
        'destination',
        'string',
        false,
        {
          nulls: 0,
          min: 'ABE',
          max: 'YUM',
          distinctApprox: 230,
          histogram: names(
            'destination',
            HUBS.slice(0, 14),
            [30, 27, 26, 24, 18, 15, 14, 13, 12, 11, 10, 10, 9, 8],
            1_600_000,
            1_400_000,
          ),
        },
        0.124,
      ),
      column(
        'holiday',
        'bool',
        true,
        {
          nulls: 2_100_000,
          distinctApprox: 2,
          histogram: {
            kind: 'category',
            categories: ['false', 'true'],
            counts: [870_000, 30_000],
            other: 0,
            nulls: 2_100_000,
          },
        },
        null,
      ),
    ],
    parts: DATASET_LOG.map((_, i) => ({
      digest: digestOf(`part ${dataset} ${i}`),
      key: `2001-0${6 - i}`,
      rows: 494_000 - i * 3000,
      bytes: 8_100_000 - i * 61_000,
      isNew: i === 0,
    })),
    findings: [
      finding({
        check: 'notNull(origin, destination)',
        subject: `datasets/${dataset}`,
        verdict: 'pass',
        value: 1,
        limit: '= 1',
        n: 3_000_000,
        message: 'no row is missing an airport',
      }),
      finding({
        check: 'between(delay, -120, 2880)',
        subject: `datasets/${dataset}`,
        verdict: 'fail',
        value: 0.99987,
        limit: '>= 0.9999',
        n: 512_004,
        message: '66 rows have an impossible delay and were set aside',
      }),
      finding({
        check: 'unique',
        subject: `datasets/${dataset}`,
        verdict: 'pass',
        value: 0.99989,
        limit: '>= 0.999',
        n: 512_004,
        message: '54 exact duplicates were set aside',
      }),
      finding({
        check: 'inWindow(date)',
        subject: `datasets/${dataset}`,
        verdict: 'pass',
        value: 0.99998,
        limit: '>= 0.999',
        n: 512_004,
        message: '6 rows belong to 1 July',
      }),
      finding({
        check: 'fresh(date, 36h)',
        subject: `datasets/${dataset}`,
        verdict: 'inconclusive',
        value: null,
        limit: '<= 36 h',
        n: 0,
        message: 'the replay runs on another clock than the data',
      }),
    ],
  }
}

export function quarantine(limit: number): T.QuarantineRows {
  const roll = dice(99)
  const reasons = ['between(delay, -120, 2880)', 'unique', 'inWindow(date)']
  const rows = Array.from({ length: Math.min(limit, 126) }, (_, i) => {
    const reason = reasons[i < 66 ? 0 : i < 120 ? 1 : 2]!
    const date = reason.startsWith('in')
      ? '2001-07-01 00:14'
      : `2001-06-${String(1 + Math.floor(roll() * 29)).padStart(2, '0')} ${String(Math.floor(roll() * 24)).padStart(2, '0')}:${String(Math.floor(roll() * 60)).padStart(2, '0')}`
    return {
      row: 618 - i,
      values: [
        date,
        i < 66 ? -Math.round(130 + roll() * 1200) : Math.round(roll() * 60),
        Math.round(200 + roll() * 2000),
        HUBS[Math.floor(roll() * 40)]!,
        HUBS[Math.floor(roll() * 40)]!,
        null,
      ],
      reasons: i % 29 === 28 ? [reason, reasons[1]!] : [reason],
    }
  })
  return {
    columns: ['date', 'delay', 'distance', 'origin', 'destination', 'holiday'],
    rows,
    total: 619,
    matched: 619,
    next: rows.length < 619 ? 619 - rows.length : null,
    byReason: { 'between(delay, -120, 2880)': 402, unique: 211, 'inWindow(date)': 6 },
  }
}

export function diff(from: string, to: string): T.DatasetDiff {
  return {
    from: from as `sha256:${string}`,
    to: to as `sha256:${string}`,
    rowsAdded: 494_973,
    rowsRemoved: 4_967,
    keyed: {
      key: ['date', 'origin', 'destination'],
      inserted: 494_006,
      deleted: 4_000,
      updated: 967,
      cells: [
        { column: 'delay', rows: 901 },
        { column: 'distance', rows: 66 },
      ],
      sample: [
        {
          key: { date: '2001-02-03 07:10', origin: 'ATL', destination: 'ORD' },
          cells: { delay: { from: 14, to: 41 } },
        },
        {
          key: { date: '2001-02-03 07:25', origin: 'DFW', destination: 'LAX' },
          cells: { delay: { from: null, to: -3 }, distance: { from: 1235, to: 1246 } },
        },
      ],
    },
    sample: {
      added: [{ date: '2001-06-01 06:05', origin: 'ATL', destination: 'MIA', delay: 4, distance: 595 }],
      removed: [{ date: '2001-02-03 09:40', origin: 'ORD', destination: 'SEA', delay: null, distance: 1721 }],
    },
    partsAdded: ['2001-06'],
    partsRemoved: [],
    partsSame: 5,
    schema: { added: ['holiday'], removed: [], changed: [] },
    columns: [
      { column: 'date', psi: 0.42, meanFrom: null, meanTo: null, nullsFrom: 0, nullsTo: 0 },
      { column: 'destination', psi: 0.124, meanFrom: null, meanTo: null, nullsFrom: 0, nullsTo: 0 },
      { column: 'origin', psi: 0.031, meanFrom: null, meanTo: null, nullsFrom: 0, nullsTo: 0 },
      { column: 'delay', psi: 0.018, meanFrom: 5.41, meanTo: 5.72, nullsFrom: 70_112, nullsTo: 84_211 },
      { column: 'distance', psi: 0.004, meanFrom: 722.1, meanTo: 723.4, nullsFrom: 0, nullsTo: 0 },
      { column: 'holiday', psi: null, meanFrom: null, meanTo: 0.03, nullsFrom: 0, nullsTo: 2_100_000 },
    ],
  }
}

function runs(n: number): T.RunRow[] {
  const list: T.RunRow[] = []
  const roll = dice(5)
  let at = ago(70)
  airports(n).forEach((key, i) => {
    const took = 300 + roll() * 4200
    const failed = i === 17
    list.push({
      spec: digestOf(`run ${key}`),
      task: 'train.model',
      title: `train late/${key}`,
      state: failed ? 'failed' : 'done',
      startedAt: at,
      endedAt: at + took,
      cpuMs: took * 0.94,
      progress: null,
      error: failed
        ? 'MR_TRAIN_ONE_CLASS: the target of late/MIA has one value in the training window'
        : null,
    })
    at += took * 0.52
  })
  list.push({
    spec: digestOf('run matrix'),
    task: 'train.matrix',
    title: 'features of late, January to June',
    state: 'done',
    startedAt: ago(72),
    endedAt: ago(70),
    cpuMs: 196_000,
    progress: null,
    error: null,
  })
  list.push({
    spec: digestOf('run watch'),
    task: 'watch.window',
    title: 'windows of late, week of 24 June',
    state: 'leased',
    startedAt: ago(0.6),
    endedAt: null,
    cpuMs: null,
    progress: { done: 0.62, note: '124 of 198 members' },
    error: null,
  })
  list.push({
    spec: digestOf('run q'),
    task: 'train.model',
    title: 'train taxi-out',
    state: 'queued',
    startedAt: null,
    endedAt: null,
    cpuMs: null,
    progress: null,
    error: null,
  })
  return list.reverse()
}

export function contributions(seed: string): T.Explanation {
  const roll = dice(seedOf(seed))
  const parts = [
    'delay_rate_origin',
    'hour',
    'delay_rate_destination',
    'distance',
    'weekday',
    'holiday',
    'month',
    'carrier_share',
  ].map((feature, i) => ({
    feature,
    value: feature === 'hour' ? 17 : feature === 'holiday' ? null : Number((roll() * 3).toFixed(3)),
    contribution: (roll() - 0.36) * 0.9 * 0.72 ** i,
  }))
  const base = -1.42
  return {
    base,
    contributions: parts,
    raw: base + parts.reduce((s, p) => s + p.contribution, 0),
    residual: 0,
    method: 'tree-path',
    exact: true,
    scale: 'log odds',
  }
}

export const EXAMPLES: Record<string, unknown>[] = HUBS.slice(0, 8).map((origin, i) => ({
  date: `2001-06-${12 + i}T${String(6 + i * 2).padStart(2, '0')}:25:00`,
  distance: [590, 733, 1235, 368, 1745, 902, 2475, 226][i]!,
  origin,
  destination: HUBS[(i * 7 + 5) % 40]!,
  holiday: i === 3 ? true : null,
}))

export function why(id: string): T.Why {
  const explanation = contributions(id)
  return {
    id,
    model: 'late',
    member: 'ORD',
    version: 12,
    modelVersion: digestOf('mv'),
    route: 'live',
    at: ago(4),
    inputs: EXAMPLES[1]!,
    features: Object.fromEntries(explanation.contributions.map((c) => [c.feature, c.value])),
    output: 1 / (1 + Math.exp(-explanation.raw)),
    explanation,
    outcome: { value: 1, at: ago(1) },
    trainedOn: trainedOn(4),
    run: digestOf('run ORD'),
    gates: GATES.slice(0, 5),
    command: `millrace why ${id}`,
  }
}

export function backtest(model: string): T.Backtest {
  const months = ['01', '02', '03', '04', '05', '06']
  const auc = [
    [0.649, 0.665, 0.647, 0.661, 0.66],
    [0.648, 0.668, 0.63, 0.652],
    [0.659, 0.665, 0.672],
    [0.664, 0.656],
    [0.683],
  ]
  const at = (month: number) => utc(`2001-${String(month + 1).padStart(2, '0')}-01`)
  const rows = auc.flatMap((values, trained) =>
    values.map((value, later) => ({
      label: `2001-${months[trained]}`,
      fromAt: at(trained),
      toAt: at(trained + 1),
      ageMonths: 5 - trained,
      testAt: at(trained + later + 1),
      staleMonths: later,
      rowsTrained: 450_000 + 8_000 * trained,
      lead: { value, interval: [value - 0.004, value + 0.004] as [number, number], n: 498_412 },
      loss: { value: 1.17 - value, interval: [1.166 - value, 1.174 - value] as [number, number], n: 498_412 },
      meanPredicted: 0.206 - 0.01 * trained,
      meanActual: 0.213,
    })),
  )
  return {
    model,
    metrics: { lead: 'auc', loss: 'logLoss', higherIsBetter: true },
    tests: [1, 2, 3, 4, 5].map((month) => ({ fromAt: at(month), toAt: at(month + 1) })),
    rows,
    decay: {
      halvingsPerMonth: 0.042,
      interval: [0.022, 0.063],
      halfLifeMonths: 24,
      halfLifeInterval: [16, 46],
      n: 14,
      curve: [
        { months: 0, share: 1, interval: [1, 1], n: 4 },
        { months: 1, share: 0.996, interval: [0.94, 1.05], n: 4 },
        { months: 2, share: 0.89, interval: [0.83, 0.95], n: 3 },
        { months: 3, share: 0.9, interval: [0.85, 0.95], n: 2 },
        { months: 4, share: 0.87, interval: [0.81, 0.94], n: 1 },
      ],
    },
    lesson:
      'Best ranking: 2001-05 (0.683). Fresh data do better than old: 2001-05 0.683, 2001-01 0.660. Half the skill is gone after 24 months (95 % interval 16 to 46).',
  }
}

/** Thirty trials of which the twenty-second is best. */
export function search(model: string): T.Search | null {
  if (model !== 'late') return null
  const roll = dice(41)
  let bestSoFar: number | null = null
  const trials = Array.from({ length: 30 }, (_, number): T.SearchTrial => {
    const reach = 0.66 + 0.02 * (1 - Math.exp(-number / 12)) - 0.02 * roll()
    const state = number === 17 ? 'failed' : number > 8 && roll() < 0.3 ? 'stopped' : 'done'
    const value =
      state === 'failed' ? null : number === 21 ? 0.6812 : state === 'stopped' ? reach - 0.01 : reach
    if (state === 'done' || number === 21) bestSoFar = Math.max(bestSoFar ?? 0, value ?? 0)
    return {
      number,
      params: {
        leaves: number === 21 ? 47 : Math.round(8 * 32 ** roll()),
        learningRate: number === 21 ? 0.0631 : Number((0.02 * 15 ** roll()).toPrecision(4)),
        l2: number === 21 ? 1 : [0, 1, 10][Math.floor(3 * roll())]!,
      },
      state: number === 21 ? 'done' : state,
      share: state === 'stopped' && number !== 21 ? 1 / 3 : 1,
      value,
      bestSoFar,
      error: state === 'failed' ? 'MR_MODEL_ONE_CLASS: the target has one class only' : null,
    }
  })
  return {
    model,
    method: 'tpe',
    metric: 'auc',
    higherIsBetter: true,
    sentence: '30 trials by tpe chose l2 1, learningRate 0.0631, leaves 47 with auc 0.6812',
    looks: 74,
    endedBy: 'trials',
    folds: 3,
    best: 21,
    trials,
  }
}

/** What a model leans on, and the curve of a feature: numbers, and a category. */
export function effects(model: string, feature: string | null): T.Effects {
  const names = ['hour', 'delay_rate_origin', 'distance', 'month', 'holiday', 'weekday']
  const roll = dice(seedOf(`${model} effects`))
  const chosen = names.find((name) => name === feature) ?? names[0]!
  const isCategory = chosen === 'holiday'
  const at = isCategory
    ? ['none', 'eve', 'holiday', 'day after']
    : Array.from({ length: 20 }, (_, i) => (chosen === 'distance' ? 120 * (i + 1) : i + 4))
  const local = at.map((_, i) => 0.5 * Math.sin((i * 4) / at.length - 1.2) + 0.05 * (roll() - 0.5))
  return {
    model,
    modelVersion: digestOf('late'),
    class: null,
    rows: 500,
    loss: 'logLoss',
    features: names.map((name, i) => {
      const value = 0.031 * 0.6 ** i
      const half = 0.004 + 0.002 * roll()
      return {
        feature: name,
        contribution: 0.41 * 0.7 ** i,
        shuffled: { value, interval: [value - half, value + half] },
        splits: 0.4 * 0.6 ** i,
      }
    }),
    curves: [
      {
        feature: chosen,
        type: isCategory ? 'category' : 'number',
        at,
        local,
        dependence: local.map((x) => x - 1.1),
        rows: at.map(() => 10 + Math.round(40 * roll())),
      },
    ],
  }
}

/** Tables of an additive model of classes: numbers as steps, a category, a pair. */
export function shapes(model: string, className: string | null): T.Shapes | null {
  if (model !== 'delay-cause') return null
  const chosen = CAUSES.includes(className ?? '') ? (className as string) : CAUSES[0]!
  const roll = dice(seedOf(chosen))
  const number = (name: string, high: number, n: number, meanAbs: number): T.ShapeTerm => {
    const [slope, wave] = [2 * roll() - 1, 6 * roll()]
    const at = (i: number) => meanAbs * (2 * slope * (i / n - 0.5) + 0.8 * Math.sin((wave * i) / n))
    const border = (i: number) => (i === 0 || i === n ? null : (high * i) / n)
    const slots = Array.from({ length: n }, (_, i) => ({
      label: `${((high * i) / n).toFixed(1)} to ${((high * (i + 1)) / n).toFixed(1)}`,
      from: border(i),
      to: border(i + 1),
      value: at(i),
      deviation: meanAbs * (0.05 + 0.2 * roll()),
      share: Math.exp(-(((i - n / 3) / n) ** 2) * 8) / (n * 0.7),
    }))
    const other = { label: 'missing or other', from: null, to: null, value: 0, deviation: 0, share: 0 }
    return { features: [name], meanAbs, slots: [...slots, other] }
  }
  const carrier: T.ShapeTerm = {
    features: ['carrier'],
    meanAbs: 0.21,
    slots: ['AA', 'DL', 'UA', 'WN', 'missing or other'].map((label, i) => ({
      label,
      from: null,
      to: null,
      value: 0.5 * (roll() - 0.5),
      deviation: 0.02 + 0.04 * roll(),
      share: [0.31, 0.28, 0.2, 0.2, 0.01][i]!,
    })),
  }
  return {
    model,
    modelVersion: digestOf('cause'),
    classes: CAUSES,
    class: chosen,
    terms: [
      number('wind', 60, 40, 0.5),
      number('hour', 24, 24, 0.36),
      carrier,
      number('distance', 2700, 64, 0.12),
      { features: ['hour', 'wind'], meanAbs: 0.05, slots: [] },
    ],
  }
}

export function bundle(digest: string): T.BundleDetail {
  return {
    digest: digest as `sha256:${string}`,
    model: 'late',
    version: 13,
    parent: digestOf(`parent ${digest}`),
    each: 'origin',
    members: 198,
    held: Object.fromEntries(
      airports(222)
        .slice(198)
        .map((k, i) => [k, i % 5 === 0 ? 'did not beat the parent' : 'fewer than 1500 rows']),
    ),
    findings: GATES,
  }
}

export function versionDetail(digest: string): T.VersionDetail {
  const m = (value: number) => ({
    value,
    interval: [value - 0.006, value + 0.006] as [number, number],
    n: 96_420,
  })
  return {
    digest: digest as `sha256:${string}`,
    model: 'late',
    signature: SIGNATURE,
    trainedOn: trainedOn(5),
    card: {
      metrics: { auc: m(0.678), logLoss: m(0.456), ece: m(0.012) },
      baseline: { auc: m(0.5), logLoss: m(0.517), ece: m(0.002) },
      importance: [],
      featureAuc: { delay_rate_origin: 0.612, hour: 0.604, distance: 0.531, destination: 0.57 },
      scores: numeric('s1', edgesOf(0, 1, 20), bell(0.19, 0.1), 200_000),
      calibration: [],
      baseRate: 0.207,
      bytes: 41_200_312,
      notes: [
        'Probabilities are calibrated on the validation week by isotonic regression.',
        'Origins with fewer than 1,500 rows are answered by the parent.',
      ],
    },
    features: [
      {
        name: 'hour',
        expression: 'hour(date)',
        reference: numeric('h1', edgesOf(0, 24, 24), hourly, 900_000),
      },
      {
        name: 'delay_rate_origin',
        expression: 'rate(origin, prior: 50)',
        reference: numeric('r1', edgesOf(0.05, 0.45, 20), bell(0.19, 0.05), 900_000),
      },
      {
        name: 'distance',
        expression: 'distance',
        reference: numeric('dd1', edgesOf(0, 2700, 18), bell(700, 500), 900_000),
      },
      {
        name: 'destination',
        expression: 'category(destination)',
        reference: names('d1', HUBS.slice(0, 9), [9, 8, 7, 6, 5, 4, 4, 3, 3], 900_000, 4000),
      },
    ],
    run: {
      digest: digestOf('run ATL'),
      task: 'train.model',
      startedAt: ago(71),
      endedAt: ago(70.3),
      inputs: {},
    },
  }
}

export function world(n: number): World {
  const list = alerts()
  const models = new Map(['late', 'cancelled', 'taxi-out'].map((name) => [name, modelPage(name, list, n)]))
  models.set('delay-cause', causePage(modelPage('delay-cause', list, n)))
  const many = members(n + Math.round(n * 0.12))
  const own = many.filter((m) => m.answers === 'self').length
  const quiet: Partial<T.FleetRow> = {
    alerts: 0,
    requestsPerSecond: 38.2,
    predictions: 92_410,
    latencyMsP99: 1.7,
    owner: 'ops@example.com',
  }
  const live = {
    ...models.get('taxi-out')!.release!,
    state: 'live' as const,
    routes: [{ bundle: digestOf('t4'), version: 4, role: 'live' as const, weight: 1 }],
  }
  const fleetModels = [
    row(models.get('late')!, { members: own, membersHeld: many.length - own }),
    row(models.get('cancelled')!, {
      ...quiet,
      release: { ...live, state: 'paused' },
      description: 'flights that never took off',
    }),
    row(models.get('taxi-out')!, {
      ...quiet,
      release: live,
      liveVersion: 4,
      description: 'minutes from gate to take-off',
    }),
    row(models.get('delay-cause')!, {
      ...quiet,
      release: { ...live, routes: [{ bundle: digestOf('c4'), version: 4, role: 'live', weight: 1 }] },
      liveVersion: 4,
    }),
    row(models.get('taxi-out')!, {
      ...quiet,
      model: 'fuel-burn',
      release: null,
      liveVersion: null,
      quality: [],
      expected: null,
      freshAt: null,
      trainedAt: null,
      requestsPerSecond: 0,
      predictions: 0,
      latencyMsP99: null,
      description: 'kilograms, not released yet',
    }),
  ]
  const weather = {
    ...datasetPage('weather'),
    rows: 43_800,
    rowsQuarantined: 0,
    bytes: 1_840_221,
    findings: { pass: 4, fail: 0, inconclusive: 0, error: 0 },
  }
  const journal = events(640)
  return {
    project: 'flights',
    members: many,
    alerts: list,
    events: journal,
    models,
    runs: runs(n),
    fleet: {
      project: 'flights',
      health: 'act',
      sentence:
        'late is live at v12 and v13 takes 10 % of its traffic; quality is within its band everywhere but Aspen, which needs you.',
      attention: list.filter((a) => a.state !== 'resolved'),
      models: fleetModels,
      events: journal.slice(0, 12),
      datasets: [datasetPage('flights'), weather],
    },
  }
}

export function manyModels(base: World, n: number): T.FleetRow[] {
  return airports(n).map((key, i) => ({
    ...base.fleet.models[i % 3]!,
    model: `demand-${key.toLowerCase()}`,
    members: 0,
    membersHeld: 0,
    alerts: i % 97 === 0 ? 1 : 0,
  }))
}
