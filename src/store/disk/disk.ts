/**
 * The boundary to the file system: what must be durable goes through here, and a test can stand in for the
 * disk.
 */
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The calls that can meet a full or a failing disk. */
export const disk = {
  /** Writes all bytes at a position, however many calls that takes. */
  async write(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  },
  /** Waits until the file's bytes and length are on the disk. */
  sync(handle: FileHandle): Promise<void> {
    return handle.datasync()
  },
}

/** Waits until the names in a folder are on the disk. Windows cannot, and does not need it. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes a new file and waits for its bytes (not for its name). The file must not exist. */
export async function writeDurably(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const handle = await open(path, 'wx', mode)
  try {
    await disk.write(handle, bytes, 0)
    await disk.sync(handle)
  } finally {
    await handle.close()
  }
}

/** Replaces a file whole: write beside it, wait, rename, wait for the name. */
export async function replaceDurably(path: string, temporary: string, bytes: Uint8Array): Promise<void> {
  await writeDurably(temporary, bytes)
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** One wait that many callers share: whoever asks while a wait is under way shares the next one. */
export function sharedWait(wait: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  const start = (): Promise<void> => {
    next = undefined
    running = wait().finally(() => {
      running = undefined
    })
    return running
  }
  return () => {
    if (next !== undefined) return next
    if (running === undefined) return start()
    next = running.then(start, start)
    return next
  }
}

/**
 * Maps with at most `atOnce` under way; answers in the order given. The first failure is thrown after the
 * others ended.
 */
export async function mapAtOnce<A, B>(
  items: A[],
  atOnce: number,
  map: (item: A) => Promise<B>,
): Promise<B[]> {
  const results = new Array<B>(items.length)
  let i = 0
  const walk = async () => {
    while (i < items.length) {
      const mine = i++
      results[mine] = await map(items[mine])
    }
  }
  const walks = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, walk))
  for (const walked of walks) if (walked.status === 'rejected') throw walked.reason
  return results
}
