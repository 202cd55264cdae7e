/** Source files over http, https and S3: fetched once, asked again whether they changed, and gone on with where a connection broke. */
import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { digestOf } from '../core/digest.ts'
import { MillraceError, toError } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { shownUrl } from './addresses.ts'
import { type AskRange, Changed, openRanges, type RangedFile, writeColumns } from './parquet/ranges.ts'

/** Record under `sources/<digest of the address>`: what an address held when it was last asked. */
interface FetchedSource {
  kind: 'FetchedSource'
  url: string
  /** What tells whether it changed. */
  etag: string | null
  modified: string | null
  digest: Digest
  bytes: number
}

const TRIES = 5
const STALL_MS = 30_000
const BACK_OFF_MS = 200
const BYTES_MAX = 2 ** 40

/** Bytes of an address, in the store under their digest; not fetched again while the server, or a listing whose `etag` is given, says that they are the same. Errors: MR_DATA_FETCH, MR_CANCELLED. */
export async function fetchSource(
  store: Store,
  url: string,
  { signal, etag, columns }: { signal?: AbortSignal; etag?: string; columns?: readonly string[] } = {},
): Promise<{ path: string; digest: Digest; bytes: number }> {
  const name = `sources/${digestOf({ url, ...(columns && { columns: [...columns] }) }).slice('sha256:'.length)}`
  const ref = await store.meta.ref(name)
  const before = ref && (await store.getRecord<FetchedSource>(ref.digest, 'FetchedSource'))
  const known = before && (await store.objects.has(before.digest)) ? before : undefined
  if (known && etag && known.etag === etag)
    return { path: await store.objects.path(known.digest), digest: known.digest, bytes: known.bytes }
  const path = join(store.scratch, `fetched-${randomUUID()}`)
  try {
    const got = await downloaded(url, path, known, { signal, columns })
    if (got === 'same')
      return { path: await store.objects.path(known!.digest), digest: known!.digest, bytes: known!.bytes }
    const file = await store.objects.putFile(path)
    const record: FetchedSource = { kind: 'FetchedSource', url: shownUrl(url), ...got, ...file }
    const event = {
      type: 'source.fetched',
      subject: name,
      actor: 'import',
      reason: `${shownUrl(url)} has other bytes`,
      data: { ...file },
    }
    await store.meta.commit({ moves: [{ name, to: await store.putRecord(record) }], event })
    return { path: await store.objects.path(file.digest), ...file }
  } finally {
    await rm(path, { force: true })
  }
}

/** Writes the bytes of an address into a file that is not there yet, unless they are those that are known. Errors: MR_DATA_FETCH, MR_CANCELLED. */
export async function downloadSource(
  url: string,
  path: string,
  {
    known,
    ...how
  }: {
    signal?: AbortSignal
    columns?: readonly string[]
    known?: Validators
    /** How many bytes have come, of how many where the server says so. */
    onBytes?: (bytes: number, of?: number) => void
  },
): Promise<Validators | 'same'> {
  return await downloaded(url, path, known, how)
}

/** A Parquet file at an address whose parts are asked for. `whole` where it has to be fetched as a whole, `same` where it is as it was. Errors: MR_DATA_FETCH, MR_CANCELLED; of its `read` Changed besides. */
export async function rangedSource(
  url: string,
  { known, signal }: { known?: Validators; signal?: AbortSignal } = {},
): Promise<RangedFile | 'whole' | 'same'> {
  const ask = askerOf(url, await getterOf(url), signal)
  const file = await again(url, signal, () => openRanges(ask, conditionsOf(known)))
  if (file === 'whole' || file === 'same') return file
  const read = async (begin: number, end: number) => {
    const got = await again(url, signal, () => file.read(begin, end).catch(changeAsValue))
    if (got instanceof Changed) throw got
    return got
  }
  return { ...file, read }
}

function changeAsValue(thrown: unknown): Changed {
  if (thrown instanceof Changed) return thrown
  throw thrown
}

/** The file, or some columns of it where it is Parquet and the server gives ranges. What changes meanwhile is begun anew. */
async function downloaded(
  url: string,
  path: string,
  known: Validators | undefined,
  {
    signal,
    columns,
    onBytes,
  }: { signal?: AbortSignal; columns?: readonly string[]; onBytes?: (bytes: number, of?: number) => void },
): Promise<Validators | 'same'> {
  if (columns === undefined || !/\.(parquet|pq)$/i.test(shownUrl(url)))
    return await download(url, path, known, { signal, onBytes })
  const ask = askerOf(url, await getterOf(url), signal)
  const got = await again(url, signal, async () => {
    await rm(path, { force: true })
    return await writeColumns(path, columns, ask, conditionsOf(known))
  })
  return got === 'whole' ? await download(url, path, known, { signal, onBytes }) : got
}

const askerOf =
  (url: string, get: Get, signal: AbortSignal | undefined): AskRange =>
  async (range, more) => {
    const headers = { 'accept-encoding': 'identity', range, ...more }
    const response = await get(
      headers,
      AbortSignal.any([...(signal ? [signal] : []), AbortSignal.timeout(RANGE_MS)]),
    )
    if (response.ok || response.status === 304 || response.status === 412) return response
    throw refused(url, response)
  }

