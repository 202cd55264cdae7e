import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
let compiled: string | undefined

/**
 * Compiles the store alone for child processes, which plain Node must be able to load; independent of `dist/`, which may be absent or old.
 * Returns the path of the compiled `store/open.js`. Costs about a second, once a test run.
 */
export function compileStore(): string {
  if (compiled !== undefined) return compiled
  const out = join(root, 'node_modules/.cache/millrace-store-test')
  mkdirSync(out, { recursive: true })
  const config = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      rootDir: join(root, 'src'),
      outDir: out,
      composite: false,
      noCheck: true,
      typeRoots: [join(root, 'node_modules/@types')],
    },
    files: [join(root, 'src/store/open.ts')],
  }
  writeFileSync(join(out, 'tsconfig.json'), JSON.stringify(config))
  writeFileSync(join(out, 'package.json'), '{"type":"module"}')
  execFileSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(out, 'tsconfig.json')],
    { stdio: 'pipe' },
  )
  compiled = join(out, 'store/open.js')
  return compiled
}
