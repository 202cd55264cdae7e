/** Names of versions, and their history. */

import { isDigest, shortDigest } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import { MAIN, refs } from '../core/names.ts'
import type { DatasetVersion, Digest } from '../core/records.ts'
import { partId } from '../engine/parts.ts'
import { lineageOfGone } from '../store/gc/roots.ts'
import type { Store } from '../store/ports.ts'

export interface NamedVersion {
  digest: Digest
  version: DatasetVersion
}

const HISTORY_MAX = 10_000

export const getVersion = (store: Store, digest: Digest): Promise<DatasetVersion> =>
  store.getRecord<DatasetVersion>(digest, 'DatasetVersion')

/** Names of all datasets that have a version. */
export async function datasetNames(store: Store): Promise<string[]> {
  const [prefix, suffix] = refs.dataset('\0').split('\0') as [string, string]
  const all = await store.meta.refs(prefix)
  return all.flatMap(({ name }) => (name.endsWith(suffix) ? [name.slice(prefix.length, -suffix.length)] : []))
}

/** Branches of a dataset beside `main`, by name. */
export async function branchNames(store: Store, dataset: string): Promise<string[]> {
  const prefix = refs.dataset(dataset, '')
  const all = await store.meta.refs(prefix)
  return all.map(({ name }) => name.slice(prefix.length)).filter((branch) => branch !== MAIN)
}

/** The current version of a dataset, or of a branch of it; undefined when it has none. */
export async function headOf(
  store: Store,
  dataset: string,
  branch: string = MAIN,
): Promise<NamedVersion | undefined> {
  const ref = await store.meta.ref(refs.dataset(dataset, branch))
  return ref && { digest: ref.digest, version: await getVersion(store, ref.digest) }
}

/** A version and those before it, newest first, as far as they are kept. */
export async function* ancestry(store: Store, from: NamedVersion | undefined): AsyncIterable<NamedVersion> {
  for (let at = from, n = 0; at !== undefined && n < HISTORY_MAX; n++) {
    yield at
    const parent: Digest | undefined = at.version.parents[0]
    const version = await parentOf(store, at.version)
    at = parent && version && { digest: parent, version }
  }
}

/** Digests of a version and of all before it, also of those that history was cut before. */
export async function lineageOf(store: Store, from: NamedVersion | undefined): Promise<Set<Digest>> {
  const found = new Set<Digest>()
  let gone: Map<Digest, Digest[]> | undefined
  let last: Digest | undefined
  for await (const { digest, version } of ancestry(store, from)) {
    found.add(digest)
    last = version.parents[0]
  }
  while (last !== undefined && !found.has(last)) {
    found.add(last)
    gone ??= await lineageOfGone(store)
    last = gone.get(last)?.[0]
  }
  return found
}

const HEX_MIN = 6

/**
 * A version by name: `flights` or `flights@main` (current), `flights@main~2` (two before), `flights@cleaned` (of a branch or a tag), a digest, or six and more of its first
 * digits.
 * Errors: MR_DATA_VERSION, MR_DATA_VERSION_AMBIGUOUS.
 */
export async function resolveVersion(store: Store, name: string): Promise<NamedVersion> {
  const [, dataset, branch, steps] = /^([^@~]+)(?:@([^@~]+))?(?:~(\d{1,6}))?$/.exec(name) ?? []
  const head = dataset === undefined ? undefined : await namedHead(store, dataset, branch)
  if (head) return await stepsBefore(store, name, head, Number(steps ?? 0))
  if (isDigest(name)) return await byDigest(store, name)
  const hex = name.replace(/^sha256:/, '').toLowerCase()
  if (hex.length >= HEX_MIN && /^[0-9a-f]+$/.test(hex)) return await byPrefix(store, name, hex)
  throw await unknownVersion(store, name)
}

/** What a branch or a tag holds; a branch goes before a tag of the same name. */
async function namedHead(
  store: Store,
  dataset: string,
  name: string | undefined,
): Promise<NamedVersion | undefined> {
  const head = await headOf(store, dataset, name)
  if (head || name === undefined) return head
  const tag = await store.meta.ref(refs.tag(dataset, name))
  return tag && { digest: tag.digest, version: await getVersion(store, tag.digest) }
}

/** Tags of a dataset, by name. */
export async function tagsOf(store: Store, dataset: string): Promise<{ tag: string; digest: Digest }[]> {
  const prefix = refs.tag(dataset, '')
  const all = await store.meta.refs(prefix)
  return all.map(({ name, digest }) => ({ tag: name.slice(prefix.length), digest }))
}

async function stepsBefore(
  store: Store,
  name: string,
  head: NamedVersion,
  steps: number,
): Promise<NamedVersion> {
  let n = 0
  for await (const at of ancestry(store, head)) if (n++ === steps) return at
  throw await unknownVersion(store, name)
}

async function byDigest(store: Store, digest: Digest): Promise<NamedVersion> {
  if (!(await store.objects.has(digest))) throw await unknownVersion(store, digest)
  return { digest, version: await getVersion(store, digest) }
}

async function byPrefix(store: Store, name: string, hex: string): Promise<NamedVersion> {
  const found = new Map<Digest, NamedVersion>()
  for (const { digest } of await store.meta.refs('datasets/')) {
    for await (const at of ancestry(store, { digest, version: await getVersion(store, digest) }))
      if (at.digest.startsWith(`sha256:${hex}`)) found.set(at.digest, at)
  }
  const [first, second] = found.values()
  if (second)
    throw new MillraceError('MR_DATA_VERSION_AMBIGUOUS', {
      name,
      matches: [...found.keys()].map(shortDigest),
    })
  if (!first) throw await unknownVersion(store, name)
  return first
}

async function unknownVersion(store: Store, name: string): Promise<Error> {
  const all = await store.meta.refs('datasets/')
  return new MillraceError('MR_DATA_VERSION', {
    name,
    known: all.map((ref) => ref.name.slice('datasets/'.length)),
  })
}

export interface LogRow {
  digest: Digest
  at: number
  rows: number
  rowsAdded: number
  rowsQuarantined: number
  message: string
  partsNew: number
  parts: number
}

/** What happened to a dataset, newest first. */
export async function log(store: Store, dataset: string, limit = 100): Promise<LogRow[]> {
  const rows: LogRow[] = []
  for await (const { digest, version } of ancestry(store, await headOf(store, dataset))) {
    if (rows.length === limit) break
    rows.push(await logRow(store, digest, version))
  }
  return rows
}

/** One line of the history. */
export async function logRow(store: Store, digest: Digest, version: DatasetVersion): Promise<LogRow> {
  const before = await parentOf(store, version)
  const known = new Set(before?.parts.map(partId))
  return {
    digest,
    at: version.createdAt,
    rows: version.rows,
    rowsAdded: version.rows - (before?.rows ?? 0),
    rowsQuarantined: version.rowsQuarantined - (before?.rowsQuarantined ?? 0),
    message: version.message,
    partsNew: version.parts.filter((p) => !known.has(partId(p))).length,
    parts: version.parts.length,
  }
}

/** The version before; undefined for the first one, and where history was cut before this one. */
export async function parentOf(store: Store, version: DatasetVersion): Promise<DatasetVersion | undefined> {
  const [parent] = version.parents
  return parent && (await store.objects.has(parent)) ? await getVersion(store, parent) : undefined
}
