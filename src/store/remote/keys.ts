import { createHash } from 'node:crypto'
import { isDigest } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { RemoteRef } from './ports.ts'

/** Names on a remote, with `/` between folders: the same in a folder and behind an S3 API. */
export const MARK_KEY = 'millrace-remote.json'
export const OBJECTS_KEY = 'objects/'
export const REFS_KEY = 'refs/'
export const LEASES_KEY = 'leases/'

export function objectKey(digest: Digest): string {
  const hex = digest.slice('sha256:'.length)
  return `${OBJECTS_KEY}${hex.slice(0, 2)}/${hex.slice(2)}`
}

export function digestOfKey(key: string): Digest | undefined {
  const digest = `sha256:${key.slice(OBJECTS_KEY.length).replace('/', '')}`
  return isDigest(digest) ? digest : undefined
}

/** Longest name of a file that every file system takes, less room for what is put behind it. */
const SEGMENT_CHARS_MAX = 150

/** A ref as a file: `refs/datasets/flights@main.json`. A name that is too long for a file is cut and told apart by its hash; the text inside has it whole. */
export function refKey(name: string): string {
  return `${REFS_KEY}${name.split('/').map(segment).join('/')}.json`
}

function segment(text: string): string {
  const plain = encodeURIComponent(text).replaceAll('%40', '@').replaceAll('%20', ' ').replace(/^\.+$/, '%2E')
  if (plain.length <= SEGMENT_CHARS_MAX) return plain
  return `${plain.slice(0, 100).replace(/%.?$/, '')}~${createHash('sha256').update(text).digest('hex').slice(0, 24)}`
}

/** The folder of all refs that begin with `prefix`, as far as it has whole names. */
export function refsKey(prefix: string): string {
  const folders = prefix.split('/').slice(0, -1)
  return `${REFS_KEY}${folders.map((name) => `${segment(name)}/`).join('')}`
}

export function refText(ref: RemoteRef): string {
  return `${JSON.stringify({ kind: 'RemoteRef', ...ref })}\n`
}

/** The ref that a text holds; undefined of any other text. */
export function refOfText(text: string): RemoteRef | undefined {
  try {
    const { kind, name, digest, gone, movedAt, actor } = JSON.parse(text)
    const isRef = kind === 'RemoteRef' && typeof name === 'string' && isDigest(digest)
    return isRef
      ? { name, digest, gone: Array.isArray(gone) ? gone.filter(isDigest) : [], movedAt, actor }
      : undefined
  } catch {
    return undefined
  }
}

export const MARK_TEXT = `${JSON.stringify({ kind: 'millrace-remote', format: 1 })}\n`

/** Format of a remote by its mark; undefined of a text that Millrace did not write. */
function formatOfMark(text: string): number | undefined {
  try {
    const { kind, format } = JSON.parse(text)
    return kind === 'millrace-remote' && Number.isSafeInteger(format) ? format : undefined
  } catch {
    return undefined
  }
}

const FORMAT = 1

/** Errors: MR_REMOTE_FOREIGN, MR_STORE_NEWER. */
export function checkMark(remote: string, url: string, text: string): void {
  const format = formatOfMark(text)
  if (format === undefined) throw new MillraceError('MR_REMOTE_FOREIGN', { remote, url, found: MARK_KEY })
  if (format > FORMAT)
    throw new MillraceError('MR_STORE_NEWER', { path: url, format: String(format), known: String(FORMAT) })
}