async function again<T>(url: string, signal: AbortSignal | undefined, act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act()
    } catch (thrown) {
      await beforeNext(url, thrown, { tries, isLast: tries === TRIES, isRetryable: true, signal })
    }
  }
}

const RANGE_MS = 300_000

/** Waits before the next try. Errors: MR_CANCELLED, and what there is no next try for. */
async function beforeNext(
  url: string,
  thrown: unknown,
  {
    tries,
    isLast,
    isRetryable = false,
    signal,
  }: { tries: number; isLast: boolean; isRetryable?: boolean; signal: AbortSignal | undefined },
): Promise<void> {
  if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: `fetching ${shownUrl(url)}` })
  const error = toError(thrown)
  const isTold = error instanceof MillraceError
  if (isTold && (isLast || !error.retryable)) throw error
  if (isLast) throw refusal(url, error.message, error, isRetryable)
  // Who goes meanwhile is told at the next try.
  await delay(BACK_OFF_MS * 2 ** tries, undefined, { signal }).catch(() => undefined)
}

/** What tells whether an address has other bytes. */
export type Validators = Pick<FetchedSource, 'etag' | 'modified'>

/** Writes the bytes into a file, or says that they are the same as before. */
async function download(
  url: string,
  path: string,
  known: Validators | undefined,
  { signal, onBytes }: { signal?: AbortSignal; onBytes?: (bytes: number, of?: number) => void },
): Promise<Validators | 'same'> {
  const get = await getterOf(url)
  const file = await open(path, 'wx')
  let have = 0
  let first: Validators | undefined
  try {
    for (let tries = 1; ; tries++) {
      const at = have
      const stall = new Stall()
      try {
        const headers = {
          'accept-encoding': 'identity',
          ...(first ? rangeFrom(have, first) : conditionsOf(known)),
        }
        const response = await get(headers, stall.with(signal))
        if (response.status === 304 && known && !first) return 'same'
        // A server that sends all again, since it has no ranges or other bytes by now.
        if (response.status === 200) have = 0
        else if (response.status !== 206) throw refused(url, response)
        first = validatorsOf(response)
        const end = have + Number(response.headers.get('content-length') ?? Number.NaN)
        await file.truncate(have)
        for await (const chunk of response.body!) {
          await file.write(chunk, 0, chunk.length, have)
          have += chunk.length
          stall.moved()
          onBytes?.(have, Number.isFinite(end) ? end : undefined)
          if (have > BYTES_MAX) throw refusal(url, `it has more than ${BYTES_MAX} bytes`)
        }
        if (Number.isFinite(end) && response.headers.get('content-encoding') === null && have < end)
          throw new Error(`it ended after ${have} of ${end} bytes`)
        return first
      } catch (thrown) {
        const isLast = tries >= TRIES && have <= at
        if (have > at) tries = 0
        await beforeNext(url, thrown, { tries, isLast, signal })
      } finally {
        stall.end()
      }
    }
  } finally {
    await file.close()
  }
}

type Get = (headers: Record<string, string>, signal: AbortSignal) => Promise<Response>

/** S3 is asked with a signature, by keys as the tools of AWS find them. */
async function getterOf(url: string): Promise<Get> {
  if (!/^s3:/i.test(url)) return (headers, signal) => fetch(url, { headers, signal })
  const [{ s3Place }, { ask }] = await Promise.all([
    import('../store/remote/s3/open.ts'),
    import('../store/remote/s3/client.ts'),
  ])
  const { place, key } = await s3Place('the source', url, process.env)
  return (headers, signal) =>
    ask(place, { method: 'GET', key, headers, expected: [304, 403, 404, 412], signal })
}

/** Ends a request that gives nothing for `STALL_MS`. */
class Stall {
  readonly #abort = new AbortController()
  readonly #timer = setTimeout(
    () => this.#abort.abort(new Error(`nothing came for ${STALL_MS} ms`)),
    STALL_MS,
  )

  with(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
  }

  moved(): void {
    this.#timer.refresh()
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

function conditionsOf(known: Validators | undefined): Record<string, string> {
  if (known?.etag) return { 'if-none-match': known.etag }
  return known?.modified ? { 'if-modified-since': known.modified } : {}
}

/** The rest, but only of the same bytes; weak validators do not say that, so then all is asked for again. */
function rangeFrom(have: number, { etag, modified }: Validators): Record<string, string> {
  const same = etag && !etag.startsWith('W/') ? etag : modified
  return have > 0 && same ? { range: `bytes=${have}-`, 'if-range': same } : {}
}

const validatorsOf = ({ headers }: Response): Validators => ({
  etag: headers.get('etag'),
  modified: headers.get('last-modified'),
})

function refused(url: string, { status, statusText }: Response): MillraceError {
  return refusal(url, `the server says ${status} ${statusText}`, undefined, status === 429 || status >= 500)
}

function refusal(url: string, why: string, cause?: Error, retryable = false): MillraceError {
  return new MillraceError(
    retryable ? 'MR_DATA_FETCH_LATER' : 'MR_DATA_FETCH',
    { url: shownUrl(url), why },
    { cause },
  )
}
