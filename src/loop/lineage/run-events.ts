/** Events of the journal as run events of OpenLineage. The journal knows of a run once it is over, so each gives a START and a COMPLETE or FAIL together, with the times of the run. */
import { createHash } from 'node:crypto'
import type { Json } from '../../core/canonical.ts'
import { refs } from '../../core/names.ts'
import type {
  DatasetVersion,
  Digest,
  Finding,
  JournalEvent,
  ModelBundle,
  ModelVersion,
  RunRecord,
  RunSpec,
} from '../../core/records.ts'
import { checksOf, EDIT_EVENTS, importParams } from '../../data/index.ts'
import type { Store } from '../../store/ports.ts'
import {
  type FacetMaker,
  type Facets,
  type LineageDataset,
  RUN_EVENT_SCHEMA,
  type RunEvent,
} from './facets.ts'

export interface LineageContext {
  store: Store
  facets: FacetMaker
  /** Namespace of jobs. */
  namespace: string
  /** Name of the project: datasets and models are `millrace://<project>`. */
  project: string
}

/** What an event says of a run, before it is written as two events. */
interface Said {
  job: string
  jobType: string
  /** RunSpec of the work, whose record has its times. */
  run?: Digest
  parent?: { runId: string; job: string }
  inputs: LineageDataset[]
  outputs: LineageDataset[]
  error?: string
}

type Data = Record<string, Json>
type Describe = (context: LineageContext, event: JournalEvent, data: Data) => Promise<Said>

/** START and COMPLETE or FAIL of what an event of the journal is about; none of events that are no run. Two calls give the same, so that what is sent twice can be told. Reads records. */
export async function runEventsOf(context: LineageContext, event: JournalEvent): Promise<RunEvent[]> {
  const describe = DESCRIBED[event.type] ?? (event.type.startsWith('release.') ? released : undefined)
  if (describe === undefined) return []
  return await written(context, event, await describe(context, event, (event.data ?? {}) as Data))
}

async function written(
  { store, facets, namespace }: LineageContext,
  event: JournalEvent,
  said: Said,
): Promise<RunEvent[]> {
  const record =
    said.run &&
    (await recordOf<RunRecord>(store, (await store.meta.ref(refs.run(said.run)))?.digest, 'RunRecord'))
  // A run that was done before is recorded later: its own times are before the event, and stand.
  const [startedAt, endedAt] = record ? [record.startedAt, record.endedAt] : [event.at, event.at]
  const at = (instant: number) => new Date(instant).toISOString()
  const parent = said.parent ? facets.parent(said.parent.runId, namespace, said.parent.job) : {}
  const base = {
    producer: facets.producer,
    schemaURL: RUN_EVENT_SCHEMA,
    job: { namespace, name: said.job, facets: facets.job(said.jobType, event.reason) },
    inputs: said.inputs,
  }
  const runId = runIdOf(event)
  const failed = said.error === undefined ? {} : facets.error(said.error)
  return [
    {
      ...{ eventType: 'START', eventTime: at(startedAt), ...base },
      ...{ run: { runId, facets: { ...facets.engine(), ...parent } }, outputs: [] },
    },
    {
      ...{ eventType: said.error === undefined ? 'COMPLETE' : 'FAIL', eventTime: at(endedAt), ...base },
      ...{ run: { runId, facets: { ...facets.engine(), ...parent, ...failed } }, outputs: said.outputs },
    },
  ]
}

