import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../../core/errors.ts'
import { openFolderRemote } from './folder.ts'
import type { Remote } from './ports.ts'

export interface RemoteOptions {
  /** Makes the remote where it is not there yet: a push does, a pull does not. */
  create: boolean
  /** Folder that a relative path begins in. */
  folder: string
  env: Readonly<Record<string, string | undefined>>
  signal?: AbortSignal
}

/**
 * Opens a remote: a folder as a path or `file:` URL, or `s3://bucket/prefix?endpoint=…&region=…` for anything that speaks the S3 API.
 * Errors: MR_REMOTE_URL, MR_REMOTE_ABSENT, MR_REMOTE_FOREIGN, and of S3 MR_REMOTE_CREDENTIALS, MR_REMOTE_DENIED, MR_REMOTE_UNREACHABLE.
 */
export async function openRemote(name: string, url: string, options: RemoteOptions): Promise<Remote> {
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1].toLowerCase()
  if (scheme === undefined) return await openFolderRemote(name, resolve(options.folder, url), options)
  if (scheme === 'file') return await openFolderRemote(name, folderOf(url, options.folder), options)
  if (scheme === 's3') {
    const { openS3 } = await import('./s3/open.ts')
    return await openS3(name, url, options)
  }
  throw new MillraceError('MR_REMOTE_URL', { url, why: `the scheme ${scheme}: is not known` })
}

function folderOf(url: string, folder: string): string {
  return url.startsWith('file:///') ? fileURLToPath(url) : resolve(folder, url.slice('file:'.length))
}
