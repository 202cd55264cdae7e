/**
 * Cheap models on the thread that asks. Handing a call to a worker thread and its answer back costs more than many a model computes; such a model gets a session here too, once its
 * calls were measured in a worker (`cheap-calls.ts`), and keeps those there: what becomes dear goes back to them at once.
 */
import { sessionBytes } from '../../core/tensors.ts'
import { elementsOf } from './call-pace.ts'
import { CheapCalls } from './cheap-calls.ts'
import { unsharedFeeds } from './feeds.ts'
import type { OnnxSignature, OnnxTensor } from './messages.ts'
import { type InferenceSession, openSession, type Runtime, runSession } from './sessions.ts'

/** Models whose sessions are made here, which takes this thread some milliseconds a megabyte. */
const MODEL_BYTES_MAX = 2 * 1024 * 1024
/** Memory of all sessions here, by their estimate; the one that was used longest ago leaves. */
const SESSIONS_BYTES_MAX = 64 * 1024 * 1024

interface Held {
  cheap: CheapCalls
  bytes: number
  session?: InferenceSession
  isOpening: boolean
  /** Calls under way, at whose end a session is released that is not wanted any more. */
  running: number
  isLeaving: boolean
}

export class InlineRuns {
  /** In the order of use, newest last, as far as they have sessions. */
  readonly #models = new Map<string, Held>()
  #runtime: Runtime | undefined
  #bytes = 0

  /** A model that may be run here when its calls turn out to be cheap. Halves are left to the threads, whose globals are made for them. */
  add(id: string, bytes: number, { inputs, outputs }: OnnxSignature): void {
    this.remove(id)
    if (bytes > MODEL_BYTES_MAX || [...inputs, ...outputs].some(({ type }) => type === 'float16')) return
    const fresh = { cheap: new CheapCalls(), isOpening: false, running: 0, isLeaving: false }
    this.#models.set(id, { ...fresh, bytes: sessionBytes(bytes) })
  }

  /** A call that a thread made; where that shows the model to be cheap, a session is made here of what `source` gives. */
  seen(id: string, elements: number, ms: number, source: () => Uint8Array | string): void {
    const held = this.#models.get(id)
    if (!held?.cheap.addAway(elements, ms) || held.session || held.isOpening) return
    held.isOpening = true
    void this.#open(id, held, source()).catch(() => this.#models.delete(id))
  }

  /** Undefined where the call is to be made by a thread. Throws what the runtime throws. */
  run(id: string, feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>> | undefined {
    const held = this.#models.get(id)
    if (!held?.session || held.isLeaving) return undefined
    const elements = elementsOf(feeds)
    if (!held.cheap.isCheap(elements)) return undefined
    this.#touch(id, held)
    return this.#run(held, held.session, elements, unsharedFeeds(feeds))
  }

  /** Whether a model has a session here. */
  has(id: string): boolean {
    return this.#models.get(id)?.session !== undefined
  }

  remove(id: string): void {
    const held = this.#models.get(id)
    this.#models.delete(id)
    if (held) this.#release(held)
  }

  close(): void {
    for (const id of [...this.#models.keys()]) this.remove(id)
  }

  async #open(id: string, held: Held, source: Uint8Array | string): Promise<void> {
    this.#runtime ??= await import('onnxruntime-node')
    held.session = await openSession(this.#runtime, source)
    held.isOpening = false
    this.#bytes += held.bytes
    if (this.#models.get(id) === held) this.#touch(id, held)
    else this.#release(held)
    for (const other of this.#models.values()) {
      if (this.#bytes <= SESSIONS_BYTES_MAX) return
      if (other !== held) this.#release(other)
    }
  }

  async #run(
    held: Held,
    session: InferenceSession,
    elements: number,
    feeds: Record<string, OnnxTensor>,
  ): Promise<Record<string, OnnxTensor>> {
    held.running++
    try {
      const { outputs, ms } = await runSession(this.#runtime as Runtime, session, feeds)
      held.cheap.addHere(elements, ms)
      return outputs
    } finally {
      held.running--
      if (held.isLeaving) this.#release(held)
    }
  }

  /** Lets go of a session, at the end of the calls under way; a model that stays gets another when it was seen to be cheap once more. */
  #release(held: Held): void {
    const { session, running } = held
    held.isLeaving = session !== undefined && running > 0
    if (!session || running > 0) return
    held.session = undefined
    held.cheap = new CheapCalls()
    this.#bytes -= held.bytes
    void session.release()
  }

  #touch(id: string, held: Held): void {
    this.#models.delete(id)
    this.#models.set(id, held)
  }
}
