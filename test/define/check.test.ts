import {
  average,
  Check,
  canary,
  checks,
  col,
  command,
  dataset,
  each,
  ebm,
  factors,
  forest,
  ftrl,
  gates,
  gbdt,
  head,
  imported,
  linear,
  mlp,
  model,
  neighbours,
  over,
  project,
  stack,
  time,
} from 'millrace'
import * as m from 'millrace/metrics'
import { describe, expect, test } from 'vitest'
import type { Schema } from '../../src/core/records.ts'
import { checkProject, RULES } from '../../src/define/check.ts'
import { durationMs } from '../../src/define/durations.ts'
import { invalidValues, keepsRule, type Rule } from '../../src/define/rules.ts'
import { TRAINER_RULES } from '../../src/define/trainer-rules.ts'
import type { CheckDef, ProjectDef, TrainerDef } from '../../src/define/types.ts'

const flights = dataset('flights', {
  source: 'flights.csv',
  time: 'date',
  key: ['id'],
  exclude: ['name'],
  read: {
    ...{ format: 'csv', delimiter: ',', encoding: 'utf-8', quote: '"', header: 1 },
    ...{
      decimal: '.',
      dates: 'day-first',
      ragged: 'pad',
      sheet: 'a',
      table: 'b',
      query: 'SELECT 1',
      columns: ['a'],
    },
  },
  stream: { seal: { rows: 10, every: '5m' }, newColumns: 'take' },
  about: {
    ...{ description: 'a', license: 'MIT', citation: 'a', url: 'https://example.com', version: '1.0.0' },
    ...{ creators: ['a'], keywords: ['b'] },
  },
  checks: [
    checks.notNull('delay'),
    checks.unique('id'),
    checks.rowCount({ min: 1, max: 10 }),
    checks.fresh('date', '2d'),
    checks.usual('mean', 'delay', { season: 'week', alpha: 0.001, pointsMin: 10 }),
    checks.drift({ columns: ['origin'], against: 'flights@main~3', alpha: 0.05, psiMin: 0.1 }),
    checks.inWindow('date'),
    checks.isIn('origin', ['ATL', 'SFO']),
    checks.matches('origin', /^[A-Z]{3}$/),
    checks
      .holds(col('date').gt(time('2001-01-01')))
      .named('recent')
      .stop()
      .owner('data@example.com'),
    checks.holds(col('delay').lt(2880)).warn(),
    checks.quantile('delay', 0.99, { min: -1e6, max: 240 }).owner('data@example.com').stop(),
    checks.exists('origin', { in: 'flights', of: 'origin' }),
    checks.determines('id', 'origin').atLeast(0.99),
  ],
})

const sound = (): ProjectDef =>
  structuredClone(
    project('flights', {
      datasets: [flights],
      serve: { grpc: 7301, cache: { mb: 64, entries: 1000, ttl: '10m' } },
      remotes: { origin: 's3://bucket/flights' },
      models: [
        model('late', {
          from: flights,
          target: col('delay').gt(15),
          features: { hour: col('date').hour(), origin: col('origin').category() },
          each: each('origin', { rowsMin: 100 }),
          trainer: gbdt({ trees: 10 }),
          calibrate: 'auto',
          objectives: { quality: over(0.6, m.auc) },
          gates: [
            gates.metric(m.auc, { min: 0.6 }),
            gates.calibration(),
            gates.slices('origin', { floor: 0.5 }),
            gates.size(),
            gates.latency(),
            gates.noLeak(),
            gates.noWorseThanLive(),
            gates.beatsBaseline({ metric: m.brier }),
          ],
          release: canary({ steps: [0.1, 0.5] }),
        }),
        model('delay', {
          from: flights,
          target: col('delay'),
          split: { by: 'random' },
          trainer: linear(),
          serve: { log: { sample: 0.5, redact: ['date'], hash: ['id'] } },
        }),
        model('order', { from: flights, target: col('delay'), group: 'origin' }),
        model('fast', {
          from: flights,
          target: col('delay').gt(15),
          trainer: ftrl(),
          watch: { retrain: ['online'], checkpoint: { rows: 100, every: '10s' } },
        }),
      ],
    }),
  )

const schema: Schema = {
  columns: [
    { name: 'id', type: 'int', nullable: false },
    { name: 'date', type: 'time', nullable: false },
    { name: 'delay', type: 'float', nullable: true },
    { name: 'origin', type: 'string', nullable: true },
    { name: 'name', type: 'string', nullable: true },
  ],
}

const messages = (change: (def: ProjectDef) => void, schemas: Record<string, Schema> = {}): string[] => {
  const def = sound()
  change(def)
  return checkProject(def, schemas).map((error) => error.message)
}

