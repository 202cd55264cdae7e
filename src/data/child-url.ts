import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../core/errors.ts'

/**
 * Path of the compiled child of this folder. Under the test runner this file is TypeScript in `src/`, and the child is its twin in `dist/`.
 * Errors: MR_DATA_NOT_BUILT.
 */
export function childPath(): string {
  const here = import.meta.url
  const url = here.endsWith('.ts')
    ? here.replace(/\/src\/data\/[^/]+$/, '/dist/data/import-child.js')
    : here.replace(/[^/]+$/, 'import-child.js')
  const path = fileURLToPath(url)
  if (!existsSync(path)) throw new MillraceError('MR_DATA_NOT_BUILT', { path })
  return path
}
