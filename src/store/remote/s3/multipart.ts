import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { MillraceError } from '../../../core/errors.ts'
import type { Digest } from '../../../core/records.ts'
import { STORE_LIMITS } from '../../limits.ts'
import type { TransferOptions } from '../ports.ts'
import { ask, askText, type S3Place } from './client.ts'
import { elements, escaped, textIn } from './xml.ts'

interface Piece {
  number: number
  etag: string
  bytes: number
}

/** Parts that an upload may have. */
const PIECES_MAX = 10_000

/** Bytes of each part but the last: the same for the same object, so that an upload can be gone on with. */
export function pieceBytesOf(bytes: number): number {
  const unit = STORE_LIMITS.pieceBytes
  return Math.max(unit, Math.ceil(bytes / PIECES_MAX / unit) * unit)
}

/**
 * Sends a large file in parts. An upload of the same object that was cut off is gone on with: its parts that are there with the right bytes (by the MD5 that S3 gives as
 * their ETag) are not sent again. The object appears whole, with the last request. The bytes are hashed as they are read and refused where they are not those of the digest.
 */
export async function sendInPieces(
  place: S3Place,
  key: string,
  file: { digest: Digest; path: string; bytes: number },
  options: TransferOptions,
): Promise<void> {
  const found = await unfinished(place, key, options)
  const uploadId = found ?? (await begin(place, key, options))
  const there = found === undefined ? new Map<number, Piece>() : await piecesOf(place, key, uploadId, options)
  const handle = await open(file.path, 'r')
  try {
    const pieces = await sendPieces(place, key, uploadId, handle, file, there, options)
    await complete(place, key, uploadId, pieces, options)
  } catch (thrown) {
    // What is sent already is left for the next push, unless the file itself is wrong.
    if ((thrown as { code?: string }).code === 'MR_OBJECT_CORRUPT') await abandon(place, key, uploadId)
    throw thrown
  } finally {
    await handle.close()
  }
}

async function sendPieces(
  place: S3Place,
  key: string,
  uploadId: string,
  handle: FileHandle,
  { digest, path, bytes }: { digest: Digest; path: string; bytes: number },
  there: ReadonlyMap<number, Piece>,
  { signal, onBytes }: TransferOptions,
): Promise<Piece[]> {
  const size = pieceBytesOf(bytes)
  const whole = createHash('sha256')
  const pieces: Piece[] = []
  for (let at = 0, number = 1; at < bytes; at += size, number++) {
    const body = Buffer.allocUnsafe(Math.min(size, bytes - at))
    await readFully(handle, body, at)
    whole.update(body)
    const md5 = createHash('md5').update(body).digest()
    const known = there.get(number)
    if (known?.bytes === body.length && known.etag.replaceAll('"', '') === md5.toString('hex'))
      pieces.push(known)
    else {
      const query = { partNumber: String(number), uploadId }
      const headers = { 'Content-MD5': md5.toString('base64') }
      const answer = await ask(place, { method: 'PUT', key, query, headers, body, signal })
      await answer.body?.cancel()
      pieces.push({
        number,
        bytes: body.length,
        etag: answer.headers.get('etag') ?? `"${md5.toString('hex')}"`,
      })
    }
    onBytes?.(body.length)
  }
  const found: Digest = `sha256:${whole.digest('hex')}`
  if (found !== digest) throw new MillraceError('MR_OBJECT_CORRUPT', { digest, path, found })
  return pieces
}

/** Fills a buffer from a place in a file; a file that is too short leaves zeros, which its digest tells. */
export async function readFully(handle: FileHandle, buffer: Buffer, at: number): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, at + done)
    if (bytesRead === 0) {
      buffer.fill(0, done)
      return
    }
    done += bytesRead
  }
}

/** The newest upload of a key that was not completed. */
async function unfinished(
  place: S3Place,
  key: string,
  { signal }: TransferOptions,
): Promise<string | undefined> {
  const xml = await askText(place, {
    method: 'GET',
    query: { uploads: '', prefix: key },
    signal,
    expected: [404, 405, 501],
  })
  const mine = elements(xml, 'Upload').filter((upload) => textIn(upload, 'Key') === key)
  const newest = mine.toSorted((a, b) =>
    (textIn(a, 'Initiated') ?? '') < (textIn(b, 'Initiated') ?? '') ? 1 : -1,
  )[0]
  return newest && textIn(newest, 'UploadId')
}

async function begin(place: S3Place, key: string, { signal }: TransferOptions): Promise<string> {
  const id = textIn(await askText(place, { method: 'POST', key, query: { uploads: '' }, signal }), 'UploadId')
  if (id) return id
  const { remote, endpoint: url } = place
  throw new MillraceError('MR_REMOTE_ANSWER', {
    remote,
    url,
    status: 200,
    code: '',
    said: 'an upload without an id',
    request: `POST ${key}?uploads`,
  })
}

async function piecesOf(
  place: S3Place,
  key: string,
  uploadId: string,
  { signal }: TransferOptions,
): Promise<Map<number, Piece>> {
  const found = new Map<number, Piece>()
  for (let marker: string | undefined = '0'; marker !== undefined; ) {
    const query: Record<string, string> = {
      uploadId,
      ...(marker !== '0' && { 'part-number-marker': marker }),
    }
    const xml: string = await askText(place, { method: 'GET', key, query, signal, expected: [404] })
    for (const part of elements(xml, 'Part')) {
      const piece = {
        number: Number(textIn(part, 'PartNumber')),
        etag: textIn(part, 'ETag') ?? '',
        bytes: Number(textIn(part, 'Size')),
      }
      found.set(piece.number, piece)
    }
    const next = textIn(xml, 'NextPartNumberMarker')
    marker = textIn(xml, 'IsTruncated') === 'true' && next !== marker ? next : undefined
  }
  return found
}

async function complete(
  place: S3Place,
  key: string,
  uploadId: string,
  pieces: Piece[],
  { signal }: TransferOptions,
): Promise<void> {
  const parts = pieces.map(
    ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
  )
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  const xml = await askText(place, { method: 'POST', key, query: { uploadId }, body, signal })
  // An error may come with status 200, after the connection was kept open by white space.
  if (!/<Error>/.test(xml)) return
  const { remote, endpoint: url } = place
  const said = textIn(xml, 'Message') ?? ''
  throw new MillraceError('MR_REMOTE_ANSWER', {
    remote,
    url,
    status: 200,
    code: textIn(xml, 'Code') ?? '',
    said,
    request: `POST ${key}`,
  })
}

async function abandon(place: S3Place, key: string, uploadId: string): Promise<void> {
  await ask(place, { method: 'DELETE', key, query: { uploadId }, expected: [404] }).catch(() => undefined)
}
