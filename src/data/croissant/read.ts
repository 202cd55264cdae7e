/**
 * What a Croissant document (MLCommons) says of one of its record sets: which files hold the rows, and which of their columns are its fields. Nothing is fetched.
 * Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
 */
import { MillraceError } from '../../core/errors.ts'
import type { ColumnType } from '../../core/records.ts'
import type { FileFormat } from '../types.ts'

/** A file, in the container that holds it. */
export interface CroissantFile {
  id: string
  contentUrl: string
  /** In hex, as far as the document says them. */
  sha256?: string
  md5?: string
  format: FileFormat | 'zip' | undefined
  containedIn?: CroissantFile
}

/** Files by patterns: members of an archive, or files beside the document. */
export interface CroissantSet {
  id: string
  includes: string[]
  excludes: string[]
  format: FileFormat | undefined
  containedIn?: CroissantFile
  /** Files of the document that lie in no container, some of which it may stand for. */
  beside: CroissantFile[]
}

/** A column of the rows, of one of the files' or the same for a whole file. */
export interface CroissantField {
  name: string
  from: { kind: 'column'; column: string } | { kind: 'file'; property: FileProperty; regex?: RegExp }
  /** Absent where the values are taken as they are. */
  type?: ColumnType
}

export type FileProperty = 'filename' | 'fullpath'

export type CroissantRows =
  | { kind: 'inline'; rows: Record<string, unknown>[]; fields: CroissantField[] }
  | { kind: 'file'; file: CroissantFile; fields: CroissantField[] }
  | { kind: 'set'; set: CroissantSet; fields: CroissantField[] }

type Node = Record<string, unknown>

/** Errors: MR_CROISSANT_FORMAT for what is no such document, MR_CROISSANT_RECORDS where the record set is not there or several are, MR_CROISSANT_FIELD for what is not read. */
export function croissantRows(file: string, text: string, wanted: string | undefined): CroissantRows {
  const document = documentOf(file, text)
  const sets = nodesOf(document.recordSet)
  const named = sets.filter((set) => wanted === undefined || idOf(set) === wanted || set.name === wanted)
  const [set] = named
  if (set === undefined || named.length > 1)
    throw new MillraceError('MR_CROISSANT_RECORDS', { file, wanted: wanted ?? '', known: sets.map(idOf) })
  return new RowsReader(file, document, set).rows()
}

const CONFORMS = /mlcommons\.org\/croissant\/1\.[01](\.\d+)?$/

function documentOf(file: string, text: string): Node {
  const fault = (why: string, cause?: Error) =>
    new MillraceError('MR_CROISSANT_FORMAT', { file, why }, { cause })
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch (cause) {
    throw fault('it is no JSON', cause as Error)
  }
  const document = plain(read) as Node
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw fault('it is no object')
  const conforms = listOf(document.conformsTo).map((one) =>
    typeof one === 'string' ? one : idOf(one as Node),
  )
  if (!conforms.some((one) => CONFORMS.test(one)))
    throw fault(`it conforms to ${conforms.join(', ') || 'nothing'}, and 1.0 and 1.1 are read`)
  return document
}

