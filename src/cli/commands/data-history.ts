/** `millrace data history` and `data accept`: how the numbers of deliveries went, and a person's word on an unusual one. */
import { MillraceError } from '../../core/errors.ts'
import {
  acceptUnusual,
  type Delivery,
  deliveries,
  errorOf,
  findUnusual,
  judgedSeries,
  type MetricPoint,
  optionsFor,
  partsSeries,
  resolveVersion,
  seriesOf,
} from '../../data/index.ts'
import { tableMetricText } from '../../define/table-metrics.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { HistoryOptions } from '../../stats/metric-history.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, minute, plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { historyPlot, sparkline } from '../history-plot.ts'
import { countOption, textOption } from '../options.ts'
import { table } from '../table.ts'

export type JudgedPoint = ReturnType<typeof judgedSeries>[number]

interface History {
  metrics: string[]
  series: (metric: string) => JudgedPoint[]
  what: string
}

export async function dataHistory(
  cli: Cli,
  [name, metric]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const limit = countOption(options, 'limit', 40)
  const rt = await cli.open()
  const dataset = name as string
  const history = options.parts === true ? await ofParts(rt, dataset) : await ofDeliveries(rt, dataset)
  if (metric !== undefined) return oneMetric(cli, dataset, history, metric as string, limit)
  return allMetrics(cli, dataset, history, limit)
}

async function ofDeliveries(rt: Runtime, dataset: string): Promise<History> {
  await resolveVersion(rt.store, dataset)
  const all = await deliveries(rt.store, dataset)
  const given = declared(rt, dataset)
  return {
    what: plural(all.length, 'delivery', 'deliveries'),
    metrics: metricsOf(all),
    series: (metric) => {
      const values = new Map(all.map((delivery) => [delivery.event, delivery.values]))
      const error = ({ event, value, n }: MetricPoint) =>
        errorOf(metric, { value, n }, values.get(event) ?? {})
      return judgedSeries(seriesOf(all, metric), optionsFor(metric, given.get(metric)), error)
    },
  }
}

/** The rows first. */
const metricsOf = (all: readonly Delivery[]): string[] => [
  'rows',
  ...new Set(all.flatMap(({ values }) => Object.keys(values)).filter((metric) => metric !== 'rows')),
]

/** What checks of the config say of the metrics that they judge. */
function declared(rt: Runtime, dataset: string): Map<string, HistoryOptions> {
  const def = rt.project.datasets.find((d) => d.name === dataset)
  const rules = (def?.checks ?? []).flatMap(({ rule }) => (rule.kind === 'usual' ? [rule] : []))
  return new Map(
    rules.map(({ metric, season, alpha, pointsMin }) => [
      tableMetricText(metric),
      Object.fromEntries(Object.entries({ season, alpha, pointsMin }).filter(([, v]) => v !== undefined)),
    ]),
  )
}

async function ofParts(rt: Runtime, dataset: string): Promise<History> {
  const { version } = await resolveVersion(rt.store, dataset)
  const columns = version.schema.columns
  const metrics = [
    'rows',
    ...columns.flatMap(({ name, type }) => [
      `missing(${name})`,
      ...(type === 'int' || type === 'float' ? [`mean(${name})`, `std(${name})`] : []),
      `distinctApprox(${name})`,
    ]),
  ]
  return {
    what: plural(version.parts.length, 'part'),
    metrics: metrics.filter((metric) => partsSeries(version.parts, metric).length > 0),
    series: (metric) => judgedSeries(partsSeries(version.parts, metric), optionsFor(metric)),
  }
}

