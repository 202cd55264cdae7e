/** Names of refs: one place that knows how they are spelt. */
import { MillraceError } from './errors.ts'

/** Beginning of the refs that say what stands in for objects that were removed. */
export const STAND_INS = 'stand-ins/'

const hexOf = (digest: string): string => digest.slice('sha256:'.length)

/** Branch of a dataset that is trained on and imported into. */
export const MAIN = 'main'

export const refs = {
  /** DatasetVersion of a branch; `main` is what readers use. */
  dataset: (dataset: string, branch: string = MAIN) => `datasets/${dataset}@${branch}`,
  /** MergeDraft: newest step of a merge of two branches that waits to be decided. */
  merge: (dataset: string, branch: string, into: string = MAIN) => `merges/${dataset}@${into}/${branch}`,
  /** FileSetVersion of a branch of a set of files. */
  files: (set: string, branch: string = MAIN) => `files/${set}@${branch}`,
  /** DatasetVersion that a person gave a name; it stays where it is. */
  tag: (dataset: string, tag: string) => `tags/${dataset}@${tag}`,
  /** Newest ModelBundle that was trained, whether or not it was released. */
  latest: (model: string) => `models/${model}@latest`,
  /** Release record that serving follows. */
  live: (model: string) => `models/${model}@live`,
  /** WatchState of a model. */
  watch: (model: string) => `models/${model}@watch`,
  /** Gate report of a bundle. */
  gates: (model: string, version: number) => `models/${model}@gates/v${version}`,
  /** Backtest report of a model. */
  backtest: (model: string) => `models/${model}@backtest`,
  /** Search report of a model: the parameters that were chosen, and all trials. */
  search: (model: string) => `models/${model}@search`,
  /** Worth report of a model's training rows. */
  worth: (model: string) => `models/${model}@worth`,
  /** Likeness report of a model's training rows: which are unlike the newest. */
  likeness: (model: string) => `models/${model}@likeness`,
  /** What training without the rows of a branch came to. */
  tried: (model: string, branch: string) => `models/${model}@tried/${branch}`,
  /** Poison report of a model's training rows. */
  poison: (model: string) => `models/${model}@poison`,
  /** RunRecord of a RunSpec. */
  run: (spec: string) => `runs/${spec.slice('sha256:'.length)}`,
  /** RowSeal: how far the rows that come one by one are part of a dataset. */
  rows: (dataset: string) => `rows/${dataset}`,
  /** A version that garbage collection keeps whatever else is decided. */
  hold: (dataset: string, digest: string) => `holds/${dataset}@${digest.slice('sha256:'.length)}`,
  /** An object that has what is still needed of another one, which was removed: `by` stands in for `gone`. */
  standIn: (gone: string, by: string) => `${STAND_INS}${hexOf(gone)}@${hexOf(by)}`,
  /** The object that a ref of `standIn` is about. */
  standInFor: (name: string) => `sha256:${name.slice(STAND_INS.length, name.indexOf('@'))}` as const,
  /** What a ref held on a remote when it was last seen there. */
  seen: (remote: string, name: string) => `remotes/${remote}/${name}`,
  alert: (id: string) => `alerts/${id}`,
  /** AccessToken: what a token may do. */
  token: (name: string) => `tokens/${name}`,
} as const

/** Beginnings of refs whose records are versions: each names those before it in `parents`. */
export const VERSIONED = ['datasets/', 'files/'] as const

/** Beginning of the refs of runs. */
export const RUNS = 'runs/'

/** Beginning of the refs that remember what remotes hold. */
export const SEEN = 'remotes/'

/** Subject of events and findings about a dataset or a model. */
export const subjects = {
  dataset: (dataset: string) => `datasets/${dataset}`,
  model: (model: string) => `models/${model}`,
  remote: (remote: string) => `remotes/${remote}`,
  store: 'store',
  files: (set: string) => `files/${set}`,
} as const

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._ -]{0,99}$/u

/** Names of datasets, models and members become parts of refs and URLs: letters, digits, `.`, `_`, `-`, space; at most 100 characters. */
export function checkName(what: string, name: string): string {
  if (!NAME.test(name)) throw new MillraceError('MR_NAME', { what, name })
  return name
}

/** Whether a value of the family's column can be the key of a member. */
export function isMemberKey(key: string): boolean {
  return NAME.test(key)
}
