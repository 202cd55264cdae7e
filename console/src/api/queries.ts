/** Every question the console asks, with the key its answer is kept under. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { get } from './client.ts'
import type {
  Alert,
  Backtest,
  BundleDetail,
  DatasetDiff,
  DatasetPage,
  DatasetRow,
  DatasetVersionPage,
  Effects,
  FileSetPage,
  FileSetRow,
  FilesDiffPage,
  Fleet,
  JournalEvent,
  MemberList,
  MergePage,
  MergeRow,
  ModelDiff,
  ModelPage,
  Playground,
  QuarantineRows,
  RunRow,
  Search,
  Session,
  Shapes,
  Status,
  TriageView,
  VersionDetail,
  Why,
} from './types.ts'

const seg = encodeURIComponent

function asked<T>(key: readonly unknown[], path: string) {
  return queryOptions({ queryKey: key, queryFn: ({ signal }) => get<T>(path, signal) })
}

export const fleetQuery = () => asked<Fleet>(['fleet'], '/api/fleet')
export const modelQuery = (model: string) => asked<ModelPage>(['model', model], `/api/models/${seg(model)}`)
export const playgroundQuery = (model: string) =>
  asked<Playground>(['playground', model], `/api/models/${seg(model)}/playground`)
export const bundleQuery = (digest: string) =>
  asked<BundleDetail>(['bundle', digest], `/api/bundles/${seg(digest)}`)
export const versionQuery = (digest: string) =>
  asked<VersionDetail>(['version', digest], `/api/versions/${seg(digest)}`)
export const modelDiffPath = (model: string) => `/api/models/${seg(model)}/diff`

/** Two versions; asked again while their answers are compared, so that what comes of it appears. */
export const modelDiffQuery = (model: string, from: string, to: string) =>
  queryOptions({
    ...asked<ModelDiff>(
      ['modelDiff', model, from, to],
      `${modelDiffPath(model)}?from=${seg(from)}&to=${seg(to)}`,
    ),
    retry: false,
    refetchInterval: ({ state }) => (state.data?.comparing ? TRYING_MS : false),
  })
export const fileSetsQuery = () => asked<FileSetRow[]>(['files'], '/api/files')
export const fileSetQuery = (set: string) => asked<FileSetPage>(['files', set], `/api/files/${seg(set)}`)
export const filesDiffQuery = (set: string, from: string, to: string) =>
  asked<FilesDiffPage>(
    ['files', set, from, to],
    `/api/files/${seg(set)}/diff?from=${seg(from)}&to=${seg(to)}`,
  )
export const datasetsQuery = () => asked<DatasetRow[]>(['datasets'], '/api/datasets')
export const datasetQuery = (dataset: string) =>
  asked<DatasetPage>(['dataset', dataset], `/api/datasets/${seg(dataset)}`)
export const datasetVersionQuery = (dataset: string, digest: string) =>
  asked<DatasetVersionPage>(
    ['dataset', dataset, digest],
    `/api/datasets/${seg(dataset)}/versions/${seg(digest)}`,
  )
export interface QuarantineAsk {
  failed: string
  where: string
  limit: number
}

export function quarantineQuery(dataset: string, digest: string, ask: QuarantineAsk) {
  const params = filled({ failed: ask.failed, where: ask.where, limit: String(ask.limit) })
  return queryOptions({
    ...asked<QuarantineRows>(
      ['quarantine', dataset, digest, ask],
      `/api/datasets/${seg(dataset)}/versions/${seg(digest)}/quarantine?${params}`,
    ),
    placeholderData: keepPreviousData,
    retry: false,
  })
}

export interface TriageAsk {
  finding: string
  where: string
  from: number
  limit: number
}

/** Rows of a triage; asked again while a branch is tried, so that what comes of it appears. */
export function triageQuery(name: string, { from, limit, ...ask }: TriageAsk) {
  const params = filled({ ...ask, from: from === 0 ? '' : String(from), limit: String(limit) })
  return queryOptions({
    ...asked<TriageView>(['triage', name, ask, from, limit], `/api/triage/${seg(name)}?${params}`),
    placeholderData: keepPreviousData,
    retry: false,
    refetchInterval: ({ state }) => (state.data?.branches.some(({ trying }) => trying) ? TRYING_MS : false),
  })
}

