/** A copy of a text file in UTF-8 with plain line ends, for what the engine does not read as it is. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'

const CHUNK_BYTES = 1 << 20

/** Decodes from `encoding` (as `encodingNamed` names it), leaves a byte-order mark out, and makes CR and CRLF line feeds. Errors: those of the file system and of gzip; RangeError or TypeError for bytes that are not in the encoding. */
export async function copyAsUtf8(
  from: { path: string; gzip: boolean },
  to: string,
  encoding: string,
): Promise<void> {
  const decode = decoderOf(encoding)
  const source = createReadStream(from.path, { highWaterMark: CHUNK_BYTES })
  const file = await open(to, 'wx')
  let endedInCr = false
  try {
    for await (const chunk of from.gzip ? source.pipe(createGunzip()) : source) {
      const text = decode(chunk as Buffer, false)
      const plain = (endedInCr && text.startsWith('\n') ? text.slice(1) : text).replace(/\r\n?/g, '\n')
      if (text !== '') endedInCr = text.endsWith('\r')
      await file.writeFile(plain)
    }
    await file.writeFile(decode(new Uint8Array(), true).replace(/\r\n?/g, '\n'))
  } finally {
    await file.close()
  }
}

type Decode = (bytes: Uint8Array, isLast: boolean) => string

function decoderOf(encoding: string): Decode {
  if (encoding === 'latin-1')
    return (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  if (encoding.startsWith('utf-32')) return utf32(encoding === 'utf-32le')
  const decoder = new TextDecoder(encoding)
  return (bytes, isLast) => decoder.decode(bytes, { stream: !isLast })
}

/** Text of a few bytes. */
export function decodeHead(bytes: Uint8Array, encoding: string): string {
  const decode = decoderOf(encoding)
  return decode(bytes, false)
}

function utf32(isLittle: boolean): Decode {
  let left = new Uint8Array()
  let isFirst = true
  return (bytes) => {
    const all = left.length === 0 ? bytes : Buffer.concat([left, bytes])
    const whole = all.length & ~3
    left = Uint8Array.from(all.subarray(whole))
    const view = new DataView(all.buffer, all.byteOffset, whole)
    let text = ''
    for (let at = 0; at < whole; at += 4) {
      const point = view.getUint32(at, isLittle)
      if (isFirst && point === 0xfeff) continue
      isFirst = false
      text += point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? '\ufffd' : String.fromCodePoint(point)
    }
    return text
  }
}
