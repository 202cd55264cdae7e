/** Rows of a Croissant document as files here: brought from where the document says, held to the hashes that it says, each with the view of its columns that the fields are. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { excerpt, MillraceError, toError } from '../../core/errors.ts'
import { croissantPlace, isUrl, shownUrl } from '../addresses.ts'
import { findFiles } from '../find-files.ts'
import { shapeOf } from '../glob.ts'
import { hashFile } from '../hash-file.ts'
import type { FileFormat, FileView } from '../types.ts'
import { unzipMember, zipMembers } from '../zip.ts'
import { type CroissantField, type CroissantFile, type CroissantSet, croissantRows } from './read.ts'

/** A file here, as a reader of its rows takes it. */
export interface CroissantPart {
  path: string
  name: string
  format?: FileFormat
  view: FileView
}

export interface CroissantPorts {
  /** Folder that paths are relative to. */
  folder: string
  /** Where archives and rows of the document are unpacked. */
  scratch: string
  /** Brings the bytes of an address here: their path. */
  bring(url: string): Promise<string>
}

/** The bytes of a document are held in memory. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024

/**
 * Files of `croissant:<document>` or `croissant:<document>#<record set>`; the document is a path or an address.
 * Errors: MR_CROISSANT_FORMAT, MR_CROISSANT_RECORDS, MR_CROISSANT_FIELD, MR_CROISSANT_HASH, MR_DATA_FETCH.
 */
export async function croissantParts(source: string, ports: CroissantPorts): Promise<CroissantPart[]> {
  const { place, wanted } = croissantPlace(source)
  const at = isUrl(place) ? await ports.bring(place) : resolve(ports.folder, place)
  const name = isUrl(place) ? shownUrl(place) : relative(ports.folder, at)
  const bytes = await readDocument(name, at)
  const rows = croissantRows(name, bytes.toString('utf8'), wanted)
  const document = new Beside(name, isUrl(place) ? { url: place } : { folder: dirname(at) }, ports)
  if (rows.kind === 'file') return [await document.file(rows.file, rows.fields)]
  if (rows.kind === 'set') return await document.set(rows.set, rows.fields)
  const path = join(ports.scratch, `${randomUUID()}.json`)
  await writeFile(path, JSON.stringify(rows.rows))
  return [{ path, name: `${name}#rows`, format: 'json', view: viewOf(rows.fields, name) }]
}

async function readDocument(file: string, path: string): Promise<Buffer> {
  if (!existsSync(path)) throw new MillraceError('MR_CROISSANT_FORMAT', { file, why: 'it is not there' })
  const bytes = await readFile(path)
  if (bytes.length <= DOCUMENT_BYTES_MAX) return bytes
  throw new MillraceError('MR_CROISSANT_FORMAT', {
    file,
    why: `it has more than ${DOCUMENT_BYTES_MAX} bytes`,
  })
}

const viewOf = (fields: readonly CroissantField[], path: string): FileView =>
  fields.map(({ name, from, type }) => ({
    name,
    ...(from.kind === 'column' ? { column: from.column } : { value: propertyOf(from, path) }),
    ...(type && { type }),
  }))

/** The first group that the expression finds; the whole where it finds none. */
function propertyOf(
  { property, regex }: Extract<CroissantField['from'], { kind: 'file' }>,
  path: string,
): string {
  const value = property === 'filename' ? basename(path) : path
  const [, ...groups] = regex?.exec(value) ?? []
  return groups.find((group) => group !== undefined) ?? value
}

/** What lies beside a document: in its folder, or by addresses that begin as its own. */
class Beside {
  private readonly document: string
  private readonly base: { url: string } | { folder: string }
  private readonly ports: CroissantPorts

  constructor(document: string, base: { url: string } | { folder: string }, ports: CroissantPorts) {
    this.document = document
    this.base = base
    this.ports = ports
  }

  private refused(what: string, why: string): MillraceError {
    return new MillraceError('MR_CROISSANT_FIELD', { file: this.document, what, why })
  }

  async file(file: CroissantFile, fields: readonly CroissantField[]): Promise<CroissantPart> {
    if (file.containedIn) {
      const [member] = await this.members(file.containedIn, (name) => name === file.contentUrl)
      if (!member) throw this.refused(file.id, `${file.containedIn.contentUrl} has no ${file.contentUrl}`)
      await this.check(file, member.path)
      return this.part(member.path, member.name, file, fields)
    }
    return this.part(await this.bring(file), file.contentUrl, file, fields)
  }

