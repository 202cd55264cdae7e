/** Where the file of a worker thread is: threads run compiled code, also when this module is run from its source by a test. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../core/errors.ts'

/**
 * The URL itself, or for a source file `…/src/x.ts` its compiled twin `…/dist/x.js`.
 * Errors: MR_DIST_MISSING when the twin has not been built.
 */
export function workerUrl(url: URL): URL {
  if (!url.pathname.endsWith('.ts')) return url
  const at = url.href.lastIndexOf('/src/')
  const twin = new URL(
    `${url.href.slice(0, at)}/dist/${url.href.slice(at + '/src/'.length, -'.ts'.length)}.js`,
  )
  const file = fileURLToPath(twin)
  if (!existsSync(file)) throw new MillraceError('MR_DIST_MISSING', { file })
  return twin
}