export const mergesQuery = () => asked<MergeRow[]>(['merges'], '/api/merges')

export const mergePath = ({ dataset, into, branch }: { dataset: string; into: string; branch: string }) =>
  `/api/datasets/${seg(dataset)}/merges/${seg(into)}/${seg(branch)}`

export interface MergeAsk {
  column: string
  where: string
  state: string
  from: number
  limit: number
}

/** A page of a merge that waits; asked again when the journal says that somebody decided. */
export function mergeQuery(name: { dataset: string; into: string; branch: string }, ask: MergeAsk) {
  const { from, limit, ...filter } = ask
  const params = filled({ ...filter, from: from === 0 ? '' : String(from), limit: String(limit) })
  return queryOptions({
    ...asked<MergePage>(['merge', name, ask], `${mergePath(name)}?${params}`),
    placeholderData: keepPreviousData,
    retry: false,
  })
}

const TRYING_MS = 1000

/** What is not empty. */
const filled = (params: Record<string, string>): URLSearchParams =>
  new URLSearchParams(Object.entries(params).filter(([, value]) => value !== ''))
export const diffQuery = (dataset: string, from: string, to: string) =>
  asked<DatasetDiff>(
    ['diff', dataset, from, to],
    `/api/datasets/${seg(dataset)}/diff?from=${seg(from)}&to=${seg(to)}`,
  )
export const alertsQuery = () => asked<Alert[]>(['alerts'], '/api/alerts')
export const runsQuery = (limit: number) => asked<RunRow[]>(['runs', limit], `/api/runs?limit=${limit}`)
export const whyQuery = (id: string) => asked<Why>(['why', id], `/api/predictions/${seg(id)}`)
export const backtestQuery = (model: string) =>
  asked<Backtest | null>(['backtest', model], `/api/backtest/${seg(model)}`)
export const searchQuery = (model: string) =>
  asked<Search | null>(['search', model], `/api/models/${seg(model)}/search`)
export const shapesQuery = (model: string, className: string) =>
  asked<Shapes | null>(
    ['shapes', model, className],
    `/api/models/${seg(model)}/shapes${className === '' ? '' : `?class=${seg(className)}`}`,
  )
export const effectsQuery = (model: string, feature: string, className: string) => {
  const query = [
    ...(feature === '' ? [] : [`feature=${seg(feature)}`]),
    ...(className === '' ? [] : [`class=${seg(className)}`]),
  ].join('&')
  return asked<Effects | null>(
    ['effects', model, feature, className],
    `/api/models/${seg(model)}/effects${query === '' ? '' : `?${query}`}`,
  )
}
export const sessionQuery = () => asked<Session>(['session'], '/api/session')

export const statusQuery = () => asked<Status>(['status'], '/api/status')

export interface MemberAsk {
  search: string
  sort: string
  limit: number
  offset: number
}

export function membersPath(model: string, ask: MemberAsk): string {
  const params = new URLSearchParams({
    search: ask.search,
    sort: ask.sort,
    limit: String(ask.limit),
    offset: String(ask.offset),
  })
  return `/api/models/${seg(model)}/members?${params}`
}

export function membersQuery(model: string, ask: MemberAsk) {
  return queryOptions({
    ...asked<MemberList>(['members', model, ask], membersPath(model, ask)),
    placeholderData: keepPreviousData,
  })
}

/** A page of the journal: events older than `before`, newest first. */
function eventsPath(ask: { before?: number; subjectPrefix: string; limit: number }): string {
  const params = new URLSearchParams({ limit: String(ask.limit) })
  if (ask.before !== undefined) params.set('before', String(ask.before))
  if (ask.subjectPrefix !== '') params.set('subjectPrefix', ask.subjectPrefix)
  return `/api/events?${params}`
}

export const eventsPage = (ask: Parameters<typeof eventsPath>[0], signal?: AbortSignal) =>
  get<JournalEvent[]>(eventsPath(ask), signal)
