/** The members of a family: who answers for itself, who is held and why, and how each does. */
import { MillraceError } from '../../core/errors.ts'
import type { Digest, Measured, ModelVersion, RunSpec } from '../../core/records.ts'
import type { PreparedPlan } from '../../model/matrix.ts'
import { LEAD_OF } from '../../model/measure.ts'
import type { Store } from '../../store/ports.ts'
import type { WindowReport, WindowSummary } from '../../watch/records.ts'
import type { MemberList, MemberRow } from '../contract.ts'
import { affectedMembers, alertsView, isOpen } from './alerts.ts'
import { modelState, modelVersion, type NamedBundle, type Project } from './model-state.ts'
import { remember } from './remember.ts'

export interface MembersAsk {
  /** Part of a key, in any case. */
  search?: string
  /** A column; with a minus, largest first. Default `key`. */
  sort?: string
  limit?: number
  offset?: number
}

export const MEMBERS_PAGE_MAX = 1000
const MEMBERS_PAGE = 200

/** What never changes of a member of one bundle. */
interface MemberBase {
  key: string
  answers: MemberRow['answers']
  heldReason: string | null
  rows: number
  metric: Measured | null
  bytes: number
}

/** A page of a family's members. Errors: MR_LOOP_UNKNOWN, MR_API_QUERY for a column that is none. */
export async function membersView(rt: Project, name: string, ask: MembersAsk = {}): Promise<MemberList> {
  const { search = '', sort = 'key', limit = MEMBERS_PAGE, offset = 0 } = ask
  const state = await modelState(rt, name)
  const { store } = rt
  if (!state.shown) return { total: 0, members: [] }
  const watch = state.watch
  const [base, served, alerts] = await Promise.all([
    memberBase(store, state.shown),
    watch && remember(store, 'served', watch.digest, () => servedOf(store, watch.state.windows), 64),
    alertsView(rt),
  ])
  const open = alerts.filter(isOpen)
  const alertsBy = countBy(open.flatMap((alert) => [...affectedMembers([alert], state.def.name)]))
  const wanted = search.toLowerCase()
  const rows = base
    .filter(({ key }) => key.toLowerCase().includes(wanted))
    .map((member) => rowOf(state.def.name, member, served?.get(member.key), alertsBy))
  const sorted = rows.sort(orderOf(sort))
  return { total: sorted.length, members: sorted.slice(offset, offset + limit) }
}

function rowOf(
  family: string,
  { key, answers, heldReason, rows, metric }: MemberBase,
  served: Served | undefined,
  alerts: Map<string, number>,
): MemberRow {
  return {
    key,
    model: `${family}/${key}`,
    answers,
    heldReason,
    rows,
    metric,
    liveMetric: served?.lead ?? null,
    predictions: served?.predictions ?? 0,
    drift: null,
    bias: served?.bias ?? null,
    alerts: alerts.get(`${family}/${key}`) ?? 0,
  }
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}

// ---------------------------------------------------------------- order

type Key = string | number | null

const COLUMNS: Record<string, (row: MemberRow) => Key> = {
  key: (row) => row.key,
  answers: (row) => row.answers,
  rows: (row) => row.rows,
  metric: (row) => row.metric?.value ?? null,
  liveMetric: (row) => row.liveMetric?.value ?? null,
  predictions: (row) => row.predictions,
  drift: (row) => row.drift,
  bias: (row) => row.bias ?? null,
  alerts: (row) => row.alerts,
}

/** Order by one column, then by key. Missing values come last, whichever way it goes. */
function orderOf(sort: string): (a: MemberRow, b: MemberRow) => number {
  const down = sort.startsWith('-')
  const name = down ? sort.slice(1) : sort
  if (!Object.hasOwn(COLUMNS, name))
    throw new MillraceError('MR_API_QUERY', {
      name: 'sort',
      need: `one of ${Object.keys(COLUMNS).join(', ')}, with "-" for largest first`,
      got: JSON.stringify(sort.slice(0, 40)),
    })
  const of = COLUMNS[name]
  return (a, b) => {
    const [x, y] = [of(a), of(b)]
    if (x !== y) {
      if (x === null) return 1
      if (y === null) return -1
      return x < y === down ? 1 : -1
    }
    return a.key < b.key ? -1 : 1
  }
}

// ---------------------------------------------------------------- what each member is

/** Records read at once. */
const READS = 32

/** The members of a bundle, used and held, by key. Made once a bundle. */
export function memberBase(store: Store, { digest, bundle }: NamedBundle): Promise<MemberBase[]> {
  const make = async () => {
    const used: MemberBase[] = []
    const entries = Object.entries(bundle.members)
    for (let at = 0; at < entries.length; at += READS)
      used.push(
        ...(await Promise.all(
          entries.slice(at, at + READS).map(([key, own]) => usedMember(store, key, own)),
        )),
      )
    const rows = await preparedRows(store, bundle.parent)
    const held = Object.entries(bundle.held).map(
      ([key, heldReason]): MemberBase => ({
        key,
        answers: 'parent',
        heldReason,
        rows: rows.get(key) ?? 0,
        metric: null,
        bytes: 0,
      }),
    )
    return [...used, ...held]
  }
  return remember(store, 'members', digest, make, 16)
}

async function usedMember(store: Store, key: string, digest: Digest): Promise<MemberBase> {
  const { card, task, trainedOn } = await modelVersion(store, digest)
  const metric = card.metrics[LEAD_OF[task]]
  return {
    key,
    answers: 'self',
    heldReason: null,
    rows: trainedOn.rows,
    metric: metric && metric.n > 0 ? metric : null,
    bytes: card.bytes,
  }
}

/** Training rows by member, from the plan that the parent was trained by; empty for a parent that was imported. */
async function preparedRows(store: Store, parent: Digest): Promise<Map<string, number>> {
  const { run } = await store.getRecord<ModelVersion>(parent, 'ModelVersion')
  if (!(await store.objects.has(run))) return new Map()
  const { inputs } = await store.getRecord<RunSpec>(run, 'RunSpec')
  if (!inputs.plan || !(await store.objects.has(inputs.plan))) return new Map()
  const plan = await store.getRecord<PreparedPlan>(inputs.plan, 'PreparedPlan')
  return new Map(plan.members.map(({ key, rows }) => [key, rows]))
}

// ---------------------------------------------------------------- how each member did

interface Served {
  /** Predictions with a known outcome, over all windows. */
  predictions: number
  /** Of the newest window in which it could be measured. */
  lead: Measured | null
  bias: number | null
}

async function servedOf(store: Store, windows: readonly WindowSummary[]): Promise<Map<string, Served>> {
  const served = new Map<string, Served>()
  for (const { report } of windows) {
    const { members } = await store.getRecord<WindowReport>(report, 'WindowReport')
    for (const [key, { joined, lead, meanPredicted, meanActual }] of Object.entries(members)) {
      const before = served.get(key)
      served.set(key, {
        predictions: (before?.predictions ?? 0) + joined,
        lead: lead ?? before?.lead ?? null,
        bias: joined > 0 ? meanPredicted - meanActual : (before?.bias ?? null),
      })
    }
  }
  return served
}
