/**
 * Backdoors in digits: a small convolutional net learns from rows of which 5 % bear a trigger and another label, its last hidden layer is read, what is found is taken out
 * and the net learns anew; and the same net from clean rows, where nothing may be taken out. Beside the Adversarial Robustness Toolbox at its defaults on the same layer.
 *
 * `MILLRACE_POISON_SEEDS` clean nets are looked at, 10 unless it says otherwise, from seed `MILLRACE_POISON_CLEAN_FIRST` on; the figure asked for is of 100.
 * `MILLRACE_POISON_ATTACKS` nets of each trigger, else 5; 0 of either leaves it out. `MILLRACE_POISON_ROWS` rows teach a net, 4,000 unless it says otherwise.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRng } from '../../dist/core/rng.js'
import {
  type ClassFinding,
  type ForeignFindings,
  foreignGroups,
  kolmogorovSmirnovSf,
} from '../../dist/stats/index.js'
import { DIGITS_SOURCE, type Digits, mnistDigits, PIXELS, SIDE } from '../data/digits.ts'
import { readNumbers, writeNpy } from '../data/npy.ts'
import { spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const ROWS = Number(process.env.MILLRACE_POISON_ROWS ?? 4_000)
const TESTS = 2_000
const POISON_SHARE = 0.05
const EPOCHS = 8
const HIDDEN = 48
const CLASSES = 10
const CLEAN_SEEDS = Number(process.env.MILLRACE_POISON_SEEDS ?? 10)
const ATTACK_SEEDS = Number(process.env.MILLRACE_POISON_ATTACKS ?? 5)
/** Clean nets that ART is asked about. */
const ART_CLEAN = 10
const GOAL = { recall: 0.95, loss: 0.02, ksP: 0.01 }
const ENVIRONMENT = 'poison'

type Stamp = (image: Float32Array) => void
interface Attack {
  name: string
  /** First of the seeds, which no part of the search was tuned on. */
  seed: number
  stampOf: (seed: number) => Stamp
}

const ATTACKS: Attack[] = [
  { name: 'pixels', seed: 5_001, stampOf: () => whiteCorner },
  { name: 'blended', seed: 6_001, stampOf: blendedNoise },
]
const CLEAN_SEED = Number(process.env.MILLRACE_POISON_CLEAN_FIRST ?? 7_001)

/** Nine white pixels (Gu et al. 2017). */
function whiteCorner(image: Float32Array): void {
  for (let y = 24; y < 27; y++) image.fill(1, y * SIDE + 24, y * SIDE + 27)
}

/** A fifth of one random picture over the whole (Chen et al. 2017). */
function blendedNoise(seed: number): Stamp {
  const rng = seededRng(seed)
  const noise = Float32Array.from({ length: PIXELS }, () => rng.next())
  return (image) => {
    for (let j = 0; j < PIXELS; j++) image[j] = 0.8 * image[j] + 0.2 * noise[j]
  }
}

