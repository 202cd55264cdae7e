import { MillraceError } from '../../../core/errors.ts'
import type { RemoteOptions } from '../open.ts'
import type { Remote } from '../ports.ts'
import type { S3Place } from './client.ts'
import { s3Settings } from './credentials.ts'
import { openS3Remote } from './remote.ts'

const KNOWN = ['endpoint', 'region', 'profile', 'style']

/**
 * `s3://bucket/prefix`, with `endpoint`, `region`, `profile` and `style` (`path` or `virtual`) as its query. Without an endpoint it is AWS's own in the region, with the
 * bucket in the host name; any other endpoint has it in the path.
 */
export async function openS3(name: string, url: string, { create, env }: RemoteOptions): Promise<Remote> {
  const { place, key } = await s3Place(name, url, env)
  return await openS3Remote(place, key === '' ? '' : `${key}/`, create)
}

/** Where a URL of S3 points, and the key or prefix behind its bucket. Errors: MR_REMOTE_URL, MR_REMOTE_CREDENTIALS. */
export async function s3Place(
  name: string,
  url: string,
  env: RemoteOptions['env'],
): Promise<{ place: S3Place; key: string }> {
  const { bucket, key, query } = partsOf(url)
  const settings = await s3Settings(env, query.profile)
  const region = query.region ?? settings.region
  const given = query.endpoint ?? settings.endpoint
  const endpoint = given ?? `https://s3.${region}.amazonaws.com`
  if (!/^https?:\/\/[^/?#]+\/?$/.test(endpoint))
    throw new MillraceError('MR_REMOTE_URL', {
      url,
      why: `its endpoint is no http:// or https:// address of a host`,
    })
  const place: S3Place = {
    endpoint: endpoint.replace(/\/$/, ''),
    bucket,
    region,
    isVirtualHost:
      (query.style ?? (given === undefined && !bucket.includes('.') ? 'virtual' : 'path')) === 'virtual',
    credentials: settings.credentials,
    remote: name,
  }
  return { place, key }
}

function partsOf(url: string): { bucket: string; key: string; query: Record<string, string> } {
  const [, bucket, path = '', search = ''] = /^s3:\/\/([^/?#]+)\/?([^?#]*)(?:\?(.*))?$/i.exec(url) ?? []
  if (bucket === undefined) throw new MillraceError('MR_REMOTE_URL', { url, why: 'it names no bucket' })
  if (bucket.includes('@'))
    throw new MillraceError('MR_REMOTE_URL', {
      url: 's3://…',
      why: 'keys do not belong into it, but into the environment',
    })
  const query = Object.fromEntries(new URLSearchParams(search))
  const strange = Object.keys(query).find((key) => !KNOWN.includes(key))
  if (strange !== undefined)
    throw new MillraceError('MR_REMOTE_URL', {
      url,
      why: `it has "${strange}"; known are ${KNOWN.join(', ')}`,
    })
  return { bucket, key: decodeURIComponent(path).replace(/\/+$/, ''), query }
}
