// `node bench/peers/install.mjs [name]`: makes bench/peers/.venv with the pins of requirements.txt, or brings it up to date; with a name, such as numpy1,
// .venv-<name> with those of requirements-<name>.txt, which a section that needs it does by itself.
// Needs python3 (3.11 or newer) with its venv module, and PyPI. Does nothing when the environment holds just these pins already.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const name = process.argv[2]
const named = name === undefined ? '' : `-${name}`
const venv = join(folder, `.venv${named}`)
const python = join(venv, 'bin/python')
const stamp = join(venv, 'installed.txt')
const requirements = join(folder, `requirements${named}.txt`)

const say = (text) => console.error(`• ${text}`)

function fail(text, fix) {
  console.error(`✗ ${text}\n  fix: ${fix}`)
  process.exit(1)
}

if (!existsSync(requirements)) {
  const known = readdirSync(folder).flatMap((file) => /^requirements-(.+)\.txt$/.exec(file)?.[1] ?? [])
  fail(`there is no ${requirements}`, `give one of: ${known.join(', ')}`)
}
const wanted = readFileSync(requirements, 'utf8')

function run(command, args, { quiet = false } = {}) {
  return spawnSync(command, args, { stdio: quiet ? 'pipe' : 'inherit', encoding: 'utf8' })
}

const found = run('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { quiet: true })
if (found.error || found.status !== 0)
  fail('there is no python3 on the PATH: peers are measured in Python', 'install Python 3.11 or newer')
const [major, minor] = found.stdout.trim().split('.').map(Number)
if (major < 3 || minor < 11)
  fail(`python3 is ${found.stdout.trim()}: the pins need 3.11 or newer`, 'install Python 3.11 or newer')

if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) {
  say(`${venv} holds these pins already`)
  process.exit(0)
}
if (!existsSync(python)) {
  say(`python3 -m venv ${venv}`)
  if (run('python3', ['-m', 'venv', venv]).status !== 0)
    fail('python3 -m venv failed', 'install the venv module, on Debian: apt-get install python3-venv')
}
say(`pip install -r ${requirements}  (a minute or two the first time)`)
const installed = run(python, ['-m', 'pip', 'install', '--no-input', '--quiet', '-r', requirements])
if (installed.status !== 0) fail('pip could not install the pins', 'see above; PyPI must be reachable')
writeFileSync(stamp, wanted)
say('peers are installed')
