/** Figures of a run, written where the documents take them from. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Measured } from './measure.ts'

export interface Recorded
  extends Pick<Measured, 'cpuUs' | 'requestsPerS' | 'p50Ms' | 'p99Ms' | 'refused' | 'lost' | 'otherLoad'> {
  server: string
  model: string
  connections: number
  settings: string
  /** Beside this server, in windows that alternated with its. */
  beside?: string
}

interface RecordFile {
  about: { cpu: string; node: string; commit: string }
  models: Record<string, string>
  windows: Recorded[]
  figures: Record<string, number>
}

const FILE = fileURLToPath(new URL('../../docs/concepts/performance.json', import.meta.url))
const isAsked = process.argv.includes('--record')

export const SECONDS = Number(process.env.MILLRACE_SERVE_SECONDS ?? 3)
export const PAIRS = Number(process.env.MILLRACE_SERVE_PAIRS ?? 2)

function change(how: (file: RecordFile) => void): void {
  if (!isAsked) return
  const empty: RecordFile = { about: about(), models: {}, windows: [], figures: {} }
  const file = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as RecordFile) : empty
  file.about = about()
  how(file)
  writeFileSync(FILE, `${JSON.stringify(file, null, 1)}\n`)
}

function about(): RecordFile['about'] {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  return {
    cpu: `${cpus()[0].model.trim()}, ${cpus().length} cores, shared`,
    node: process.version,
    commit,
  }
}

export function recordModel(name: string, sha256: string): void {
  change((file) => {
    file.models[name] = sha256
  })
}

const round = (value: number) => Number(value.toPrecision(4))

/** Takes the place of what was measured of the same server, model and connections beside the same other. */
export function recordWindow(one: Recorded): void {
  const isSame = (other: Recorded) =>
    other.server === one.server &&
    other.model === one.model &&
    other.connections === one.connections &&
    other.beside === one.beside
  const { cpuUs, requestsPerS, p50Ms, p99Ms, otherLoad } = one
  const rounded = {
    cpuUs: round(cpuUs),
    requestsPerS: round(requestsPerS),
    p50Ms: round(p50Ms),
    p99Ms: round(p99Ms),
    otherLoad: round(otherLoad),
  }
  const { server, model, connections, settings, beside, refused, lost } = one
  change((file) => {
    file.windows = file.windows.filter((other) => !isSame(other))
    file.windows.push({ server, model, connections, settings, beside, refused, lost, ...rounded })
  })
}

export function recordFigure(name: string, value: number): void {
  change((file) => {
    file.figures[name] = round(value)
  })
}
