import { isMillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { DatasetVersion, Digest, TimeWindow } from '../core/records.ts'
import { findDelivery, planImport, recordImport, recordRefusal, takeSources } from '../data/index.ts'
import { datasetDef, type Runtime } from './runtime.ts'

export interface ImportRequest {
  dataset: string
  /** Files instead of the config's source. */
  files?: string[]
  /** Rows of the source that are taken, by time; a missing end is open. */
  select?: Partial<TimeWindow>
  /** Period the delivery claims to hold. */
  period?: TimeWindow
  message?: string
  actor: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface ImportResult {
  digest: Digest
  version: DatasetVersion
  /** True when this delivery was imported before and nothing was done. */
  known: boolean
}

/** Earliest and latest instants that a window can name: years 0 and 9999. */
const ALL_TIME: TimeWindow = { fromAt: -62_167_219_200_000, toAt: 253_402_300_799_999 }

/** How often an import is planned anew when another writer moved the dataset meanwhile. */
const TRIES_MAX = 5

/** Imports what is new into a dataset. The same delivery (bytes, selection, period) is never imported twice. */
export async function importData(rt: Runtime, request: ImportRequest): Promise<ImportResult> {
  const def = datasetDef(rt, request.dataset)
  const sources = await takeSources(rt.store, def, rt.folder, {
    files: request.files,
    signal: request.signal,
  })
  const select = request.select && { ...ALL_TIME, ...request.select }
  for (let attempt = 1; ; attempt++) {
    const parent = await rt.store.meta.ref(refs.dataset(def.name))
    const spec = planImport(
      def,
      sources,
      { parent: parent?.digest },
      { select, period: request.period, message: request.message },
    )
    const delivered = await findDelivery(rt.store, spec)
    if (delivered)
      return { digest: delivered.version, version: await versionAt(rt, delivered.version), known: true }
    try {
      const [outcome] = await rt.jobs.run([spec], {
        signal: request.signal,
        onProgress: (p) => request.onProgress?.(p.done, p.note),
      })
      const recorded = await recordImport(rt.store, {
        spec,
        outputs: outcome.record.outputs,
        actor: request.actor,
        now: rt.clock.now(),
      })
      return {
        digest: recorded.version,
        version: await versionAt(rt, recorded.version),
        known: recorded.known,
      }
    } catch (error) {
      if (isMillraceError(error, 'MR_DATA_MOVED') && attempt < TRIES_MAX) continue
      if (
        !isMillraceError(error, 'MR_DATA_REFUSED') &&
        !isMillraceError(error, 'MR_CANCELLED') &&
        !request.signal?.aborted
      ) {
        await recordRefusal(rt.store, spec, error, request.actor)
      }
      throw error
    }
  }
}

export async function versionAt(rt: Pick<Runtime, 'store'>, digest: Digest): Promise<DatasetVersion> {
  return await rt.store.getRecord<DatasetVersion>(digest, 'DatasetVersion')
}
