/** Verification and repair of a store: one thing over remotes and sources. */
import { isDigest } from '../core/digest.ts'
import { isMillraceError } from '../core/errors.ts'
import { subjects } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import { remakeParts, resolveVersion } from '../data/index.ts'
import type { Store } from '../store/ports.ts'
import { standInsOf } from '../store/reach/stand-ins.ts'
import { type BadObject, type StoreVerification, verifyStore } from '../store/reach/verify.ts'
import { isChosen } from '../store/remote/choose.ts'
import type { Remote } from '../store/remote/ports.ts'
import { receiveOne } from '../store/remote/pull.ts'

export interface VerifyRequest {
  /** Datasets, versions, models or refs; default: everything that a ref reaches. */
  names?: readonly string[]
  /** Makes whole what is damaged. */
  repair?: boolean
  /** Where undamaged copies are looked for first, in this order. */
  remotes?: readonly Remote[]
  actor: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface VerifyReport extends StoreVerification {
  repaired: { digest: Digest; from: string }[]
  /** What is still damaged; the same as `bad` without repair. */
  left: BadObject[]
}

/** A damaged record hides what it names: after it is whole, that may be damaged too. */
const ROUNDS_MAX = 20

/**
 * Hashes again what refs reach and, where asked, repairs what is missing or damaged: from a remote that has it, else, for parts of datasets, by the import that made them.
 * What cannot be repaired is left as it is. Errors: MR_DATA_VERSION for a name that is nothing, those of the remotes.
 */
export async function verify({ store }: { store: Store }, request: VerifyRequest): Promise<VerifyReport> {
  const { names = [], repair = false, signal, onProgress } = request
  const roots = names.length === 0 ? undefined : await rootsOf(store, names)
  const first = await verifyStore(store, { roots, signal, onProgress })
  const report: VerifyReport = { ...first, repaired: [], left: first.bad }
  for (let round = 0; repair && report.left.length > 0 && round < ROUNDS_MAX; round++) {
    const before = report.repaired.length
    await repairAll(store, report, request)
    report.left = (await verifyStore(store, { roots, signal, onProgress })).bad
    if (report.repaired.length === before) break
  }
  const left = new Set(report.left.map(({ digest }) => digest))
  report.repaired = report.repaired.filter(({ digest }) => !left.has(digest))
  if (report.repaired.length > 0) await recordRepair(store, report, request.actor)
  return report
}

async function rootsOf(store: Store, names: readonly string[]): Promise<Digest[]> {
  const refs = await store.meta.refs('')
  const found = await Promise.all(
    names.map(async (name) => {
      const chosen = refs.filter((ref) => isChosen(ref.name, [name])).map(({ digest }) => digest)
      if (chosen.length > 0) return chosen
      return isDigest(name) ? [name] : [(await resolveVersion(store, name)).digest]
    }),
  )
  return found.flat()
}

async function repairAll(store: Store, report: VerifyReport, request: VerifyRequest): Promise<void> {
  const bad = new Set(report.left.map(({ digest }) => digest))
  const standIns = [...(await standInsOf(store))]
  for (const remote of request.remotes ?? []) {
    // Where one is damaged that stands in for an object, that object itself does too.
    const replaced = standIns.filter(([, by]) => by.some((digest) => bad.has(digest)))
    const wanted = [...bad, ...replaced.map(([gone]) => gone)]
    for (const digest of (await remote.present(wanted)).keys()) {
      if (!(await fetched(store, remote, digest, request.signal))) continue
      bad.delete(digest)
      report.repaired.push({ digest, from: remote.name })
    }
  }
  if (bad.size === 0) return
  request.onProgress?.(0, 'making parts again from their sources')
  const made = await remakeParts(store, bad, request)
  for (const digest of made) report.repaired.push({ digest, from: 'source' })
}

/** False where the remote's copy is damaged too. */
async function fetched(store: Store, remote: Remote, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  try {
    await receiveOne(store, remote, digest, signal)
    return true
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_REMOTE_CORRUPT') || isMillraceError(thrown, 'MR_REMOTE_MISSING'))
      return false
    throw thrown
  }
}

async function recordRepair(store: Store, { repaired, left }: VerifyReport, actor: string): Promise<void> {
  const from = [...new Set(repaired.map((each) => each.from))].join(', ')
  await store.meta.commit({
    event: {
      type: 'store.repaired',
      subject: subjects.store,
      actor,
      reason: `${repaired.length} damaged or missing objects are whole again, from ${from}`,
      data: { repaired: repaired.length, left: left.length, from },
    },
  })
}
