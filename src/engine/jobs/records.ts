/** What is already known about a spec: its record under `runs/<spec>`, and whether that still holds. */
import { shortDigest } from '../../core/digest.ts'
import { isMillraceError, MillraceError, reviveError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { Digest, RunRecord } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import type { Plain } from './messages.ts'

export interface Known {
  digest: Digest | null
  record?: RunRecord
  /** Done, and every output is still there. */
  holds: boolean
}

export async function knownRun(store: Store, id: Digest): Promise<Known> {
  const ref = await store.meta.ref(refs.run(id))
  if (!ref) return { digest: null, holds: false }
  const record = await store.getRecord<RunRecord>(ref.digest, 'RunRecord')
  return {
    digest: ref.digest,
    record,
    holds: record.outcome === 'done' && (await outputsThere(store, record)),
  }
}

async function outputsThere(store: Store, record: RunRecord): Promise<boolean> {
  const there = await Promise.all(Object.values(record.outputs).map((digest) => store.objects.has(digest)))
  return there.every(Boolean)
}

/** What callers of a failed run are thrown: the task's own coded error, or one that says what it said. */
export function runError(task: string, id: Digest, error: Plain): Error {
  const revived = reviveError(error)
  if (isMillraceError(revived)) return revived
  const about = { task, spec: shortDigest(id), cause: error.code ?? 'an error', message: error.message }
  return new MillraceError('MR_RUN_FAILED', about, { cause: revived })
}

/** The same from a record, which keeps code and message alone. */
export function recordError(task: string, { spec, error }: RunRecord): Error {
  const { code: cause = 'an error', message = '' } = error ?? {}
  return new MillraceError('MR_RUN_FAILED', { task, spec: shortDigest(spec), cause, message })
}
