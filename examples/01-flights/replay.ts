/**
 * Past flights as live traffic: each airport asks for its departures day by day, in the order of time, over real HTTP; what really happened follows a
 * day later as feedback, joined by id. Ids are the row numbers of the file, so the logs say where to go on after a crash: on the newest day that was asked
 * about, since a day begins only when everything that follows from the one before is done.
 */
import { appendFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { type Runtime, raw, sql } from 'millrace/runtime'

const DAY = 86_400_000
/** Requests under way at once: enough to share the log's wait for the disk, few enough not to be refused. */
const CONCURRENCY = 64
/** Rows of one request. */
const ROWS_MAX = 1000

export interface ReplayOptions {
  file: string
  address: string
  model: string
  fromAt: number
  toAt: number
  /** Share of flights that are replayed, spread evenly; 1 is all. */
  share: number
  /** File to which the id of each flight is appended as soon as its answer is here, and `<id> known` when its outcome was taken. */
  answered?: string
  signal: AbortSignal
}

interface Flights {
  numbers: Float64Array
  at: Float64Array
  delay: Float64Array
  distance: Float64Array
  origin: { codes: Int32Array; categories: string[] }
  destination: { codes: Int32Array; categories: string[] }
}

export interface ReplayDay {
  /** End of the day, half-open. */
  at: number
  sent: number
  total: number
}

export class Replay {
  readonly #rt: Runtime
  readonly #options: ReplayOptions
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY })
  /** Row numbers that were in the logs when the replay was opened: requests run in parallel, so a crash can leave any of a day's flights out. */
  readonly #predicted: Logged
  readonly #known: Logged
  readonly total: number
  readonly finished: boolean
  /** Beginning of the day on which to go on; the end of the replay when it is finished. */
  readonly resumeAt: number

  private constructor(
    rt: Runtime,
    options: ReplayOptions,
    done: { predicted: Logged; known: Logged; total: number },
  ) {
    this.#rt = rt
    this.#options = options
    this.#predicted = done.predicted
    this.#known = done.known
    this.total = done.total
    this.finished = done.known.count >= done.total
    this.resumeAt = this.finished ? options.toAt : Math.max(options.fromAt, done.predicted.newestAt)
  }

  static async open(rt: Runtime, options: ReplayOptions): Promise<Replay> {
    const [total, predicted, known] = await Promise.all([
      countFlights(rt, options, options.fromAt, options.toAt),
      loggedIn(rt, 'predictions'),
      loggedIn(rt, 'outcomes'),
    ])
    return new Replay(rt, options, { predicted, known, total })
  }

  /** Replays what is not in the logs yet. Yields after each day with everything durable. */
  async *days(): AsyncIterable<ReplayDay> {
    const { fromAt } = this.#options
    let sent = await countFlights(this.#rt, this.#options, fromAt, this.resumeAt)
    let yesterday = this.resumeAt > fromAt ? await this.#read(this.resumeAt - DAY, this.resumeAt) : undefined
    for (let at = this.resumeAt; at < this.#options.toAt; at += DAY) {
      const flights = await this.#read(at, at + DAY)
      sent += flights.numbers.length
      await this.#predict(flights)
      if (yesterday) await this.#feedBack(yesterday)
      yesterday = flights
      yield { at: at + DAY, sent, total: this.total }
    }
    if (yesterday) await this.#feedBack(yesterday)
    this.#agent.destroy()
  }

  async #read(fromAt: number, toAt: number): Promise<Flights> {
    const query = await this.#rt.query()
    const { columns } = await query.columns(flightsBetween(this.#options, fromAt, toAt), {
      categories: ['origin', 'destination'],
      signal: this.#options.signal,
    })
    return {
      numbers: valuesOf(columns.n),
      at: valuesOf(columns.date),
      delay: valuesOf(columns.delay),
      distance: valuesOf(columns.distance),
      origin: columns.origin as unknown as Flights['origin'],
      destination: columns.destination as unknown as Flights['destination'],
    }
  }

  /** One request an airport, as its own systems would ask. */
  async #predict(flights: Flights): Promise<void> {
    const byOrigin = new Map<number, number[]>()
    for (let i = 0; i < flights.numbers.length; i++) {
      if (this.#predicted.has(flights.numbers[i])) continue
      const rows = byOrigin.get(flights.origin.codes[i])
      if (rows) rows.push(i)
      else byOrigin.set(flights.origin.codes[i], [i])
    }
    const requests = [...byOrigin.values()]
      .flatMap((rows) => chunks(rows, ROWS_MAX))
      .map((rows) => async () => {
        const body = predictBody(flights, rows)
        await this.#post(`/predict/${this.#options.model}`, body)
        this.#note(body.ids)
      })
    await inParallel(requests, CONCURRENCY)
  }

  async #feedBack(flights: Flights): Promise<void> {
    const rows = Array.from(flights.numbers.keys()).filter((i) => !this.#known.has(flights.numbers[i]))
    for (const part of chunks(rows, 20_000)) {
      const outcomes = part.map((i) => ({
        id: idOf(flights.numbers[i]),
        value: flights.delay[i] > 15 ? 1 : 0,
      }))
      await this.#post(`/v2/models/${this.#options.model}/feedback`, outcomes)
      this.#note(outcomes.map(({ id }) => `${id} known`))
    }
  }

  #note(lines: string[]): void {
    if (this.#options.answered) appendFileSync(this.#options.answered, `${lines.join('\n')}\n`)
  }

  #post(path: string, body: unknown): Promise<void> {
    const { address, signal } = this.#options
    signal.throwIfAborted()
    const bytes = JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const call = request(
        `${address}${path}`,
        {
          method: 'POST',
          agent: this.#agent,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) },
        },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          if (answer.statusCode === 200) answer.resume().on('end', () => resolve())
          else
            answer
              .on('data', (piece) => (text += piece))
              .on('end', () =>
                reject(new Error(`${path} answered ${answer.statusCode}: ${text.slice(0, 300)}`)),
              )
        },
      )
      call.on('error', reject)
      call.end(bytes)
    })
  }
}

