import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Lets a file be written beside its place and puts it there once it is whole, so that a file of the name is whole at every moment. Makes its folder. */
export async function writeWhole<T>(path: string, write: (draft: string) => Promise<T>): Promise<T> {
  const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
  await mkdir(dirname(path), { recursive: true })
  try {
    const written = await write(draft)
    await rename(draft, path)
    return written
  } finally {
    await rm(draft, { force: true })
  }
}
