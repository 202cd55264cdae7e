/**
 * The trainers of examples/03-any-trainer with their own libraries: each is trained by the command line, gated, released and served over HTTP, and the answers are those of
 * the library. MILLRACE_PYTHON names a Python with the libraries of requirements.txt, MILLRACE_TORCH_PYTHON one with PyTorch, NumPy and pyarrow.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auc } from '../../src/stats/index.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const example = join(root, 'examples/03-any-trainer')
const python = process.env.MILLRACE_PYTHON
const torch = process.env.MILLRACE_TORCH_PYTHON
const work = mkdtempSync(join(tmpdir(), 'millrace-any-'))
const state = join(work, 'state')
const own = join(work, 'own')
const env = { ...process.env, MILLRACE_OWN_SCORES: own }

if (!python)
  console.log('SKIP trainers of others: MILLRACE_PYTHON names no Python with their libraries (CI makes one)')
else if (!torch)
  console.log('SKIP a network by PyTorch: MILLRACE_TORCH_PYTHON names no Python that has it (CI makes one)')

const SCRIPTS = {
  'by-lightgbm': 'with_lightgbm',
  'by-xgboost': 'with_xgboost',
  'by-sklearn': 'with_sklearn',
  'by-network': 'with_network',
  ...(torch && { 'by-torch': 'with_torch' }),
}
const MODELS = Object.entries(SCRIPTS) as [model: string, script: string][]

function millrace(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'bin/millrace.cjs'), ...args, '--project', example, '--state', state, '--json'],
    { encoding: 'utf8', env },
  )
  const said = stdout.split('\n').filter((line) => line.startsWith('{'))
  return { status, stderr, said: said.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe.runIf(python)('trainers of others', () => {
  let server: ChildProcess | undefined

  beforeAll(() => {
    mkdirSync(own)
    expect(millrace('data', 'import', 'weather').status).toBe(0)
    expect(millrace('train', 'by-millrace').status).toBe(0)
  })
  afterAll(() => {
    server?.kill('SIGKILL')
    rmSync(work, { recursive: true, force: true })
  })

  test.each(MODELS)('%s is trained once, gated and released', (name, script) => {
    const trained = millrace('train', name)
    expect(trained.stderr, trained.stderr).not.toContain('MR_')
    expect(trained.status).toBe(0)
    const { scores, targets } = ownOf(script)
    expect(auc(Float64Array.from(scores), Float64Array.from(targets))).toBeGreaterThan(0.7)
    expect(millrace('train', name).said.at(-1)).toMatchObject({ known: true })
    expect(millrace('release', name).status).toBe(0)
  })

  test('each is served over HTTP, and answers as its own library does', async () => {
    const up = await startUp()
    server = up.child
    for (const [name, script] of MODELS) {
      const { rows, days, scores } = ownOf(script)
      const answers = await answersOf(up.address, name, days)
      const far = answers.map((answer, i) => Math.abs(answer - scores[i]))
      expect(rows.length).toBe(200)
      expect(Math.max(...far), `${name} on ${days[far.indexOf(Math.max(...far))].date}`).toBeLessThan(1e-5)
    }
    server.kill('SIGINT')
    expect(await new Promise((done) => server?.once('exit', done))).toBe(0)
  }, 120_000)
})

interface Day {
  date: string
  temp_max: number
  temp_min: number
  wind: number
  weather: string
}

/** Rows of the CSV file by what the example makes of them. */
function daysByFeatures(): Map<string, Day> {
  const packaged = createRequire(join(example, 'package.json')).resolve('vega-datasets')
  const text = readFileSync(join(dirname(packaged), '../data/seattle-weather.csv'), 'utf8')
  const [head, ...lines] = text.trim().split(/\r?\n/)
  const names = head.split(',')
  const days = lines.map((line) => {
    const cells = line.split(',')
    return Object.fromEntries(
      names.map((name, i) => [name, Number.isNaN(Number(cells[i])) ? cells[i] : Number(cells[i])]),
    ) as unknown as Day
  })
  return new Map(days.map((day) => [keyOf(featuresOf(day)), day]))
}

const featuresOf = (day: Day) => [
  day.temp_max,
  day.temp_min,
  day.temp_max - day.temp_min,
  day.wind,
  Number(day.date.slice(5, 7)),
]
const keyOf = (features: number[]) => features.map((x) => x.toFixed(6)).join(' ')

/** What a library said of the validation rows, and which days of the file they are. */
function ownOf(script: string) {
  const said: { rows: number[][]; scores: number[] } = JSON.parse(
    readFileSync(join(own, `${script}.json`), 'utf8'),
  )
  const byFeatures = daysByFeatures()
  const days = said.rows.map((row) => {
    const day = byFeatures.get(keyOf(row))
    if (!day) throw new Error(`no day of ${row}`)
    return day
  })
  return { ...said, days, targets: days.map(({ weather }) => (weather === 'rain' ? 1 : 0)) }
}

function startUp(): Promise<{ child: ChildProcess; address: string }> {
  const child = spawn(
    process.execPath,
    [join(root, 'bin/millrace.cjs'), 'up', '--port', '0', '--project', example, '--state', state, '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'], env },
  )
  let [out, problems] = ['', '']
  return new Promise((resolve, reject) => {
    child.stderr.on('data', (text) => {
      problems += text
    })
    child.stdout.on('data', (text) => {
      out += text
      const ready = out.split('\n').find((line) => line.includes('"event":"ready"') && line.endsWith('}'))
      if (ready) resolve({ child, address: (JSON.parse(ready) as { address: string }).address })
    })
    child.once('exit', (code) => reject(new Error(`up ended with ${code}: ${problems}`)))
  })
}

function answersOf(address: string, name: string, days: Day[]): Promise<number[]> {
  return Promise.all(
    days.map(async ({ weather: _, ...row }) => {
      const response = await fetch(`${address}/predict/${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(row),
      })
      const answer = (await response.json()) as { probability: number }
      expect(response.status, JSON.stringify(answer)).toBe(200)
      return answer.probability
    }),
  )
}
