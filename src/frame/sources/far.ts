/** Which files addresses stand for. */
import { MillraceError } from '../../core/errors.ts'
import { isPostgres, isUrl, shownSource } from '../../data/addresses.ts'
import { isS3Pattern, s3Objects } from '../../data/s3-objects.ts'
import type { FarAddress } from './far-files.ts'

/** Patterns of S3 as their objects, by key; paths that are here as they are. Errors: MR_DATA_FETCH where a pattern has none, and those of S3. */
export async function addressesOf(
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<(FarAddress | string)[]> {
  const found: (FarAddress | string)[] = []
  for (const path of paths) {
    if (!isUrl(path)) found.push(path)
    else if (isS3Pattern(path)) found.push(...(await objectsOf(path, signal)))
    else found.push({ url: path, name: nameOf(path) })
  }
  return found
}

async function objectsOf(pattern: string, signal: AbortSignal | undefined): Promise<FarAddress[]> {
  const objects = await s3Objects(pattern, signal)
  if (objects.length > 0) return objects.map(({ url, name }) => ({ url, name }))
  throw new MillraceError('MR_DATA_FETCH', { url: shownSource(pattern), why: 'no object is of that shape' })
}

function nameOf(address: string): string {
  const shown = shownSource(address)
  if (isPostgres(address))
    throw new MillraceError('MR_DATA_FETCH', { url: shown, why: 'a frame reads files, and this is a table' })
  try {
    return decodeURIComponent(shown)
  } catch {
    return shown
  }
}