function allMetrics(cli: Cli, dataset: string, { metrics, series, what }: History, limit: number): Answer {
  const found = metrics
    .map((metric) => ({ metric, points: series(metric).slice(-limit) }))
    .filter(({ points }) => points.length > 0)
  const { paint, width } = cli
  const rows = found.map(({ metric, points }) => {
    const last = points.at(-1)!
    const unusual = points.filter(isUnusual).length
    return [
      metric,
      value(last.value),
      rangeText(last),
      unusual === 0 ? '–' : paint.bad(count(unusual)),
      sparkline(points.map((point) => point.value)),
    ]
  })
  const hint = `  ${paint.dim(`millrace data history ${dataset} "${found[1]?.metric ?? 'rows'}" shows one of them point by point`)}`
  return {
    value: found.map(({ metric, points }) => ({ metric, points })),
    lines: [
      '',
      `  ${paint.bold(dataset)}  ${what}`,
      '',
      ...table(['metric', 'last', 'usual then', 'unusual', 'course'], rows, {
        right: ['last', 'unusual'],
        width,
        paint,
      }),
      ...(found.length === 0
        ? ['  no delivery has left numbers yet: import one with this version of Millrace']
        : ['', hint]),
      '',
    ],
  }
}

function oneMetric(
  cli: Cli,
  dataset: string,
  { metrics, series, what }: History,
  metric: string,
  limit: number,
): Answer {
  if (!metrics.includes(metric))
    throw new MillraceError('MR_LOOP_UNKNOWN', { what: 'metric', name: metric, known: metrics })
  const points = series(metric).slice(-limit)
  const { paint } = cli
  const unusual = points.filter(isUnusual)
  const open = unusual.some(({ state }) => state === 'unusual')
  return {
    value: { dataset, metric, points },
    lines: [
      '',
      `  ${paint.bold(`${dataset}: ${metric}`)}  ${what}, ${unusual.length === 0 ? 'all as usual' : `${count(unusual.length)} unusual`}`,
      '',
      ...historyPlot(
        points.map((point) => ({
          ...point,
          label: timeText(point.at),
          shown: value(point.value),
          isUnusual: isUnusual(point),
        })),
        paint,
      ),
      ...(open
        ? ['', `  ${paint.dim(`right after all? millrace data accept ${dataset} "${metric}" --reason "…"`)}`]
        : []),
      '',
    ],
  }
}

/** Recorded as unusual, or so by all that came before. */
const isUnusual = ({ state, judgement }: JudgedPoint): boolean =>
  state === 'unusual' || (state === 'usual' && judgement.verdict === 'unusual')

const value = (x: number): string => (Number.isInteger(x) ? count(x) : figure(x))

/** Parts that are blocks of rows have a number and no time. */
const timeText = (at: number): string => (at < 100_000 ? `part ${count(at)}` : minute(at))

function rangeText({ judgement: { interval } }: JudgedPoint): string {
  return interval === null ? 'too few yet' : `${value(interval[0])} to ${value(interval[1])}`
}

export async function dataAccept(
  cli: Cli,
  [name, metric]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const { store } = await cli.open()
  const dataset = name as string
  await resolveVersion(store, dataset)
  const asked = { metric: metric as string, at: instantOf(textOption(options, 'at')) }
  if (options.dryRun === true) {
    const point = await findUnusual(store, dataset, asked)
    return {
      value: { dryRun: true, ...point },
      lines: [`  · accept ${asked.metric} ${value(point.value)} of ${minute(point.at)} UTC`],
    }
  }
  const point = await acceptUnusual(store, dataset, {
    ...asked,
    actor: await cli.actor(),
    reason: textOption(options, 'reason') ?? 'accepted on the command line',
  })
  return {
    value: point,
    lines: [
      `  ${cli.paint.good('✓')} ${asked.metric} ${value(point.value)} of ${minute(point.at)} UTC is accepted; later deliveries are judged by it too`,
    ],
  }
}

/** Minutes are what tables show, so they are enough to name a delivery. */
function instantOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = Date.parse(
    /[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(' ', 'T')}${text.length <= 10 ? '' : 'Z'}`,
  )
  if (!Number.isNaN(at)) return at
  throw new MillraceError('MR_CLI_VALUE', {
    option: '--at',
    expected: 'a time such as 2001-01-05 or 2001-01-05T12:30Z',
    got: text,
  })
}
