/**
 * What `/api/stream` tells: journal events as they are written, the pulse once a second, the progress of a story.
 *
 * One feed serves all readers. While nobody listens it does nothing; with the first reader it begins to look at the journal and with the last it
 * stops. A reader that comes back names the last event it saw (`Last-Event-ID`) and is told what it missed, in order and each event once. A
 * reader that does not read is let go when its backlog is full, so that it can hold neither memory nor the others.
 */
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { JournalEvent, Release } from '../core/records.ts'
import { currentRelease } from '../release/record.ts'
import type { Pulse, StoryProgress } from './contract.ts'
import { API_LIMITS } from './limits.ts'
import type { LiveSource } from './views/live.ts'
import type { Project } from './views/model-state.ts'

/** Where the progress of a story is told. */
export interface ProgressSource {
  /** Calls back with what is known now, if anything is, and with each change. Returns the way out. */
  subscribe(listener: (progress: StoryProgress) => void): () => void
}

/** What a feed writes to: the raw side of a response. */
export interface Sink {
  write(text: string): unknown
  end(): void
  /** Bytes that were written and not yet taken. */
  readonly writableLength: number
}

export interface FeedOptions {
  rt: Project
  live: LiveSource
  progress?: ProgressSource
  /** Wall clock, for the time of a pulse. */
  now?: () => number
}

interface Reader {
  sink: Sink
  /** The last event it was told. */
  seq: number
  /** Whether it has been told everything that came before it joined. */
  caughtUp: boolean
}

export class Feed {
  readonly #options: FeedOptions
  readonly #readers = new Set<Reader>()
  #seq = 0
  #timers: NodeJS.Timeout[] = []
  #unsubscribe: (() => void) | undefined
  #polling: Promise<void> | undefined
  #progress: StoryProgress | undefined
  #routes: Promise<Pulse['routes']> | undefined
  #closed = false

  constructor(options: FeedOptions) {
    this.#options = options
  }

  get readers(): number {
    return this.#readers.size
  }

  /** Refuses one reader too many before its response is taken over. Errors: MR_API_STREAMS. */
  checkRoom(): void {
    if (this.#readers.size >= API_LIMITS.streamsMax)
      throw new MillraceError('MR_API_STREAMS', { max: API_LIMITS.streamsMax })
  }

  /** Adds a reader; `after` is the last event it knows. Returns the way out. */
  add(sink: Sink, after?: number): () => void {
    const reader: Reader = { sink, seq: after ?? 0, caughtUp: false }
    const leave = () => this.#leave(reader)
    if (this.#closed) {
      sink.end()
      return leave
    }
    this.#readers.add(reader)
    sink.write('retry: 1000\n\n')
    if (this.#progress) this.#send(reader, event('progress', this.#progress))
    if (this.#readers.size === 1) this.#begin()
    this.#catchUp(reader, after).catch(() => this.#drop(reader))
    void this.#pulse([reader])
    return leave
  }

  /** Ends every reader; later ones are ended at once. */
  close(): void {
    this.#closed = true
    for (const reader of this.#readers) this.#drop(reader)
  }

  #begin(): void {
    this.#routes = undefined
    this.#timers = [
      setInterval(() => void this.#poll(), API_LIMITS.journalPollMs),
      setInterval(() => void this.#pulse(this.#readers), API_LIMITS.pulseMs),
    ]
    this.#unsubscribe = this.#options.progress?.subscribe((progress) => {
      this.#progress = progress
      this.#tell(event('progress', progress))
    })
  }

  #leave(reader: Reader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return
    for (const timer of this.#timers) clearInterval(timer)
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    this.#progress = undefined
  }

  #drop(reader: Reader): void {
    reader.sink.end()
    this.#leave(reader)
  }

  #send(reader: Reader, text: string): void {
    if (!this.#readers.has(reader)) return
    if (reader.sink.writableLength > API_LIMITS.streamBacklogBytesMax) this.#drop(reader)
    else reader.sink.write(text)
  }

  #tell(text: string): void {
    for (const reader of this.#readers) this.#send(reader, text)
  }

  // -------------------------------------------------------------- journal

  /**
   * Reads on from the reader's last event until nothing is newer, and only then lets the poll serve it. The last look and the switch happen
   * without a wait between them, so that no event falls between.
   */
  async #catchUp(reader: Reader, after: number | undefined): Promise<void> {
    const { store } = this.#options.rt
    const newest = await store.meta.newestSeq()
    reader.seq =
      after === undefined ? newest : Math.max(Math.min(after, newest), newest - API_LIMITS.resumeEventsMax)
    while (this.#readers.has(reader)) {
      const events = await store.meta.events({ after: reader.seq, limit: LIMITS.journalPageMax })
      this.#sendEvents(reader, events)
      if (events.length < LIMITS.journalPageMax && reader.seq >= this.#seq) break
    }
    this.#seq = Math.max(this.#seq, reader.seq)
    reader.caughtUp = true
  }

  #sendEvents(reader: Reader, events: readonly JournalEvent[]): void {
    for (const entry of events) {
      if (entry.seq <= reader.seq) continue
      reader.seq = entry.seq
      this.#send(reader, event('journal', entry, entry.seq))
    }
  }

  #poll(): Promise<void> {
    this.#polling ??= this.#readJournal()
      .catch(() => this.#tell(HEARTBEAT))
      .finally(() => {
        this.#polling = undefined
      })
    return this.#polling
  }

  async #readJournal(): Promise<void> {
    const ready = () => [...this.#readers].filter((reader) => reader.caughtUp)
    if (ready().length === 0) return
    const after = Math.min(...ready().map((reader) => reader.seq))
    const events = await this.#options.rt.store.meta.events({ after })
    if (events.some(({ type }) => type.startsWith('release.'))) this.#routes = undefined
    this.#seq = Math.max(this.#seq, events.at(-1)?.seq ?? 0)
    for (const reader of ready()) this.#sendEvents(reader, events)
  }

  // -------------------------------------------------------------- pulse

  /** A pulse that cannot be made becomes a heartbeat: the reader learns that the connection stands, if nothing else. */
  async #pulse(readers: Iterable<Reader>): Promise<void> {
    const to = [...readers]
    const text = await this.#makePulse().then(
      (pulse) => event('pulse', pulse),
      () => HEARTBEAT,
    )
    for (const reader of to) this.#send(reader, text)
  }

  async #makePulse(): Promise<Pulse> {
    const { live, now = Date.now } = this.#options
    this.#routes ??= routesOf(this.#options.rt)
    const routes = await this.#routes.catch((error) => {
      this.#routes = undefined
      throw error
    })
    return { at: now(), ...live.total(), routes }
  }
}

const HEARTBEAT = ': heartbeat\n\n'

/** One message; JSON has no line breaks, so it is one line of data. */
function event(name: string, data: unknown, id?: number): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Who answers which share of each model's traffic. A shadow answers none and is told with weight 0. */
async function routesOf({ project, store }: Project): Promise<Pulse['routes']> {
  const releases = await Promise.all(project.models.map(({ name }) => currentRelease(store, name)))
  return Object.fromEntries(
    releases.flatMap((current) => (current ? [[current.release.model, sharesOf(current.release)]] : [])),
  )
}

function sharesOf({ routes }: Release): Pulse['routes'][string] {
  return routes.map(({ version, role, weight }) => ({ version, role, weight }))
}
