/**
 * Shadows: versions that are asked what was already answered, and whose answers nobody sees.
 *
 * They wait in a bounded queue, are scored one request at a time between other work, and written without waiting for the disk in line. They can
 * neither delay nor fail an answer: under load their rows are dropped, and failures are counted.
 */
import type { PredictionBlock } from '../core/log-blocks.ts'
import { SERVE_LIMITS } from './limits.ts'
import type { RoutedBundle } from './router.ts'

/** Rows that were answered, and the routes to ask about them. */
export interface ShadowWork {
  model: string
  routes: RoutedBundle[]
  rows: number
  /** Scores the rows by a route, as a block of the log. */
  score: (route: RoutedBundle) => Promise<PredictionBlock>
}

export interface ShadowPorts {
  write: (block: PredictionBlock) => Promise<void>
  answered: (work: ShadowWork, route: RoutedBundle, seconds: number) => void
  failed: (work: ShadowWork, error: unknown) => void
  dropped: (rows: number) => void
}

export class ShadowQueue {
  readonly #ports: ShadowPorts
  readonly #writes = new Set<Promise<void>>()
  #rows = 0
  #line: Promise<void> = Promise.resolve()

  constructor(ports: ShadowPorts) {
    this.#ports = ports
  }

  add(work: ShadowWork): void {
    const rows = work.rows * work.routes.length
    if (rows === 0) return
    if (this.#rows + rows > SERVE_LIMITS.shadowRowsMax) {
      this.#ports.dropped(rows)
      return
    }
    this.#rows += rows
    this.#line = this.#line
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => this.#ask(work))
      .finally(() => {
        this.#rows -= rows
      })
  }

  /** Resolves when what was added so far is scored and written. */
  async settled(): Promise<void> {
    await this.#line
    await Promise.all(this.#writes)
  }

  async #ask(work: ShadowWork): Promise<void> {
    for (const route of work.routes) {
      const begunMs = performance.now()
      try {
        const block = await work.score(route)
        this.#ports.answered(work, route, (performance.now() - begunMs) / 1000)
        this.#write(work, block)
      } catch (error) {
        this.#ports.failed(work, error)
      }
    }
  }

  #write(work: ShadowWork, block: PredictionBlock): void {
    const write: Promise<void> = this.#ports
      .write(block)
      .catch((error) => this.#ports.failed(work, error))
      .finally(() => this.#writes.delete(write))
    this.#writes.add(write)
  }
}
