/**
 * Task `gate.bundle`: which members of a family are used, and whether the bundle may be released.
 *
 * Members are chosen on the validation rows (a member must beat its parent there), the bundle is judged on the test rows, so that the choice does not flatter
 * the judgement. The live bundle is scored on the same test rows from their raw columns, exactly as serving does; the candidate's features are computed both
 * ways and must agree, which rules out training/serving skew.
 */
import { grouped } from '../core/grouped.ts'
import type { Digest, Finding, Histogram, Measured, RunSpec } from '../core/records.ts'
import type { GateDef, ModelDef } from '../define/types.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import { classMix, LOSS_OF, type Metric, measureAll, metricOf, scoreHistogram } from '../model/measure.ts'
import { type ReadyModel, readyModel } from '../model/ready.ts'
import { pairedDelta } from '../stats/paired.ts'
import { type Candidate, openCandidate } from './candidate.ts'
import { type GateInput, judgeGate } from './gates.ts'
import { featureColumns, openBundle, scoreBundle } from './score-bundle.ts'

export const GATE_CODE = 'gate-3'
/** Validation rows a member needs before it can be preferred to its parent. */
const MEMBER_ROWS_MIN = 30
/** Rows scored one by one to measure latency. */
const LATENCY_ROWS = 2_000

export interface GateReport {
  kind: 'GateReport'
  model: string
  findings: Finding[]
  /** Members that answer for themselves. */
  used: string[]
  /** Members that leave the answer to the parent, and why. */
  held: Record<string, string>
  /** Metrics and outputs of the bundle as a whole on the test rows: what live windows are held against. */
  promise: { metrics: Record<string, Measured>; scores: Histogram; classMix?: Histogram }
}

interface GateParams {
  model: string
  gates: GateDef[]
  at: number
}

/** Judges a candidate: its parent, its members, and what is live now. */
export function gateSpec(
  model: ModelDef,
  trained: {
    plan: Digest
    features: Digest
    matrix: Digest
    rows: Digest
    parent: Digest
    members: Record<string, Digest>
  },
  live: { bundle: Digest } | undefined,
  at: number,
): RunSpec {
  const { members, plan, features, matrix, rows, parent } = trained
  const inputs: Record<string, Digest> = { plan, features, matrix, rows, parent }
  for (const [key, digest] of Object.entries(members)) inputs[`member:${key}`] = digest
  if (live) inputs.live = live.bundle
  const params: GateParams = { model: model.name, gates: model.gates, at }
  return {
    kind: 'RunSpec',
    task: 'gate.bundle',
    code: GATE_CODE,
    inputs,
    params: JSON.parse(JSON.stringify(params)),
    seed: model.seed,
  }
}

export const gateTask: Task = {
  name: 'gate.bundle',
  code: GATE_CODE,
  async run(context) {
    const params = context.spec.params as unknown as GateParams
    const candidate = await openCandidate(context)
    try {
      context.progress(0.1, 'choosing members')
      const { used, held } = await chooseMembers(context, candidate)
      context.progress(0.5, 'scoring the test rows')
      const input = await gateInput(context, candidate, used, params)
      const findings = [
        ...params.gates.flatMap((gate) => safely(gate, input)),
        await parity(context, candidate, params.at),
      ]
      const report: GateReport = {
        kind: 'GateReport',
        model: params.model,
        findings,
        used: [...used.keys()],
        held,
        promise: {
          metrics: measureAll(input.task, input.outputs, input.targets, input.groups),
          scores: scoreHistogram(input.task, input.outputs, candidate.parent.nOutputs),
          ...(candidate.plan.classes && { classMix: classMix(input.outputs, candidate.plan.classes) }),
        },
      }
      return { outputs: { report: await context.store.putRecord(report) } }
    } finally {
      candidate.close()
    }
  },
}

/** A gate that crashes is an `error`, which does not open it. */
function safely(gate: GateDef, input: GateInput): Finding[] {
  try {
    return judgeGate(gate, input)
  } catch (thrown) {
    const message = `the gate could not be judged: ${thrown instanceof Error ? thrown.message : String(thrown)}`
    return [
      {
        kind: 'Finding',
        check: `gate.${gate.kind}`,
        subject: input.subject,
        value: null,
        limit: '',
        n: 0,
        verdict: 'error',
        message,
        at: input.at,
      },
    ]
  }
}

