/** Files behind addresses as a session knows them: what was fetched is not fetched again while the server says that the file is the same. */
import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { shownUrl } from '../../data/addresses.ts'
import { downloadSource, rangedSource, type Validators } from '../../data/fetched.ts'
import { planOf, type RangedFile, writePlan } from '../../data/parquet/ranges.ts'
import { type FooterFacts, footerFacts } from '../../data/parquet/statistics.ts'

/** What has come so far of a file. */
export interface FarProgress {
  /** The address, without what is secret in it. */
  source: string
  bytes: number
  /** Absent where the server does not say. */
  bytesAll?: number
}

/** A file whose parts are asked for, in one state. */
export interface PartedFile {
  kind: 'parts'
  url: string
  name: string
  ranged: RangedFile
  facts: FooterFacts
  /** Its schema as a file without rows. */
  bare: string
  /** Where what is fetched of it is put. */
  folder: string
  fetched: { columns: ReadonlySet<string>; groups: ReadonlySet<number>; path: Promise<string> }[]
}

/** A file that is here as a whole. */
export interface WholeFile {
  kind: 'whole'
  url: string
  path: string
  same: Validators
}

export type FarFile = PartedFile | WholeFile

/** Where an address lies that is asked again. `name` is its path as a person writes it. */
export interface FarAddress {
  url: string
  name: string
}

export interface FarHow {
  signal?: AbortSignal
  onProgress?: (progress: FarProgress) => void
}

export class FarFiles {
  private readonly scratch: string
  private readonly parted = new Map<string, FarFile>()
  private readonly wholes = new Map<string, WholeFile>()

  constructor(scratch: string) {
    this.scratch = scratch
  }

  /** A Parquet file, by parts where that can be. Errors: MR_DATA_FETCH, MR_CANCELLED. */
  async parquet(address: FarAddress, how: FarHow): Promise<FarFile> {
    const before = this.parted.get(address.url)
    const known = before?.kind === 'parts' ? before.ranged.state : undefined
    const ranged = before?.kind === 'whole' ? 'whole' : await rangedSource(address.url, { known, ...how })
    if (ranged === 'same') return before!
    const file =
      (ranged !== 'whole' && (await this.partedOf(address, ranged))) || (await this.whole(address, how))
    this.parted.set(address.url, file)
    return file
  }

  /** Undefined of a file that cannot be taken apart, or whose columns the engine would call otherwise. */
  private async partedOf(address: FarAddress, ranged: RangedFile): Promise<PartedFile | undefined> {
    const facts = factsOf(ranged.footer)
    const plan = facts && planOf(ranged.footer, facts.columns, new Set())
    if (
      !facts ||
      !plan ||
      new Set(facts.columns.map((name) => name.toLowerCase())).size < facts.columns.length
    )
      return undefined
    const bare = await this.placeOf(address)
    await writePlan(bare, plan, ranged.read)
    return { kind: 'parts', ...address, ranged, facts, bare, folder: dirname(bare), fetched: [] }
  }

  /** Any file, as it is. Errors: MR_DATA_FETCH, MR_CANCELLED. */
  async whole(address: FarAddress, { signal, onProgress }: FarHow): Promise<WholeFile> {
    const { url } = address
    const known = this.wholes.get(url)
    const path = await this.placeOf(address)
    const onBytes = (bytes: number, bytesAll?: number) =>
      onProgress?.({ source: shownUrl(url), bytes, ...(bytesAll !== undefined && { bytesAll }) })
    const same = await downloadSource(url, path, { signal, onBytes, known: known?.same })
    if (same === 'same') return known!
    const file: WholeFile = { kind: 'whole', url, path, same }
    this.wholes.set(url, file)
    return file
  }

  /** A path of its own that ends as the address does, below folders that say columns as its folders do. */
  private async placeOf({ name }: FarAddress): Promise<string> {
    const segments = name.replace(/^[a-z0-9]+:\/\//i, '').split('/')
    const last = segments
      .pop()!
      .replace(/[^\w.=-]/g, '_')
      .slice(-80)
    const said = segments.filter((segment) => /^[^=]+=[^=]*$/.test(segment) && segment.length < 200)
    const path = join(this.scratch, 'far', randomUUID(), ...said, last)
    await mkdir(dirname(path), { recursive: true })
    return path
  }
}

function factsOf(footer: Uint8Array): FooterFacts | undefined {
  try {
    return footerFacts(footer)
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined
    throw thrown
  }
}

/** What is asked of a file: columns that it has, and groups of rows by their places. */
export interface Part {
  columns: readonly string[]
  groups: ReadonlySet<number>
}

export function bytesOf({ facts }: PartedFile, { columns, groups }: Part): number {
  let bytes = 0
  for (const i of groups) for (const name of columns) bytes += facts.groups[i]!.chunks.get(name)?.bytes ?? 0
  return bytes
}

/** A Parquet file of the part, or of more. Errors: Changed, MR_DATA_FETCH, MR_CANCELLED. */
export async function fetchPart(file: PartedFile, part: Part, { onProgress }: FarHow): Promise<string> {
  if (part.groups.size === 0) return file.bare
  const has = (one: PartedFile['fetched'][number]) =>
    part.columns.every((name) => one.columns.has(name)) && [...part.groups].every((i) => one.groups.has(i))
  const known = file.fetched.find(has)
  if (known) return await known.path
  const fetched = {
    columns: new Set(part.columns),
    groups: part.groups,
    path: written(file, part, onProgress),
  }
  file.fetched.push(fetched)
  try {
    return await fetched.path
  } catch (thrown) {
    file.fetched.splice(file.fetched.indexOf(fetched), 1)
    throw thrown
  }
}

async function written(file: PartedFile, part: Part, onProgress: FarHow['onProgress']): Promise<string> {
  const path = join(file.folder, `${randomUUID()}.parquet`)
  const bytesAll = bytesOf(file, part)
  let bytes = 0
  await writePlan(path, planOf(file.ranged.footer, part.columns, part.groups)!, file.ranged.read, (more) => {
    bytes += more
    onProgress?.({ source: shownUrl(file.url), bytes, bytesAll })
  })
  return path
}
