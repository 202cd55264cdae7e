import { createHash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { isMillraceError, MillraceError } from '../../../core/errors.ts'
import type { Digest } from '../../../core/records.ts'
import { disk, mapAtOnce } from '../../disk/disk.ts'
import { fault } from '../../disk/fault.ts'
import { STORE_LIMITS } from '../../limits.ts'
import {
  checkMark,
  digestOfKey,
  LEASES_KEY,
  MARK_KEY,
  MARK_TEXT,
  OBJECTS_KEY,
  objectKey,
  refKey,
  refOfText,
  refsKey,
  refText,
} from '../keys.ts'
import type { Remote, RemoteMove, RemoteRef, TransferOptions } from '../ports.ts'
import { ask, askWhole, type S3Place, type S3Request } from './client.ts'
import { listed } from './list.ts'
import { pieceBytesOf, readFully, sendInPieces } from './multipart.ts'
import { textIn } from './xml.ts'

/**
 * A prefix of a bucket behind an S3 API as a remote. Bytes are sent with their SHA-256 (parts of large ones with their MD5 too), which the server compares with what it
 * got; refs move by conditional writes (`If-Match`, `If-None-Match`), where a probe of the mark shows that the server heeds them.
 */
export async function openS3Remote(place: S3Place, prefix: string, create: boolean): Promise<Remote> {
  const keyOf = (key: string) => `${prefix}${key}`
  const url = `s3://${place.bucket}/${prefix}`
  await requireMark(place, keyOf(MARK_KEY), url, create)
  const compareAndSet = !create || (await heedsConditions(place, keyOf(MARK_KEY))) ? 'exact' : 'checked'

  const heldAt = async (key: string): Promise<{ ref: RemoteRef | undefined; etag: string | null }> => {
    const answer = await askWhole(place, { method: 'GET', key, expected: [404] })
    const text = Buffer.from(answer.bytes).toString()
    return answer.status === 404
      ? { ref: undefined, etag: null }
      : { ref: refOfText(text), etag: answer.headers.get('etag') }
  }

  const moveRef = async (from: Digest | null, to: RemoteRef): Promise<RemoteMove> => {
    const key = keyOf(refKey(to.name))
    const { ref, etag } = await heldAt(key)
    if ((ref?.digest ?? null) !== from) return { ok: false, holds: ref }
    const condition: Record<string, string> = etag === null ? { 'If-None-Match': '*' } : { 'If-Match': etag }
    const headers = { 'Content-Type': 'application/json', ...(compareAndSet === 'exact' && condition) }
    const body = Buffer.from(refText(to))
    const answer = await ask(place, { method: 'PUT', key, headers, body, expected: [404, 409, 412] })
    await answer.body?.cancel()
    if (answer.ok) return { ok: true }
    return await afterLost(to, (await heldAt(key)).ref)
  }

  return {
    name: place.remote,
    url,
    compareAndSet,
    present: (digests) => present(place, keyOf, digests),
    async send(digest, path, bytes, options = {}) {
      const key = keyOf(objectKey(digest))
      if (bytes > pieceBytesOf(bytes)) await sendInPieces(place, key, { digest, path, bytes }, options)
      else await sendWhole(place, key, { digest, path, bytes }, options)
    },
    receive: (digest, path, options = {}) => receive(place, keyOf(objectKey(digest)), digest, path, options),
    async *list() {
      for await (const { key, bytes, putAt } of listed(place, keyOf(OBJECTS_KEY))) {
        const digest = digestOfKey(key.slice(prefix.length))
        if (digest) yield { digest, bytes, putAt }
      }
    },
    async head(digest, bytes) {
      const headers = { Range: `bytes=0-${bytes - 1}` }
      const key = keyOf(objectKey(digest))
      const answer = await askWhole(place, { method: 'GET', key, headers, expected: [404, 416] })
      if (answer.status === 404)
        throw new MillraceError('MR_REMOTE_MISSING', { remote: place.remote, digest })
      return answer.bytes.subarray(0, answer.status === 416 ? 0 : bytes)
    },
    remove: (digest) => removeKey(place, keyOf(objectKey(digest))),
    leases: {
      async put(name, text) {
        await putText(place, keyOf(LEASES_KEY + name), text)
      },
      async list() {
        const found: { name: string; putAt: number }[] = []
        for await (const { key, putAt } of listed(place, keyOf(LEASES_KEY)))
          found.push({ name: key.slice(keyOf(LEASES_KEY).length), putAt })
        return found
      },
      remove: (name) => removeKey(place, keyOf(LEASES_KEY + name)),
    },
    /** By the server's clock, in whole seconds. */
    async now() {
      const answer = await ask(place, { method: 'HEAD', key: keyOf(MARK_KEY) })
      const now = Date.parse(answer.headers.get('date') ?? '')
      return Number.isNaN(now) ? Date.now() : now
    },
    async refs(wanted) {
      const keys: string[] = []
      for await (const { key } of listed(place, keyOf(refsKey(wanted)))) keys.push(key)
      const held = await mapAtOnce(
        keys,
        STORE_LIMITS.objectReadsAtOnce,
        async (key) => (await heldAt(key)).ref,
      )
      return held.filter((ref): ref is RemoteRef => ref?.name.startsWith(wanted) === true)
    },
    moveRef,
    dropRef: (name) => removeKey(place, keyOf(refKey(name))),
    async close() {},
  }
}

/** A move that was answered "no" may have been made by an earlier try whose answer was lost. */
async function afterLost(to: RemoteRef, holds: RemoteRef | undefined): Promise<RemoteMove> {
  const isMine = holds?.digest === to.digest && holds.movedAt === to.movedAt && holds.actor === to.actor
  return isMine ? { ok: true } : { ok: false, holds }
}

async function requireMark(place: S3Place, key: string, url: string, create: boolean): Promise<void> {
  const answer = await askWhole(place, { method: 'GET', key, expected: [404] })
  const text = Buffer.from(answer.bytes).toString()
  const { remote } = place
  if (answer.ok) return checkMark(remote, url, text)
  if (textIn(text, 'Code') === 'NoSuchBucket') {
    const what = {
      remote,
      url,
      status: 404,
      code: 'NoSuchBucket',
      said: 'the bucket does not exist',
      request: `GET ${place.bucket}`,
    }
    throw new MillraceError('MR_REMOTE_ANSWER', what)
  }
  if (!create) throw new MillraceError('MR_REMOTE_ABSENT', { remote, url })
  await putText(place, key, MARK_TEXT)
}

async function putText(
  place: S3Place,
  key: string,
  text: string,
  more: Partial<S3Request> = {},
): Promise<number> {
  const answer = await ask(place, { method: 'PUT', key, body: Buffer.from(text), ...more })
  await answer.body?.cancel()
  return answer.status
}

async function removeKey(place: S3Place, key: string): Promise<void> {
  const answer = await ask(place, { method: 'DELETE', key, expected: [404] })
  await answer.body?.cancel()
}

/** Whether a server refuses to write the mark, which is there, on the condition that it is not, and on the condition that it is something else. */
async function heedsConditions(place: S3Place, key: string): Promise<boolean> {
  const conditions: Record<string, string>[] = [
    { 'If-None-Match': '*' },
    { 'If-Match': '"00000000000000000000000000000000"' },
  ]
  const statuses = await Promise.all(
    conditions.map((headers) => putText(place, key, MARK_TEXT, { headers, expected: [409, 412, 501, 400] })),
  )
  return statuses.every((status) => status === 412 || status === 409)
}

/** Requests that one page of a listing may cost instead. */
const HEADS_A_PAGE = 16
const PAGE_KEYS = 1000

/**
 * Which objects are there: a request for each of a few; of many, pages of a listing, as long as those are fewer than requests would be, and requests for what
 * lies behind the last page.
 */
async function present(
  place: S3Place,
  keyOf: (key: string) => string,
  digests: readonly Digest[],
): Promise<Map<Digest, number>> {
  const found = new Map<Digest, number>()
  const wanted = new Set(digests)
  let [nKeys, last] = [0, '']
  if (digests.length > HEADS_A_PAGE)
    for await (const { key, bytes } of listed(place, keyOf(OBJECTS_KEY))) {
      last = key
      const digest = digestOfKey(key.slice(keyOf('').length))
      if (digest && wanted.has(digest)) found.set(digest, bytes)
      if (++nKeys >= (digests.length / HEADS_A_PAGE) * PAGE_KEYS) break
      last = key
    }
  const isAll = digests.length > HEADS_A_PAGE && nKeys < (digests.length / HEADS_A_PAGE) * PAGE_KEYS
  const left = isAll ? [] : digests.filter((digest) => keyOf(objectKey(digest)) > last)
  await mapAtOnce(left, STORE_LIMITS.objectReadsAtOnce, async (digest) => {
    const answer = await ask(place, { method: 'HEAD', key: keyOf(objectKey(digest)), expected: [404] })
    if (answer.ok) found.set(digest, Number(answer.headers.get('content-length') ?? 0))
  })
  return found
}

async function sendWhole(
  place: S3Place,
  key: string,
  { digest, path, bytes }: { digest: Digest; path: string; bytes: number },
  { signal, onBytes }: TransferOptions,
): Promise<void> {
  const body = Buffer.alloc(bytes)
  const handle = await open(path, 'r')
  try {
    await readFully(handle, body, 0)
  } finally {
    await handle.close()
  }
  const hash = createHash('sha256').update(body).digest()
  const found: Digest = `sha256:${hash.toString('hex')}`
  if (found !== digest) throw new MillraceError('MR_OBJECT_CORRUPT', { digest, path, found })
  const headers = { 'x-amz-checksum-sha256': hash.toString('base64') }
  const answer = await ask(place, {
    method: 'PUT',
    key,
    body,
    headers,
    bodySha256: hash.toString('hex'),
    signal,
  })
  await answer.body?.cancel()
  onBytes?.(bytes)
}

/** A transfer that breaks off goes on from the byte that came last. */
async function receive(
  place: S3Place,
  key: string,
  digest: Digest,
  path: string,
  { signal, onBytes }: TransferOptions,
): Promise<{ bytes: number }> {
  const hash = createHash('sha256')
  const target = await open(path, 'wx')
  let at = 0
  try {
    for (let tries = 1; ; tries++) {
      const before = at
      const headers: Record<string, string> = at > 0 ? { Range: `bytes=${at}-` } : {}
      const answer = await ask(place, { method: 'GET', key, headers, signal, expected: [404, 416] })
      if (answer.status === 404)
        throw new MillraceError('MR_REMOTE_MISSING', { remote: place.remote, digest })
      const skip = answer.status === 206 ? 0 : at
      try {
        at = await writeBody(answer, skip, at, target, hash, onBytes)
        break
      } catch (thrown) {
        if (signal?.aborted)
          throw new MillraceError('MR_CANCELLED', { what: 'the transfer' }, { cause: thrown })
        if (!(thrown instanceof BrokenOff) || tries === STORE_LIMITS.requestTriesMax)
          throw thrown instanceof BrokenOff ? unreachable(place, thrown) : thrown
        at = thrown.at
        if (at > before) tries = 0
      }
    }
    await disk.sync(target)
  } catch (thrown) {
    await target.close()
    await rm(path, { force: true })
    throw isMillraceError(thrown) ? thrown : fault(thrown, path, 'write')
  }
  await target.close()
  const found: Digest = `sha256:${hash.digest('hex')}`
  if (found !== digest) throw new MillraceError('MR_REMOTE_CORRUPT', { remote: place.remote, digest, found })
  return { bytes: at }
}

class BrokenOff extends Error {
  readonly at: number
  constructor(at: number, cause: unknown) {
    super('the connection broke off', { cause })
    this.at = at
  }
}

function unreachable({ remote, endpoint }: S3Place, cause: BrokenOff): MillraceError {
  return new MillraceError(
    'MR_REMOTE_UNREACHABLE',
    { remote, url: endpoint, why: `the connection broke off after ${cause.at} bytes` },
    { cause },
  )
}

/** Writes what comes behind the bytes that are there already; the body may begin before them. */
async function writeBody(
  answer: Response,
  skip: number,
  begin: number,
  target: Awaited<ReturnType<typeof open>>,
  hash: ReturnType<typeof createHash>,
  onBytes: TransferOptions['onBytes'],
): Promise<number> {
  let at = begin
  const reader = answer.body?.getReader()
  for (let left = skip; reader; ) {
    const { done, value } = await reader.read().catch((thrown) => {
      throw new BrokenOff(at, thrown)
    })
    if (done) break
    const piece = value.subarray(Math.min(left, value.length))
    left -= value.length - piece.length
    if (piece.length === 0) continue
    hash.update(piece)
    await disk.write(target, piece, at)
    at += piece.length
    onBytes?.(piece.length)
  }
  return at
}