async function chooseMembers(
  context: TaskContext,
  candidate: Candidate,
): Promise<{ used: Map<string, ReadyModel>; held: Record<string, string> }> {
  const used = new Map<string, ReadyModel>()
  const held: Record<string, string> = {}
  const { task } = candidate.plan
  const lossesOf = metricOf(LOSS_OF[task], task).losses as NonNullable<Metric['losses']>
  let done = 0
  for (const [key, digest] of Object.entries(candidate.members)) {
    const slice = candidate.matrix.slice('validate', key)
    const member = await readyModel(context, digest, candidate.parent)
    context.progress(0.1 + (0.4 * ++done) / Object.keys(candidate.members).length, `member ${key}`)
    if (slice.nRows < MEMBER_ROWS_MIN) {
      held[key] = `${slice.nRows} validation rows, ${MEMBER_ROWS_MIN} needed to prefer it to its parent`
      continue
    }
    const losses = async (model: ReadyModel) =>
      lossesOf(await model.outputs(slice.columns, slice.nRows), slice.target, slice.groups)
    const [parents, own] = [await losses(candidate.parent), await losses(member)]
    if (own.length < 2) {
      held[key] = 'no groups with relevant rows to prefer it by'
      continue
    }
    const delta = pairedDelta(parents, own)
    if (delta.value < 0) used.set(key, member)
    else
      held[key] =
        `not better than its parent on ${slice.nRows} validation rows (loss ${delta.value >= 0 ? '+' : ''}${delta.value.toFixed(5)})`
  }
  return { used, held }
}

async function gateInput(
  context: TaskContext,
  candidate: Candidate,
  used: Map<string, ReadyModel>,
  params: GateParams,
): Promise<GateInput> {
  const test = candidate.matrix.slice('test')
  const outputs = await candidate.parent.outputs(test.columns, test.nRows)
  const { rowStart } = candidate.matrix.header.splits.test
  for (const [key, member] of used) {
    const range = candidate.matrix.header.members[key].test
    const slice = candidate.matrix.slice('test', key)
    const at = (range.rowStart - rowStart) * member.nOutputs
    outputs.set(await member.outputs(slice.columns, slice.nRows), at)
  }
  const live = context.spec.inputs.live
  const bytes =
    candidate.parent.version.card.bytes + [...used.values()].reduce((n, m) => n + m.version.card.bytes, 0)
  return {
    subject: `models/${params.model}`,
    task: candidate.plan.task,
    outputs,
    targets: test.target,
    groups: test.groups,
    baseRate: candidate.plan.baseRate,
    classShares: sharesOf(candidate.plan),
    live: live ? await scoreLive(context, live, candidate) : undefined,
    slices: await candidate.categories(sliceColumns(params.gates)),
    bytes,
    latencyMs: await measureLatency(used.values().next().value ?? candidate.parent, test.columns, test.nRows),
    featureAuc: candidate.parent.version.card.featureAuc,
    at: params.at,
  }
}

function sharesOf({ classCounts, rows }: Candidate['plan']): number[] | undefined {
  return classCounts?.map((n) => n / rows.train)
}

async function scoreLive(
  context: TaskContext,
  digest: Digest,
  candidate: Candidate,
): Promise<GateInput['live']> {
  const live = await openBundle(context, digest)
  const rows = await candidate.rawRows(live.columns)
  const outputs = await scoreBundle(context, live, rows, candidate.plan.classes)
  live.parent.close()
  return { version: live.bundle.version, outputs }
}

/** Features by closure, as serving computes them, against features by SQL, as training did: they must be the same numbers. */
async function parity(context: TaskContext, candidate: Candidate, at: number): Promise<Finding> {
  const rows = await candidate.rawRows(candidate.parent.features.columns.map((c) => c.name))
  const test = candidate.matrix.slice('test')
  const served = featureColumns(candidate.parent, rows)
  let differing = 0
  let example = ''
  for (let i = 0; i < rows.length; i++) {
    const j = served.findIndex((column, k) => !same(column[i], test.columns[k][i]))
    if (j < 0) continue
    differing++
    example ||= `${candidate.matrix.header.features[j].name}: ${served[j][i]} served, ${test.columns[j][i]} trained`
  }
  const model = (context.spec.params as unknown as GateParams).model
  return {
    kind: 'Finding',
    check: 'gate.no-skew',
    subject: `models/${model}`,
    value: differing,
    limit: 'rows whose features differ between training and serving = 0',
    n: rows.length,
    verdict: differing === 0 ? 'pass' : 'fail',
    message:
      differing === 0
        ? `features are the same in training and serving on all ${grouped(rows.length)} test rows`
        : `${differing} rows differ, e.g. ${example}`,
    at,
  }
}

function same(a: number, b: number): boolean {
  return (
    a === b ||
    (Number.isNaN(a) && Number.isNaN(b)) ||
    Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b))
  )
}

function sliceColumns(gates: GateDef[]): string[] {
  return [...new Set(gates.flatMap((gate) => (gate.kind === 'slices' ? [gate.column] : [])))]
}

/** Percentiles of scoring one row with everything warm, in milliseconds. */
async function measureLatency(
  model: ReadyModel,
  columns: Float64Array[],
  nRows: number,
): Promise<GateInput['latencyMs']> {
  const n = Math.min(LATENCY_ROWS, nRows)
  const times = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    const row = columns.map((column) => column.subarray(i, i + 1))
    const start = performance.now()
    const outputs = model.outputs(row, 1)
    if (outputs instanceof Promise) await outputs
    times[i] = performance.now() - start
  }
  times.sort()
  const at = (share: number) => (n === 0 ? 0 : times[Math.floor(share * (n - 1))])
  return { p50: at(0.5), p99: at(0.99) }
}
