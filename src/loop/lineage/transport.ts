/** Where run events go: a file, standard output, or an endpoint over HTTP; chosen by an address or by the environment variables that the clients of OpenLineage have. */
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError, toError } from '../../core/errors.ts'
import type { RunEvent } from './facets.ts'

/** How an event was taken: `later` means that it may be taken when it is sent again, `never` that it will not be. */
export type Sent = { kind: 'taken' } | { kind: 'later' | 'never'; why: string }

export interface LineageTransport {
  /** Where it goes, without anything secret: what is sent on is remembered under it. */
  readonly target: string
  /** Sends an event, and waits no longer than until `signal` comes: then it is sent again later. Does not throw. */
  send(event: RunEvent, signal?: AbortSignal): Promise<Sent>
}

export interface LineageSettings {
  transport: LineageTransport
  /** Namespace of jobs, where the environment says one. */
  namespace?: string
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * Undefined where nothing says where events go, or OPENLINEAGE_DISABLED is true. `to` is `stdout`, `file:` and a path, or the http(s) URL of a server; without it OPENLINEAGE_URL, or
 * OPENLINEAGE__TRANSPORT__TYPE (`http`, `file`, `console`) with __URL, __ENDPOINT, __AUTH__APIKEY and __LOG_FILE_PATH. The key is OPENLINEAGE_API_KEY, the path OPENLINEAGE_ENDPOINT (default `api/v1/lineage`). Errors: MR_LINEAGE_TARGET.
 */
export function lineageSettings(
  env: Env,
  to: string | undefined,
  write: (text: string) => void,
): LineageSettings | undefined {
  if (env.OPENLINEAGE_DISABLED?.toLowerCase() === 'true' && to === undefined) return undefined
  const target = to ?? targetIn(env)
  if (target === undefined) return undefined
  const namespace = env.OPENLINEAGE_NAMESPACE
  return { transport: transportTo(target, env, write), ...(namespace && { namespace }) }
}

const OWN = 'OPENLINEAGE__TRANSPORT__'

function targetIn(env: Env): string | undefined {
  const type = env[`${OWN}TYPE`]?.toLowerCase()
  if (type === 'console') return 'stdout'
  if (type === 'file') return `file:${env[`${OWN}LOG_FILE_PATH`] ?? ''}`
  if (type !== undefined && type !== 'http') throw targetError(`OPENLINEAGE__TRANSPORT__TYPE ${type}`)
  return env[`${OWN}URL`] ?? (env.OPENLINEAGE_URL || undefined)
}

const targetError = (got: string): MillraceError => new MillraceError('MR_LINEAGE_TARGET', { got })

function transportTo(target: string, env: Env, write: (text: string) => void): LineageTransport {
  if (target === 'stdout')
    return { target, send: async (event) => put(() => write(`${JSON.stringify(event)}\n`)) }
  if (target.startsWith('file:') && target.length > 'file:'.length) return fileTransport(target)
  if (/^https?:\/\//.test(target) && URL.canParse(target)) return new HttpTransport(target, env)
  throw targetError(target)
}

async function put(work: () => unknown): Promise<Sent> {
  try {
    await work()
    return { kind: 'taken' }
  } catch (thrown) {
    return { kind: 'later', why: toError(thrown).message }
  }
}

/** One event a line, at the end of a file; its folder is made. */
function fileTransport(target: string): LineageTransport {
  const path = target.startsWith('file://') ? fileURLToPath(target) : resolve(target.slice('file:'.length))
  return {
    target: `file:${path}`,
    send: (event) =>
      put(async () => {
        await mkdir(dirname(path), { recursive: true })
        await appendFile(path, `${JSON.stringify(event)}\n`)
      }),
  }
}

const ENDPOINT = 'api/v1/lineage'
const TIMEOUT_MS = 5_000
/** Answers to an event that a server does not take, however often it is sent. */
const NEVER = new Set([400, 409, 413, 422])

class HttpTransport implements LineageTransport {
  readonly target: string
  readonly #url: string
  readonly #headers: Record<string, string>

  constructor(server: string, env: Env) {
    const url = new URL(server)
    const { username, password } = url
    url.username = ''
    url.password = ''
    const endpoint = env.OPENLINEAGE_ENDPOINT ?? env[`${OWN}ENDPOINT`] ?? ENDPOINT
    this.#url = new URL(endpoint, url.href.endsWith('/') ? url.href : `${url.href}/`).href
    this.target = this.#url
    const key = env.OPENLINEAGE_API_KEY ?? env[`${OWN}AUTH__APIKEY`]
    const basic =
      username === '' ? undefined : btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)
    const authorization = key ? `Bearer ${key}` : basic && `Basic ${basic}`
    this.#headers = { 'content-type': 'application/json', ...(authorization && { authorization }) }
  }

  async send(event: RunEvent, signal?: AbortSignal): Promise<Sent> {
    const timeout = AbortSignal.timeout(TIMEOUT_MS)
    try {
      const answer = await fetch(this.#url, {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify(event),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        redirect: 'error',
      })
      const said = (await answer.text()).slice(0, 200)
      if (answer.ok) return { kind: 'taken' }
      const why = `${this.#url} answered ${answer.status}${said === '' ? '' : `: ${said}`}`
      return { kind: NEVER.has(answer.status) ? 'never' : 'later', why }
    } catch (thrown) {
      const { message, cause } = toError(thrown)
      return { kind: 'later', why: `${this.#url}: ${cause instanceof Error ? cause.message : message}` }
    }
  }
}
