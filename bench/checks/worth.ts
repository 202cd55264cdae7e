/** Label issues of 10,000 and 10 million rows of 10 classes and of MNIST, how many people confirm, and worth of 50,000 rows by 5,000, beside cleanlab on the same numbers. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seededRng } from '../../dist/core/rng.js'
import {
  knnShapley,
  knnUtility,
  LABEL_ISSUE_RULES,
  labelIssues,
  normalizedMargin,
  selfConfidence,
} from '../../dist/stats/index.js'
import { writeNpy } from '../data/npy.ts'
import { cpuPerCall, spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const LABELS_MS = 50
const WORTH = { rows: 50_000, tests: 5_000, width: 32, goalS: 60, goalMb: 1_000 }
/** cleanlab keeps a number for each pair of rows, so that it is asked for fewer. */
const SELF_ROWS = 5_000
const MNIST = fileURLToPath(new URL('../../../shared/data/mnist-t10k/', import.meta.url))
const CLEANLAB_RULES: Record<string, string> = { 'predicted-not-given': 'predicted_neq_given' }

const section: Section = async ({ peers }) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-worth-'))
  try {
    judgeMany()
    await judgeLabels('10,000 × 10', drawnLabels(10_000, 10), folder, peers)
    const mnist = mnistLabels()
    if (mnist) {
      await judgeLabels('MNIST', mnist, folder, peers)
      await judgeByPeople(mnist, folder, peers)
    } else console.error('  MNIST is left out: ../shared/data/mnist-t10k is absent')
    await judgeWorth()
    if (peers) await judgeSelf(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default section

interface Labelled {
  probabilities: Float64Array
  labels: Float64Array
}

/** Labels drawn from the probabilities, so that some are not the likeliest class. */
function drawnLabels(nRows: number, width: number): Labelled {
  const rng = seededRng(7)
  const probabilities = new Float64Array(nRows * width)
  const labels = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    const row = probabilities.subarray(i * width, (i + 1) * width)
    const truth = rng.nextInt(width)
    for (let k = 0; k < width; k++) row[k] = Math.exp((k === truth ? 5 : 0) + 1.5 * rng.normal())
    const total = row.reduce((sum, x) => sum + x, 0)
    for (let k = 0; k < width; k++) row[k] /= total
    labels[i] = rng.next() < 0.08 ? rng.nextInt(width) : truth
  }
  return { probabilities, labels }
}

function mnistLabels(): Labelled | undefined {
  if (!existsSync(MNIST)) return undefined
  const body = (name: string) => {
    const file = readFileSync(join(MNIST, name))
    return new Uint8Array(file.subarray(10 + file.readUInt16LE(8))).buffer
  }
  const labels = Float64Array.from(new Uint16Array(body('mnist_test_set_original_labels.npy')))
  const probabilities = new Float64Array(body('mnist_test_set_pyx.npy'))
  const width = probabilities.length / labels.length
  for (let at = 0; at < probabilities.length; at += width) {
    const row = probabilities.subarray(at, at + width)
    const total = row.reduce((sum, x) => sum + x, 0)
    for (let k = 0; k < width; k++) row[k] /= total
  }
  return { probabilities, labels }
}

interface PeerLabels {
  rule: string
  cpu: number
  issues: number[]
}

async function judgeLabels(name: string, data: Labelled, folder: string, peers: boolean): Promise<void> {
  const { probabilities, labels } = data
  const files = { p: join(folder, 'p.npy'), labels: join(folder, 'labels.npy') }
  writeNpy(files.p, probabilities)
  writeNpy(files.labels, labels)
  const theirs = peers ? await peer<PeerLabels>('worth', { what: 'labels', ...files }) : []
  for (const rule of LABEL_ISSUE_RULES) {
    const { flags } = labelIssues(probabilities, labels, rule)
    const rows = [...flags.keys()].filter((i) => flags[i] === 1)
    const ms = 1000 * cpuPerCall(() => void labelIssues(probabilities, labels, rule), { calls: 3 })
    const other = theirs.find((t) => t.rule === (CLEANLAB_RULES[rule] ?? rule.replaceAll('-', '_')))
    report({
      bench: BENCH,
      metric: `label issues: ${name}, ${rule}`,
      value: ms,
      unit: 'ms',
      goal: LABELS_MS,
      met: ms <= LABELS_MS,
      ...(other && {
        peer: 'cleanlab',
        peerValue: Number((other.cpu * 1000).toPrecision(4)),
        ratio: Number(((other.cpu * 1000) / ms).toPrecision(3)),
      }),
      note: `${rows.length} flagged${other ? (rows.join() === other.issues.join() ? ', the same rows' : ', OTHER rows') : ''}`,
    })
  }
}

/** Rows that people looked at, and those whose label at least three of five did not choose. */
function verdicts(): { looked: Set<number>; wrong: Set<number> } {
  const all = JSON.parse(readFileSync(join(MNIST, 'mnist_mturk.json'), 'utf8')) as {
    id: number
    mturk: { given: number; guessed: number; neither: number }
  }[]
  const ofFive = all.filter(({ mturk: { guessed, neither } }) => guessed + neither >= 3)
  return { looked: new Set(all.map(({ id }) => id)), wrong: new Set(ofFive.map(({ id }) => id)) }
}

/** Share of the first rows, worst first, whose label people call wrong; only rows that they looked at count. */
async function judgeByPeople(
  { probabilities, labels }: Labelled,
  folder: string,
  peers: boolean,
): Promise<void> {
  const { looked, wrong } = verdicts()
  const files = { p: join(folder, 'p.npy'), labels: join(folder, 'labels.npy') }
  const theirs = peers
    ? await peer<{ score: string; order: number[] }>('worth', { what: 'ranks', ...files })
    : []
  const scores = { 'self-confidence': selfConfidence, 'normalized-margin': normalizedMargin }
  for (const [name, score] of Object.entries(scores)) {
    const values = score(probabilities, labels)
    const order = [...values.keys()].sort((a, b) => values[a] - values[b] || a - b)
    const other = theirs.find((t) => t.score === name.replaceAll('-', '_'))
    for (const k of [15, 50, 100]) {
      const share = (rows: readonly number[]) =>
        rows
          .filter((i) => looked.has(i))
          .slice(0, k)
          .filter((i) => wrong.has(i)).length / k
      report({
        bench: BENCH,
        metric: `label issues: MNIST, ${name}, wrong of ${k}`,
        value: share(order),
        unit: 'share',
        ...(other && { peer: 'cleanlab', peerValue: share(other.order) }),
        note: `of ${looked.size} that people looked at they call ${wrong.size} wrong`,
      })
    }
  }
}

const MANY = { rows: 10_000_000, width: 10, goalS: 20, goalMb: 2_000 }
/** Different rows of probabilities among the many. */
const DISTINCT = 4_096

function judgeMany(): void {
  const { rows, width, goalS, goalMb } = MANY
  const few = drawnLabels(DISTINCT, width)
  const probabilities = new Float64Array(rows * width)
  const labels = new Uint8Array(rows)
  const rng = seededRng(11)
  for (let i = 0; i < rows; i++) {
    const from = rng.nextInt(DISTINCT)
    probabilities.set(few.probabilities.subarray(from * width, (from + 1) * width), i * width)
    labels[i] = rng.next() < 0.05 ? rng.nextInt(width) : few.labels[from]
  }
  const before = process.cpuUsage()
  const { nIssues } = labelIssues(probabilities, labels)
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1e6
  const mb = process.resourceUsage().maxRSS / 1024
  const metric = `label issues: ${rows / 1e6} M × ${width}`
  report({
    bench: BENCH,
    metric,
    value: cpu,
    unit: 's',
    goal: goalS,
    met: cpu <= goalS,
    note: `${nIssues} flagged`,
  })
  report({
    bench: BENCH,
    metric: `${metric}, memory`,
    value: mb,
    unit: 'MB',
    goal: goalMb,
    met: mb <= goalMb,
    note: `${(rows * width * 8) / 1e6} MB of them the probabilities`,
  })
}

function cloud(seed: number, nRows: number, width: number) {
  const rng = seededRng(seed)
  const points = Float64Array.from({ length: nRows * width }, () => rng.normal())
  const labels = Float64Array.from({ length: nRows }, (_, i) =>
    Number(points[i * width] + 0.5 * rng.normal() > 0),
  )
  return { nRows, width, nNumbers: width, points, labels }
}

/** Peak of this process, which other measurements may have had before: then what it holds now. */
function peakMb(before: number): number {
  const { maxRSS } = process.resourceUsage()
  return maxRSS > before ? maxRSS / 1024 : process.memoryUsage.rss() / 2 ** 20
}

async function judgeWorth(): Promise<void> {
  const { rows, tests, width, goalS, goalMb } = WORTH
  const [train, test] = [cloud(1, rows, width), cloud(2, tests, width)]
  const before = process.resourceUsage().maxRSS
  const { cpu, result } = await spentOn(() => knnShapley(train, test))
  const mb = peakMb(before)
  const apart = Math.abs(result.reduce((sum, x) => sum + x, 0) - knnUtility(train, test))
  const named = `worth: ${rows / 1000}k × ${width} by ${tests / 1000}k`
  report({ bench: BENCH, metric: named, value: cpu, unit: 's', goal: goalS, met: cpu <= goalS })
  report({ bench: BENCH, metric: `${named}, memory`, value: mb, unit: 'MB', goal: goalMb, met: mb <= goalMb })
  report({
    bench: BENCH,
    metric: `${named}, sum from utility`,
    value: apart,
    unit: '',
    goal: 1e-9,
    met: apart <= 1e-9,
  })
}

/** Rows judged by one another, as cleanlab does, which stops at the k nearest where ours goes to the last. */
async function judgeSelf(folder: string): Promise<void> {
  const rows = cloud(3, SELF_ROWS, WORTH.width)
  const files = { points: join(folder, 'points.npy'), labels: join(folder, 'labels.npy') }
  writeNpy(files.points, rows.points)
  writeNpy(files.labels, rows.labels)
  const [theirs] = await peer<{ cpu: number; mb: number }>('worth', {
    what: 'worth',
    width: WORTH.width,
    ...files,
  })
  const { cpu } = await spentOn(() => knnShapley(rows))
  report({
    bench: BENCH,
    metric: `worth: ${SELF_ROWS / 1000}k × ${WORTH.width} by themselves`,
    value: cpu,
    unit: 's',
    peer: 'cleanlab',
    peerValue: Number(theirs.cpu.toPrecision(4)),
    ratio: Number((theirs.cpu / cpu).toPrecision(3)),
    note: `cleanlab grows by ${Math.round(theirs.mb)} MB and stops at the k nearest; ours is exact`,
  })
}
