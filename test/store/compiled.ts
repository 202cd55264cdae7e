import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const compiled = new Map<string, string>()

/**
 * Compiles the store alone for child processes, which plain Node must be able to load; independent of `dist/`, which may be absent or old.
 * Returns the path of the compiled `store/open.js`. Costs about a second, once a test run.
 */
export function compileStore(): string {
  return join(compileFor('store', ['src/store/open.ts']), 'store/open.js')
}

/** Compiles some files and all that they import; gives the folder that stands for `src`. */
export function compileFor(name: string, files: readonly string[]): string {
  const known = compiled.get(name)
  if (known !== undefined) return known
  const out = join(root, `node_modules/.cache/millrace-${name}-test`)
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
    files: files.map((file) => join(root, file)),
  }
  writeFileSync(join(out, 'tsconfig.json'), JSON.stringify(config))
  writeFileSync(join(out, 'package.json'), '{"type":"module"}')
  execFileSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(out, 'tsconfig.json')],
    { stdio: 'pipe' },
  )
  compiled.set(name, out)
  return out
}
