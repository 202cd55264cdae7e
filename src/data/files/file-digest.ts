/** SHA-256 of a local file in hex. */

import { faulted } from '../../store/disk/fault.ts'
import { digestFile } from '../../store/objects/digest-file.ts'

/** Reads the file once. Errors: MR_NO_PERMISSION. */
export async function digestOfFile(path: string): Promise<string> {
  const { digest } = await faulted(path, 'read', () => digestFile(path))
  return digest.slice('sha256:'.length)
}
