/** Frames beside dask, Polars and DuckDB alone, which is their engine: groups, joins and quantiles of ten million rows of CSV and Parquet on equal threads, and a run that is larger than its memory. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Frame, openFrames } from '../../dist/frame/index.js'
import { type GroupedFiles, groupedFiles } from '../data/grouped.ts'
import { least, type Spent, spentOn } from '../measure/cpu.ts'
import { QUERIES } from '../measure/frame-queries.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'versions'
const ROWS = Number(process.env.MILLRACE_FRAMES_ROWS ?? 10_000_000)
const LARGE_ROWS = Number(process.env.MILLRACE_FRAMES_LARGE_ROWS ?? 20_000_000)
const ROUNDS = Number(process.env.MILLRACE_FRAMES_ROUNDS ?? 3)
const THREADS = 2
/** Of the engine alone there is no goal: what it takes less than frames is what they add to it. */
const GOALS = { dask: { csv: 1.5, parquet: 10 }, polars: { csv: 1, parquet: 1 }, duckdb: undefined }
const ALL = ['polars', 'dask', 'duckdb'] as const
const TOOLS = ALL.filter((tool) => (process.env.MILLRACE_FRAMES_PEERS ?? tool).split(',').includes(tool))
const LARGE_TOOLS = ['polars', 'dask'] as const
const ENVIRONMENTS = { polars: 'frames', dask: 'frames', duckdb: 'duckdb' }
const PEAK_MB_MAX = 2_048
const PEER_TIMEOUT_MS = 3_600_000
/** Sums of floats differ in their last digits by the order of adding. dask's quantiles are of a sketch. */
const TOLERANCE = 1e-9
const SKETCH_TOLERANCE = 0.02

type Kind = 'csv' | 'parquet'
type Tool = (typeof ALL)[number]

interface Answer {
  query: string
  rows: number
  sums: Record<string, number>
}
type Timed = Answer & Spent

const section: Section = async ({ peers }) => {
  const only = process.env.MILLRACE_FRAMES_ONLY
  const files = await groupedFiles(ROWS)
  for (const kind of ['csv', 'parquet'] as const)
    if (only === undefined || only === kind) await compareKind(files, kind, peers)
  if (only === undefined || only === 'large') await compareLarge(peers)
}
export default section

async function compareKind(files: GroupedFiles, kind: Kind, peers: boolean): Promise<void> {
  const rounds = ROUNDS
  const ours = await askOurs(files, kind, Math.ceil(rounds / 2))
  const theirs = new Map<Tool, Timed[]>()
  if (peers)
    for (const tool of TOOLS) {
      const asked = { tool, files, kind, rounds: kind === 'csv' ? 2 : rounds }
      theirs.set(
        tool,
        await peer<Timed>('frames', asked, {
          threads: THREADS,
          environment: ENVIRONMENTS[tool],
          timeoutMs: PEER_TIMEOUT_MS,
        }),
      )
    }
  ours.push(...(await askOurs(files, kind, Math.ceil(rounds / 2))))
  for (const query of Object.keys(QUERIES)) {
    const own = ours.filter((one) => one.query === query)
    tell(kind, query, own)
    for (const [tool, all] of theirs) {
      const other = all.filter((one) => one.query === query)
      requireEqual(own[0]!, other[0]!, tool, kind)
      tell(kind, query, own, tool, other)
    }
  }
}

async function askOurs(files: GroupedFiles, kind: Kind, rounds: number): Promise<Timed[]> {
  const all: Timed[] = []
  for (const [query, ask] of Object.entries(QUERIES))
    for (let round = 0; round < rounds; round++) {
      const frames = openFrames({ memoryMb: 4_096, threads: THREADS }) // a session each, so that nothing of a file is known from before
      const open = (path: string) => frames.frame(path) as Frame
      const { result, ...spent } = await spentOn(() =>
        ask(open(files[kind]), open(files.small[kind])).collect(),
      )
      await frames.close()
      all.push({ query, rows: result.nRows, sums: sumsOf(result as never), ...spent })
    }
  return all
}

interface Summed {
  nRows: number
  names: string[]
  columns: Record<string, { type: string }>
  numbers(name: string): Float64Array
}

function sumsOf(collected: Summed): Record<string, number> {
  const numbers = collected.names.filter((name) => ['int', 'float'].includes(collected.columns[name]!.type))
  return Object.fromEntries(
    numbers.map((name) => [name, collected.numbers(name).reduce((sum, value) => sum + value, 0)]),
  )
}

