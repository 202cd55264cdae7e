/** Addresses of the screens. Names may hold slashes (`late/ATL`), so each is one encoded segment. */
const seg = encodeURIComponent

function withSearch(path: string, search: Record<string, string | number | undefined>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search))
    if (value !== undefined && value !== '') params.set(key, String(value))
  const text = params.toString()
  return text === '' ? path : `${path}?${text}`
}

export const MODEL_TABS = ['quality', 'drift', 'members', 'versions', 'releases', 'explain', 'speed'] as const
export type ModelTab = (typeof MODEL_TABS)[number]

type Search = Record<string, string | number | undefined>

export const hrefs = {
  fleet: () => '/',
  model: (model: string, tab: ModelTab = 'quality', search: Search = {}) =>
    withSearch(tab === 'quality' ? `/models/${seg(model)}` : `/models/${seg(model)}/${tab}`, search),
  modelDiff: (model: string, from: number | string, to: number | string) =>
    withSearch(`/models/${seg(model)}/diff`, { from, to }),
  prediction: (id: string) => `/predictions/${seg(id)}`,
  data: () => '/data',
  dataset: (dataset: string) => `/data/${seg(dataset)}`,
  datasetVersion: (dataset: string, digest: string, search: Search = {}) =>
    withSearch(`/data/${seg(dataset)}/versions/${seg(digest)}`, search),
  triage: (name: string, search: Search = {}) => withSearch(`/data/${seg(name)}/triage`, search),
  diff: (dataset: string, from: string, to: string) => withSearch(`/data/${seg(dataset)}/diff`, { from, to }),
  merge: (dataset: string, into: string, branch: string) =>
    `/data/${seg(dataset)}/merges/${seg(into)}/${seg(branch)}`,
  files: (set: string) => `/files/${seg(set)}`,
  filesDiff: (set: string, from: string, to: string) => withSearch(`/files/${seg(set)}/diff`, { from, to }),
  alerts: (search: Search = {}) => withSearch('/alerts', search),
  runs: (search: Search = {}) => withSearch('/runs', search),
  journal: (search: Search = {}) => withSearch('/journal', search),
  playground: (model: string, search: Search = {}) => withSearch(`/playground/${seg(model)}`, search),
  backtest: (model: string) => `/backtest/${seg(model)}`,
  settings: () => '/settings',
}

/** The screen of a record's subject: `models/late/ATL`, `datasets/flights`; null when there is none. */
export function subjectHref(subject: string): string | null {
  const [kind, ...rest] = subject.split('/')
  const name = rest.join('/').replace(/@.*$/, '')
  if (name === '') return null
  if (kind === 'models') return hrefs.model(name)
  if (kind === 'datasets') return hrefs.dataset(name)
  if (kind === 'files') return hrefs.files(name)
  if (kind === 'runs') return hrefs.runs({ run: name.startsWith('sha256:') ? name : `sha256:${name}` })
  return kind === 'alerts' ? hrefs.alerts() : null
}
