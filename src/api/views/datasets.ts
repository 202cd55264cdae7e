/** Datasets, their versions, what was put aside, and what changed between two versions. */
import { MillraceError } from '../../core/errors.ts'
import type { Column, DatasetVersion, Digest, Schema } from '../../core/records.ts'
import {
  type ChangedRow,
  datasetPage,
  datasetRows,
  diff,
  headOf,
  type QuarantineAsk,
  readQuarantine,
  resolveVersion,
  show,
  shownCell,
  shownSource,
} from '../../data/index.ts'
import type { DatasetDef } from '../../define/types.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { DatasetDiff, DatasetPage, DatasetRow, DatasetVersionPage, QuarantineRows } from '../contract.ts'
import type { Project } from './model-state.ts'
import { remember } from './remember.ts'

/** Rows of quarantine in one answer. */
export const QUARANTINE_MAX = 1000
const QUARANTINE_DEFAULT = 100

/** Every dataset that has a version or is described in the config, by name. */
export async function datasetsView(rt: Pick<Project, 'project' | 'store'>): Promise<DatasetRow[]> {
  const { store, project } = rt
  const refs = await store.meta.refs('datasets/')
  const heads = refs.map(({ name, digest }) => `${name} ${digest}`).join('\n')
  const rows = await remember(store, 'datasetRows', heads, () => datasetRows(store), 4)
  const known = new Set(rows.map((row) => row.dataset))
  const empty = project.datasets.filter((def) => !known.has(def.name)).map(emptyRow)
  return [...rows, ...empty].sort((a, b) => (a.dataset < b.dataset ? -1 : 1))
}

function emptyRow({ name }: Pick<DatasetDef, 'name'>): DatasetRow {
  return {
    dataset: name,
    rows: 0,
    rowsQuarantined: 0,
    version: null,
    versions: 0,
    importedAt: null,
    window: null,
    bytes: 0,
    findings: { pass: 0, fail: 0, inconclusive: 0, error: 0 },
  }
}

/** One dataset with its history. Errors: MR_DATA_VERSION. */
export async function datasetView(
  rt: Pick<Project, 'project' | 'store'>,
  dataset: string,
): Promise<DatasetPage> {
  const def = rt.project.datasets.find(({ name }) => name === dataset)
  if (def && !(await headOf(rt.store, dataset)))
    return { ...emptyRow(def), source: def.source.map(shownSource).join(', '), log: [] }
  return await datasetPage(rt.store, dataset)
}

/** A version of a dataset by digest, by its first digits, or as `main~1`. Errors: MR_DATA_VERSION, MR_API_RECORD_UNKNOWN. */
export async function datasetVersionView(
  { store }: Pick<Project, 'store'>,
  dataset: string,
  name: string,
): Promise<DatasetVersionPage> {
  return await show(store, await digestIn(store, dataset, name))
}

/** Rows that were put aside up to a version. Errors: as `datasetVersionView`. */
export async function quarantineView(
  rt: Pick<Runtime, 'store' | 'query'>,
  dataset: string,
  name: string,
  options: QuarantineAsk = {},
): Promise<QuarantineRows> {
  const digest = await digestIn(rt.store, dataset, name)
  const { limit = QUARANTINE_DEFAULT } = options
  return await readQuarantine(rt.store, await rt.query(), digest, { ...options, limit })
}

/** What changed between two versions of a dataset, to the row. Errors: as `datasetVersionView`. */
export async function datasetDiffView(
  rt: Pick<Runtime, 'store' | 'query'>,
  dataset: string,
  from: string,
  to: string,
): Promise<DatasetDiff> {
  const { store } = rt
  const [a, b] = await Promise.all([digestIn(store, dataset, from), digestIn(store, dataset, to)])
  const make = async () => {
    const { sample, keyed, ...rest } = await diff(store, await rt.query(), a, b, { sampleRows: DIFF_ROWS })
    const types = typesOf(await getSchema(store, a), await getSchema(store, b))
    const plainRows = (rows: readonly Record<string, unknown>[]) =>
      rows
        .slice(0, DIFF_ROWS)
        .map((row) => mapValues(row, (value, name) => shownCell(value, types.get(name))))
    return {
      ...rest,
      sample: { added: plainRows(sample.added), removed: plainRows(sample.removed) },
      keyed: keyed && { ...keyed, sample: keyed.sample.map((row) => shownChange(row, types)) },
    }
  }
  return await remember(store, 'datasetDiff', `${a} ${b}`, make, 64)
}

const DIFF_ROWS = 50

type Types = ReadonlyMap<string, Column['type']>

const getSchema = async (store: Project['store'], digest: Digest): Promise<Schema> =>
  (await store.getRecord<DatasetVersion>(digest, 'DatasetVersion')).schema

const typesOf = (...schemas: Schema[]): Types =>
  new Map(schemas.flatMap(({ columns }) => columns.map(({ name, type }) => [name, type] as const)))

type ShownChange = NonNullable<DatasetDiff['keyed']>['sample'][number]

const shownChange = ({ key, cells }: ChangedRow, types: Types): ShownChange => ({
  key: mapValues(key, (value, name) => shownCell(value, types.get(name))),
  cells: mapValues(cells, ({ from, to }, name) => ({
    from: shownCell(from, types.get(name)),
    to: shownCell(to, types.get(name)),
  })),
})

const mapValues = <A, B>(record: Record<string, A>, of: (value: A, name: string) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, of(value, name)]))

async function digestIn(store: Project['store'], dataset: string, name: string) {
  const relative = /^main(~\d+)?$/.exec(name)
  const found = await resolveVersion(store, relative ? `${dataset}@${name}` : name)
  if (found.version.dataset !== dataset)
    throw new MillraceError('MR_API_RECORD_UNKNOWN', { what: `version of dataset ${dataset}`, name })
  return found.digest
}
