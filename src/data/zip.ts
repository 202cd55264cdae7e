/**
 * Members of zip archives, one at a time as streams: stored or deflated, held to their CRC-32. Encrypted ones and archives beyond 4 GiB are refused.
 * Source: PKWARE, APPNOTE.TXT 6.3.10, 4.3 to 4.5.
 */
import { createWriteStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'

export interface ZipMember {
  name: string
  bytes: number
  packed: number
  crc: number
  method: number
  isEncrypted: boolean
  at: number
}

const END = 0x06054b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50
const TAIL_BYTES = 22 + 0xffff
const TOO_LARGE = 0xffffffff
const DIRECTORY_BYTES_MAX = 256 * 1024 * 1024
/** An archive that grows more than this is taken for one that means harm. */
const GROWTH_MAX = 1_100

/** Files of an archive, without its folders. Errors: a RangeError for what is no archive that is read. */
export async function zipMembers(path: string): Promise<ZipMember[]> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const tail = await piece(file, Math.max(0, size - TAIL_BYTES), Math.min(size, TAIL_BYTES))
    const end = lastOf(tail, END)
    if (end < 0) throw new RangeError('it has no directory')
    const [bytes, at] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)]
    if (at === TOO_LARGE || bytes > DIRECTORY_BYTES_MAX || at + bytes > size)
      throw new RangeError('its directory is not where it says, or it is larger than 4 GiB')
    return membersOf(await piece(file, at, bytes)).filter(({ name }) => !name.endsWith('/'))
  } finally {
    await file.close()
  }
}

function lastOf(bytes: Buffer, signature: number): number {
  for (let at = bytes.length - 22; at >= 0; at--) if (bytes.readUInt32LE(at) === signature) return at
  return -1
}

function membersOf(directory: Buffer): ZipMember[] {
  const members: ZipMember[] = []
  for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === CENTRAL; ) {
    const [name, extra, comment] = [28, 30, 32].map((place) => directory.readUInt16LE(at + place)) as [
      number,
      number,
      number,
    ]
    members.push({
      isEncrypted: (directory.readUInt16LE(at + 8) & 1) === 1,
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      packed: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      at: directory.readUInt32LE(at + 42),
      name: directory.toString('utf8', at + 46, at + 46 + name),
    })
    at += 46 + name + extra + comment
  }
  return members
}

async function piece(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes)
  const { bytesRead } = await file.read(buffer, 0, bytes, at)
  if (bytesRead < bytes) throw new RangeError('it ends too early')
  return buffer
}

const STORED = 0
const DEFLATED = 8

/** Writes a member into a file that is not there yet. Errors: a RangeError for what is not read or is not what it says. */
export async function unzipMember(archive: string, member: ZipMember, to: string): Promise<void> {
  if (member.isEncrypted) throw new RangeError('it is encrypted')
  if (member.method !== STORED && member.method !== DEFLATED)
    throw new RangeError(`it is packed by method ${member.method}`)
  if ([member.at, member.packed, member.bytes].includes(TOO_LARGE))
    throw new RangeError('it is larger than 4 GiB')
  if (member.bytes > member.packed * GROWTH_MAX + 1024) throw new RangeError('it grows too much')
  const file = await open(archive)
  try {
    const head = await piece(file, member.at, 30)
    if (head.readUInt32LE(0) !== LOCAL) throw new RangeError('its directory points elsewhere')
    const begin = member.at + 30 + head.readUInt16LE(26) + head.readUInt16LE(28)
    if (member.packed === 0)
      return await pipeline(checked(member, true), createWriteStream(to, { flags: 'wx' }))
    const packed = file.createReadStream({ start: begin, end: begin + member.packed - 1, autoClose: false })
    const out = createWriteStream(to, { flags: 'wx' })
    if (member.method === STORED) await pipeline(packed, checked(member), out)
    else await pipeline(packed, createInflateRaw(), checked(member), out)
  } finally {
    await file.close()
  }
}

/** Passes bytes on that are as many as the member says and have its CRC. */
function checked({ bytes, crc }: ZipMember, isEmpty = false): Transform {
  let [sum, n] = [0, 0]
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      n += chunk.length
      sum = crc32(chunk, sum)
      done(n > bytes ? new RangeError('it is longer than it says') : null, chunk)
    },
    flush(done) {
      const isRight = n === bytes && sum === crc
      done(isRight ? null : new RangeError('it is not what its checksum says'))
    },
  })
  if (isEmpty) stream.end()
  return stream
}