test('a sound project has no faults, with and without its columns', () => {
  expect(messages(() => {})).toEqual([])
  expect(messages(() => {}, { flights: schema })).toEqual([])
})

const SUBJECTS = {
  project: (def: ProjectDef): unknown[] => [def],
  dataset: (def: ProjectDef): unknown[] => def.datasets,
  check: (def: ProjectDef): unknown[] => def.datasets.flatMap((d) => d.checks),
  model: (def: ProjectDef): unknown[] => def.models,
  gate: (def: ProjectDef): unknown[] => def.models.flatMap((each) => each.gates),
  objective: (def: ProjectDef): unknown[] => def.models.flatMap((each) => each.objectives),
}

/** Sets the first value that is found at the path; says whether there was one. */
function setAt(subject: unknown, path: string[], value: unknown): boolean {
  if (typeof subject !== 'object' || subject === null) return false
  const at = subject as Record<string, unknown>
  const [head, ...rest] = path
  const key = head === '*' ? Object.keys(at)[0] : head
  if (key === undefined || !(key in at)) return false
  if (rest.length > 0) return setAt(at[key], rest, value)
  at[key] = value
  return true
}

describe('every rule is checked', () => {
  const cases = Object.entries(RULES).flatMap(([kind, rules]) =>
    Object.entries(rules).map(([path, rule]): [string, keyof typeof SUBJECTS, string, Rule] => [
      `${kind} ${path}`,
      kind as keyof typeof SUBJECTS,
      path,
      rule,
    ]),
  )
  test.each(cases)('%s', (_, kind, path, rule) => {
    for (const bad of invalidValues(rule)) {
      expect(keepsRule(rule, bad)).toBe(false)
      const found = messages((def) => {
        const isSet = SUBJECTS[kind](def).some((subject) => setAt(subject, path.split('.'), bad))
        expect(isSet, `the sound project has no ${kind} ${path} to break`).toBe(true)
      })
      expect(
        found.some((message) => message.startsWith('MR_DEFINE_VALUE')),
        `${String(bad)} passed`,
      ).toBe(true)
    }
  })
})

/** A trainer of each kind that sets every parameter which has a rule. */
const TRAINERS: Record<TrainerDef['kind'], TrainerDef> = {
  gbdt: gbdt({
    stopBy: 'objective',
    featureFraction: 0.8,
    featureFractionByNode: 0.8,
    bagging: 0.8,
    replacement: true,
    l1: 1,
    minGain: 1,
    minHessian: 1,
    maxDepth: 6,
    maxDeltaStep: 1,
    pathSmooth: 1,
    monotone: { distance: 1 },
    categorical: { smooth: 1, l2: 1, setMax: 1, groupRows: 1, oneHotMax: 1 },
  }),
  forest: forest({ classWeights: { yes: 2 } }),
  linear: linear({ classWeights: 'balanced' }),
  ftrl: ftrl(),
  factors: factors({ classWeights: [1, 2] }),
  neighbours: neighbours(),
  mlp: mlp({ classWeights: 'none' }),
  command: command({ run: 'python train.py', files: ['train.py'], env: ['CUDA_VISIBLE_DEVICES'] }),
  head: head({ network: 'encoder.onnx' }),
  imported: imported('model.onnx', { output: 'chance', gives: 'scores', runtime: 'onnx' }),
  ebm: ebm({ monotone: { distance: 1 }, classWeights: 'none' }),
  average: average({ of: mlp() }),
  stack: stack({ of: [gbdt(), linear()] }),
}

test('a log keeps what it shows elsewhere, whole groups, and all that is learned from', () => {
  const faultsOf = (serve: object, over: object = {}) => {
    const made = model('kept', {
      from: flights,
      target: col('delay').gt(15),
      features: { d: col('distance') },
      ...over,
      serve,
    } as never)
    return checkProject(project('p', { datasets: [flights], models: [made] }))
      .map(String)
      .join('\n')
  }
  expect(faultsOf({ log: { sample: 0.1, redact: ['distance'], hash: ['origin'], durable: false } })).toBe('')
  expect(faultsOf({ log: { sample: 0 } })).toContain('serve.log.sample')
  expect(faultsOf({ log: { redact: ['origin'] } }, { each: 'origin' })).toContain('the log names the member')
  expect(faultsOf({ log: { redact: ['origin'], hash: ['origin'] } })).toContain('not left out as well')
  expect(faultsOf({ log: { sample: 0.5 } }, { group: 'origin', target: col('delay') })).toContain(
    'groups are kept whole',
  )
  const online = { trainer: ftrl(), watch: { retrain: ['online'] } }
  expect(faultsOf({ log: { hash: ['distance'] } }, online)).toContain('it learns from the log')
})

