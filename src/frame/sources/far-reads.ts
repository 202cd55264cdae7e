/**
 * Files behind addresses, of one question. They are written into SQL as files without rows; when the question is run, the engine's plan says which columns it takes, these are fetched of the
 * groups of rows that its conditions do not rule out, and stand in their place. A file that changes meanwhile is begun anew.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { shownUrl } from '../../data/addresses.ts'
import { Changed } from '../../data/parquet/ranges.ts'
import type { Sql, Tables } from '../../engine/ports.ts'
import { literal, raw, sql } from '../../expr/sql.ts'
import { mapAtOnce } from '../../store/disk/disk.ts'
import type { Condition } from '../condition-types.ts'
import type { FarAddress, FarFile, FarFiles, FarHow } from './far-files.ts'
import { fetchedText, marked, readSql, takenBy, textOf } from './far-place.ts'
import type { FarColumn, FarPlace, FarSources } from './far-types.ts'

const FILES_AT_ONCE = 8
const TRIES = 4

export class FarReads implements FarSources {
  /** The engine, to which nothing is fetched. */
  readonly engine: Tables
  private readonly how: FarHow
  private readonly files: FarFiles
  private readonly scratch: string
  private readonly places: FarPlace[] = []
  /** Files in the state in which this question met them. */
  private readonly met = new Map<string, Promise<FarFile>>()

  constructor(engine: Tables, { files, scratch, how }: { files: FarFiles; scratch: string; how: FarHow }) {
    this.engine = engine
    this.files = files
    this.scratch = scratch
    this.how = how
  }

  /** Rows of Parquet files: what stands for them. A path is a file that is here. Errors: MR_DATA_FETCH, MR_CANCELLED. */
  async parquet(
    addresses: readonly (FarAddress | string)[],
    { isHive, conditions }: { isHive: boolean; conditions: readonly Condition[] },
  ): Promise<FarPlace> {
    const files = await mapAtOnce([...addresses], FILES_AT_ONCE, (address) => this.meet(address))
    const { bare, columns } = await this.columnsOf(files, isHive)
    const id = this.places.length + 1
    const path = join(this.scratch, `far-${randomUUID()}.parquet`)
    await this.engine.exec(
      sql`COPY (SELECT ${marked(id, columns)} FROM (${bare}) LIMIT 0) TO ${literal(path)} (FORMAT parquet)`,
      this.how.signal,
    )
    const place: FarPlace = { id, files, columns, conditions, isHive, text: textOf(id, columns, path) }
    this.places.push(place)
    return place
  }

  /** All rows of the files, and their columns. */
  private async columnsOf(
    files: readonly FarFile[],
    isHive: boolean,
  ): Promise<{ bare: Sql; columns: FarColumn[] }> {
    const bare = raw(`SELECT * FROM ${readSql(files.map(barePath), isHive)}`)
    const described = await this.engine.describe(bare, this.how.signal)
    return { bare, columns: described.map(({ name, type: duck }) => ({ name, duck })) }
  }

  /** Other files, each fetched as a whole: their paths. */
  async whole(addresses: readonly (FarAddress | string)[]): Promise<string[]> {
    return await mapAtOnce([...addresses], FILES_AT_ONCE, async (address) =>
      typeof address === 'string' ? address : (await this.files.whole(address, this.how)).path,
    )
  }

  private async meet(address: FarAddress | string): Promise<FarFile> {
    if (typeof address === 'string')
      return { kind: 'whole', url: address, path: address, same: { etag: null, modified: null } }
    const met = this.met.get(address.url) ?? this.files.parquet(address, this.how)
    this.met.set(address.url, met)
    return await met
  }

  /** The question with what it takes of the files in their places. Errors: MR_DATA_FETCH, MR_DATA_FETCH_LATER where a file keeps changing, MR_CANCELLED. */
  async settled(question: Sql): Promise<Sql> {
    const asked = this.placesIn(question)
    if (asked.length === 0) return question
    const plan = await this.plan(question)
    const taken = new Map(asked.map((place) => [place, new Set(takenBy(plan, place))] as const))
    return await this.filled(question, taken)
  }

  private placesIn({ text }: Sql): FarPlace[] {
    return this.places.filter((place) => text.includes(place.text))
  }

  /** The engine's plan, as it tells it. */
  async plan(question: Sql): Promise<string> {
    const [row] = await this.engine.rows<{ explain_value: string }>(
      sql`EXPLAIN (FORMAT json) ${question}`,
      this.how.signal,
    )
    return row!.explain_value
  }

  private async filled(question: Sql, taken: ReadonlyMap<FarPlace, ReadonlySet<string>>): Promise<Sql> {
    for (let tries = 1; ; tries++) {
      try {
        let { text } = question
        for (const [place, columns] of taken) {
          const fetched = await fetchedText(place, columns, this.how)
          text = text.replaceAll(place.text, () => fetched)
        }
        return { text, params: question.params }
      } catch (thrown) {
        if (!(thrown instanceof Changed)) throw thrown
        await this.beginAnew([...taken.keys()], tries === TRIES)
      }
    }
  }

  /** Asks for all files again, as they are now. Errors: MR_DATA_FETCH_LATER where the columns are not those that the question was written for. */
  private async beginAnew(places: readonly FarPlace[], isLast: boolean): Promise<void> {
    this.met.clear()
    for (const place of places) {
      const anew = await mapAtOnce([...place.files], FILES_AT_ONCE, (file) =>
        file.kind === 'whole' ? Promise.resolve(file) : this.meet({ url: file.url, name: file.name }),
      )
      const { columns } = await this.columnsOf(anew, place.isHive)
      if (isLast || textOfColumns(columns) !== textOfColumns(place.columns))
        throw new MillraceError('MR_DATA_FETCH_LATER', {
          url: shownUrl(place.files[0]!.url),
          why: 'it changes while it is read',
        })
      place.files = anew
    }
  }
}

const textOfColumns = (columns: readonly FarColumn[]): string =>
  columns.map(({ name, duck }) => `${name} ${duck}`).join()

const barePath = (file: FarFile): string => (file.kind === 'whole' ? file.path : file.bare)

/** An engine that fetches what it is asked for. */
export function overFar(far: FarReads): Tables {
  const { engine } = far
  return {
    get losses() {
      return engine.losses
    },
    rows: async (question, signal) => await engine.rows(await far.settled(question), signal),
    columns: async (question, options) => await engine.columns(await far.settled(question), options),
    exec: async (question, signal) => await engine.exec(await far.settled(question), signal),
    async *batches(question, options) {
      yield* engine.batches(await far.settled(question), options)
    },
    describe: (question, signal) => engine.describe(question, signal),
    load: (table, columns, nRows) => engine.load(table, columns, nRows),
    close: () => engine.close(),
  }
}