/** A UUID (version 8 of RFC 9562) of an event's hash: the same whenever the event is sent. */
function runIdOf({ hash }: Pick<JournalEvent, 'hash'>): string {
  const hex = createHash('sha256').update(`openlineage ${hash}`).digest('hex')
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** A record, or undefined where it is not kept any more: lineage says what it still can. */
async function recordOf<R extends { kind: string }>(
  store: Store,
  digest: Digest | undefined,
  kind: R['kind'],
): Promise<R | undefined> {
  if (digest === undefined || !(await store.objects.has(digest))) return undefined
  return await store.getRecord<R>(digest, kind)
}

const nameIn = (subject: string): string => subject.replace(/^\w+\//, '')

const space = ({ project }: LineageContext): string => `millrace://${encodeURIComponent(project)}`

/** A version of a dataset, or of a branch of it. */
async function tableOf(
  context: LineageContext,
  name: string,
  digest: Json | undefined,
): Promise<{ dataset: LineageDataset; version?: DatasetVersion }> {
  const { store, facets, project } = context
  const version = await recordOf<DatasetVersion>(store, digest as Digest | undefined, 'DatasetVersion')
  const said = {
    ...facets.source(project, space(context)),
    ...(typeof digest === 'string' && facets.version(digest)),
    ...(version && { ...facets.schema(version.schema), ...facets.metrics(version) }),
  }
  return { dataset: { namespace: space(context), name, facets: said }, ...(version && { version }) }
}

const branched = (name: string, branch: Json | undefined): string =>
  typeof branch === 'string' && branch !== 'main' ? `${name}@${branch}` : name

/** As an output of rows: with how many there are, and the columns they come from, which keep their names. */
function filled(
  { facets }: LineageContext,
  { dataset, version }: Awaited<ReturnType<typeof tableOf>>,
  inputs: readonly LineageDataset[],
): LineageDataset {
  if (version === undefined) return dataset
  const { parts, rows, schema } = version
  const fields = Object.fromEntries(
    schema.columns.map(({ name: field }) => [
      field,
      inputs.map(({ namespace, name }) => ({ namespace, name, field, type: 'IDENTITY' })),
    ]),
  )
  const size = parts.reduce((n, part) => n + part.bytes, 0)
  const own: Facets = { ...dataset.facets, ...(inputs.length > 0 && facets.columns(fields)) }
  return { ...dataset, facets: own, outputFacets: facets.output(rows, size, parts.length) }
}

/** Files of a delivery. Checks judge a delivery as a whole, so each of its files carries what they came to. */
function sourcesOf(
  { facets }: LineageContext,
  spec: RunSpec | undefined,
  findings: readonly Finding[],
): LineageDataset[] {
  if (spec === undefined) return []
  const params = importParams(spec)
  const judged = facets.assertions(findings, checksOf(params))
  return params.files.map(({ name, input }) => {
    const { namespace, path, uri } = placeOf(name)
    return {
      ...{ namespace, name: path },
      facets: { ...facets.source(namespace, uri), ...facets.version(spec.inputs[input]!) },
      ...(Object.keys(judged).length > 0 && { inputFacets: judged }),
    }
  })
}

function placeOf(name: string): { namespace: string; path: string; uri: string } {
  if (!URL.canParse(name) || !name.includes('://'))
    return { namespace: 'file', path: name, uri: `file:${encodeURI(name)}` }
  const { protocol, host, pathname } = new URL(name)
  // What stands before and after the path may be a secret.
  const namespace = `${protocol}//${host}`
  return { namespace, path: pathname, uri: `${namespace}${pathname}` }
}

const imported: Describe = async (context, { subject }, data) => {
  const name = nameIn(subject)
  const table = await tableOf(context, branched(name, data.branch), data.version)
  const spec = await recordOf<RunSpec>(context.store, data.run as Digest, 'RunSpec')
  const inputs = sourcesOf(context, spec, table.version?.findings ?? [])
  return {
    ...{ job: `data.import.${name}`, jobType: 'IMPORT', run: data.run as Digest },
    ...{ inputs, outputs: [filled(context, table, inputs)] },
  }
}

const refused: Describe = async (context, { subject, reason }, data) => {
  const name = nameIn(subject)
  const spec = await recordOf<RunSpec>(context.store, data.run as Digest, 'RunSpec')
  const findings = (Array.isArray(data.findings) ? data.findings : []) as unknown as Finding[]
  return {
    ...{ job: `data.import.${name}`, jobType: 'IMPORT', run: data.run as Digest },
    ...{ inputs: sourcesOf(context, spec, findings), outputs: [], error: errorText(data, reason) },
  }
}

const errorText = ({ code }: Data, reason: string): string =>
  typeof code === 'string' ? `${code}: ${reason}` : reason

const edited: Describe = async (context, { subject, type }, data) => {
  const name = nameIn(subject)
  const { dataset } = await tableOf(context, name, data.base)
  const after = await tableOf(context, branched(name, data.branch), data.version)
  return {
    ...{
      job: `data.edit.${name}`,
      jobType: type.replace(/^data\./, '').toUpperCase(),
      run: data.run as Digest,
    },
    ...{ inputs: [dataset], outputs: [filled(context, after, [dataset])] },
  }
}

async function mergedSides(context: LineageContext, name: string, data: Data) {
  const ours = await tableOf(context, branched(name, data.into), data.ours)
  const theirs = await tableOf(context, branched(name, data.branch), data.theirs)
  return [ours.dataset, theirs.dataset]
}

const merged: Describe = async (context, { subject }, data) => {
  const name = nameIn(subject)
  const inputs = await mergedSides(context, name, data)
  const after = await tableOf(context, branched(name, data.into), data.version)
  return {
    ...{ job: `data.merge.${name}`, jobType: 'MERGE', run: data.run as Digest | undefined },
    ...{ inputs, outputs: [filled(context, after, inputs)] },
  }
}

const mergeRefused: Describe = async (context, { subject, reason }, data) => {
  const name = nameIn(subject)
  return {
    ...{ job: `data.merge.${name}`, jobType: 'MERGE', run: data.run as Digest | undefined },
    ...{ inputs: await mergedSides(context, name, data), outputs: [], error: errorText(data, reason) },
  }
}

/** A bundle as a dataset; `prediction` comes of the columns that its requests have. */
async function modelOf(
  context: LineageContext,
  model: string,
  digest: Digest | undefined,
): Promise<{ dataset: LineageDataset; trained?: ModelVersion }> {
  const { store, facets, project } = context
  const bundle = await recordOf<ModelBundle>(store, digest, 'ModelBundle')
  const trained = bundle && (await recordOf<ModelVersion>(store, bundle.parent, 'ModelVersion'))
  const namespace = space(context)
  const rows = trained?.trainedOn.dataset
  const fields = trained?.signature.inputs.map(({ name: field }) => ({
    namespace,
    name: rows!,
    field,
    type: 'TRANSFORMATION',
  }))
  const said = {
    ...facets.source(project, namespace),
    ...(digest !== undefined && facets.version(digest)),
    ...(fields && facets.columns({ prediction: fields })),
  }
  const dataset = { namespace, name: `models/${model}`, facets: said }
  return { dataset, ...(trained && { trained }) }
}

const trainedModel: Describe = async (context, { subject }, data) => {
  const model = nameIn(subject)
  const { dataset, trained } = await modelOf(context, model, data.bundle as Digest)
  const rows = trained && (await tableOf(context, trained.trainedOn.dataset, data.dataset))
  return {
    ...{ job: `train.${model}`, jobType: 'TRAIN', ...(trained && { run: trained.run }) },
    ...{ inputs: rows ? [rows.dataset] : [], outputs: [dataset] },
  }
}

const retrainFailed: Describe = async (_context, { subject, reason }, data) => ({
  ...{ job: `train.${nameIn(subject)}`, jobType: 'TRAIN', inputs: [], outputs: [] },
  error: errorText(data, reason),
})

/** The training that made what is released is the run that it belongs to. */
const released: Describe = async (context, { subject, type }, data) => {
  const model = nameIn(subject)
  const routes = (Array.isArray(data.routes) ? data.routes : []) as unknown as {
    version: number
    weight: number
  }[]
  const newest = Math.max(0, ...routes.map(({ version }) => version))
  const training = await trainingOf(context.store, subject, newest)
  const bundle = (training?.data as Data | undefined)?.bundle as Digest | undefined
  const { dataset } = await modelOf(context, model, bundle)
  const after = { ...dataset, name: `models/${model}@live` }
  return {
    ...{ job: `release.${model}`, jobType: type.replace(/^release\./, '').toUpperCase() },
    ...(training && { parent: { runId: runIdOf(training), job: `train.${model}` } }),
    ...{ inputs: [dataset], outputs: type === 'release.refused' ? [] : [after] },
    ...(type === 'release.refused' && { error: String(data.code ?? 'refused') }),
  }
}

async function trainingOf(store: Store, subject: string, version: number): Promise<JournalEvent | undefined> {
  let before: number | undefined
  for (;;) {
    const page = await store.meta.events({ subject, types: ['train.finished'], newest: true, before })
    const found = page.find(({ data }) => (data as Data).version === version)
    if (found || page.length === 0) return found
    before = page.at(-1)!.seq
  }
}

const DESCRIBED: Readonly<Record<string, Describe>> = {
  'data.imported': imported,
  'data.refused': refused,
  'data.merged': merged,
  'data.merge-refused': mergeRefused,
  'train.finished': trainedModel,
  'retrain.failed': retrainFailed,
  ...Object.fromEntries(EDIT_EVENTS.map((type) => [type, edited])),
}
