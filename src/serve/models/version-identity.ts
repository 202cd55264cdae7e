/** Whether what lies in the place of a version is what lay there before. */
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FoundModel } from '../../model/repository/found.ts'

/** A folder of more files is not looked through. */
const FILES_MAX = 100
/** Clocks of file systems go by steps: a file that was written so shortly ago may be written again without its time showing it. */
const STEP_MS = 20

/**
 * A text that is the same for the same configuration and the same files in the version's folder (tensors may be beside the model), by their number, size and time. Undefined where that
 * cannot be told, as of a file that was just written.
 */
export async function identityOf(found: FoundModel, path: string): Promise<string | undefined> {
  try {
    const names = found.from === 'file' ? [path] : (await readdir(dirname(path))).sort()
    if (names.length > FILES_MAX) return undefined
    const now = Date.now()
    const files = await Promise.all(
      names.map(async (name) => ({
        name,
        ...(await stat(found.from === 'file' ? path : join(dirname(path), name), { bigint: true })),
      })),
    )
    if (files.some(({ mtimeMs }) => Number(mtimeMs) > now - STEP_MS)) return undefined
    const said = files.map(
      ({ name, ino, size, mtimeNs, ctimeNs }) => `${name} ${ino} ${size} ${mtimeNs} ${ctimeNs}`,
    )
    return [...said, JSON.stringify({ ...found, versions: [] })].join('\n')
  } catch {
    return undefined
  }
}
