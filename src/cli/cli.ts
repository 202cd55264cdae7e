/** What a command is given: where it writes, how it asks, what stops it, and the project it works on. */
import { resolve } from 'node:path'
import type { LoadedProject } from '../define/load.ts'
import type { Runtime } from '../loop/runtime.ts'
import { Meter } from './meter.ts'
import { type Paint, paintFor } from './paint.ts'

/** Options that every command takes. */
export interface GlobalOptions {
  json?: boolean
  project?: string
  state?: string
  verbose?: boolean
}

/** What a command leaves: the value for scripts, the lines for people, and how it ends. */
export interface Answer {
  value: unknown
  lines?: readonly string[]
  exit?: number
}

export interface Streams {
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  stdin: { isTTY?: boolean }
  env: Readonly<Record<string, string | undefined>>
}

const WIDTH_PIPED = Number.POSITIVE_INFINITY

export class Cli {
  readonly options: GlobalOptions
  readonly signal: AbortSignal
  readonly paint: Paint
  /** Columns of the terminal; without end when piped. */
  readonly width: number
  readonly meter: Meter
  /** Columns for the titles of steps: `Release survived`. */
  titleWidth = 22
  readonly #streams: Streams
  #opened: Promise<{ rt: Runtime; loaded: LoadedProject }> | undefined

  constructor(options: GlobalOptions, streams: Streams, signal: AbortSignal) {
    this.options = options
    this.signal = signal
    this.#streams = streams
    this.paint = paintFor(streams.stdout, streams.env)
    this.width = streams.stdout.isTTY ? (streams.stdout.columns ?? 80) : WIDTH_PIPED
    this.meter = new Meter({
      stream: streams.stderr,
      paint: paintFor(streams.stderr, streams.env),
      silent: this.json,
    })
  }

  get json(): boolean {
    return this.options.json === true
  }

  /** Whether a person is there to answer a question. */
  get isInteractive(): boolean {
    const { stdin, stdout, env } = this.#streams
    return stdin.isTTY === true && stdout.isTTY === true && !this.json && !env.CI
  }

  get env(): Streams['env'] {
    return this.#streams.env
  }

  /** A line for people; scripts do not see it. */
  line(text = ''): void {
    if (this.json) return
    this.meter.clear()
    this.#streams.stdout.write(`${text}\n`)
  }

  /** A remark beside the answer. */
  note(text: string): void {
    if (this.json) return
    this.meter.clear()
    this.#streams.stderr.write(`${text}\n`)
  }

  /** One thing of a stream: a JSON line for scripts, a line for people. */
  event(value: object, text?: string): void {
    if (this.json) this.#streams.stdout.write(`${JSON.stringify(value)}\n`)
    else if (text !== undefined) this.line(text)
  }

  /** The whole answer. */
  answer({ value, lines = [] }: Answer): void {
    this.meter.clear()
    if (this.json) this.#streams.stdout.write(`${JSON.stringify(value)}\n`)
    else if (lines.length > 0) this.#streams.stdout.write(`${lines.join('\n')}\n`)
  }

  /** Folder of the project, as given or as it is. */
  get folder(): string {
    return resolve(this.options.project ?? '.')
  }

  /** The config, read and checked, without opening the store. */
  async load(): Promise<LoadedProject> {
    const { loadProject } = await import('../define/load.ts')
    return await loadProject(this.folder)
  }

  /** The project with its store and workers; closed when the command ends. */
  async open(): Promise<Runtime> {
    this.#opened ??= this.#open()
    return (await this.#opened).rt
  }

  async #open(): Promise<{ rt: Runtime; loaded: LoadedProject }> {
    const loaded = await this.load()
    const { openRuntime } = await import('../loop/runtime.ts')
    const { datasets, models } = loaded.project
    const names = [...datasets, ...models].map(({ name }) => name.length)
    this.titleWidth = Math.max(16, ...names.map((length) => 'Release '.length + length))
    const { state } = this.options
    const rt = await openRuntime({
      project: loaded.project,
      folder: loaded.folder,
      stateDir: state === undefined ? undefined : resolve(state),
    })
    for (const { path, detail } of rt.store.repaired)
      this.note(this.paint.dim(`put right ${path}: ${detail}`))
    return { rt, loaded }
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    await opened?.rt.close()
  }

  /** Who the journal says acted. */
  async actor(): Promise<string> {
    const { userInfo } = await import('node:os')
    try {
      return userInfo().username
    } catch {
      return 'millrace'
    }
  }
}