test('learning online needs a trainer that can learn on', () => {
  expect(
    messages((def) => {
      def.models[0]!.watch.retrain = ['online']
    }),
  ).toEqual([expect.stringContaining('there is no trainer that learns online "gbdt"')])
})

describe('every rule of a trainer is checked', () => {
  const cases = Object.values(TRAINERS).flatMap((trainer) =>
    Object.entries(TRAINER_RULES[trainer.kind]).map(([path, rule]): [string, TrainerDef, string, Rule] => [
      `${trainer.kind} ${path}`,
      trainer,
      path,
      rule,
    ]),
  )
  test.each(cases)('%s', (_, trainer, path, rule) => {
    for (const bad of invalidValues(rule)) {
      const found = messages((def) => {
        def.models[0]!.trainer = structuredClone(trainer)
        expect(setAt(def.models[0]!.trainer, path.split('.'), bad), `${trainer.kind} has a ${path}`).toBe(
          true,
        )
      })
      expect(
        found.some((message) => message.startsWith('MR_DEFINE_VALUE')),
        `${String(bad)} passed`,
      ).toBe(true)
    }
  })
})

describe('a check of data is refused where it could never hold, or holds of nothing', () => {
  const refused = (def: Check | CheckDef, schemas?: Record<string, Schema>) =>
    messages((project) => {
      project.datasets[0]!.checks = [structuredClone(def instanceof Check ? def.def : def)]
    }, schemas)
  const cases: [string, Check, string][] = [
    ['without a bound', checks.mean('delay', {}), 'rule.min or max'],
    [
      'with its bounds turned round',
      checks.mean('delay', { min: 2, max: 1 }),
      'rule.max must be a number at least 2',
    ],
    [
      'above what a share can be',
      checks.missing('delay', { max: 1.5 }),
      'must be a number at least 0 and at most 1',
    ],
    [
      'of a quantile without its level',
      checks.metric({ of: 'quantile', columns: ['delay'] }, { max: 1 }),
      'metric.q',
    ],
    [
      'of a mean with a level',
      checks.metric({ of: 'mean', columns: ['delay'], q: 0.5 }, { max: 1 }),
      'one of quantile',
    ],
    ['of too few columns', checks.metric({ of: 'correlation', columns: ['delay'] }, { min: 0 }), 'how many'],
    [
      'that puts rows aside for a number of all rows',
      checks.mean('delay', { min: 0 }).quarantine(),
      'one of stop, warn',
    ],
    ['that tolerates a share of one number', checks.rowCount({ min: 1 }).atLeast(0.5), 'one of 1'],
    [
      'that looks into a dataset which is not there',
      checks.exists('origin', { in: 'nowhere' }),
      'there is no dataset "nowhere"',
    ],
    [
      'that looks up two columns in one',
      checks.exists(['origin', 'name'], { in: 'flights', of: ['origin'] }),
      'rule.of: how many',
    ],
    [
      'that lets nothing determine a column',
      new Check({
        ...checks.determines('id', 'origin').def,
        rule: { kind: 'determines', columns: [], column: 'origin' },
      }),
      'how many',
    ],
  ]
  test.each(cases)('%s', (_, def, text) => {
    expect(refused(def)).toEqual([expect.stringContaining(text)])
  })
  test('of a column that its dataset does not have, or of another type', () => {
    const known = { flights: schema }
    expect(refused(checks.mean('origin', { min: 0 }), known)).toEqual([expect.stringContaining('got string')])
    expect(refused(checks.min('date', { min: new Date(0) }), known)).toEqual([])
    expect(refused(checks.entropy('origni', { min: 0 }), known)).toEqual([expect.stringContaining('origni')])
    expect(refused(checks.exists('origin', { in: 'flights', of: 'code' }), known)).toEqual([
      expect.stringContaining('code'),
    ])
  })
})

test('each check of data has a name that says it, and what happens by its kind', () => {
  const made = [
    checks.quantile('delay', 0.99, { max: 240 }),
    checks.min('date', { min: new Date('2001-01-01') }),
    checks.correlation('a', 'b', { min: -0.2, max: 0.2 }),
    checks.exists('carrier', { in: 'carriers', of: 'code' }),
    checks.exists(['a', 'b'], { in: { name: 'pairs' } }),
    checks.determines(['zip', 'country'], 'city'),
  ]
  expect(made.map(({ def }) => [def.name, def.onFail])).toEqual([
    ['quantile(delay, 0.99) <= 240', 'warn'],
    ['min(date) >= 2001-01-01T00:00:00.000Z', 'warn'],
    ['correlation(a, b) >= -0.2 and <= 0.2', 'warn'],
    ['exists(carrier in carriers.code)', 'quarantine'],
    ['exists(a, b in pairs)', 'quarantine'],
    ['determines(zip, country -> city)', 'quarantine'],
  ])
})

