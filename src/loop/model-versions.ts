/** A version of a model by the name people give it: `late`, `late@live`, `late@v3`, `late/ATL@v3`. */
import { MillraceError } from '../core/errors.ts'
import { refs, subjects } from '../core/names.ts'
import type { Digest, ModelBundle } from '../core/records.ts'
import { liveRoute } from '../release/machine.ts'
import { currentRelease } from '../release/record.ts'
import { modelDef, type Runtime } from './runtime.ts'

export interface NamedVersion {
  model: string
  member: string
  version: number
  /** Digest of the ModelVersion. */
  digest: Digest
}

/** Errors: MR_LOOP_UNKNOWN for a model, version or member that there is not; MR_API_NOT_TRAINED when there is no version at all. */
export async function namedVersion(rt: Runtime, name: string): Promise<NamedVersion> {
  const [path, which = 'latest'] = name.split('@')
  const [model, member = ''] = path.split('/')
  const { bundle } = await namedBundle(rt, `${model}@${which}`)
  const digest = member === '' ? bundle.parent : bundle.members[member]
  if (digest === undefined)
    throw new MillraceError('MR_LOOP_UNKNOWN', {
      what: 'member',
      name: member,
      known: Object.keys(bundle.members),
    })
  return { model, member, version: bundle.version, digest }
}

/** A whole version: `late`, `late@live`, `late@v3`. Errors: as `namedVersion`. */
export async function namedBundle(
  rt: Pick<Runtime, 'project' | 'store'>,
  name: string,
): Promise<{ digest: Digest; bundle: ModelBundle }> {
  const [model, which = 'latest'] = name.split('@')
  modelDef(rt, model)
  const digest = await bundleOf(rt, model, which)
  return { digest, bundle: await rt.store.getRecord<ModelBundle>(digest, 'ModelBundle') }
}

async function bundleOf(rt: Pick<Runtime, 'store'>, model: string, which: string): Promise<Digest> {
  const latest = (await rt.store.meta.ref(refs.latest(model)))?.digest
  if (!latest) throw new MillraceError('MR_API_NOT_TRAINED', { model })
  if (which === 'latest') return latest
  const release = which === 'live' ? (await currentRelease(rt.store, model))?.release : undefined
  const found =
    which === 'live' ? release && liveRoute(release)?.bundle : await bundleOfNumber(rt, model, which)
  if (found) return found
  const { version } = await rt.store.getRecord<ModelBundle>(latest, 'ModelBundle')
  throw new MillraceError('MR_LOOP_UNKNOWN', {
    what: 'version',
    name: `${model}@${which}`,
    known: ['latest', 'live', version === 1 ? 'v1' : `v1 to v${version}`],
  })
}

/** The journal knows each version that was made. */
async function bundleOfNumber(
  rt: Pick<Runtime, 'store'>,
  model: string,
  which: string,
): Promise<Digest | undefined> {
  const number = Number(which.replace(/^v/, ''))
  for (let after = 0; ; ) {
    const events = await rt.store.meta.events({
      subject: subjects.model(model),
      types: ['train.finished'],
      after,
    })
    if (events.length === 0) return undefined
    for (const { data } of events) {
      const { version, bundle } = data as { version?: number; bundle?: Digest }
      if (version === number) return bundle
    }
    after = events[events.length - 1].seq
  }
}
