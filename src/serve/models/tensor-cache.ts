/**
 * Answers of models of others kept by what they are answers to: the model as it was opened, and the digest of all tensors of a request. A model that is loaded again is another, so no
 * entry can be stale. Off unless it is asked for: it pays where a model takes longer than a digest (about two microseconds, and one for each kilobyte) and requests come again, and it is wrong
 * for models that draw by chance.
 */
import { createHash } from 'node:crypto'
import { type CacheLimits, KeptAnswers } from '../kept-answers.ts'
import { bytesOf } from './tensor-join.ts'
import type { Tensors } from './tensor-model.ts'

export class TensorCache {
  readonly kept: KeptAnswers<Tensors>
  readonly #names = new WeakMap<object, number>()
  #named = 0

  constructor(limits: Partial<CacheLimits>) {
    this.kept = new KeptAnswers(limits)
  }

  /** What these tensors are kept by. `model` stands for a model as it was opened once. */
  keyOf(model: object, feeds: Tensors): string {
    const hash = createHash('sha256')
    for (const name of Object.keys(feeds).sort()) {
      const { type, dims, data } = feeds[name]
      const body = Array.isArray(data) ? Buffer.from(JSON.stringify(data)) : undefined
      const bytes = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : body
      hash.update(JSON.stringify([name, type, dims, bytes?.length])).update(bytes ?? '')
    }
    return `${this.#nameOf(model)} ${hash.digest('base64')}`
  }

  find(key: string): Tensors | undefined {
    return this.kept.find(key)
  }

  /** The outputs are let be from now on. */
  keep(key: string, outputs: Tensors): void {
    this.kept.keep(key, outputs, bytesOf(outputs))
  }

  #nameOf(model: object): number {
    const known = this.#names.get(model)
    if (known !== undefined) return known
    this.#names.set(model, ++this.#named)
    return this.#named
  }
}
