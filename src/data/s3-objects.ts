// Patterns over objects of S3: `s3://bucket/events/**/*.parquet` stands for all keys of that shape.
import { MillraceError } from '../core/errors.ts'
import { shownUrl } from './addresses.ts'
import { shapeOf } from './glob.ts'

export interface FarObject {
  /** Address of the one object. */
  url: string
  /** As a person names it, with the folders that say columns as they stand. */
  name: string
  /** What the listing says of its bytes; empty where it says nothing. */
  etag: string
}

/** Objects that one pattern may stand for: their list is held in memory. */
export const S3_OBJECTS_MAX = 1_000_000

export const isS3Pattern = (source: string): boolean => /^s3:\/\/[^?#]*\*/i.test(source)

/** The objects of a pattern by key; folders that are objects are left out. Errors: MR_DATA_FETCH for too many, MR_REMOTE_URL, MR_REMOTE_CREDENTIALS, MR_REMOTE_DENIED, MR_REMOTE_ANSWER. */
export async function s3Objects(pattern: string, signal?: AbortSignal): Promise<FarObject[]> {
  const [{ s3Place }, { listed }] = await Promise.all([
    import('../store/remote/s3/open.ts'),
    import('../store/remote/s3/list.ts'),
  ])
  const { place, key: wanted } = await s3Place('the source', pattern, process.env)
  const shape = shapeOf(wanted)
  const query = /\?.*$/.exec(pattern)?.[0] ?? ''
  const found: FarObject[] = []
  for await (const { key, etag } of listed(place, wanted.slice(0, wanted.indexOf('*')), { signal })) {
    if (key.endsWith('/') || !shape.test(key)) continue
    if (found.length === S3_OBJECTS_MAX)
      throw new MillraceError('MR_DATA_FETCH', {
        url: shownUrl(pattern),
        why: `more than ${S3_OBJECTS_MAX} objects are of that shape`,
      })
    const path = key.split('/').map(encodeURIComponent).join('/')
    found.push({ url: `s3://${place.bucket}/${path}${query}`, name: `s3://${place.bucket}/${key}`, etag })
  }
  return found
}