  async set(set: CroissantSet, fields: readonly CroissantField[]): Promise<CroissantPart[]> {
    if (set.includes.length === 0) throw this.refused(set.id, 'it includes nothing')
    const [wanted, unwanted] = [set.includes.map(shapeOf), set.excludes.map(shapeOf)]
    const isIn = (name: string) =>
      wanted.some((shape) => shape.test(name)) && !unwanted.some((shape) => shape.test(name))
    const found = set.containedIn ? await this.members(set.containedIn, isIn) : await this.near(set, isIn)
    if (found.length === 0) throw this.refused(set.id, `nothing is called ${set.includes.join(' or ')}`)
    return found.map(({ path, name }) => this.part(path, name, set, fields))
  }

  private part(
    path: string,
    name: string,
    { id, format }: { id: string; format: CroissantFile['format'] },
    fields: readonly CroissantField[],
  ): CroissantPart {
    if (format === 'zip') throw this.refused(id, 'it is an archive, whose members no field names')
    return { path, name, view: viewOf(fields, name), ...(format && { format }) }
  }

  /** Files of the document that fit; where it lies in a folder, all of that folder that fit. */
  private async near(
    set: CroissantSet,
    isIn: (name: string) => boolean,
  ): Promise<{ path: string; name: string }[]> {
    const found = new Map<string, string>()
    for (const file of set.beside)
      if (!isUrl(file.contentUrl) && isIn(named(file.contentUrl)))
        found.set(named(file.contentUrl), await this.bring(file))
    if ('folder' in this.base) {
      const { folder } = this.base
      for (const path of await findFiles(
        folder,
        set.includes.map((one) => this.inside(set.id, one)),
      )) {
        const name = relative(folder, path).split(sep).join('/')
        if (!found.has(name) && isIn(name)) found.set(name, path)
      }
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, path]) => ({ name, path }))
  }

  private async members(
    archive: CroissantFile,
    isIn: (name: string) => boolean,
  ): Promise<{ path: string; name: string }[]> {
    const path = await this.bring(archive)
    try {
      const found: { path: string; name: string }[] = []
      for (const member of (await zipMembers(path)).filter(({ name }) => isIn(name))) {
        const to = join(this.ports.scratch, randomUUID())
        await unzipMember(path, member, to)
        found.push({ path: to, name: member.name })
      }
      return found.sort((a, b) => (a.name < b.name ? -1 : 1))
    } catch (thrown) {
      if (!isOfArchive(thrown)) throw thrown
      throw this.refused(archive.id, excerpt(toError(thrown).message, 160))
    }
  }

  private async bring(file: CroissantFile): Promise<string> {
    const path = await this.place(file)
    await this.check(file, path)
    return path
  }

  private async place({ id, contentUrl }: CroissantFile): Promise<string> {
    if (isUrl(contentUrl)) return await this.ports.bring(contentUrl)
    if (/^[a-z][a-z0-9+.-]*:/i.test(contentUrl))
      throw this.refused(id, `it is at ${shownUrl(contentUrl).slice(0, 64)}`)
    if ('url' in this.base) return await this.ports.bring(new URL(contentUrl, this.base.url).href)
    const path = [contentUrl, named(contentUrl)]
      .map((one) => resolve((this.base as { folder: string }).folder, this.inside(id, one)))
      .find(existsSync)
    if (path === undefined) throw this.refused(id, `${contentUrl} is not there`)
    return path
  }

  /** A document names files below itself alone. */
  private inside(id: string, path: string): string {
    const isOut = /^[/\\]|^[a-z]:/i.test(path) || path.split(/[/\\]/).includes('..')
    if (isOut) throw this.refused(id, `${path} is outside the folder of the document`)
    return path
  }

  private async check({ id, sha256, md5 }: CroissantFile, path: string): Promise<void> {
    const hashes = [
      ['sha256', sha256],
      ['md5', md5],
    ] as const
    for (const [algorithm, said] of hashes) {
      if (said === undefined) continue
      const got = await hashFile(algorithm, path)
      if (got !== said)
        throw new MillraceError('MR_CROISSANT_HASH', { file: this.document, what: id, algorithm, said, got })
      return
    }
  }
}

/** As people write it. */
function named(contentUrl: string): string {
  try {
    return decodeURI(contentUrl).replace(/^\.\//, '')
  } catch {
    return contentUrl
  }
}

/** What our reader or zlib says of an archive. */
const isOfArchive = (thrown: unknown): boolean =>
  thrown instanceof RangeError || /^Z_/.test(String((thrown as { code?: unknown }).code))
