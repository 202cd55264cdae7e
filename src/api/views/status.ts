/** This installation: how big, how busy, what runs it. */
import { readFile } from 'node:fs/promises'
import type { Store } from '../../store/ports.ts'
import type { Status } from '../contract.ts'
import { packageFile } from '../package-file.ts'
import type { LiveSource } from './live.ts'
import type { Project } from './model-state.ts'

/** How long a measured size of the store is shown before it is measured again: listing objects costs one look at each. */
const SIZE_MS = 30_000

export async function statusView(rt: Pick<Project, 'project' | 'store'>, live: LiveSource): Promise<Status> {
  const [version, storeBytes] = await Promise.all([packageVersion(), sizeOf(rt.store)])
  return {
    project: rt.project.name,
    version,
    startedAt: live.startedAt,
    storeBytes,
    rssBytes: process.memoryUsage.rss(),
    workers: live
      .workers()
      .map(({ name, task, since }) => ({ name, task: task ?? null, since: since ?? null })),
    engines: { runtime: `Node.js ${process.versions.node}`, ...live.engines },
    address: live.address,
  }
}

let version: Promise<string> | undefined

function packageVersion(): Promise<string> {
  version ??= readFile(packageFile('package.json'), 'utf8').then(
    (text) => (JSON.parse(text) as { version: string }).version,
  )
  return version
}

const sizes = new WeakMap<Store, { at: number; bytes: Promise<number>; measuring: boolean }>()

/** Bytes of objects and logs, measured at most twice a minute. While they are measured again, the size before is told. */
function sizeOf(store: Store): Promise<number> {
  const now = performance.now()
  const known = sizes.get(store)
  if (known && (known.measuring || now - known.at < SIZE_MS)) return known.bytes
  const measured = measure(store)
  const next = { at: now, bytes: known?.bytes ?? measured, measuring: true }
  sizes.set(store, next)
  measured.then(
    () => Object.assign(next, { bytes: measured, measuring: false }),
    () => sizes.delete(store),
  )
  return next.bytes
}

/** Begins to measure a store that was not measured yet, so that the first who asks need not wait. */
export function warmSize(store: Store): void {
  if (!sizes.has(store)) sizeOf(store).catch(() => undefined)
}

async function measure(store: Store): Promise<number> {
  let total = 0
  for await (const { bytes } of store.objects.list()) total += bytes
  for (const stream of ['predictions', 'outcomes'])
    for (const segment of await store.log.segments(stream)) total += segment.bytes
  return total
}
