/**
 * As much of the S3 API as a remote asks for, in memory, over real HTTP: enough to try what a real server does only now and then (breaking off, being overloaded, heeding
 * no conditions, keeping half an upload). That the client speaks the protocol itself is shown with a real server in `seaweed.test.ts`; signatures are not checked here.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Behaviour {
  /** Answers a request instead of the server; `true` when it did. */
  before?: (request: IncomingMessage, response: ServerResponse) => boolean
  heedsConditions: boolean
  /** Bytes after which the connection of each answer is cut, as often as this list has numbers. */
  cutAfter: number[]
  /** Keys that one answer to a listing has. */
  pageKeys: number
}

export interface FakeS3 {
  url: string
  objects: Map<string, Buffer>
  uploads: Map<string, { key: string; parts: Map<number, Buffer> }>
  /** When each object was written. */
  times: Map<string, number>
  /** `GET objects/…` of every request, in order. */
  log: string[]
  behaviour: Behaviour
  close(): Promise<void>
}

const etagOf = (bytes: Buffer) => `"${createHash('md5').update(bytes).digest('hex')}"`

export async function fakeS3(bucket = 'b'): Promise<FakeS3> {
  const objects = new Map<string, Buffer>()
  const uploads: FakeS3['uploads'] = new Map()
  const times = new Map<string, number>()
  const behaviour: Behaviour = { heedsConditions: true, cutAfter: [], pageKeys: 10 }
  const log: string[] = []

  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, 'http://x')
    const [, inPath, ...rest] = url.pathname.split('/')
    const key = rest.map(decodeURIComponent).join('/')
    log.push(`${request.method} ${key}${url.search}`)
    if (behaviour.before?.(request, response)) return
    const body = await bodyOf(request)
    const refuse = (status: number, code: string) =>
      response.writeHead(status).end(`<Error><Code>${code}</Code><Message>no &amp; no</Message></Error>`)
    if (!request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 Credential=key/'))
      return refuse(403, 'InvalidAccessKeyId')
    if (inPath !== bucket) return refuse(404, 'NoSuchBucket')
    if (createHash('sha256').update(body).digest('hex') !== request.headers['x-amz-content-sha256'])
      return refuse(400, 'XAmzContentSHA256Mismatch')
    const uploadId = url.searchParams.get('uploadId')
    if (key === '' && url.searchParams.has('uploads')) return response.end(listUploads(url))
    if (key === '') return response.end(list(url))
    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      const id = `upload-${uploads.size + 1}`
      uploads.set(id, { key, parts: new Map() })
      return response.end(`<R><UploadId>${id}</UploadId></R>`)
    }
    if (uploadId !== null) return upload(request, response, uploadId, url, body)
    if (request.method === 'PUT') {
      const held = objects.get(key)
      const [match, noneMatch] = [request.headers['if-match'], request.headers['if-none-match']]
      const isRefused =
        (noneMatch === '*' && held) || (match !== undefined && (!held || etagOf(held) !== match))
      if (behaviour.heedsConditions && isRefused) return refuse(412, 'PreconditionFailed')
      objects.set(key, body)
      times.set(key, Date.now())
      return response.writeHead(200, { etag: etagOf(body) }).end()
    }
    if (request.method === 'DELETE') {
      objects.delete(key)
      return response.writeHead(204).end()
    }
    const held = objects.get(key)
    if (!held) return refuse(404, 'NoSuchKey')
    if (request.method === 'GET' && (request.headers['if-match'] ?? etagOf(held)) !== etagOf(held))
      return refuse(412, 'PreconditionFailed')
    const [, first, last] = /bytes=(\d*)-(\d*)/.exec(request.headers.range ?? '') ?? []
    const from = first === '' ? Math.max(0, held.length - Number(last)) : Number(first ?? 0)
    if (from > 0 && from >= held.length) return refuse(416, 'InvalidRange')
    const bytes = held.subarray(from, first && last ? Number(last) + 1 : undefined)
    const range = `bytes ${from}-${from + bytes.length - 1}/${held.length}`
    response.writeHead(first === undefined ? 200 : 206, {
      etag: etagOf(held),
      'content-length': bytes.length,
      ...(first !== undefined && { 'content-range': range }),
    })
    if (request.method === 'HEAD') return response.end()
    const cut = bytes.length > 1000 ? behaviour.cutAfter.shift() : undefined
    if (cut === undefined) return response.end(bytes)
    response.write(bytes.subarray(0, cut), () => setTimeout(() => response.destroy(), 20))
  })

  function list(url: URL): string {
    const prefix = url.searchParams.get('prefix') ?? ''
    const after = url.searchParams.get('continuation-token') ?? url.searchParams.get('start-after') ?? ''
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, behaviour.pageKeys)
    const items = page.map(
      (key) =>
        `<Contents><Key>${key.replace(/&/g, '&amp;')}</Key><Size>${objects.get(key)!.length}</Size><LastModified>${new Date(times.get(key) ?? Date.now()).toISOString()}</LastModified><ETag>${etagOf(objects.get(key)!).replaceAll('"', '&quot;')}</ETag></Contents>`,
    )
    const more =
      keys.length > page.length
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page.at(-1)}</NextContinuationToken>`
        : ''
    return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${items.join('')}${more}</ListBucketResult>`
  }

  function listUploads(url: URL): string {
    const mine = [...uploads].filter(([, { key }]) => key.startsWith(url.searchParams.get('prefix') ?? ''))
    return `<R>${mine.map(([id, { key }], i) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>2026-01-0${i + 1}</Initiated></Upload>`).join('')}</R>`
  }

  function upload(
    request: IncomingMessage,
    response: ServerResponse,
    id: string,
    url: URL,
    body: Buffer,
  ): unknown {
    const mine = uploads.get(id)
    if (!mine) return response.writeHead(404).end()
    if (request.method === 'PUT') {
      mine.parts.set(Number(url.searchParams.get('partNumber')), body)
      return response.writeHead(200, { etag: etagOf(body) }).end()
    }
    if (request.method === 'GET') {
      const parts = [...mine.parts].map(
        ([n, bytes]) =>
          `<Part><PartNumber>${n}</PartNumber><Size>${bytes.length}</Size><ETag>${etagOf(bytes)}</ETag></Part>`,
      )
      return response.end(`<R>${parts.join('')}</R>`)
    }
    if (request.method === 'POST') {
      const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)/g)].map(([, n]) => Number(n))
      times.set(mine.key, Date.now())
      objects.set(mine.key, Buffer.concat(numbers.map((n) => mine.parts.get(n)!)))
      uploads.delete(id)
      return response.end('<R/>')
    }
    uploads.delete(id)
    return response.writeHead(204).end()
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    uploads,
    times,
    log,
    behaviour,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}
