import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { assert } from '../../core/errors.ts'
import { isAbsent } from '../disk/fault.ts'
import { lastBatchEnd } from './batch.ts'

/** Folder of a stream. Slashes in its name become `%2F`, so that streams never nest. */
export function streamFolder(root: string, stream: string): string {
  assert(
    /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/.test(stream),
    `a stream is named by letters, digits and ._/-, got ${stream.slice(0, 80)}`,
  )
  return join(root, encodeURIComponent(stream))
}

export function lockPath(folder: string): string {
  return join(folder, 'writer.lock')
}

export function segmentPath(folder: string, segment: number): string {
  return join(folder, `${String(segment).padStart(8, '0')}.ndjson`)
}

/** Numbers of the segments in a folder, ascending. All but the last are closed. */
export async function segmentNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((thrown) => {
    if (isAbsent(thrown)) return []
    throw thrown
  })
  const numbers = names.flatMap((name) => /^(\d{8,})\.ndjson$/.exec(name)?.[1] ?? []).map(Number)
  return numbers.sort((a, b) => a - b)
}

/**
 * Where the last whole batch of a segment ends: looks at the tail first, and at all of it only when the tail
 * has none.
 */
export async function wholeBytes(handle: FileHandle, size: number): Promise<number> {
  for (let window = Math.min(size, 256 * 1024); window > 0; window = Math.min(size, window * 16)) {
    const end = lastBatchEnd(await readRange(handle, size - window, window))
    if (end !== undefined) return size - window + end
    if (window === size) break
  }
  return 0
}

/** Bytes of a file from an offset on; fewer when it ends before. */
export async function readRange(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

export async function countLines(path: string): Promise<number> {
  const handle = await open(path, 'r')
  try {
    let lines = 0
    for (let offset = 0; ; ) {
      const bytes = await readRange(handle, offset, 1024 * 1024)
      if (bytes.length === 0) return lines
      for (let i = bytes.indexOf(10); i >= 0; i = bytes.indexOf(10, i + 1)) lines++
      offset += bytes.length
    }
  } finally {
    await handle.close()
  }
}
