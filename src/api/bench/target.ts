/** A server of the Open Inference Protocol V2 to be measured, ours or a peer's: over HTTP, on connections that stay. */
import { Agent, request as ask, type IncomingMessage } from 'node:http'
import { request as askSecure, Agent as SecureAgent } from 'node:https'
import { MillraceError, toError } from '../../core/errors.ts'
import { seededRng } from '../../core/rng.ts'
import { isObject } from '../../serve/http/body.ts'
import type { TensorSpec } from '../../serve/oip/backend.ts'
import { encodeBinary } from '../../serve/oip/datatypes.ts'

export interface TargetOptions {
  /** Address of the server, without a path. */
  url: string
  token?: string
  /** Connections at most. Default 256. */
  connections?: number
}

export interface Reply {
  status: number
  body: Buffer
}

/** A request that is ready to be sent, of so many rows. */
export interface Payload {
  body: Buffer
  headers: Record<string, string>
  rows: number
}

/** Elements from which tensors are sent as bytes: text of them would measure the reading of text. */
const BINARY_ELEMENTS = 1_024
const TIMEOUT_MS = 60_000
const CONNECTIONS = 256

export class Target {
  readonly #url: URL
  readonly #agent: Agent
  readonly #token: string | undefined

  constructor({ url, token, connections = CONNECTIONS }: TargetOptions) {
    this.#url = new URL(url)
    this.#token = token
    const options = { keepAlive: true, maxSockets: connections, scheduling: 'fifo' } as const
    this.#agent = this.#url.protocol === 'https:' ? new SecureAgent(options) : new Agent(options)
  }

  /** JSON of a path, undefined where the server has none. Errors: MR_SERVE_TARGET when it cannot be reached. */
  async json(path: string): Promise<unknown> {
    const { status, body } = await this.send('GET', path)
    if (status !== 200) return undefined
    try {
      return JSON.parse(body.toString()) as unknown
    } catch {
      return undefined
    }
  }

  /** Name, inputs and rows of a model. Errors: MR_SERVE_TARGET. */
  async inputs(model: string): Promise<TensorSpec[]> {
    const metadata = await this.json(`/v2/models/${encodeURIComponent(model)}`)
    const inputs = isObject(metadata) ? (metadata.inputs as unknown as TensorSpec[] | undefined) : undefined
    if (Array.isArray(inputs) && inputs.length > 0) return inputs
    throw this.#error(`a model "${model}" with inputs at /v2/models/${model}`, 'none')
  }

  infer(model: string, { body, headers }: Payload): Promise<Reply> {
    return this.send('POST', `/v2/models/${encodeURIComponent(model)}/infer`, body, headers)
  }

  send(method: string, path: string, body?: Buffer, headers: Record<string, string> = {}): Promise<Reply> {
    const secure = this.#url.protocol === 'https:'
    return new Promise((resolve, reject) => {
      const sent = (secure ? askSecure : ask)(
        {
          host: this.#url.hostname.replace(/^\[|\]$/g, ''),
          port: this.#url.port || (secure ? 443 : 80),
          method,
          path,
          agent: this.#agent,
          timeout: TIMEOUT_MS,
          headers: {
            ...headers,
            ...(body && { 'content-length': String(body.length) }),
            ...(this.#token && { authorization: `Bearer ${this.#token}` }),
          },
        },
        (reply: IncomingMessage) => {
          const chunks: Buffer[] = []
          reply.on('data', (chunk: Buffer) => chunks.push(chunk))
          reply.on('error', reject)
          reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(chunks) }))
        },
      )
      sent.on('error', (thrown) =>
        reject(this.#error('a server that answers', toError(thrown).message, thrown)),
      )
      sent.on('timeout', () => sent.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)))
      sent.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }

  #error(need: string, got: string, cause?: unknown): MillraceError {
    return new MillraceError('MR_SERVE_TARGET', { url: this.#url.origin, need, got }, { cause })
  }
}

/** Numbers by chance in the shapes of a model's inputs, open axes one long but for the rows. The same for the same seed. */
export function payloadOf(inputs: readonly TensorSpec[], rows: number, seed = 1): Payload {
  const chance = seededRng(seed)
  const tensors = inputs.map(({ name, datatype, shape }) => {
    const own = shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? rows : 1))
    const elements = own.reduce((product, size) => product * size, 1)
    const data = Array.from({ length: elements }, () => elementOf(datatype, chance.next()))
    return { name, datatype, shape: own, data }
  })
  const isBinary = tensors.every(
    ({ datatype, data }) => datatype !== 'BYTES' && data.length >= BINARY_ELEMENTS,
  )
  if (!isBinary)
    return {
      body: Buffer.from(JSON.stringify({ inputs: tensors })),
      headers: { 'content-type': 'application/json' },
      rows,
    }
  const bytes = tensors.map(({ datatype, data }) => Buffer.from(encodeBinary(datatype, data as number[])))
  const head = tensors.map(({ data: _, ...rest }, i) => ({
    ...rest,
    parameters: { binary_data_size: bytes[i].length },
  }))
  const json = Buffer.from(JSON.stringify({ inputs: head, parameters: { binary_data_output: true } }))
  return {
    body: Buffer.concat([json, ...bytes]),
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(json.length),
    },
    rows,
  }
}

function elementOf(datatype: string, x: number): number | boolean | string {
  if (datatype === 'BYTES') return `v${Math.floor(x * 10)}`
  if (datatype === 'BOOL') return x < 0.5
  return datatype.startsWith('FP') || datatype === 'BF16' ? Number(x.toFixed(4)) : Math.floor(x * 2)
}
