import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Does a job with a folder of its own, which nobody else may read and which is gone when the job ends, however it ends. `scratch` is where it lies; the system's when absent. */
export async function inJobFolder<R>(
  { name, scratch }: { name: string; scratch?: string },
  work: (folder: string) => Promise<R>,
): Promise<R> {
  const folder =
    scratch === undefined
      ? join(tmpdir(), `millrace-${name}-${randomUUID()}`)
      : join(scratch, `${name}-${randomUUID()}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
