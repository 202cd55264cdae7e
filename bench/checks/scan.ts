/** Sixty checks of ten million rows in a file, as `millrace data check` judges them, beside Great Expectations, pandera and Deequ on the same file. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ORDER_CHECKS, type OrderCheck } from '../data/order-checks.ts'
import { ordersFile } from '../data/orders.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
/** `MILLRACE_SCAN_ROWS` and `MILLRACE_SCAN_PEER_ROWS` take fewer; `MILLRACE_SCAN_KEEP` leaves the files for the next run. */
const ROWS = Number(process.env.MILLRACE_SCAN_ROWS ?? 10_000_000)
const PEER_ROWS = Number(process.env.MILLRACE_SCAN_PEER_ROWS ?? 1_000_000)
const GOAL = { seconds: 6, passes: 2, mb: 1024, times: 10 }
const THREADS = 2
const ROUNDS = 3
const MILLRACE = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))

const section: Section = async ({ peers }) => {
  const files = new Set<string>()
  try {
    const file = await ordersFile(ROWS)
    files.add(file)
    const ours = await leastOf(file, ROUNDS)
    reportOurs(ours)
    if (!peers) return
    const fewer = await ordersFile(PEER_ROWS)
    files.add(fewer)
    const same = PEER_ROWS === ROWS ? ours : await leastOf(fewer, 1)
    for (const one of PEERS) await judgePeer(one, fewer, { ours, same })
  } finally {
    if (!process.env.MILLRACE_SCAN_KEEP) for (const file of files) rmSync(file, { force: true })
  }
}
export default section

interface Verdict {
  pass: boolean
  /** Rows that fail; absent where a tool does not say. */
  failed?: number
}

interface Run {
  cpu: number
  wall: number
  mb: number
  passes: number
  verdicts: Verdict[]
}

async function leastOf(file: string, rounds: number): Promise<Run> {
  const runs: Run[] = []
  for (let i = 0; i < rounds; i++) runs.push(await runOurs(file))
  const least = (of: (run: Run) => number) => Math.min(...runs.map(of))
  return {
    ...runs[0]!,
    cpu: least((r) => r.cpu),
    wall: least((r) => r.wall),
    mb: Math.max(...runs.map((r) => r.mb)),
  }
}

