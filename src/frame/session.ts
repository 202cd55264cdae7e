/** Where frames are computed: one engine with a memory limit, and a scratch folder that goes when it is closed or the process ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTables } from '../engine/open.ts'
import type { Tables } from '../engine/ports.ts'
import type { Store } from '../store/ports.ts'
import { FarFiles, type FarProgress } from './sources/far-files.ts'
import { FarReads, overFar } from './sources/far-reads.ts'
import type { Scope, Step, Written } from './step.ts'

export interface FramesOptions {
  /** Memory that the engine may hold before it spills to the scratch folder. Default 1024. */
  memoryMb?: number
  /** Default: one for each core. */
  threads?: number
  /** Folder in which the scratch folder is made. Default: the system's. */
  tempDir?: string
  /** Store that versions of datasets are read from. */
  store?: Store
  /** Called while files behind addresses are fetched. */
  onProgress?: (progress: FarProgress) => void
}

const MEMORY_MB = 1024
/** 2^18 groups take some 16 MB a figure and thread: with less memory than this the engine's own bound stays. */
const GROUP_BITS = 18
const GROUP_MEMORY_MB_MIN = 512

export class Session {
  readonly options: FramesOptions
  private opening: Promise<Tables> | undefined
  private folder: string | undefined
  private readonly made: Scope['made'] = new Map()
  private losses = 0
  private far: FarFiles | undefined
  private readonly onExit = () => this.removeFolder()

  constructor(options: FramesOptions = {}) {
    this.options = options
  }

  /** The engine, opened at first use. */
  private async tables(): Promise<Tables> {
    const { memoryMb = MEMORY_MB } = this.options
    this.opening ??= openTables('duckdb:', {
      memoryMb,
      ...(memoryMb >= GROUP_MEMORY_MB_MIN && { groupBits: GROUP_BITS }),
      threads: this.options.threads ?? availableParallelism(),
      tempDir: this.scratch(),
    })
    return await this.opening
  }

  private scratch(): string {
    if (this.folder === undefined) {
      this.folder = mkdtempSync(join(this.options.tempDir ?? tmpdir(), 'millrace-frames-'))
      process.once('exit', this.onExit)
    }
    return this.folder
  }

  private removeFolder(): void {
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true, force: true })
  }

  async scope(signal?: AbortSignal): Promise<Scope> {
    const tables = await this.tables()
    if (tables.losses !== this.losses) {
      this.made.clear()
      this.losses = tables.losses
    }
    const scratch = this.scratch()
    this.far ??= new FarFiles(scratch)
    const how = { signal, onProgress: this.options.onProgress }
    const far = new FarReads(tables, { files: this.far, scratch, how })
    return {
      tables: overFar(far),
      far,
      store: this.options.store,
      scratch,
      signal,
      made: this.made,
      sources: [],
    }
  }

  async write(step: Step, signal?: AbortSignal): Promise<{ scope: Scope; written: Written }> {
    const scope = await this.scope(signal)
    return { scope, written: await step.write(scope, []) }
  }

  /** Ends what runs, frees what was cached and removes the scratch folder. A frame that is asked for afterwards opens the engine anew. */
  async close(): Promise<void> {
    const opening = this.opening
    this.opening = undefined
    this.made.clear()
    this.losses = 0
    this.far = undefined
    if (opening) await (await opening).close()
    process.removeListener('exit', this.onExit)
    const folder = this.folder
    this.folder = undefined
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  }
}
