import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { externalFile } from './external-data.ts'
import { IMPORT_LIMITS } from './imported.ts'
import { externalOf } from './onnx-describe.ts'
import { readConstant, onnxRefusal as refuse } from './onnx-file.ts'
import { bytesOf, WireWriter, wireFields } from './protobuf.ts'

/** Fields of a model, a graph and a tensor. Source: onnx.proto. */
const [GRAPH, CONSTANT] = [7, 5]
const [RAW, EXTERNAL, LOCATION] = [9, 13, 14]

/**
 * The file with its constants that lie in files of `folder` made part of it, as PyTorch's newer exporter and large models leave them; itself where there are none.
 * Errors: MR_MODEL_IMPORT for paths and links out of the folder, bytes that are not there, and more of them than a model file may have.
 */
export function withExternalData(bytes: Uint8Array, folder: string): Uint8Array {
  let total = bytes.length
  const taken = (length: number) => {
    total += length
    if (total > IMPORT_LIMITS.fileBytesMax)
      throw refuse('the file', `at most ${IMPORT_LIMITS.fileBytesMax} bytes with its data`, `${total}`)
  }
  return rewritten(bytes, GRAPH, (graph) =>
    rewritten(graph, CONSTANT, (tensor) => inlined(tensor, folder, taken)),
  )
}

/** A message with each part of one field made anew; itself where every part stays what it is. */
function rewritten(message: Uint8Array, which: number, anew: (part: Uint8Array) => Uint8Array): Uint8Array {
  const out = new WireWriter()
  let isSame = true
  for (const field of wireFields(message, refuse)) {
    if (field.wire === 0) out.int(field.field, field.value)
    if (field.wire !== 2) continue
    const part = field.field === which ? anew(bytesOf(field, refuse)) : field.bytes
    isSame &&= part === field.bytes
    out.bytes(field.field, part)
  }
  return isSame ? message : out.done()
}

function inlined(tensor: Uint8Array, folder: string, taken: (length: number) => void): Uint8Array {
  const [where] = externalOf(readConstant(tensor))
  if (!where) return tensor
  const path = externalFile(folder, where)
  const length = where.length || statSync(path).size - where.offset
  taken(length)
  const out = new WireWriter()
  for (const field of wireFields(tensor, refuse)) {
    if (field.field === EXTERNAL || field.field === LOCATION) continue
    if (field.wire === 0) out.int(field.field, field.value)
    if (field.wire === 2) out.bytes(field.field, field.bytes)
  }
  return out.bytes(RAW, bytesAt(path, where.offset, length)).done()
}

function bytesAt(path: string, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  const file = openSync(path, 'r')
  try {
    const read = readSync(file, out, 0, length, offset)
    if (read !== length) throw refuse('the file', `${length} bytes of its data`, `${read}`)
    return out
  } finally {
    closeSync(file)
  }
}
