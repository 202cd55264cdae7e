/** Rows of a request through the models of one route: coerced, scored or explained by member, and put down as a block of the log. */
import type { Json } from '../core/canonical.ts'
import { encodeVectors } from '../core/class-vectors.ts'
import { MillraceError } from '../core/errors.ts'
import type { PredictionBlock } from '../core/log-blocks.ts'
import type { ModelTask, Observation } from '../core/records.ts'
import { codeSaid } from './answers.ts'
import { groupByMember, type MemberGroup } from './member-groups.ts'
import type { ModelCache } from './model-cache.ts'
import { countUnknown, type Explanation, fieldOf, type Predictor, type RawRow } from './predictor.ts'
import type { CacheTally, ResponseCache } from './response-cache.ts'
import type { RoutedBundle } from './router.ts'

/** What scoring the rows of one route gave. */
export interface Scored {
  route: RoutedBundle
  groups: MemberGroup[]
  columns: Set<string>
  /** Coerced rows, in the order of the request. */
  rows: RawRow[]
  /** One output a row, or one a class. */
  outputs: Float64Array
  explanations?: Explanation[]
  task: ModelTask
  classes?: readonly string[]
  /** Input that names the group of a row, where the model ranks. */
  group?: string
  /** Share from which a yes or no is a yes. */
  threshold?: number
  /** Fields that no signature names. */
  ignored: number
  /** What a cache had, where there is one. */
  cached?: CacheTally
}

export interface ScoreRequest {
  route: RoutedBundle
  rows: readonly RawRow[]
  /** Member that answers all rows; undefined when the rows choose. */
  member?: string
  explain?: boolean
  /** Class that is explained; by default the likeliest of each row. */
  explainClass?: string
  /** What was answered before. */
  responses?: ResponseCache
  /** Number of the first row, for errors, where these are not all rows of a request. */
  rowBegin?: number
}

/**
 * Scores every row or none. Models that are ready answer at once; others are loaded side by side. Errors: MR_SERVE_MEMBER_UNKNOWN, those of
 * the load, MR_SERVE_FIELD, MR_SERVE_OUTPUT, MR_SERVE_EXPLAIN.
 */
export async function scoreRows(cache: ModelCache<Predictor>, request: ScoreRequest): Promise<Scored> {
  const { route, rows, member, explain, responses } = request
  const groups = groupByMember(route.record, rows, member)
  const scored: Scored = {
    route,
    groups,
    columns: new Set(),
    rows: new Array<RawRow>(rows.length),
    outputs: new Float64Array(rows.length),
    explanations: explain ? new Array<Explanation>(rows.length) : undefined,
    task: 'regression',
    ignored: 0,
    ...(responses && { cached: { hits: 0, misses: 0 } }),
  }
  const under: Promise<void>[] = []
  for (const group of groups) {
    const work = attempt(() =>
      cache.with(group.digest, (predictor) => scoreGroup(predictor, group, scored, request)),
    )
    if (work) under.push(work)
  }
  if (under.length > 0) await allOrFirstError(under)
  return scored
}

/** What `work` left to wait for; what it threw at once is waited for too, so that the groups beside it are not left behind. */
function attempt(work: () => void | Promise<void>): Promise<void> | undefined {
  try {
    return work() ?? undefined
  } catch (error) {
    return Promise.reject(error)
  }
}

export interface BlockOptions {
  /** Family name. */
  model: string
  at: number
  ids: readonly string[]
  /** Group of each row, where the model ranks. */
  groups?: readonly string[]
  trace?: string
  withInputs: boolean
}

/** Scored rows as a block of the log. */
export function blockOf(
  scored: Scored,
  { model, at, ids, groups: grouped, trace, withInputs }: BlockOptions,
): PredictionBlock {
  const { groups, route } = scored
  const nRows = ids.length
  return {
    kind: 'predictions',
    model,
    at,
    ...(trace === undefined ? {} : { trace }),
    ids: ids as string[],
    members: membersOf(groups, nRows),
    versions: new Array<number>(nRows).fill(route.version),
    modelVersions: groups.map((group) => group.digest),
    modelVersion: versionIndexes(groups, nRows),
    routes: new Array<Observation['route']>(nRows).fill(route.role),
    inputs: withInputs ? inputColumns(scored) : {},
    ...outputsSaid(scored),
    ...(grouped && { groups: grouped as string[] }),
  }
}