async function countFlights(
  rt: Runtime,
  options: ReplayOptions,
  fromAt: number,
  toAt: number,
): Promise<number> {
  const query = await rt.query()
  const [row] = await query.rows<{ n: number }>(
    sql`select count(*) as n from (${flightsBetween(options, fromAt, toAt)})`,
    options.signal,
  )
  return Number(row.n)
}

function flightsBetween(
  { file, share }: Pick<ReplayOptions, 'file' | 'share'>,
  fromAt: number,
  toAt: number,
) {
  const every = Math.max(1, Math.round(1 / share))
  return sql`select cast(file_row_number as double) as n, date, cast(delay as double) as delay, cast(distance as double) as distance, origin, destination
    from read_parquet(${{ text: '?', params: [file] }}, file_row_number = true)
    where date >= epoch_ms(${raw(`${fromAt}::bigint`)}) and date < epoch_ms(${raw(`${toAt}::bigint`)}) and file_row_number % ${raw(String(every))} = 0
    order by n`
}

function predictBody(flights: Flights, rows: number[]) {
  return {
    key: flights.origin.categories[flights.origin.codes[rows[0]]],
    ids: rows.map((i) => idOf(flights.numbers[i])),
    rows: rows.map((i) => ({
      date: new Date(flights.at[i]).toISOString(),
      distance: flights.distance[i],
      origin: flights.origin.categories[flights.origin.codes[i]],
      destination: flights.destination.categories[flights.destination.codes[i]],
    })),
  }
}

/** Row numbers in ids are padded, so that ids sort as flights do. */
function idOf(number: number): string {
  return `flight-${String(number).padStart(7, '0')}`
}

interface Logged {
  count: number
  /** When the newest of them was written, in business time; 0 when there are none. */
  newestAt: number
  has(number: number): boolean
}

/** Row numbers whose ids are in a log stream. */
async function loggedIn(rt: Runtime, stream: 'predictions' | 'outcomes'): Promise<Logged> {
  const seen = new Set<number>()
  let newestAt = 0
  for await (const { records } of rt.store.log.read(stream)) {
    for (const record of records) {
      const before = seen.size
      for (const [, number] of record.matchAll(/"flight-(\d+)"/g)) seen.add(Number(number))
      if (seen.size > before) newestAt = Math.max(newestAt, Number(/"at":(\d+)/.exec(record)?.[1] ?? 0))
    }
  }
  return { count: seen.size, newestAt, has: (number) => seen.has(number) }
}

function valuesOf(column: unknown): Float64Array {
  return (column as { values: Float64Array }).values
}

function chunks<T>(items: T[], size: number): T[][] {
  const out: T[][] = []
  for (let i = 0; i < items.length; i += size) out.push(items.slice(i, i + size))
  return out
}

async function inParallel(work: (() => Promise<void>)[], limit: number): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < work.length) await work[next++]()
  }
  await Promise.all(Array.from({ length: Math.min(limit, work.length) }, lane))
}
