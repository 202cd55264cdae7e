/** A version as Croissant (MLCommons): metadata in JSON-LD beside its files, by which other tools find, check and read the rows. */
import type { Json } from '../../core/canonical.ts'
import { shortDigest } from '../../core/digest.ts'
import type { Column, ColumnType, DatasetVersion, Digest } from '../../core/records.ts'
import type { AboutDef, DatasetDef } from '../../define/types.ts'

/** Versions of the format that are written. */
export const CROISSANT_SPECS = ['1.1', '1.0'] as const
export type CroissantSpec = (typeof CROISSANT_SPECS)[number]

/** Name of the document beside the files. */
export const CROISSANT_FILE = 'croissant.json'

export interface CroissantInput {
  def: Pick<DatasetDef, 'name' | 'key' | 'time'> & { about?: AboutDef }
  digest: Digest
  version: Pick<DatasetVersion, 'schema' | 'key' | 'rows' | 'createdAt' | 'message'>
  /** Parquet files of the rows, beside the document: name, bytes and SHA-256 in hex. */
  files: readonly { name: string; bytes: number; sha256: string }[]
  /** Default: 1.1. */
  spec?: CroissantSpec
}

/**
 * The document. Rows are one record set over a set of all files, each a file object with its SHA-256. Identifiers are names within the document. Pure.
 * Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html; of 1.0, the same without arrays, language-tagged texts and its own `containedIn`.
 */
export function croissantOf({
  def,
  digest,
  version,
  files,
  spec = '1.1',
}: CroissantInput): Record<string, Json> {
  const { about = {} } = def
  const { description, license, citation, url, creators, keywords } = about
  return {
    '@context': contextOf(spec),
    '@type': 'sc:Dataset',
    name: def.name,
    description: description ?? `Rows of ${def.name}: ${version.message}`,
    conformsTo: `http://mlcommons.org/croissant/${spec}`,
    ...(license !== undefined && { license }),
    ...(citation !== undefined && { citeAs: citation }),
    ...(url !== undefined && { url }),
    ...(creators !== undefined && { creator: creators.map(creatorOf) }),
    ...(keywords !== undefined && { keywords: [...keywords] }),
    version: about.version ?? `1.0.0+sha256.${shortDigest(digest)}`,
    datePublished: new Date(version.createdAt).toISOString().slice(0, 10),
    distribution: [...files.map(fileObject), FILE_SET],
    recordSet: [recordSet(def, version)],
  }
}

const creatorOf = (name: string): Json => ({ '@type': 'sc:Organization', name })

/** What readers of Croissant know Parquet by. */
const PARQUET = 'application/x-parquet'
const FILES = 'files'

function fileObject({ name, bytes, sha256 }: CroissantInput['files'][number]): Json {
  return {
    '@type': 'cr:FileObject',
    '@id': name,
    name,
    contentUrl: encodeURI(name),
    contentSize: `${bytes} B`,
    encodingFormat: PARQUET,
    sha256,
  }
}

/** The files lie beside the document and in nothing else, so it names no container. */
const FILE_SET: Json = {
  '@type': 'cr:FileSet',
  '@id': FILES,
  name: FILES,
  description: 'All rows, one file for each part of the version.',
  encodingFormat: PARQUET,
  includes: '*.parquet',
}

function recordSet(
  { name, key, time }: CroissantInput['def'],
  { schema, key: stored, rows }: CroissantInput['version'],
): Json {
  const keys = stored ?? key
  const id = (column: string) => `${RECORDS}/${column}`
  return {
    '@type': 'cr:RecordSet',
    '@id': RECORDS,
    name: RECORDS,
    description: `${rows} rows of ${name}.`,
    ...(keys.length > 0 && { key: keys.map((column) => ({ '@id': id(column) })) }),
    field: schema.columns.map((column) => fieldOf(column, id(column.name), column.name === time)),
  }
}

const RECORDS = 'rows'

const DATA_TYPES: Record<ColumnType, string> = {
  bool: 'sc:Boolean',
  int: 'sc:Integer',
  float: 'sc:Float',
  string: 'sc:Text',
  json: 'sc:Text',
  time: 'sc:DateTime',
  date: 'sc:Date',
}

function fieldOf({ name, type, nullable }: Column, id: string, isTime: boolean): Json {
  const says = [
    ...(isTime ? ['orders the rows in time'] : []),
    ...(nullable ? ['values may be missing'] : []),
    ...(type === 'json' ? ['JSON'] : []),
  ]
  return {
    '@type': 'cr:Field',
    '@id': id,
    name,
    ...(says.length > 0 && { description: `${name}: ${says.join(', ')}.` }),
    dataType: DATA_TYPES[type],
    source: { fileSet: { '@id': FILES }, extract: { column: name } },
  }
}

/** The context that the specification gives, which readers hold documents to. */
function contextOf(spec: CroissantSpec): Record<string, Json> {
  const own = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, `cr:${name}`]))
  const isNew = spec === '1.1'
  return {
    '@language': 'en',
    '@vocab': 'https://schema.org/',
    cr: 'http://mlcommons.org/croissant/',
    dct: 'http://purl.org/dc/terms/',
    rai: 'http://mlcommons.org/croissant/RAI/',
    sc: 'https://schema.org/',
    conformsTo: 'dct:conformsTo',
    data: { '@id': 'cr:data', '@type': '@json' },
    dataType: { '@id': 'cr:dataType', '@type': '@vocab' },
    examples: { '@id': 'cr:examples', '@type': '@json' },
    ...own(TERMS),
    ...(isNew && {
      ...own(['arrayShape', 'containedIn', 'isArray']),
      description: { '@container': '@language' },
      name: { '@container': '@language' },
    }),
  }
}

const TERMS = [
  ...['citeAs', 'column', 'equivalentProperty', 'extract', 'field', 'fileProperty', 'fileObject', 'fileSet'],
  ...['format', 'includes', 'isLiveDataset', 'jsonPath', 'key', 'md5', 'parentField', 'path', 'recordSet'],
  ...['references', 'regex', 'repeated', 'replace', 'samplingRate', 'separator', 'source', 'subField'],
  'transform',
]
