/** Remotes of a project: where its versions are pushed to and pulled from. */
import { MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import { resolveVersion } from '../data/index.ts'
import { openRemote } from '../store/remote/open.ts'
import type { Remote } from '../store/remote/ports.ts'
import type { Runtime } from './runtime.ts'

/** The remote that is meant where none is named. */
export const ORIGIN = 'origin'

export interface RemoteChoice {
  /** Name of a remote of the config, or a folder, `file:` or `s3:` URL. Default: `origin`. */
  remote?: string
  /** Makes it where it is not there yet. */
  create: boolean
  env: Readonly<Record<string, string | undefined>>
  signal?: AbortSignal
}

/** Opens a remote of the config, or one that is named by where it is. Errors: MR_REMOTE_UNKNOWN, and those of `openRemote`. */
export async function openProjectRemote(
  { project, folder }: Pick<Runtime, 'project' | 'folder'>,
  { remote = ORIGIN, ...options }: RemoteChoice,
): Promise<Remote> {
  const known = project.remotes ?? {}
  if (Object.hasOwn(known, remote)) return await openRemote(remote, known[remote], { folder, ...options })
  if (!/[/\\:]/.test(remote))
    throw new MillraceError('MR_REMOTE_UNKNOWN', { name: remote, known: Object.keys(known) })
  return await openRemote(remote, remote, { folder, ...options })
}

export interface HoldRequest {
  version: string
  reason: string
  actor: string
}

export interface Held {
  dataset: string
  version: Digest
  /** False when it was so before. */
  changed: boolean
}

/** Puts a version under legal hold: no policy of history and no collection takes it away, whatever else happens to its dataset. Errors: MR_DATA_VERSION. */
export const holdVersion = (rt: Pick<Runtime, 'store'>, request: HoldRequest): Promise<Held> =>
  setHold(rt, request, true)

/** Ends a hold. Errors: MR_DATA_VERSION. */
export const unholdVersion = (rt: Pick<Runtime, 'store'>, request: HoldRequest): Promise<Held> =>
  setHold(rt, request, false)

async function setHold(
  { store }: Pick<Runtime, 'store'>,
  request: HoldRequest,
  hold: boolean,
): Promise<Held> {
  const { digest, version } = await resolveVersion(store, request.version)
  const { dataset } = version
  const name = refs.hold(dataset, digest)
  const now = (await store.meta.ref(name))?.digest ?? null
  if ((now !== null) === hold) return { dataset, version: digest, changed: false }
  const { ok } = await store.meta.commit({
    moves: [{ name, from: now, to: hold ? digest : null }],
    event: {
      type: hold ? 'data.held' : 'data.unheld',
      subject: subjects.dataset(dataset),
      actor: request.actor,
      reason: request.reason,
      data: { version: digest },
    },
  })
  return { dataset, version: digest, changed: ok }
}
