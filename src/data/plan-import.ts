import type { Json } from '../core/canonical.ts'
import { digestOf } from '../core/digest.ts'
import { MillraceError } from '../core/errors.ts'
import type { Digest, RunSpec, TimeWindow } from '../core/records.ts'
import type { DatasetDef } from '../define/types.ts'
import { contentOf } from './partition-names.ts'
import type { DeliveryMode, ImportParams, SourceFile } from './types.ts'

export const IMPORT_TASK = 'data.import'
/** Raised when the same rows would become other parts. */
export const IMPORT_CODE = '3'

export interface ImportOptions {
  /** Rows of the source that are taken, by the time column; all by default. */
  select?: TimeWindow
  /** Period that the delivery claims to hold: rows outside it are strays. */
  period?: TimeWindow
  /** What the delivery is to the rows before. Default: as the dataset says. */
  mode?: DeliveryMode
  message?: string
  /** Leaves out rows that the dataset has already, equal in every column to one of their key. */
  dropRepeats?: boolean
}

/** What the import starts from. */
export interface ImportState {
  /** The version that it adds to. */
  parent?: Digest
  /** Versions of the datasets that checks look keys up in, by name. */
  others?: Readonly<Record<string, Digest>>
  /** File of rows that leave the version. */
  removals?: Digest
}

/** Names of other datasets that the checks of this one look keys up in. */
export function referredDatasets(def: DatasetDef): string[] {
  const names = def.checks.flatMap(({ rule }) =>
    rule.kind === 'exists' && rule.in !== def.name ? [rule.in] : [],
  )
  return [...new Set(names)]
}

/**
 * What an import will do, as a spec: sources and the version before are inputs, everything else is in the parameters. Pure. The order in which the
 * files are given does not matter. Errors: MR_DATA_NO_TIME for a window without a time column.
 */
export function planImport(
  def: DatasetDef,
  sources: SourceFile[],
  state: ImportState,
  options: ImportOptions = {},
): RunSpec {
  const windowed = options.select !== undefined || options.period !== undefined
  if (windowed && def.time === undefined) throw new MillraceError('MR_DATA_NO_TIME', { dataset: def.name })
  const files = [...sources].sort((a, b) => compare(a.digest, b.digest) || compare(a.name, b.name))
  const inputs: Record<string, Digest> = Object.fromEntries(
    files.map((file, i) => [inputName(i), file.digest]),
  )
  if (state.parent) inputs.parent = state.parent
  if (state.removals) inputs.removals = state.removals
  const mode = options.mode ?? def.mode ?? 'append'
  if (mode === 'upsert' && def.key.length === 0)
    throw new MillraceError('MR_DATA_NO_KEY', { dataset: def.name, what: 'rows cannot be updated by key' })
  Object.assign(inputs, namedInputs(state.others ?? {}))
  const params: ImportParams = {
    dataset: def.name,
    time: def.time ?? null,
    key: def.key,
    checks: def.checks,
    read: def.read,
    parts: def.parts,
    files: files.map(({ name, format, gzip, view }, i) => ({
      input: inputName(i),
      name,
      format,
      gzip,
      ...(view && { view }),
    })),
    select: options.select ?? null,
    period: options.period ?? null,
    message: options.message ?? '',
    ...(options.dropRepeats && { repeats: 'drop' }),
    ...(mode !== 'append' && { mode }),
  }
  return {
    kind: 'RunSpec',
    task: IMPORT_TASK,
    code: IMPORT_CODE,
    inputs,
    params: params as unknown as Json,
    seed: 0,
  }
}

const OTHER = 'dataset/'

/** Versions of other datasets as inputs of a spec. */
export function namedInputs(others: Readonly<Record<string, Digest>>): Record<string, Digest> {
  return Object.fromEntries(Object.entries(others).map(([name, digest]) => [`${OTHER}${name}`, digest]))
}

/** Versions of other datasets among the inputs of a spec, by name. */
export function otherInputs(spec: RunSpec): Record<string, Digest> {
  const found = Object.entries(spec.inputs).filter(([input]) => input.startsWith(OTHER))
  return Object.fromEntries(found.map(([input, digest]) => [input.slice(OTHER.length), digest]))
}

const inputName = (i: number): string => `source/${String(i).padStart(5, '0')}`

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

export const importParams = (spec: RunSpec): ImportParams => spec.params as unknown as ImportParams

/** Digests of the files that a spec reads. */
export function filesOf(spec: RunSpec): Digest[] {
  return importParams(spec).files.map((file) => spec.inputs[file.input])
}

/** What the files of a spec deliver: their bytes, with what their folders say. */
export function contentsOf(spec: RunSpec): Digest[] {
  return importParams(spec).files.map(({ input, name }) => contentOf({ digest: spec.inputs[input]!, name }))
}

/** Names which rows of its files a spec takes, and the period they claim to be of. */
export function selectionOf(spec: RunSpec): Digest {
  const { select, period } = importParams(spec)
  return digestOf({ select, period })
}

/**
 * Names what is delivered, whatever it is delivered onto: the bytes, the rows selected of them, and the period. A delivery that was recorded
 * once need not be imported again.
 */
export function deliveryOf(spec: RunSpec): Digest {
  const { dataset, mode } = importParams(spec)
  return digestOf({ dataset, files: contentsOf(spec), selection: selectionOf(spec), ...(mode && { mode }) })
}
