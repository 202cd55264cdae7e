import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fault } from './fault.ts'

/** Lets a file be written beside its place and puts it there once it is whole, so that a file of the name is whole at every moment. Makes its folder. Errors: those of writing, MR_NO_SPACE, MR_NO_PERMISSION. */
export async function writeWhole<T>(path: string, write: (draft: string) => Promise<T>): Promise<T> {
  const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const written = await write(draft)
    await rename(draft, path)
    return written
  } catch (thrown) {
    throw fault(thrown, path, 'write')
  } finally {
    await rm(draft, { force: true })
  }
}