test('names that are given twice are refused, whatever their letter case', () => {
  expect(messages((def) => def.models.push({ ...def.models[0]!, name: 'LATE' }))).toEqual([
    'MR_DEFINE_DUPLICATE: models: the name "LATE" is given twice',
  ])
  expect(messages((def) => def.datasets[0]!.checks.push(def.datasets[0]!.checks[0]!))).toEqual([
    'MR_DEFINE_DUPLICATE: datasets.flights.checks: the name "notNull(delay)" is given twice',
  ])
})

test('a model of an unknown dataset is told which there are', () => {
  const found = messages((def) => {
    def.models[0]!.from = 'flihgts'
  })
  expect(found).toEqual([
    'MR_DEFINE_UNKNOWN: models.late.from: there is no dataset "flihgts"; there is flights',
  ])
})

test('steps must rise, shares must leave rows to train on, and a split by time needs a time', () => {
  const found = messages((def) => {
    def.models[0]!.release.steps = [0.5, 0.1]
    def.models[1]!.split = { by: 'random', validateShare: 0.6, testShare: 0.6 }
  })
  expect(found).toEqual([
    'MR_DEFINE_VALUE: models.late.release.steps.1 must be a number above 0.5 and below 1, got 0.1',
    'MR_DEFINE_VALUE: models.delay.split: validate and test together must be a number above 0 and below 1, got 1.2',
  ])
  expect(messages((def) => delete def.datasets[0]!.time)).toContain(
    'MR_DEFINE_VALUE: models.late.split.by of a dataset without a time must be one of random, got "time"',
  )
})

test('with the data’s columns known, each use of another one is named with its place and the near names', () => {
  const def = sound()
  def.models[0]!.features[0]!.expr = col('dtae').hour().node
  def.datasets[0]!.checks[0]!.rule = { kind: 'row', holds: col('delya').notNull().node }
  const faults = checkProject(def, { flights: schema })
  expect(faults.map((f) => f.message.slice(0, 96))).toEqual([
    'MR_EXPR_UNKNOWN_COLUMN: datasets.flights.checks.notNull(delay) uses column "delya", which the da',
    'MR_EXPR_UNKNOWN_COLUMN: models.late.features.hour uses column "dtae", which the data do not have',
  ])
  expect(faults[1]!.fix).toBe('write "date" instead of "dtae"')
})

test('with the data’s columns known, wrong types are named too', () => {
  const found = messages(
    (def) => {
      def.models[0]!.target = col('origin').node
      def.models[0]!.task = 'binary'
      def.models[0]!.features[0]!.expr = col('delay').hour().node
    },
    { flights: schema },
  )
  expect(found).toEqual([
    'MR_EXPR_TYPE: models.late.target: the target must be bool or number, got string',
    'MR_EXPR_TYPE: models.late.features.hour: delay must be time, got number',
  ])
})

test('a text is a target of classes, and only a model that ranks has a group', () => {
  const text = (def: ProjectDef) => {
    def.models[0]!.target = col('origin').node
  }
  const grouped = (def: ProjectDef) => {
    def.models[0]!.group = 'origin'
  }
  const ungrouped = (def: ProjectDef) => {
    delete def.models[2]!.group
  }
  expect(messages(text, { flights: schema })).toEqual([])
  expect(messages(grouped)[0]).toContain('MR_DEFINE_GROUP')
  expect(messages(ungrouped)[0]).toContain('no column says which rows')
})

test('limits have known names', () => {
  expect(messages((def) => Object.assign(def.limits, { bodyBytesMax: 0, nonsense: 1 }))).toEqual([
    'MR_DEFINE_VALUE: project.limits.bodyBytesMax must be a whole number at least 1 and at most 9007199254740991, got 0',
    expect.stringMatching(/^MR_DEFINE_UNKNOWN: project.limits: there is no limit "nonsense"/),
  ])
})

test('durations are a number and a unit', () => {
  expect(['5ms', '1.5s', '2m', '1h', '7d', '2w'].map((d) => durationMs(d, 'x'))).toEqual([
    5, 1500, 120_000, 3_600_000, 604_800_000, 1_209_600_000,
  ])
  for (const bad of ['', '5', 'ms', '-1d', '1 d', '1y', '1e3s', 'Infinityd'])
    expect(() => durationMs(bad, 'models.late.split.test'), bad).toThrow(
      /MR_DEFINE_DURATION: models.late.split.test/,
    )
})