/** Outputs as the log keeps them: of several classes the one said, with its probability, and all probabilities. */
function outputsSaid(scored: Scored): Pick<PredictionBlock, 'outputs' | 'classes' | 'labels' | 'vectors'> {
  const { outputs, classes, rows } = scored
  if (!classes) return { outputs: Array.from(outputs) }
  const labels = rows.map((_, row) => codeSaid(scored, row))
  return {
    outputs: labels.map((code, row) => outputs[row * classes.length + code]),
    classes: [...classes],
    labels,
    vectors: encodeVectors(outputs),
  }
}

/** Group of each row: the value of the model's column, else the request. Undefined for models that do not rank. */
export function groupsOf({ group, rows }: Scored, request: string): string[] | undefined {
  return group === undefined ? undefined : rows.map((row) => String(fieldOf(row, group) ?? request))
}

function inputColumns({ columns, rows }: Scored): Record<string, Json[]> {
  const inputs: Record<string, Json[]> = {}
  for (const column of columns) inputs[column] = rows.map((row) => fieldOf(row, column))
  return inputs
}

function versionIndexes(groups: readonly MemberGroup[], nRows: number): number[] {
  const indexes = new Array<number>(nRows).fill(0)
  groups.forEach((group, g) => {
    for (const i of group.rows) indexes[i] = g
  })
  return indexes
}

function scoreGroup(
  predictor: Predictor,
  group: MemberGroup,
  scored: Scored,
  { rows, explainClass, responses, rowBegin = 0 }: ScoreRequest,
): void | Promise<void> {
  const all = group.rows.length === rows.length
  const own = group.rows.map((i) => {
    scored.ignored += countUnknown(rows[i], predictor.inputNames, scored.route.record.each)
    scored.rows[i] = predictor.coerce(rows[i], rowBegin + i)
    return scored.rows[i]
  })
  const { task, classes, threshold } = predictor
  const width = classes?.length ?? 1
  const asked =
    responses && scored.cached ? { ...predictor, ...responses.over(predictor, scored.cached) } : predictor
  Object.assign(scored, { task, classes, threshold, group: predictor.group })
  for (const field of predictor.inputs) scored.columns.add(field.name)
  const place = (outputs: Float64Array): void => {
    if (all) scored.outputs = outputs
    else putRows(scored, outputs, group.rows, width)
  }
  const explanations = scored.explanations
  if (explanations) return explainGroup(asked, own, group.rows, { explanations, place, explainClass })
  const outputs = asked.score(own, group.rows)
  return outputs instanceof Promise ? outputs.then(place) : place(outputs)
}

/** Puts the outputs of some rows at their places among those of the request. */
function putRows(scored: Scored, outputs: Float64Array, rows: readonly number[], width: number): void {
  const length = scored.rows.length * width
  if (scored.outputs.length !== length) scored.outputs = new Float64Array(length)
  rows.forEach((row, k) => {
    scored.outputs.set(outputs.subarray(k * width, (k + 1) * width), row * width)
  })
}

async function explainGroup(
  predictor: Predictor,
  own: readonly RawRow[],
  rows: readonly number[],
  into: { explanations: Explanation[]; place: (outputs: Float64Array) => void; explainClass?: string },
): Promise<void> {
  const { classes } = predictor
  const asked = into.explainClass === undefined ? undefined : codeOf(predictor, into.explainClass)
  const outputs = await predictor.score(own, rows)
  const explained = await predictor.explain(
    own,
    outputs,
    (row) => asked ?? codeSaid({ outputs, classes }, row),
  )
  explained.forEach((explanation, k) => {
    into.explanations[rows[k]] = explanation
  })
  into.place(outputs)
}

/** Errors: MR_SERVE_CLASS for a class that the model does not know, or of a model without classes. */
function codeOf({ name, classes = [] }: Predictor, label: string): number {
  const code = classes.indexOf(label)
  if (code < 0) throw new MillraceError('MR_SERVE_CLASS', { model: name, label, known: [...classes] })
  return code
}

export function membersOf(groups: readonly MemberGroup[], nRows: number): string[] {
  const members = new Array<string>(nRows).fill('')
  for (const group of groups) if (group.member !== '') for (const i of group.rows) members[i] = group.member
  return members
}

/** Waits for all, so that nothing runs on behind a failed request, then throws the first error. */
async function allOrFirstError(work: Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(work)
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
