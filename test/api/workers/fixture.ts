/** Models of others in a folder, and clients that keep asking for them, each over a connection that it keeps. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Folder {
  root: string
  put(path: string, content: string | Uint8Array): void
  drop(): void
}

export function newFolder(): Folder {
  const root = mkdtempSync(join(tmpdir(), 'millrace-workers-'))
  return {
    root,
    put(path, content) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), content)
    },
    drop: () => rmSync(root, { recursive: true, force: true }),
  }
}

export interface Answered {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever JSON came
  body: any
}

/** One connection that is kept, over which one request goes at a time. */
export class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #base: string
  readonly #headers: Record<string, string>

  /** `headers` go with each request. */
  constructor(base: string, headers: Record<string, string> = {}) {
    this.#base = base
    this.#headers = headers
  }

  /** Rejects when the connection ends before the answer is whole. */
  ask(path: string, body?: unknown): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const sent = body === undefined ? undefined : JSON.stringify(body)
      const headers = {
        ...this.#headers,
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
      }
      const method = sent === undefined ? 'GET' : 'POST'
      const asked = request(
        this.#base + path,
        { method, headers, agent: this.#agent, timeout: 20_000 },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk) => chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () => {
            const text = Buffer.concat(chunks).toString()
            const isJson = String(answer.headers['content-type']).includes('json')
            resolve({ status: answer.statusCode ?? 0, body: isJson ? JSON.parse(text) : text })
          })
        },
      )
      asked.on('timeout', () => asked.destroy(new Error('no answer for 20 s')))
      asked.on('error', reject)
      asked.end(sent)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
