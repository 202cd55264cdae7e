/** Bundles and model versions by digest: what each is made of and what it was made from. */
import { isDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { Digest, ModelBundle, ModelVersion, RunRecord, RunSpec } from '../../core/records.ts'
import { format } from '../../expr/format.ts'
import type { Store } from '../../store/ports.ts'
import type { BundleDetail, VersionDetail } from '../contract.ts'
import { fittedOf, namedHistogram } from './features.ts'
import { sortFindings } from './findings.ts'
import { gatesOf, type Project, trainedOn } from './model-state.ts'

/** Errors: MR_API_RECORD_UNKNOWN, MR_RECORD_KIND when the digest names something else. */
export async function bundleView({ store }: Pick<Project, 'store'>, digest: string): Promise<BundleDetail> {
  const known = await knownDigest(store, 'bundle', digest)
  const bundle = await store.getRecord<ModelBundle>(known, 'ModelBundle')
  const report = await gatesOf(store, bundle.model, bundle.version)
  return {
    digest: known,
    model: bundle.model,
    version: bundle.version,
    parent: bundle.parent,
    each: bundle.each ?? null,
    members: Object.keys(bundle.members).length,
    held: bundle.held,
    findings: sortFindings(report?.findings ?? []),
  }
}

/** Errors: MR_API_RECORD_UNKNOWN, MR_RECORD_KIND when the digest names something else. */
export async function versionView({ store }: Pick<Project, 'store'>, digest: string): Promise<VersionDetail> {
  const known = await knownDigest(store, 'model version', digest)
  const version = await store.getRecord<ModelVersion>(known, 'ModelVersion')
  return {
    digest: known,
    model: version.model,
    card: version.card,
    signature: version.signature,
    features: await featuresOf(store, version),
    trainedOn: trainedOn(version),
    run: await runOf(store, version.run),
  }
}

async function featuresOf(store: Store, version: ModelVersion): Promise<VersionDetail['features']> {
  const fitted = await fittedOf(store, version)
  return version.featureInfo.map(({ name, reference }) => {
    const feature = fitted.features.find((f) => f.name === name)
    return {
      name,
      expression: feature ? format(feature.expr) : name,
      reference: namedHistogram(reference, feature),
    }
  })
}

/** The run of a spec; null when it was not run here. */
async function runOf(store: Store, spec: Digest): Promise<VersionDetail['run']> {
  const ref = await store.meta.ref(refs.run(spec))
  if (!ref || !(await store.objects.has(spec))) return null
  const [record, { task, inputs }] = await Promise.all([
    store.getRecord<RunRecord>(ref.digest, 'RunRecord'),
    store.getRecord<RunSpec>(spec, 'RunSpec'),
  ])
  return { digest: spec, task, startedAt: record.startedAt, endedAt: record.endedAt, inputs }
}

async function knownDigest(store: Store, what: string, name: string): Promise<Digest> {
  if (isDigest(name) && (await store.objects.has(name))) return name
  throw new MillraceError('MR_API_RECORD_UNKNOWN', { what, name })
}
