/** Files that both sides keep versions of: the same bytes at every run. */
import { createCipheriv } from 'node:crypto'
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const BLOCK_BYTES = 4 * 1024 * 1024

/** Bytes that nothing compresses: AES in counter mode over zeros, its key from a seed. */
function* randomBlocks(seed: number, length: number): Iterable<Buffer> {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(BLOCK_BYTES)
  for (let left = length; left > 0; left -= BLOCK_BYTES)
    yield cipher.update(zeros.subarray(0, Math.min(left, BLOCK_BYTES)))
}

export function writeRandomFile(path: string, seed: number, length: number): void {
  const fd = openSync(path, 'w')
  for (const block of randomBlocks(seed, length)) writeSync(fd, block)
  closeSync(fd)
}

/** `folders` folders of `each` files of `length` bytes. */
export function writeManyFiles(
  folder: string,
  { folders, each, length }: { folders: number; each: number; length: number },
): void {
  for (let d = 0; d < folders; d++) {
    const inner = join(folder, String(d).padStart(3, '0'))
    mkdirSync(inner, { recursive: true })
    const bytes = Buffer.concat([...randomBlocks(d + 1, each * length)])
    for (let i = 0; i < each; i++)
      writeFileSync(
        join(inner, `${String(i).padStart(4, '0')}.bin`),
        bytes.subarray(i * length, (i + 1) * length),
      )
  }
}

/** Safetensors of `n` matrices of float32, each of `rows × width` numbers near zero; those of `changed` have other numbers. */
export function writeSafetensors(
  path: string,
  { n, rows, width, changed = [] }: { n: number; rows: number; width: number; changed?: readonly number[] },
): void {
  const bytes = rows * width * 4
  const head: Record<string, object> = {}
  for (let i = 0; i < n; i++)
    head[`layers.${i}.weight`] = {
      dtype: 'F32',
      shape: [rows, width],
      data_offsets: [i * bytes, (i + 1) * bytes],
    }
  const text = JSON.stringify(head)
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(padded.length))
  const fd = openSync(path, 'w')
  writeSync(fd, size)
  writeSync(fd, padded)
  for (let i = 0; i < n; i++) writeSync(fd, weights(changed.includes(i) ? 1000 + i : i, rows * width))
  closeSync(fd)
}

/** Sums of four uniform numbers, as weights are spread. */
function weights(seed: number, n: number): Buffer {
  const random = Buffer.concat([...randomBlocks(seed + 7, n * 4)])
  const values = new Float32Array(n)
  for (let i = 0; i < n; i++)
    values[i] =
      (random[4 * i] + random[4 * i + 1] / 256 + random[4 * i + 2] / 65536 + random[4 * i + 3] - 255.5) / 2000
  return Buffer.from(values.buffer)
}
