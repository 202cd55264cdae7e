/** What asks a server: `wrk` of Debian on a core of its own, one thread, connections kept open, one request at a time on each. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLIENT_CORE } from './processes.ts'
import type { Asked } from './sides.ts'

export interface Window {
  requests: number
  seconds: number
  /** Answers other than 2xx and 3xx. */
  refused: number
  /** Requests without an answer. */
  lost: number
  p50Ms: number
  p99Ms: number
}

const SCRIPT = fileURLToPath(new URL('wrk.lua', import.meta.url))

/** Throws, saying what to do, where a program is not installed. */
export function requireProgram(name: string, debianPackage: string): void {
  if (spawnSync('which', [name]).status !== 0)
    throw new Error(`there is no ${name} on the PATH; on Debian: apt-get install ${debianPackage}`)
}

export interface Load {
  connections: number
  seconds: number
}

/** Bodies in files, where wrk reads them; `remove` takes them away. */
export class WrkTarget {
  readonly #folder = mkdtempSync(join(tmpdir(), 'millrace-bench-bodies-'))
  readonly #url: string
  readonly #asked: Asked

  constructor(base: string, asked: Asked) {
    this.#url = base + asked.path
    this.#asked = asked
    asked.bodies.forEach((body, i) => {
      writeFileSync(join(this.#folder, String(i)), body)
    })
  }

  async ask({ connections, seconds }: Load): Promise<Window> {
    const { headers, bodies } = this.#asked
    const pairs = Object.entries(headers).flat()
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', '-s', SCRIPT, this.#url]
    const given = ['--', this.#folder, String(bodies.length), ...pairs]
    const said = await outputOf('taskset', ['-c', String(CLIENT_CORE), 'wrk', ...args, ...given])
    const line = said.split('\n').find((one) => one.startsWith('{'))
    if (line === undefined) throw new Error(`wrk said:\n${said}`)
    return JSON.parse(line) as Window
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** All that a program prints. Throws with it where it fails. */
export async function outputOf(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more
    })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${text.slice(-2_000)}`)
  return text
}
