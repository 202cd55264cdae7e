/** A server of files in memory that counts the bytes it sends. Heeds ranges, `If-Match` and `If-None-Match`. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FileServer {
  url: string
  files: Map<string, Buffer>
  /** Since it was last set. */
  sent: number
  requests: number
  hasRanges: boolean
  /** Called before each answer. */
  before?: (path: string, nRequest: number) => void
  close(): Promise<void>
}

export async function openFileServer(): Promise<FileServer> {
  const server = createServer(({ url = '', headers }, response) => {
    const path = decodeURIComponent(url.split('?')[0]!)
    state.before?.(path, state.requests++)
    const bytes = state.files.get(path)
    if (!bytes) return void response.writeHead(404).end()
    const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
    if (headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end()
    if (headers['if-match'] !== undefined && headers['if-match'] !== etag)
      return void response.writeHead(412).end()
    const [, from, to] = /bytes=(\d*)-(\d*)/.exec(headers.range ?? '') ?? []
    const isPart = state.hasRanges && from !== undefined
    const begin = !isPart ? 0 : from === '' ? Math.max(0, bytes.length - Number(to)) : Number(from)
    const end = !isPart || from === '' || to === '' ? bytes.length : Number(to) + 1
    state.sent += end - begin
    const range = isPart ? { 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}` } : {}
    response.writeHead(isPart ? 206 : 200, { etag, 'content-length': end - begin, ...range })
    response.end(bytes.subarray(begin, end))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const state: FileServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: new Map(),
    sent: 0,
    requests: 0,
    hasRanges: true,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return state
}
