// Builds what is missing or out of date: the compiler's output in dist/ and the console in dist/console. `--no-console` leaves the latter.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

export function build({ console: withConsole = true, say = () => {} } = {}) {
  const steps = [compile]
  if (withConsole) steps.push(buildConsole)
  for (const step of steps) step(say)
}

function compile(say) {
  if (!existsSync(join(root, 'dist/index.js'))) say('compiling TypeScript')
  run('node_modules/typescript/bin/tsc', ['-b', 'tsconfig.src.json'])
}

function buildConsole(say) {
  if (
    Math.max(newest('console', ['node_modules', 'dev']), newest('src/api/contract.ts')) <
    newest('dist/console/index.html')
  )
    return
  say('building the console')
  run('node_modules/vite/bin/vite.js', ['build', '--logLevel', 'warn'], join(root, 'console'))
}

function run(script, args, cwd = root) {
  try {
    execFileSync(process.execPath, [join(root, script), ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  } catch (error) {
    process.stderr.write(error.stdout ?? '')
    process.exit(1)
  }
}

/** Newest modification below a path in milliseconds; 0 when it is absent. */
function newest(path, skip = ['node_modules']) {
  const at = join(root, path)
  if (!existsSync(at)) return 0
  const stat = statSync(at)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(
    0,
    ...readdirSync(at)
      .filter((name) => !skip.includes(name))
      .map((name) => newest(join(path, name), skip)),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build({ console: !process.argv.includes('--no-console'), say: (text) => console.error(text) })
}