/** The command as a user runs it, its start included. CPU is that of all its processes, by the shell that waits for them. */
async function runOurs(file: string): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-scan-'))
  try {
    writeFileSync(join(folder, 'millrace.config.ts'), configOf())
    const command = `TIMEFORMAT='spent %U %S %R'; time "$0" "$1" data check "$2" --project "$3" --json --threads ${THREADS}`
    const child = spawn('bash', ['-c', command, process.execPath, MILLRACE, file, folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const peak = watchPeak(child)
    const [output, errors] = await Promise.all([textOf(child.stdout!), textOf(child.stderr!)])
    if (output === '') throw new Error(`millrace data check said nothing but: ${errors}`)
    const [user, system, wall] = /spent ([\d.]+) ([\d.]+) ([\d.]+)/.exec(errors)!.slice(1).map(Number)
    const { checked } = JSON.parse(output) as {
      checked: { passes: unknown[]; findings: { verdict: string; failed?: number }[] }[]
    }
    const [{ passes, findings }] = checked as [(typeof checked)[number]]
    return {
      cpu: user! + system!,
      wall: wall!,
      mb: peak(),
      passes: passes.length,
      verdicts: findings.map(({ verdict, failed }) => ({
        pass: verdict === 'pass',
        ...(failed !== undefined && { failed }),
      })),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function configOf(): string {
  const checks = ORDER_CHECKS.map((check, i) => `  ${checkText(check)}.named('${i}'),`)
  return `import { checks, dataset, project } from 'millrace'\nexport default project('bench', { datasets: [dataset('orders', { source: 'none.parquet', checks: [\n${checks.join('\n')}\n] })] })\n`
}

function checkText(check: OrderCheck): string {
  const column = `'${check.column}'`
  switch (check.kind) {
    case 'filled':
      return `checks.notNull(${column})`
    case 'unique':
      return `checks.unique(${column})`
    case 'range': {
      const bound = (x: number | string) => (typeof x === 'number' ? String(x) : `new Date('${x}Z')`)
      return `checks.between(${column}, ${bound(check.min)}, ${bound(check.max)})`
    }
    case 'set':
      return `checks.isIn(${column}, ${JSON.stringify(check.values)})`
    case 'pattern':
      return `checks.matches(${column}, ${JSON.stringify(check.pattern)})`
    case 'quantile':
      return `checks.quantile(${column}, ${check.q}, { min: ${check.min}, max: ${check.max} })`
  }
}

const textOf = async (stream: NodeJS.ReadableStream): Promise<string> => {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

const WATCH_MS = 50

/** Largest resident set of any process below the child, by the kernel's own mark; 0 where there is no /proc. */
function watchPeak(child: ChildProcess): () => number {
  let peakKb = 0
  const look = () => {
    for (const pid of below(child.pid!)) {
      const mark = /VmHWM:\s+(\d+)/.exec(statusOf(pid))
      if (mark) peakKb = Math.max(peakKb, Number(mark[1]))
    }
  }
  const timer = setInterval(look, WATCH_MS)
  child.once('close', () => clearInterval(timer))
  return () => peakKb / 1024
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

function below(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = /PPid:\s+(\d+)/.exec(statusOf(Number(name)))
    if (parent) parents.set(Number(name), Number(parent[1]))
  }
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || isBelow(parents.get(pid)))
  return [...parents.keys()].filter(isBelow)
}

function reportOurs({ cpu, wall, mb, passes, verdicts }: Run): void {
  const named = `${ORDER_CHECKS.length} checks of ${rowsText(ROWS)} rows`
  const failing = verdicts.filter((v) => !v.pass).length
  report({
    bench: BENCH,
    metric: `${named}, wall`,
    value: wall,
    unit: 's',
    goal: GOAL.seconds,
    met: wall <= GOAL.seconds,
    note: `${failing} fail; ${THREADS} threads, process start included; load of the machine ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} processors`,
  })
  report({
    bench: BENCH,
    metric: `${named}, CPU`,
    value: cpu,
    unit: 's',
    note: `${(cpu / THREADS).toFixed(2)} s a thread`,
  })
  report({
    bench: BENCH,
    metric: `${named}, passes over the rows`,
    value: passes,
    unit: '',
    goal: GOAL.passes,
    met: passes <= GOAL.passes,
  })
  report({
    bench: BENCH,
    metric: `${named}, memory`,
    value: mb,
    unit: 'MB',
    goal: GOAL.mb,
    met: mb > 0 && mb <= GOAL.mb,
  })
}

const rowsText = (rows: number): string => (rows % 1e6 === 0 ? `${rows / 1e6}M` : String(rows))

interface Peer {
  name: string
  script: string
  environment: string
  engine?: string
}

const PEERS: Peer[] = [
  { name: 'great-expectations', script: 'scan_ge', environment: 'checks' },
  { name: 'pandera on pandas', script: 'scan_pandera', environment: 'checks', engine: 'pandas' },
  { name: 'pandera on polars', script: 'scan_pandera', environment: 'checks', engine: 'polars' },
  { name: 'pydeequ', script: 'scan_deequ', environment: 'deequ' },
]

interface PeerRun {
  version: string
  cpu: number
  wall: number
  mb: number
  verdicts: Verdict[]
}

/** CPU seconds from file to verdicts, the start of the process left out for the peer and not for us. */
async function judgePeer(
  { name, script, environment, engine }: Peer,
  file: string,
  { ours, same }: { ours: Run; same: Run },
): Promise<void> {
  try {
    const [theirs] = await peer<PeerRun>(
      script,
      { file, checks: ORDER_CHECKS, engine },
      { threads: THREADS, environment, timeoutMs: 3_600_000 },
    )
    const scaled = (theirs!.cpu * ROWS) / PEER_ROWS
    const ratio = scaled / ours.cpu
    const apart = ORDER_CHECKS.flatMap((check, i) =>
      differenceOf(check, same.verdicts[i]!, theirs!.verdicts[i]!),
    )
    const scale =
      PEER_ROWS === ROWS
        ? ''
        : `measured on ${rowsText(PEER_ROWS)} rows, ${theirs!.cpu.toPrecision(4)} s, and scaled by rows; on those ours takes ${same.cpu.toPrecision(3)} s; `
    report({
      bench: BENCH,
      metric: `${ORDER_CHECKS.length} checks of ${rowsText(ROWS)} rows, CPU`,
      value: ours.cpu,
      unit: 's',
      peer: `${name} ${theirs!.version}`,
      peerValue: Number(scaled.toPrecision(4)),
      ratio: Number(ratio.toPrecision(3)),
      goal: GOAL.times,
      met: ratio >= GOAL.times && apart.length === 0,
      note: `${scale}${Math.round(theirs!.mb)} MB against ${Math.round(same.mb)}; ${agreement(theirs!.verdicts, apart)}`,
    })
  } catch (thrown) {
    console.error(`  ${name} is left out: ${(thrown as Error).message}`)
  }
}

function agreement(theirs: readonly Verdict[], apart: readonly string[]): string {
  const counted = theirs.filter((v) => v.failed !== undefined).length
  return apart.length === 0
    ? `all ${theirs.length} verdicts and ${counted} counts the same`
    : `APART: ${apart.join('; ')}`
}

/** Of a value that is there twice, the others count both rows where we count the second. */
function differenceOf(check: OrderCheck, ours: Verdict, theirs: Verdict): string[] {
  const name = `${check.kind} ${check.column}`
  if (ours.pass !== theirs.pass) return [`${name} ${ours.pass ? 'passes' : 'fails'} here alone`]
  const expected = check.kind === 'unique' ? 2 * (ours.failed ?? 0) : ours.failed
  if (theirs.failed === undefined || expected === undefined || theirs.failed === expected) return []
  return [`${name}: ${expected} here, ${theirs.failed} there`]
}