/** Names without the prefixes of the vocabularies, which a document may write or leave out. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/^(cr|sc|dct|schema):/, ''),
      key === '@context' || key === 'data' ? inner : plain(inner),
    ]),
  )
}

const listOf = (value: unknown): unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]
const nodesOf = (value: unknown): Node[] =>
  listOf(value).filter((one): one is Node => typeof one === 'object' && one !== null)
const idOf = (node: Node): string => String(node['@id'] ?? node.name ?? '')
const textsOf = (value: unknown): string[] => listOf(value).filter((one) => typeof one === 'string')
const isType = (node: Node, type: string): boolean =>
  textsOf(node['@type']).some((one) => one.split(/[:/]/).at(-1) === type)

class RowsReader {
  private readonly file: string
  private readonly document: Node
  private readonly set: Node

  constructor(file: string, document: Node, set: Node) {
    this.file = file
    this.document = document
    this.set = set
  }

  private refused(what: string, why: string): MillraceError {
    return new MillraceError('MR_CROISSANT_FIELD', { file: this.file, what, why })
  }

  rows(): CroissantRows {
    const nodes = nodesOf(this.set.field)
    if (nodes.length === 0) throw this.refused(idOf(this.set), 'it has no fields')
    if (this.set.data !== undefined)
      return { kind: 'inline', rows: this.inline(nodes), fields: this.inlineFields(nodes) }
    const fields = nodes.map((node) => this.field(node))
    const sources = new Set(nodes.map((node) => this.sourceOf(node)))
    if (sources.size > 1)
      throw this.refused(
        idOf(this.set),
        `its fields are of ${[...sources].join(' and ')}, which would have to be joined`,
      )
    const [id] = sources as Set<string>
    const source = nodesOf(this.document.distribution).find((node) => idOf(node) === id)
    if (!source)
      throw this.refused(
        idOf(this.set),
        `its rows are of "${id}", which is no file or set of files of the document`,
      )
    return isType(source, 'FileSet')
      ? { kind: 'set', set: this.fileSet(source), fields }
      : { kind: 'file', file: this.fileObject(source), fields }
  }

  private inline(nodes: readonly Node[]): Record<string, unknown>[] {
    return nodesOf(this.set.data).map((row) =>
      Object.fromEntries(
        nodes.map((node) => [this.nameOf(node), row[idOf(node)] ?? row[this.nameOf(node)] ?? null]),
      ),
    )
  }

  private inlineFields(nodes: readonly Node[]): CroissantField[] {
    return nodes.map((node) => {
      const name = this.nameOf(node)
      return { name, from: { kind: 'column', column: name }, ...typeOf(node) }
    })
  }

  /** A field without the name of its record set before it. */
  private nameOf(field: Node): string {
    const name = typeof field.name === 'string' ? field.name : idOf(field)
    const before = `${idOf(this.set)}/`
    return name.startsWith(before) ? name.slice(before.length) : name
  }

  private sourceOf(field: Node): string {
    const [source] = nodesOf(field.source)
    for (const key of ['fileObject', 'fileSet', 'distribution']) {
      const [of] = nodesOf(source?.[key])
      if (of) return idOf(of)
    }
    const why = source ? 'its source is another record set' : 'it says no source'
    throw this.refused(idOf(field), why)
  }

  private field(node: Node): CroissantField {
    const id = idOf(node)
    const [source] = nodesOf(node.source)
    if (nodesOf(node.subField).length > 0) throw this.refused(id, 'it has fields of its own')
    this.sourceOf(node)
    const extract = nodesOf(source!.extract)[0] ?? {}
    return {
      name: this.nameOf(node),
      from: this.transformed(id, this.fromOf(id, extract), source!),
      ...typeOf(node),
    }
  }

  /** Names of files may be cut by an expression, since they are the same for all of its rows; nothing else is transformed. */
  private transformed(id: string, from: CroissantField['from'], source: Node): CroissantField['from'] {
    const [transform, second] = nodesOf(source.transform)
    if (!transform) return from
    const { regex } = transform
    if (second || from.kind !== 'file' || typeof regex !== 'string')
      throw this.refused(id, `its values are transformed (${Object.keys(transform).join(', ')})`)
    try {
      return { ...from, regex: new RegExp(`^(?:${regex})`, 'u') }
    } catch {
      throw this.refused(id, `its expression ${regex.slice(0, 64)} is none of ours`)
    }
  }

  private fromOf(id: string, extract: Node): CroissantField['from'] {
    const { column, fileProperty, jsonPath } = extract
    if (typeof column === 'string') return { kind: 'column', column }
    if (typeof jsonPath === 'string') {
      const [, name] = /^\$(?:\[\*\])?\.([\w-]+)$/.exec(jsonPath) ?? []
      if (name === undefined) throw this.refused(id, `it is found by the path ${jsonPath.slice(0, 64)}`)
      return { kind: 'column', column: name }
    }
    if (fileProperty === 'filename' || fileProperty === 'fullpath')
      return { kind: 'file', property: fileProperty }
    throw this.refused(
      id,
      fileProperty === undefined ? 'it says no column' : `it is the ${String(fileProperty)} of a file`,
    )
  }

  private fileObject(node: Node): CroissantFile {
    const id = idOf(node)
    const { contentUrl, sha256, md5 } = node
    if (typeof contentUrl !== 'string') throw this.refused(id, 'it has no contentUrl')
    return {
      id,
      contentUrl,
      ...(typeof sha256 === 'string' && { sha256: sha256.toLowerCase() }),
      ...(typeof md5 === 'string' && { md5: md5.toLowerCase() }),
      format: this.formatOf(node),
      ...this.containerOf(node),
    }
  }

  private fileSet(node: Node): CroissantSet {
    const format = this.formatOf(node)
    if (format === 'zip') throw this.refused(idOf(node), 'its files are archives')
    const container = this.containerOf(node)
    const others = nodesOf(this.document.distribution).filter(
      (one) => isType(one, 'FileObject') && nodesOf(one.containedIn).length === 0 && !container.containedIn,
    )
    return {
      id: idOf(node),
      includes: textsOf(node.includes),
      excludes: textsOf(node.excludes),
      format,
      ...container,
      beside: others.map((one) => this.fileObject(one)),
    }
  }

  /** An archive; a folder that is named as a container says nothing more than the patterns do. */
  private containerOf(node: Node): { containedIn?: CroissantFile } {
    const [container, second] = nodesOf(node.containedIn)
    if (!container) return {}
    if (second) throw this.refused(idOf(node), 'it lies in several containers')
    const outer = nodesOf(this.document.distribution).find((one) => idOf(one) === idOf(container))
    if (!outer || isType(outer, 'FileSet'))
      throw this.refused(idOf(node), `its container "${idOf(container)}" is no file of the document`)
    const file = this.fileObject(outer)
    if (file.format !== 'zip' || file.containedIn)
      throw this.refused(
        idOf(node),
        `its container "${file.id}" is no zip file (${String(outer.encodingFormat)})`,
      )
    return { containedIn: file }
  }

  private formatOf(node: Node): CroissantFile['format'] {
    const kinds = textsOf(node.encodingFormat)
    const known = kinds.find((kind) => Object.hasOwn(FORMATS, kind))
    return known === undefined ? undefined : FORMATS[known]
  }
}

