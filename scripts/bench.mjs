// `npm run bench -- <name> [--json] [--peers]`: builds, then runs bench/<name>.ts in a process of its own.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const [name, ...rest] = process.argv.slice(2)
if (!name || !existsSync(at(`../bench/${name}.ts`))) {
  const known = readdirSync(at('../bench')).flatMap((file) =>
    !file.endsWith('.ts') || file === 'report.ts' ? [] : [file.slice(0, -3)],
  )
  console.error(`usage: npm run bench -- <${known.join('|')}> [--json] [--peers]`)
  process.exit(2)
}
build({ console: false, say: (text) => console.error(`• ${text}`) })
const run = spawn(process.execPath, ['--expose-gc', at('./run-ts.mjs'), at(`../bench/${name}.ts`), ...rest], {
  stdio: 'inherit',
  env: { ...process.env, UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '12' },
})
run.on('exit', (code) => process.exit(code ?? 1))
