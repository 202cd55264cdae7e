/** Runs the scripts of this folder in the pinned Python environment and reads the figures they print. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const pythonOf = (environment?: string) =>
  at(`.venv${environment === undefined ? '' : `-${environment}`}/bin/python`)
const LAST_LINES = 20

/** True when `--peers` was asked for. Throws, saying what to do, when the environment has not been made. */
export function peersAsked(): boolean {
  if (!process.argv.includes('--peers')) return false
  if (!existsSync(pythonOf()))
    throw new Error(
      'peers are not installed; run `node bench/peers/install.mjs` (needs Python 3.11 and PyPI)',
    )
  return true
}

export interface PeerOptions {
  /** Threads the peer may use, by OMP_NUM_THREADS and its kin and as `THREADS` of figures.py. Default: 1. */
  threads?: number
  /** Default: ten minutes. */
  timeoutMs?: number
  /** Pins of `requirements-<name>.txt` in an environment of their own, which is made when it is first asked for. Default: those of requirements.txt. */
  environment?: string
}

/** Throws with the end of what was said when an environment cannot be made. */
export function makeEnvironment(name: string): void {
  const made = spawnSync(process.execPath, [at('install.mjs'), name], {
    stdio: ['ignore', 'inherit', 'pipe'],
    encoding: 'utf8',
  })
  if (made.status !== 0)
    throw new Error(
      `the environment ${name} cannot be made: ${made.stderr.trim().split('\n').slice(-LAST_LINES).join('\n')}`,
    )
}

/**
 * Runs `bench/peers/<script>.py` with `args` as one JSON argument and gives what it printed: one JSON object a line. Other lines are passed on to
 * standard error. Throws with the end of its error output when it fails, takes too long or prints no figure.
 */
export async function peer<T extends object = Record<string, number>>(
  script: string,
  args: object = {},
  { threads = 1, timeoutMs = 600_000, environment }: PeerOptions = {},
): Promise<T[]> {
  if (environment !== undefined) makeEnvironment(environment)
  const child = spawn(pythonOf(environment), [at(`${script}.py`), JSON.stringify(args)], {
    env: peerEnvironment(threads),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? String(code)))
  })
  const figures = figuresOf<T>(output)
  if (ended !== '0' || figures.length === 0) throw new Error(failureOf(script, ended, errors))
  return figures
}

function figuresOf<T>(output: string): T[] {
  return output.split('\n').flatMap((line) => {
    if (line.startsWith('{')) return [JSON.parse(line) as T]
    if (line.trim()) process.stderr.write(`  ${line}\n`)
    return []
  })
}

function failureOf(script: string, ended: string, errors: string): string {
  const tail = errors.trim().split('\n').slice(-LAST_LINES).join('\n')
  return `${script}.py ended with ${ended} and ${ended === '0' ? 'printed no figure' : 'this'}:\n${tail}`
}

/** Ours without what would tie the peers' matrix library to one processor's kernels. */
function peerEnvironment(threads: number): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _l2, ...rest } = process.env
  const n = String(threads)
  return {
    ...rest,
    PEER_THREADS: n,
    OMP_NUM_THREADS: n,
    OPENBLAS_NUM_THREADS: n,
    MKL_NUM_THREADS: n,
    NUMBA_NUM_THREADS: n,
    NUMEXPR_NUM_THREADS: n,
    PYTHONHASHSEED: '0',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONWARNINGS: 'ignore',
  }
}
