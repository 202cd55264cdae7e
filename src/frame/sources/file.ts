/** Files as a frame: Parquet, CSV, JSON, ORC and Arrow, one or many by a pattern. */
import { MillraceError } from '../../core/errors.ts'
import { isUrl, shownSource } from '../../data/addresses.ts'
import { literal, raw, type Sql } from '../../expr/sql.ts'
import type { Scope, Step } from '../step.ts'
import { entered } from './enter.ts'
import type { StagedFormat } from './staged.ts'

export type FileFormat = 'parquet' | 'csv' | 'json' | 'jsonl' | 'orc' | 'arrow'

export interface FileOptions {
  /** Default: by the end of the name. */
  format?: FileFormat
  /** CSV: between fields. Default: found out. */
  delimiter?: string
  /** CSV: whether the first row names the columns. Default: found out. */
  header?: boolean
  /** CSV: texts that stand for a missing value. Default: the empty text. */
  missing?: readonly string[]
  /** CSV and JSON: types of columns as the engine writes them (`BIGINT`, `VARCHAR`). Default: found out from the first 20,480 rows. */
  types?: Readonly<Record<string, string>>
  /** Columns of the folders' names, `year=2026/month=1`. Default: false. */
  hive?: boolean
}

const ENDINGS: [RegExp, FileFormat][] = [
  [/\.(parquet|pq)$/i, 'parquet'],
  [/\.orc$/i, 'orc'],
  [/\.(csv|tsv|txt)(\.(gz|zst))?$/i, 'csv'],
  [/\.(jsonl|ndjson)(\.(gz|zst))?$/i, 'jsonl'],
  [/\.json(\.(gz|zst))?$/i, 'json'],
  [/\.(arrow|arrows|feather|ipc)$/i, 'arrow'],
]

/** Errors: MR_FRAME_FORMAT. */
export function formatOf(path: string, given?: FileFormat): FileFormat {
  const shown = shownSource(path)
  const found = given ?? ENDINGS.find(([pattern]) => pattern.test(shown))?.[1]
  if (found) return found
  throw new MillraceError('MR_FRAME_FORMAT', { path: shown, formats: ENDINGS.map(([, format]) => format) })
}

/** Nothing is read before the frame is asked for. Errors then: of addresses MR_DATA_FETCH, MR_DATA_FETCH_LATER, and those of S3. */
export function fileStep(paths: readonly string[], options: FileOptions): Step {
  const format = formatOf(paths[0]!, options.format)
  const name = paths.map(shownSource).join(', ')
  const step: Step = {
    verb: 'file',
    async write(scope, conditions) {
      if (paths.some(isUrl)) {
        const { addressesOf } = await import('./far.ts')
        const far = await addressesOf(paths, scope.signal)
        if (format === 'parquet') {
          const place = await scope.far.parquet(far, { isHive: options.hive ?? false, conditions })
          scope.sources.push({ name, kind: 'parquet', files: [], conditions, far: place })
          return await entered(scope, raw(place.text))
        }
        const files = await scope.far.whole(far)
        const { relation, kind } = await READERS[format](scope, files, options, step)
        scope.sources.push({ name, kind, files, conditions })
        return await entered(scope, relation)
      }
      const { relation, kind } = await READERS[format](scope, paths, options, step)
      scope.sources.push({ name, kind, files: paths, conditions })
      return await entered(scope, relation)
    },
  }
  return step
}

type Reader = (
  scope: Scope,
  paths: readonly string[],
  options: FileOptions,
  step: Step,
) => Promise<{ relation: Sql; kind: 'parquet' | 'csv' | 'json' | 'memory' }>

const filesSql = (paths: readonly string[]): string => `[${paths.map(() => '?').join(', ')}]`

const READERS: Record<FileFormat, Reader> = {
  parquet: async (_, paths, { hive = false }) => ({
    kind: 'parquet',
    relation: {
      text: `SELECT * FROM read_parquet(${filesSql(paths)}, union_by_name = true, hive_partitioning = ${hive})`,
      params: [...paths],
    },
  }),
  csv: async (_, paths, options) => ({ kind: 'csv', relation: csvSql(paths, options) }),
  json: async (_, paths, options) => ({ kind: 'json', relation: jsonSql(paths, options, 'array') }),
  jsonl: async (_, paths, options) => ({
    kind: 'json',
    relation: jsonSql(paths, options, 'newline_delimited'),
  }),
  orc: (scope, paths, _, step) => stagedFiles(scope, paths, 'orc', step),
  arrow: (scope, paths, _, step) => stagedFiles(scope, paths, 'arrow', step),
}

const stagedFiles = async (scope: Scope, paths: readonly string[], format: StagedFormat, step: Step) => {
  const { staged } = await import('./staged.ts')
  return { kind: 'memory' as const, relation: await staged(scope, { paths, format, step }) }
}

function csvSql(
  paths: readonly string[],
  { delimiter, header, missing, types, hive = false }: FileOptions,
): Sql {
  const given = delimiter ?? (/\.tsv(\.|$)/i.test(paths[0]!) ? '\t' : undefined)
  const named: [string, string, (string | number)[]][] = [
    [`hive_partitioning = ${hive}`, '', []],
    ['union_by_name = true', '', []],
  ]
  if (given !== undefined) named.push(['delim = ', '?', [given]])
  if (header !== undefined) named.push([`header = ${header}`, '', []])
  if (missing) named.push(['nullstr = ', `[${missing.map(() => '?').join(', ')}]`, [...missing]])
  if (types) named.push(['types = ', structOf(types), Object.values(types)])
  return {
    text: `SELECT * FROM read_csv(${[filesSql(paths), ...named.map(([name, value]) => name + value)].join(', ')})`,
    params: [...paths, ...named.flatMap(([, , params]) => params)],
  }
}

function jsonSql(paths: readonly string[], { types, hive = false }: FileOptions, format: string): Sql {
  const columns = types ? `, columns = ${structOf(types)}` : ''
  return {
    text: `SELECT * FROM read_json(${filesSql(paths)}, format = '${format}', union_by_name = true, hive_partitioning = ${hive}${columns})`,
    params: [...paths, ...Object.values(types ?? {})],
  }
}

const structOf = (types: Readonly<Record<string, string>>): string =>
  `{${Object.keys(types)
    .map((name) => `${literal(name)}: ?`)
    .join(', ')}}`
