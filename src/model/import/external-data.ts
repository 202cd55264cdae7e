/** Files that hold tensors beside an ONNX model: opened only within its folder, links included. */
import { realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { refuseAs } from './imported.ts'
import { type ExternalData, isInside } from './onnx-describe.ts'

const refuse = refuseAs('ONNX')

/**
 * The file of a tensor, checked: the path is relative and stays inside `folder`, also after links are followed, the file is a plain file, and holds
 * the bytes that the tensor claims. Nothing is read. Errors: MR_MODEL_IMPORT.
 */
export function externalFile(folder: string, { tensor, location, offset, length }: ExternalData): string {
  const place = `tensor ${tensor}`
  if (!isInside(location)) throw refuse(place, "a file in the model's folder", location)
  const root = realOf(folder, place)
  const path = realOf(join(root, location), place)
  if (!path.startsWith(root + sep))
    throw refuse(place, "a file in the model's folder", `a link out of it: ${location}`)
  const file = statSync(path)
  if (!file.isFile()) throw refuse(place, 'a plain file', location)
  if (offset < 0 || length < 0 || offset + length > file.size)
    throw refuse(place, `bytes within the ${file.size} of ${location}`, `${offset} to ${offset + length}`)
  return path
}

function realOf(path: string, place: string): string {
  try {
    return realpathSync(path)
  } catch {
    throw refuse(place, 'a file that is there', path)
  }
}