const FORMATS: Record<string, FileFormat | 'zip'> = {
  'application/json': 'json',
  'application/jsonl': 'json',
  'application/jsonlines': 'json',
  'application/vnd.apache.arrow.file': 'arrow',
  'application/vnd.apache.parquet': 'parquet',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'sheet',
  'application/x-jsonlines': 'json',
  'application/x-parquet': 'parquet',
  'application/x-sqlite3': 'sqlite',
  'application/zip': 'zip',
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'text/tsv': 'csv',
}

const TYPES: Record<string, ColumnType> = {
  Boolean: 'bool',
  Date: 'date',
  DateTime: 'time',
  Float: 'float',
  Integer: 'int',
  Number: 'float',
  Text: 'string',
  Time: 'string',
  URL: 'string',
}

/** Lists keep the type that they have; of several types the first that is known. */
function typeOf(field: Node): { type?: ColumnType } {
  if (field.repeated === true || field.isArray === true) return {}
  const names = textsOf(field.dataType).map((one) => one.split(/[:/]/).at(-1)!)
  for (const name of names) {
    const type =
      TYPES[name] ?? (/^U?Int\d+$/.test(name) ? 'int' : /^B?Float\d+$/.test(name) ? 'float' : undefined)
    if (type) return { type }
  }
  return {}
}
