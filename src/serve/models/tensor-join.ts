/** Tensors of several requests as one call's, and that call's answers as theirs. */
import { SPARE_LIMITS, type SpareBuffers } from '../../core/spare-buffers.ts'
import type { OnnxData, OnnxTensor } from '../../core/tensors.ts'
import type { Tensors } from './tensor-model.ts'

export interface Part {
  feeds: Tensors
  rows: number
}

/** Bytes that tensors take; of texts, two a character. */
export function bytesOf(feeds: Tensors): number {
  let bytes = 0
  for (const { data } of Object.values(feeds))
    bytes += Array.isArray(data) ? data.reduce((sum, text) => sum + 2 * text.length, 0) : data.byteLength
  return bytes
}

/** Requests whose tensors agree in all but their rows have the same. */
export function keyOf(feeds: Tensors): string {
  return Object.entries(feeds)
    .map(([name, { type, dims }]) => `${name} ${type} ${dims.slice(1).join()}`)
    .sort()
    .join('\n')
}

/** Rows of all requests, one after the other, large ones in what `spare` has. Their keys are the same, and there are `rows` in all. */
export function joined(batch: readonly Part[], rows: number, spare?: SpareBuffers): Tensors {
  const feeds: Tensors = {}
  for (const [name, { type, dims, data }] of Object.entries(batch[0].feeds)) {
    const parts = batch.map((one) => one.feeds[name])
    feeds[name] = { type, dims: [rows, ...dims.slice(1)], data: concatenated(data, parts, spare) }
  }
  return feeds
}

/** The memory of tensors that were joined in what was spare. */
export function spareOf(feeds: Tensors): ArrayBuffer[] {
  return Object.values(feeds).flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer as ArrayBuffer]))
}

function concatenated(like: OnnxData, parts: readonly OnnxTensor[], spare?: SpareBuffers): OnnxData {
  if (Array.isArray(like)) return parts.flatMap(({ data }) => data as string[])
  const length = parts.reduce((sum, { data }) => sum + data.length, 0)
  const View = like.constructor as Float32ArrayConstructor
  const bytes = length * View.BYTES_PER_ELEMENT
  const whole =
    spare && bytes >= SPARE_LIMITS.bytesMin ? new View(spare.take(bytes), 0, length) : new View(length)
  let at = 0
  for (const { data } of parts) {
    whole.set(data as Float32Array, at)
    at += data.length
  }
  return whole as OnnxData
}

/** Outputs of each request; undefined when an output does not have as many rows as went in. */
export function divided(outputs: Tensors, batch: readonly Part[], rows: number): Tensors[] | undefined {
  if (Object.values(outputs).some(({ dims }) => dims[0] !== rows)) return undefined
  const parts: Tensors[] = batch.map(() => ({}))
  for (const [name, { type, dims, data }] of Object.entries(outputs)) {
    const width = data.length / rows
    let row = 0
    batch.forEach((one, i) => {
      const own = data.slice(row * width, (row + one.rows) * width) as OnnxData
      parts[i][name] = { type, dims: [one.rows, ...dims.slice(1)], data: own }
      row += one.rows
    })
  }
  return parts
}
