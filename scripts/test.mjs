// `npm test`: builds, then runs every check of the code and every test; the last line is `N passed, N failed`.
// Arguments go to vitest, e.g. `npm test -- test/expr`; with arguments the checks of the code are left out.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const filters = process.argv.slice(2)
let passed = 0
let failed = 0
let skipped = 0

build({ say: (text) => console.log(`• ${text}`) })

if (filters.length === 0) {
  check('types of the tests, benchmarks and examples', 'node_modules/typescript/bin/tsc', [
    '-p',
    'tsconfig.test.json',
    '--noEmit',
  ])
  check('types of the console', 'node_modules/typescript/bin/tsc', [
    '-p',
    'console/tsconfig.json',
    '--noEmit',
  ])
  check('lint and format', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.'])
}
vitest()
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exit(failed > 0 ? 1 : 0)

function check(title, script, args) {
  const result = spawnSync(process.execPath, [join(root, script), ...args], { cwd: root, encoding: 'utf8' })
  if (result.status === 0) passed++
  else failed++
  console.log(`${result.status === 0 ? '✓' : '✗'} ${title}`)
  if (result.status !== 0) console.log(result.stdout + result.stderr)
}

function vitest() {
  const report = join(root, 'node_modules/.cache/vitest-report.json')
  mkdirSync(join(root, 'node_modules/.cache'), { recursive: true })
  rmSync(report, { force: true })
  const args = ['run', ...filters, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const result = spawnSync(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '8' },
  })
  if (!existsSync(report)) {
    failed++
    return
  }
  const counts = JSON.parse(readFileSync(report, 'utf8'))
  passed += counts.numPassedTests
  failed += counts.numFailedTests
  skipped += counts.numPendingTests + counts.numTodoTests
  // A file that could not be loaded, or a crash outside any test, is a failure too.
  const broken = counts.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((t) => t.status !== 'failed'),
  )
  failed += broken.length
  if (result.status !== 0 && failed === 0) failed++
}
