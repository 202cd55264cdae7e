/** Parts made again from their sources. */
import { digestOf } from '../core/digest.ts'
import { assert } from '../core/errors.ts'
import type { DatasetVersion, Digest, Part, RunSpec } from '../core/records.ts'
import { objectsOfPart } from '../engine/parts.ts'
import type { Task } from '../engine/ports.ts'
import type { Store } from '../store/ports.ts'
import { EDIT_EVENTS } from './edit.ts'
import { editTask } from './edit-task.ts'
import { type ImportEventData, importEvents } from './import-events.ts'
import { importTask } from './import-task.ts'
import { mergeTask } from './merge-task.ts'
import { ancestry, getVersion, type NamedVersion, parentOf } from './versions.ts'

/**
 * Makes damaged parts again: the imports and edits that wrote them are run once more from the sources in the store. They are deterministic, so the bytes are those that
 * the digests name. No ref moves. Says which are whole now. Errors: those of an import, MR_OBJECT_MISSING when a source is gone.
 */
export async function remakeParts(
  store: Store,
  wanted: ReadonlySet<Digest>,
  {
    signal = new AbortController().signal,
    onProgress,
  }: { signal?: AbortSignal; onProgress?: (done: number, note: string) => void } = {},
): Promise<Digest[]> {
  const specs = new Map<Digest, RunSpec>()
  for (const { digest } of await store.meta.refs('datasets/'))
    for (const spec of await originsOf(store, digest, wanted)) specs.set(digestOf(spec), spec)
  if (specs.size === 0) return []
  for (const digest of wanted)
    if ((await store.objects.verify(digest)) === 'corrupt') await store.objects.remove(digest)
  let nDone = 0
  for (const [specDigest, spec] of specs) {
    onProgress?.(nDone++ / specs.size, `running ${spec.task} again`)
    await TASKS[spec.task]!.run({
      store,
      spec,
      specDigest,
      query: noQuery,
      infer: noQuery,
      progress: () => {},
      signal,
    })
  }
  const states = await Promise.all(
    [...wanted].map(async (digest) => [digest, await store.objects.verify(digest)] as const),
  )
  return states.flatMap(([digest, state]) => (state === 'ok' ? [digest] : []))
}

/** What writes parts. */
const TASKS: Readonly<Record<string, Task>> = {
  [importTask.name]: importTask,
  [editTask.name]: editTask,
  [mergeTask.name]: mergeTask,
}

const noQuery = (): never => assert(false, 'an import asks its own engine, and scores nothing') as never

/** Specs of the imports that first wrote these parts, oldest first, so that a rewritten part finds the one it was made from. */
async function originsOf(store: Store, head: Digest, wanted: ReadonlySet<Digest>): Promise<RunSpec[]> {
  if ((await store.objects.verify(head)) !== 'ok') return []
  const named: NamedVersion = { digest: head, version: await getVersion(store, head) }
  const runs = await runsOf(store, named.version.dataset)
  const specs: RunSpec[] = []
  for await (const { digest, version } of ancestry(store, named)) {
    const before = await parentOf(store, version)
    const known = new Set(allParts(before).flatMap(objectsOfPart))
    const wrote = allParts(version)
      .flatMap(objectsOfPart)
      .some((object) => wanted.has(object) && !known.has(object))
    const run = runs.get(digest)
    if (wrote && run) specs.unshift(await store.getRecord<RunSpec>(run, 'RunSpec'))
  }
  return specs
}

const allParts = (version: DatasetVersion | undefined): Part[] =>
  version ? [...version.parts, ...version.quarantine] : []

async function runsOf(store: Store, dataset: string): Promise<Map<Digest, Digest>> {
  const runs = new Map<Digest, Digest>()
  for await (const event of importEvents(store, dataset, ['data.imported', 'data.merged', ...EDIT_EVENTS])) {
    const { version, run } = event.data as unknown as ImportEventData
    // A branch that was taken as it is has no run of its own.
    if (run) runs.set(version, run)
  }
  return runs
}