function requireEqual(own: Answer, other: Answer, tool: Tool, kind: Kind): void {
  const tolerance = tool === 'dask' && own.query === 'quantile' ? SKETCH_TOLERANCE : TOLERANCE
  const wrong = Object.entries(other.sums).find(
    ([name, sum]) => !(Math.abs(own.sums[name]! - sum) <= tolerance * Math.max(1, Math.abs(sum))),
  )
  if (own.rows === other.rows && !wrong && Object.keys(own.sums).length === Object.keys(other.sums).length)
    return
  throw new Error(
    `${kind} ${own.query}: ours ${JSON.stringify({ rows: own.rows, sums: own.sums })}, ${tool} ${JSON.stringify({ rows: other.rows, sums: other.sums })}`,
  )
}

const fastest = (all: Timed[]): number => Math.min(...all.map(({ wall }) => wall))
const digits = (value: number, n = 3): number => Number(value.toPrecision(n))

function tell(kind: Kind, query: string, own: Timed[], tool?: Tool, other?: Timed[]): void {
  const wall = fastest(own)
  const ratio = other && fastest(other) / wall
  const goal = tool && GOALS[tool]?.[kind]
  report({
    bench: BENCH,
    metric: `frames: ${query} of ${ROWS / 1e6} M rows, ${kind}`,
    value: wall,
    unit: 's',
    note: noteOf(own, query, tool, other),
    ...(tool &&
      other && {
        peer: tool,
        peerValue: digits(fastest(other), 4),
        ratio: digits(ratio!),
        ...(goal !== undefined && { goal, met: ratio! >= goal }),
      }),
  })
}

/** CPU seconds of both, which a busy machine leaves alone. */
function noteOf(own: Timed[], query: string, tool?: Tool, other?: Timed[]): string {
  const cpu = least(own).cpu
  const theirs = other && least(other).cpu
  const beside = theirs === undefined ? '' : `, ${tool} ${digits(theirs)} s (${digits(theirs / cpu)}×)`
  const sketch = tool === 'dask' && query === 'quantile' ? '; dask’s are of a sketch' : ''
  return `cpu ${digits(cpu)} s${beside}${sketch}; load ${digits(loadavg()[0]!, 2)}`
}

interface Large {
  wall: number
  cpu: number
  peakMb: number
}

/** As many groups as rows, written to a file, in a process that may hold two gigabytes. */
async function compareLarge(peers: boolean): Promise<void> {
  const files = await groupedFiles(LARGE_ROWS)
  const folder = join(tmpdir(), 'millrace-bench-frames-large')
  mkdirSync(folder, { recursive: true })
  try {
    const out = join(folder, 'ours.parquet')
    tellLarge(runLarge(files.parquet, out), 'ours', statSync(out).size)
    if (!peers) return
    for (const tool of LARGE_TOOLS) await largePeer(tool, files.parquet, join(folder, tool))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function runLarge(path: string, out: string): Large {
  const script = fileURLToPath(new URL('../measure/large-frame.mjs', import.meta.url))
  const run = spawnSync(process.execPath, [script, JSON.stringify({ path, out, threads: THREADS })], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (run.status !== 0) throw new Error(`the large run ended with ${run.status ?? run.signal}`)
  return JSON.parse(run.stdout) as Large
}

async function largePeer(tool: Tool, large: string, out: string): Promise<void> {
  try {
    const [figure] = await peer<Large>(
      'frames',
      { tool, large, out },
      { threads: THREADS, environment: 'frames', timeoutMs: PEER_TIMEOUT_MS },
    )
    tellLarge(figure!, tool)
  } catch (thrown) {
    report({
      bench: BENCH,
      metric: `frames: ${LARGE_ROWS / 1e6} M groups, ${tool}`,
      value: Number.NaN,
      unit: 's',
      note: `did not finish: ${String(thrown).split('\n')[0]}; memory free ${freeMb()} MB`,
    })
  }
}

const freeMb = (): number =>
  existsSync('/proc/meminfo')
    ? Math.round(Number(/MemAvailable: *(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) / 1024)
    : 0

function tellLarge({ wall, cpu, peakMb }: Large, who: 'ours' | Tool, bytes?: number): void {
  const metric = `frames: ${LARGE_ROWS / 1e6} M groups of six keys, ${who}`
  const wrote = bytes === undefined ? '' : `, ${Math.round(bytes / 1e6)} MB written`
  report({ bench: BENCH, metric, value: wall, unit: 's', note: `cpu ${digits(cpu)} s${wrote}` })
  report({
    bench: BENCH,
    metric: `${metric}: peak memory`,
    value: peakMb,
    unit: 'MB',
    ...(who === 'ours' && { goal: PEAK_MB_MAX, met: peakMb <= PEAK_MB_MAX }),
  })
}
