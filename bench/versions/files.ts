/** Files of anything: a large one and a small edit, a hundred thousand small ones, a model file of which some tensors changed, beside dvc and git-lfs. */
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeManyFiles, writeRandomFile, writeSafetensors } from '../data/model-files.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'versions'
const CLI = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
/** Rounds of ours, of which the one with the least CPU time counts. */
const ROUNDS = Number(process.env.MILLRACE_FILES_ROUNDS ?? 2)
const GIB = 1024 ** 3
const PEER_TIMEOUT_MS = 3_600_000

interface Spent {
  step: string
  cpu: number
  wall: number
  /** Bytes stored by it. */
  stored: number
}

interface Edit {
  /** Within the folder that is added; '' where it is one file. */
  path: string
  at: number
  bytes: string
}

const section: Section = async ({ peers }) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-files-'))
  try {
    tensors(folder)
    await large(folder, peers)
    await many(folder, peers)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default section

async function large(folder: string, peers: boolean): Promise<void> {
  const source = join(folder, 'large.bin')
  const edit = { path: '', at: 500_000_000, bytes: 'hello' }
  const write = () => writeRandomFile(source, 1, GIB)
  const change = () => applyEdit(source, edit)
  const ours = rounds({ folder, source, steps: ['add', 'edit'], write, change })
  write()
  const theirs: Record<string, Spent[]> = {}
  if (peers) {
    theirs.dvc = await peerSteps('dvc', folder, source, ['add', 'edit'], edit)
    if (hasLfs()) theirs['git-lfs'] = await peerSteps('git-lfs', folder, source, ['add', 'edit'], edit)
    else console.error('  git-lfs is left out: it is not installed (apt-get install git-lfs)')
  }
  for (const [name, step, goal] of [
    ['1 GiB file, add', 'add', 5],
    ['1 GiB file, add after a 5-byte edit', 'edit', 5],
  ] as const)
    tell(name, step, ours, theirs, goal)
  stored('1 GiB file, 5-byte edit, stored again', 'edit', ours, theirs, 256)
  rmSync(source)
}

async function many(folder: string, peers: boolean): Promise<void> {
  const source = join(folder, 'many')
  const edit = { path: '050/0500.bin', at: 100, bytes: 'hello' }
  const steps = ['add', 'no-op', 'edit']
  const write = () => {
    rmSync(source, { recursive: true, force: true })
    writeManyFiles(source, { folders: 100, each: 1000, length: 1024 })
  }
  const change = () => applyEdit(source, edit)
  const ours = rounds({ folder, source, steps, write, change })
  write()
  const theirs: Record<string, Spent[]> = peers
    ? { dvc: await peerSteps('dvc', folder, source, steps, edit) }
    : {}
  for (const [name, step, goal] of [
    ['100,000 × 1 kB, add', 'add', 15],
    ['100,000 × 1 kB, nothing changed', 'no-op', 2],
    ['100,000 × 1 kB, one changed', 'edit', 2],
  ] as const)
    tell(name, step, ours, theirs, goal)
  stored('100,000 × 1 kB, one changed, stored again', 'edit', ours, theirs, 256)
  rmSync(source, { recursive: true })
}

/** Bytes of two tensors of 50, in kB, and what comes on top of them: tables, lists, the tree. */
function tensors(folder: string): void {
  const shape = { n: 50, rows: 512, width: 1024 }
  const source = join(folder, 'model.safetensors')
  const tensorKb = (shape.rows * shape.width * 4) / 1024
  const [, second] = rounds({
    folder,
    source,
    steps: ['add', 'edit'],
    write: () => writeSafetensors(source, shape),
    change: () => writeSafetensors(source, { ...shape, changed: [7, 31] }),
  })
  const goal = 2 * tensorKb + 64
  const kb = second.stored / 1024
  report({
    bench: BENCH,
    metric: '100 MB safetensors, 2 of 50 tensors, stored',
    value: kb,
    unit: 'kB',
    bound: 2 * tensorKb,
    goal,
    met: kb <= goal,
    note: `the two tensors are ${2 * tensorKb} kB; a byte of any other tensor would be too many`,
  })
}

function tell(
  metric: string,
  step: string,
  ours: Spent[],
  theirs: Record<string, Spent[]>,
  goal: number,
): void {
  const mine = ours.find((s) => s.step === step)!
  for (const [what, unit] of [
    ['cpu', 's CPU'],
    ['wall', 's'],
  ] as const) {
    const value = mine[what]
    const asked = { goal, met: value <= goal }
    if (Object.keys(theirs).length === 0) report({ bench: BENCH, metric, value, unit, ...asked })
    for (const [peerName, steps] of Object.entries(theirs)) {
      const peerValue = Number(steps.find((s) => s.step === step)![what].toPrecision(4))
      const ratio = Number((peerValue / value).toPrecision(3))
      report({ bench: BENCH, metric, value, unit, ...asked, peer: peerName, peerValue, ratio })
    }
  }
}

function stored(
  metric: string,
  step: string,
  ours: Spent[],
  theirs: Record<string, Spent[]>,
  goal: number,
): void {
  const kb = (steps: Spent[]) => Number((steps.find((s) => s.step === step)!.stored / 1024).toPrecision(4))
  const [first] = Object.entries(theirs)
  report({
    bench: BENCH,
    metric,
    value: kb(ours),
    unit: 'kB',
    goal,
    met: kb(ours) <= goal,
    ...(first && { peer: first[0], peerValue: kb(first[1]) }),
  })
}

interface OurJob {
  folder: string
  source: string
  steps: readonly string[]
  /** Writes what is added first. */
  write: () => void
  change: () => void
}

/** Steps of `millrace data add` as a user runs them: a process each. Of several rounds, the least CPU time of each step. */
function rounds(job: OurJob): Spent[] {
  const all = Array.from({ length: ROUNDS }, () => {
    job.write()
    return ourSteps(job)
  })
  return job.steps.map((_, i) =>
    all.map((round) => round[i]).reduce((best, s) => (s.cpu < best.cpu ? s : best)),
  )
}

function ourSteps({ folder, source, steps, change }: OurJob): Spent[] {
  const project = join(folder, 'project')
  mkdirSync(project)
  writeFileSync(
    join(project, 'millrace.config.ts'),
    "import { project } from 'millrace'\nexport default project('files', { datasets: [], models: [] })\n",
  )
  const spent = steps.map((step) => {
    if (step === 'edit') change()
    return {
      step,
      ...run(['data', 'add', source, '--project', project, '--json'], join(folder, 'spent.json')),
    }
  })
  rmSync(project, { recursive: true })
  return spent
}

/** A process of ours; the last thing it does is write what it took. */
function run(args: readonly string[], spentPath: string): Omit<Spent, 'step'> {
  const noting = `import { writeFileSync } from 'node:fs'
process.on('exit', () => {
  const { user, system } = process.cpuUsage()
  writeFileSync(${JSON.stringify(spentPath)}, JSON.stringify((user + system) / 1e6))
})`
  const begun = performance.now()
  const ended = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(noting)}`, CLI, ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const wall = (performance.now() - begun) / 1000
  if (ended.status !== 0) throw new Error(`millrace ${args.join(' ')}: ${ended.stderr}`)
  const { bytesStored } = JSON.parse(ended.stdout) as { bytesStored: number }
  return { cpu: JSON.parse(readFileSync(spentPath, 'utf8')) as number, wall, stored: bytesStored }
}

function applyEdit(source: string, { path, at, bytes }: Edit): void {
  const fd = openSync(path === '' ? source : join(source, path), 'r+')
  writeSync(fd, bytes, at)
  closeSync(fd)
}

async function peerSteps(
  tool: string,
  folder: string,
  source: string,
  steps: readonly string[],
  edit: Edit,
): Promise<Spent[]> {
  const repository = mkdtempSync(join(folder, `${tool}-`))
  const options = { environment: 'dvc', timeoutMs: PEER_TIMEOUT_MS, threads: 2 }
  const spent = await peer<Spent>('versions_files', { tool, repository, source, steps, edit }, options)
  rmSync(repository, { recursive: true })
  return spent
}

function hasLfs(): boolean {
  return spawnSync('git', ['lfs', 'version']).status === 0
}