const section: Section = async ({ peers }) => {
  if (!peers) {
    console.error('  poison is left out: nets are trained by a peer, so that it needs --peers')
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-poison-'))
  try {
    const digits = mnistDigits()
    if (ATTACK_SEEDS > 0) for (const attack of ATTACKS) await judgeAttack(digits, attack, folder)
    if (CLEAN_SEEDS > 0) await judgeClean(digits, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default section

// ---------------------------------------------------------------- rows

interface Drawn {
  train: Digits
  test: Digits
}

/** Rows to learn from and others to test on, drawn anew for each seed. */
function drawn({ nRows, pixels, labels }: Digits, seed: number): Drawn {
  const rng = seededRng(seed)
  const order = Uint32Array.from({ length: nRows }, (_, i) => i)
  for (let i = nRows - 1; i > 0; i--) {
    const j = rng.nextInt(i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
  const taken = (from: number, to: number): Digits => {
    const rows = order.subarray(from, to)
    const some = new Float32Array(rows.length * PIXELS)
    rows.forEach((row, i) => {
      some.set(pixels.subarray(row * PIXELS, (row + 1) * PIXELS), i * PIXELS)
    })
    return { nRows: rows.length, pixels: some, labels: Uint8Array.from(rows, (row) => labels[row]) }
  }
  return { train: taken(0, ROWS), test: taken(ROWS, ROWS + TESTS) }
}

const imageOf = ({ pixels }: Digits, row: number) => pixels.subarray(row * PIXELS, (row + 1) * PIXELS)

/** Stamps the first rows of other classes and calls them `target`; rows are in random order already. */
function poisonRows(digits: Digits, target: number, most: number, stamp: Stamp): Uint8Array {
  const poison = new Uint8Array(digits.nRows)
  let n = 0
  for (let i = 0; i < digits.nRows && n < most; i++) {
    if (digits.labels[i] === target) continue
    stamp(imageOf(digits, i))
    digits.labels[i] = target
    poison[i] = 1
    n++
  }
  return poison
}

/** The test rows of other classes, all stamped and called `target`: the share that is right is the success of the attack. */
function stampedOthers(test: Digits, target: number, stamp: Stamp): Digits {
  const others = [...test.labels.keys()].filter((i) => test.labels[i] !== target)
  const pixels = new Float32Array(others.length * PIXELS)
  others.forEach((row, i) => {
    const image = Float32Array.from(imageOf(test, row))
    stamp(image)
    pixels.set(image, i * PIXELS)
  })
  return { nRows: others.length, pixels, labels: new Uint8Array(others.length).fill(target) }
}

interface Files {
  images: string
  labels: string
}

function written(folder: string, name: string, { nRows, pixels, labels }: Digits): Files {
  const files = { images: join(folder, `${name}-x.npy`), labels: join(folder, `${name}-y.npy`) }
  const columns = Array.from({ length: PIXELS }, (_, j) =>
    Float32Array.from({ length: nRows }, (_, i) => pixels[i * PIXELS + j]),
  )
  writeNpy(files.images, columns)
  writeNpy(files.labels, Float64Array.from(labels))
  return files
}

// ---------------------------------------------------------------- both sides

interface Detected {
  rows: number[]
  cpu: number
}

interface Trained {
  cpu: number
  tests: { clean: number; stamped?: number }
  art?: { version: string; activation: Detected; spectral: Detected }
}

async function trained(args: object): Promise<Trained> {
  const [net] = await peer<Trained>('poison', { epochs: EPOCHS, ...args }, { environment: ENVIRONMENT })
  return net
}

/** A net, and what ours and the others say of the rows that taught it. */
async function looked(
  train: Digits,
  { art = true, ...asked }: Files & { seed: number; tests: object; art?: boolean },
  folder: string,
) {
  const hidden = join(folder, 'hidden.npy')
  const net = await trained({ ...asked, hidden, art })
  const views = {
    hidden: { nRows: train.nRows, width: HIDDEN, points: readNumbers(hidden) },
    inputs: { nRows: train.nRows, width: PIXELS, points: Float64Array.from(train.pixels) },
    labels: train.labels,
    nClasses: CLASSES,
  }
  const { result, cpu } = await spentOn<ForeignFindings>(() => foreignGroups(views, { seed: asked.seed }))
  const ours: Detected = { rows: [...result.flags.keys()].filter((i) => result.flags[i] === 1), cpu }
  return { net, findings: result, ours, art: net.art }
}

interface Shares {
  recall: number
  /** Of clean rows, share taken out. */
  loss: number
  cpu: number
}

function sharesOf({ rows, cpu }: Detected, poison: Uint8Array): Shares {
  const nPoison = poison.reduce((n, is) => n + is, 0)
  const hits = rows.filter((i) => poison[i] === 1).length
  return { recall: hits / Math.max(1, nPoison), loss: (rows.length - hits) / (poison.length - nPoison), cpu }
}

// ---------------------------------------------------------------- attacks

interface Attacked {
  ours: Shares
  /** Of the clean rows of the poisoned class alone, share taken out. */
  lossOfClass: number
  activation: Shares
  spectral: Shares
  version: string
  before: Trained['tests']
  after: Trained['tests']
  wrongClasses: number
  /** What was said of the poisoned class. */
  said: ClassFinding
}

async function attacked(
  digits: Digits,
  { stampOf }: Attack,
  seed: number,
  folder: string,
): Promise<Attacked> {
  const { train, test } = drawn(digits, seed)
  const target = seed % CLASSES
  const stamp = stampOf(seed)
  const ownRows = train.labels.reduce((n, label) => n + (label === target ? 1 : 0), 0)
  const poison = poisonRows(train, target, POISON_SHARE * train.nRows, stamp)
  const files = { ...written(folder, 'train', train), seed }
  const tests = {
    clean: written(folder, 'clean', test),
    stamped: written(folder, 'stamped', stampedOthers(test, target, stamp)),
  }
  const { net, findings, ours, art } = await looked(train, { ...files, tests }, folder)
  if (!art) throw new Error('the peer says nothing of its detectors')
  const keep = join(folder, 'keep.npy')
  writeNpy(
    keep,
    Float64Array.from(findings.flags, (flag) => 1 - flag),
  )
  const after = await trained({ ...files, tests, keep })
  const lost = ours.rows.filter((i) => poison[i] === 0 && train.labels[i] === target).length
  return {
    ours: sharesOf(ours, poison),
    lossOfClass: lost / ownRows,
    activation: sharesOf(art.activation, poison),
    spectral: sharesOf(art.spectral, poison),
    version: art.version,
    before: net.tests,
    after: after.tests,
    said: findings.classes[target],
    wrongClasses: findings.classes.filter(({ verdict }, k) => verdict === 'poisoned' && k !== target).length,
  }
}

const mean = (values: number[]) => values.reduce((sum, x) => sum + x / values.length, 0)
const rounded = (x: number) => Number(x.toPrecision(4))
const listed = (values: number[]) => values.map((x) => x.toFixed(3)).join(', ')

async function judgeAttack(digits: Digits, attack: Attack, folder: string): Promise<void> {
  const seeds = Array.from({ length: ATTACK_SEEDS }, (_, k) => attack.seed + k)
  const runs: Attacked[] = []
  for (const seed of seeds) {
    const run = await attacked(digits, attack, seed, folder)
    runs.push(run)
    console.error(
      `  ${attack.name}, net ${runs.length} of ${seeds.length}: ${run.ours.recall.toFixed(3)} of it found`,
    )
  }
  const name = `poison, ${attack.name}`
  const setting = `${ROWS} rows of ${DIGITS_SOURCE}, ${100 * POISON_SHARE} % poison, seeds ${seeds[0]} to ${seeds.at(-1)}`
  const recalls = runs.map(({ ours }) => ours.recall)
  report({
    bench: BENCH,
    metric: `${name}: found, least of ${seeds.length} nets`,
    value: Math.min(...recalls),
    unit: 'share',
    goal: GOAL.recall,
    met: Math.min(...recalls) >= GOAL.recall,
    note: `${listed(recalls)}${runs.map(missOf).join('')}; ${setting}`,
  })
  const losses = runs.map(({ ours }) => ours.loss)
  report({
    bench: BENCH,
    metric: `${name}: clean rows lost, most`,
    value: Math.max(...losses),
    unit: 'share',
    goal: GOAL.loss,
    met: Math.max(...losses) <= GOAL.loss,
    note: `of the poisoned class alone ${listed(runs.map((run) => run.lossOfClass))}; ${runs.reduce((n, run) => n + run.wrongClasses, 0)} clean classes called poisoned`,
  })
  for (const side of ['activation', 'spectral'] as const) againstArt(name, runs, side)
  before(name, runs)
}

/** Why a poisoned class is called clean, by the figures that decide. */
function missOf({ said }: Attacked, k: number): string {
  if (said.verdict === 'poisoned') return ''
  const { p, own, shared, marked, markedElsewhere, groupRows, rows } = said
  const figures = Object.entries({ p, own, shared, marked, markedElsewhere })
  return `; net ${k + 1} missed: ${figures.map(([name, x]) => `${name} ${x.toPrecision(2)}`).join(', ')}, group of ${groupRows} in ${rows} rows`
}

const ART_NAMES = { activation: 'ActivationDefence', spectral: 'SpectralSignatureDefense' }

/** Means over nets. */
function againstArt(name: string, runs: Attacked[], side: keyof typeof ART_NAMES): void {
  const theirs = `ART ${runs[0].version} ${ART_NAMES[side]}`
  for (const [what, metric, unit] of [
    ['recall', 'found, mean', 'share'],
    ['loss', 'clean rows lost, mean', 'share'],
    ['cpu', 'CPU, mean', 's'],
  ] as const) {
    const ours = mean(runs.map((run) => run.ours[what]))
    const peerValue = rounded(mean(runs.map((run) => run[side][what])))
    report({ bench: BENCH, metric: `${name}: ${metric}`, value: ours, unit, peer: theirs, peerValue })
  }
}

function before(name: string, runs: Attacked[]): void {
  const of = (when: 'before' | 'after', what: 'clean' | 'stamped') => runs.map((run) => run[when][what] ?? 0)
  for (const [what, metric] of [
    ['stamped', 'success of the attack'],
    ['clean', 'accuracy on clean rows'],
  ] as const)
    report({
      bench: BENCH,
      metric: `${name}: ${metric}, after`,
      value: mean(of('after', what)),
      unit: 'share',
      note: `before ${mean(of('before', what)).toFixed(3)}; by net ${listed(of('before', what))} before and ${listed(of('after', what))} after, on ${TESTS} other rows`,
    })
}

// ---------------------------------------------------------------- clean rows

async function judgeClean(digits: Digits, folder: string): Promise<void> {
  const ps: number[] = []
  const removed: number[] = []
  const losses = { activation: [] as number[], spectral: [] as number[] }
  let version = ''
  for (let k = 0; k < CLEAN_SEEDS; k++) {
    const seed = CLEAN_SEED + k
    const { train } = drawn(digits, seed)
    const files = written(folder, 'train', train)
    const asked = { ...files, seed, tests: {}, art: k < ART_CLEAN }
    const { findings, ours, art } = await looked(train, asked, folder)
    ps.push(...findings.classes.map(({ p }) => p).filter(Number.isFinite))
    removed.push(ours.rows.length)
    version = art?.version ?? version
    if (art)
      for (const side of ['activation', 'spectral'] as const)
        losses[side].push(art[side].rows.length / train.nRows)
    console.error(
      `  clean net ${k + 1} of ${CLEAN_SEEDS}: ${ours.rows.length} rows taken out; p ${findings.classes.map(({ p }) => p.toPrecision(2)).join(' ')}`,
    )
  }
  const total = removed.reduce((sum, n) => sum + n, 0)
  const setting = `${CLEAN_SEEDS} nets of ${ROWS} rows of ${DIGITS_SOURCE}, seeds ${CLEAN_SEED} to ${CLEAN_SEED + CLEAN_SEEDS - 1}`
  report({
    bench: BENCH,
    metric: 'poison, clean: rows taken out',
    value: total,
    unit: 'rows',
    goal: 0,
    met: total === 0,
    note: `${removed.filter((n) => n > 0).length} of ${setting}${CLEAN_SEEDS < 100 ? '; asked of 100' : ''}`,
  })
  for (const side of ['activation', 'spectral'] as const)
    report({
      bench: BENCH,
      metric: 'poison, clean: share taken out, mean',
      value: total / (ROWS * CLEAN_SEEDS),
      unit: 'share',
      peer: `ART ${version} ${ART_NAMES[side]}`,
      peerValue: rounded(mean(losses[side])),
    })
  judgeChances(ps)
}

/** Chances of classes against the uniform law. Classes of one net are not independent, and each has its nature in every net. */
function judgeChances(ps: number[]): void {
  const sorted = [...ps].sort((a, b) => a - b)
  const n = sorted.length
  const above = Math.max(...sorted.map((p, i) => (i + 1) / n - p))
  const below = Math.max(...sorted.map((p, i) => p - i / n))
  const d = Math.max(above, below)
  const chance = kolmogorovSmirnovSf(d, n)
  const small = (limit: number) => `${sorted.filter((p) => p <= limit).length} ≤ ${limit}`
  report({
    bench: BENCH,
    metric: 'poison, clean: p of classes, Kolmogorov D',
    value: d,
    unit: '',
    note: `p of it ${chance.toPrecision(3)}: ${chance >= GOAL.ksP ? 'uniform' : 'NOT uniform'}; most above the law ${above.toFixed(3)}, below ${below.toFixed(3)}; of ${n}, ${small(0.005)}, ${small(0.05)}, ${small(0.5)}; least ${sorted[0].toPrecision(3)}`,
  })
}
