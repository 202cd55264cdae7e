import { toError } from '../core/errors.ts'
import type { Column } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import type { Duck } from './duck.ts'
import { isOutOfMemory } from './reader.ts'
import {
  AGGREGATES_MAX,
  aggregatesQuery,
  frequenciesQuery,
  type Measurement,
  type MetricSql,
  measurementsIn,
  metricSql,
} from './table-metrics.ts'

interface Asked<S extends MetricSql = MetricSql> {
  name: string
  asked: S
}

/**
 * Measures the metrics that checks bound, over the rows of a relation: one query for every sixty plain aggregates and one for each set of columns whose frequencies are
 * asked. What crashes is put into `broken` and the others are measured.
 */
export async function measureChecks(
  duck: Duck,
  from: string,
  checks: readonly CheckDef[],
  columns: readonly Pick<Column, 'name' | 'type'>[],
  broken: Map<string, string>,
): Promise<Map<string, Measurement>> {
  const asked = askedOf(checks, columns, broken)
  const measured = new Map<string, Measurement>()
  for (const group of groupsOf(asked)) await measureGroup(duck, from, group, measured, broken)
  return measured
}

function askedOf(
  checks: readonly CheckDef[],
  columns: readonly Pick<Column, 'name' | 'type'>[],
  broken: Map<string, string>,
): Asked[] {
  return checks.flatMap(({ name, rule }) => {
    if (!('metric' in rule)) return []
    try {
      return [{ name, asked: metricSql(rule.metric, columns) }]
    } catch (thrown) {
      broken.set(name, firstLine(thrown))
      return []
    }
  })
}

const firstLine = (thrown: unknown): string => toError(thrown).message.split('\n')[0]!

/** Those that one query answers together. */
function groupsOf(asked: readonly Asked[]): Asked[][] {
  const groups = new Map<string, Asked[]>()
  let plain = 0
  for (const each of asked) {
    const key =
      each.asked.kind === 'aggregate'
        ? `${Math.floor(plain++ / AGGREGATES_MAX)}`
        : `\0${each.asked.sql.keys.join('\0')}`
    groups.set(key, [...(groups.get(key) ?? []), each])
  }
  return [...groups.values()]
}

async function measureGroup(
  duck: Duck,
  from: string,
  group: Asked[],
  measured: Map<string, Measurement>,
  broken: Map<string, string>,
): Promise<void> {
  try {
    const row = await duck.one<Record<string, unknown>>(queryOf(from, group))
    for (const [i, measurement] of measurementsIn(row, group.length).entries())
      measured.set(group[i]!.name, measurement)
  } catch (thrown) {
    if (isOutOfMemory(toError(thrown))) throw thrown
    if (group.length === 1) broken.set(group[0]!.name, firstLine(thrown))
    else for (const one of group) await measureGroup(duck, from, [one], measured, broken)
  }
}

function queryOf(from: string, group: readonly Asked[]): string {
  const [first] = group
  return first!.asked.kind === 'aggregate'
    ? aggregatesQuery(
        from,
        group.map(({ asked }) => asked.sql),
      )
    : frequenciesQuery(
        from,
        group.map(({ asked }) => (asked as Extract<MetricSql, { kind: 'frequency' }>).sql),
      )
}
