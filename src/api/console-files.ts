/**
 * The console's files, out of memory: only what the build wrote is served, by exact name, so no path can lead anywhere else.
 *
 * Files under `assets/` carry their content's hash in their name and may be kept forever; everything else is asked for again each time and answered
 * 304 while it is the same. Addresses of screens get `index.html`. A build that changes while the server runs is noticed by its `index.html`.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError } from '../core/errors.ts'
import { API_LIMITS } from './limits.ts'
import { packageFile } from './package-file.ts'

export interface ConsoleOptions {
  /** Folder of the built console. Default: `dist/console` of this package. */
  dir?: string
  bytesMax?: number
}

export interface ConsoleFiles {
  /** Answers a request that no route answered. Errors: MR_SERVE_PATH when it is not for the console. */
  handle(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  /** Whether a path is one of the console's files or screens. They hold no data, so a server with a token may show them without it. */
  isPublic(path: string): boolean
}

/** First segments of paths that are never a screen: an unknown path under them is a client's mistake. */
const SERVED = new Set([
  'api',
  'v2',
  'predict',
  'invocations',
  'ping',
  'metrics',
  'livez',
  'readyz',
  'openapi.json',
  'docs',
  'v1',
  'version',
  'assets',
])

/** First segments of the console's screens. */
const SCREENS = new Set([
  '',
  'index.html',
  'models',
  'predictions',
  'data',
  'alerts',
  'runs',
  'journal',
  'playground',
  'backtest',
  'settings',
])

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

/** Scripts come from this server alone and are never inline; styles may be inline, because components set their variables so. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
}

interface File {
  type: string
  etag: string
  immutable: boolean
  plain: Buffer
  gzipped: Buffer | undefined
}

/** Smaller files are not worth compressing. */
const GZIP_BYTES_MIN = 1024
const compress = promisify(gzip)

export function consoleFiles(options: ConsoleOptions = {}): ConsoleFiles {
  const dir = options.dir ?? packageFile('dist/console')
  const build = new Build(dir, options.bytesMax ?? API_LIMITS.consoleBytesMax)
  return {
    isPublic: (path) => build.has(path) || SCREENS.has(firstSegment(path)) || isAsset(path),
    async handle(request, reply) {
      const path = pathOf(request)
      const isReading = request.method === 'GET' || request.method === 'HEAD'
      if (!isReading) throw unknownPath(request)
      await build.refresh()
      const file = await build.file(path)
      if (file) return sendFile(request, reply, file)
      if (!isScreen(path, request)) throw unknownPath(request)
      const index = await build.file('/index.html')
      return index ? sendFile(request, reply, index) : notBuilt(reply)
    },
  }
}

/** The path, decoded once. One that climbs, or that no address of ours has, is not looked up at all. */
function pathOf(request: FastifyRequest): string {
  const path = decoded(request.url.split('?', 1)[0])
  if (path === undefined || /[\\\0]|\/\/|(^|\/)\.\.?(\/|$)/.test(path)) throw unknownPath(request)
  return path
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

const firstSegment = (path: string): string => path.split('/', 2)[1] ?? ''

const isAsset = (path: string): boolean => firstSegment(path) === 'assets'

/** A browser that opens the address of a screen. Programs, which ask for JSON or anything, are told that there is nothing. */
function isScreen(path: string, request: FastifyRequest): boolean {
  if (path === '/' || path === '/index.html') return true
  const accepts = request.headers.accept ?? ''
  return accepts.includes('text/html') && !SERVED.has(firstSegment(path))
}

function unknownPath(request: FastifyRequest): MillraceError {
  return new MillraceError('MR_SERVE_PATH', { method: request.method, path: request.url.slice(0, 100) })
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: File): FastifyReply {
  reply.headers(HEADERS)
  reply.headers({
    etag: file.etag,
    vary: 'accept-encoding',
    'cache-control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
  })
  if (matches(request.headers['if-none-match'], file.etag)) return reply.code(304).send()
  reply.header('content-type', file.type)
  if (file.gzipped && acceptsGzip(request.headers['accept-encoding']))
    return reply.header('content-encoding', 'gzip').send(file.gzipped)
  return reply.send(file.plain)
}

function matches(header: string | undefined, etag: string): boolean {
  return header?.split(',').some((one) => one.trim().replace(/^W\//, '') === etag) ?? false
}

function acceptsGzip(header: string | string[] | undefined): boolean {
  const codings = String(header ?? '').split(',')
  return codings.some((one) => {
    const [name, ...params] = one.trim().toLowerCase().split(';')
    return (name === 'gzip' || name === '*') && !params.some((p) => /^\s*q=0(\.0*)?\s*$/.test(p))
  })
}

const NOT_BUILT = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Millrace: the console is not built</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#222;background:#fff}code{background:#eee;padding:.1em .3em;border-radius:4px}@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}code{background:#333}}</style></head>
<body><h1>The console is not built</h1>
<p>This server works; only the pages of its console are missing. Build them in the folder of the package and load this page again:</p>
<p><code>npm run build</code></p>
<p>The same answers as JSON: <a href="/api/fleet">/api/fleet</a>, and on the command line: <code>millrace status</code></p></body>
</html>
`

function notBuilt(reply: FastifyReply): FastifyReply {
  reply.headers({ ...HEADERS, 'cache-control': 'no-store' })
  return reply.code(503).header('content-type', TYPES['.html']).send(NOT_BUILT)
}

/** The files of one build, read at first use and kept up to a bound; beyond it, read anew each time. */
class Build {
  readonly #dir: string
  readonly #bytesMax: number
  #paths = new Map<string, string>()
  readonly #kept = new Map<string, Promise<File>>()
  #keptBytes = 0
  #stamp = ''

  constructor(dir: string, bytesMax: number) {
    this.#dir = dir
    this.#bytesMax = bytesMax
  }

  has(path: string): boolean {
    return this.#paths.has(path)
  }

  /** Lists the folder again when its index.html is another than before. */
  async refresh(): Promise<void> {
    const stamp = await stampOf(join(this.#dir, 'index.html'))
    if (stamp === this.#stamp) return
    this.#paths = stamp === '' ? new Map() : await listFiles(this.#dir)
    this.#stamp = stamp
    this.#kept.clear()
    this.#keptBytes = 0
  }

  async file(path: string): Promise<File | undefined> {
    const source = this.#paths.get(path)
    if (source === undefined) return undefined
    const kept = this.#kept.get(path)
    if (kept) return await kept
    const reading = readConsoleFile(path, source)
    this.#kept.set(path, reading)
    try {
      const file = await reading
      const bytes = file.plain.length + (file.gzipped?.length ?? 0)
      if (this.#keptBytes + bytes > this.#bytesMax) this.#kept.delete(path)
      else this.#keptBytes += bytes
      return file
    } catch (error) {
      this.#kept.delete(path)
      if ((error as { code?: string }).code === 'ENOENT') return undefined
      throw error
    }
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size } = await stat(path)
    return `${mtimeMs} ${size}`
  } catch {
    return ''
  }
}

/** URL path → file of everything below a folder. Links are left out: they could lead outside. */
async function listFiles(dir: string): Promise<Map<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [`/${relative(dir, path).split(sep).join('/')}`, path]
    }),
  )
}

async function readConsoleFile(path: string, source: string): Promise<File> {
  const plain = await readFile(source)
  const type = TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream'
  const isText = /^text\/|json|svg/.test(type)
  return {
    type,
    etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
    immutable: isAsset(path),
    plain,
    gzipped: isText && plain.length >= GZIP_BYTES_MIN ? await compress(plain, { level: 9 }) : undefined,
  }
}
