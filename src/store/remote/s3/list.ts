/** Keys of a bucket, page by page. */
import { askText, type S3Place } from './client.ts'
import { elements, textIn } from './xml.ts'

export interface ListedObject {
  key: string
  bytes: number
  /** When it was put there. What says no time is as new as can be: nothing is removed for its sake. */
  putAt: number
  /** As the server writes it, with quotes; empty where it says none. */
  etag: string
}

/** Objects whose keys begin with `prefix`, in the order of their keys. Errors: those of `ask`. Cost: a request for each 1,000. */
export async function* listed(
  place: S3Place,
  prefix: string,
  { signal }: { signal?: AbortSignal } = {},
): AsyncIterable<ListedObject> {
  for (let token: string | undefined = ''; token !== undefined; ) {
    const query: Record<string, string> = {
      'list-type': '2',
      prefix,
      ...(token !== '' && { 'continuation-token': token }),
    }
    const xml: string = await askText(place, { method: 'GET', query, signal })
    for (const item of elements(xml, 'Contents'))
      yield {
        key: textIn(item, 'Key') ?? '',
        bytes: Number(textIn(item, 'Size')),
        putAt: Date.parse(textIn(item, 'LastModified') ?? '') || Number.POSITIVE_INFINITY,
        etag: textIn(item, 'ETag') ?? '',
      }
    token = textIn(xml, 'IsTruncated') === 'true' ? textIn(xml, 'NextContinuationToken') : undefined
  }
}
