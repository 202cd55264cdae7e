/** What a person needs to try a model: its inputs, real rows, known values, and the request as a command. */
import { MillraceError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { ColumnType, DatasetVersion, Digest, ModelVersion, SignatureField } from '../../core/records.ts'
import { mergeStats, partFiles, partRows } from '../../data/index.ts'
import { param, quoted, raw, sql } from '../../expr/sql.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { Store } from '../../store/ports.ts'
import type { Playground } from '../contract.ts'
import { asSent } from './as-sent.ts'
import { fittedOf } from './features.ts'
import { modelState, modelVersion, type Project } from './model-state.ts'
import { remember } from './remember.ts'

const EXAMPLES = 12
const CHOICES_MAX = 500
const ANSWERS_KEPT = 256

type Parts = Pick<Playground, 'examples' | 'choices'>

/** Errors: MR_LOOP_UNKNOWN, MR_API_MEMBER_UNKNOWN, MR_API_NOT_TRAINED. */
export async function playgroundView(
  rt: Project & Pick<Runtime, 'query'>,
  name: string,
  address: string,
): Promise<Playground> {
  const state = await modelState(rt, name)
  const { def, shown, parent } = state
  if (!shown || !parent) throw new MillraceError('MR_API_NOT_TRAINED', { model: def.name })
  const key = name.includes('/') ? name.slice(name.indexOf('/') + 1) : undefined
  const version =
    key === undefined ? parent : await memberVersion(rt.store, shown.bundle.members, def.name, key)
  const each = def.each?.column
  const { inputs } = version.signature
  const ref = await rt.store.meta.ref(refs.dataset(def.from))
  const data = ref?.digest ?? version.trainedOn.version
  const cacheKey = `${shown.digest} ${key ?? ''} ${data}`
  const { examples, choices } = await remember<Parts>(
    rt.store,
    'playground',
    cacheKey,
    async () => ({
      examples: await examplesOf(rt, data, fieldsOf(inputs, each), each, key),
      choices: await choicesOf(rt.store, version, data),
    }),
    ANSWERS_KEPT,
  )
  const seg = encodeURIComponent(name)
  const predictPath = `/predict/${seg}`
  return {
    model: name,
    signature: version.signature,
    examples,
    choices,
    predictPath,
    explainPath: `/predict/${seg}/explain`,
    feedbackPath: `/predict/${encodeURIComponent(def.name)}/feedback`,
    curl: curlOf(`${address}${predictPath}`, { row: examples[0] ?? {} }),
  }
}

async function memberVersion(
  store: Store,
  members: Record<string, Digest>,
  model: string,
  member: string,
): Promise<ModelVersion> {
  if (!Object.hasOwn(members, member)) throw new MillraceError('MR_API_MEMBER_UNKNOWN', { model, member })
  return await modelVersion(store, members[member])
}

/** Columns of an example: the inputs, and the column that picks the member. */
function fieldsOf(
  inputs: readonly SignatureField[],
  each: string | undefined,
): { name: string; type: ColumnType }[] {
  const known = inputs.some(({ name }) => name === each)
  return each === undefined || known ? [...inputs] : [...inputs, { name: each, type: 'string' }]
}

function curlOf(url: string, body: unknown): string {
  const json = JSON.stringify(body).replaceAll("'", "'\\''")
  return `curl -X POST '${url}' -H 'content-type: application/json' -d '${json}'`
}

// ---------------------------------------------------------------- real rows

/** Rows of the newest part, drawn with a fixed seed so that they stay the same while the data do. */
async function examplesOf(
  rt: Pick<Runtime, 'store' | 'query'>,
  data: Digest,
  fields: readonly { name: string; type: ColumnType }[],
  each: string | undefined,
  key: string | undefined,
): Promise<Playground['examples']> {
  const { parts } = await rt.store.getRecord<DatasetVersion>(data, 'DatasetVersion')
  const newest = parts.filter((part) => part.rows > 0).reduce((a, b) => (b.key > a.key ? b : a), parts[0])
  if (!newest) return []
  const there = fields.filter(({ name }) => newest.stats[name])
  if (there.length === 0) return []
  const list = there.map(({ name }) => quoted(name)).join(', ')
  const [file] = await partFiles(rt.store, [newest])
  const scan = sql`SELECT ${raw(list)} FROM ${raw(partRows(file!))}`
  const own =
    key !== undefined && each !== undefined
      ? sql`${scan} WHERE CAST(${raw(quoted(each))} AS VARCHAR) = ${param(key)}`
      : scan
  const query = await rt.query()
  const rows = await query.rows(
    sql`SELECT * FROM (${own}) USING SAMPLE ${raw(String(EXAMPLES))} ROWS (reservoir, 7)`,
  )
  return rows.map((row) => Object.fromEntries(there.map(({ name, type }) => [name, asSent(row[name], type)])))
}

// ---------------------------------------------------------------- known values

/** Values of text inputs, most frequent first: as training counted them, else from the profile of the data. */
async function choicesOf(store: Store, version: ModelVersion, data: Digest): Promise<Playground['choices']> {
  const fitted = await fittedOf(store, version)
  const { parts } = await store.getRecord<DatasetVersion>(data, 'DatasetVersion')
  const choices: Playground['choices'] = {}
  for (const { name, type } of version.signature.inputs) {
    if (type !== 'string') continue
    const learned = fitted.features.find(({ expr, state }) => {
      return (
        expr.op === 'fit' && expr.arg.op === 'col' && expr.arg.name === name && state?.kind === 'category'
      )
    })
    const values = learned?.state?.values ?? profiled(mergeStats(parts, name)?.histogram)
    if (values.length > 0) choices[name] = values.slice(0, CHOICES_MAX)
  }
  return choices
}

function profiled(histogram: DatasetVersion['parts'][number]['stats'][string]['histogram']): string[] {
  if (histogram?.kind !== 'category') return []
  const { categories, counts } = histogram
  return categories
    .map((value, i) => ({ value, n: counts[i] }))
    .sort((a, b) => b.n - a.n)
    .map(({ value }) => value)
}
