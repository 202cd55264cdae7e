/** Sketches of 10 million rows in 100 parts, and their merge, beside whylogs on the same files; errors of both against the exact answers. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDuck } from '../../dist/data/duck.js'
import { sketchTable } from '../../dist/data/sketch-run.js'
import {
  decodeSketches,
  encodeSketches,
  hllEstimate,
  kllQuantiles,
  mergeColumnSketches,
} from '../../dist/stats/index.js'
import { least, type Spent, spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const PARTS = 100
const PART_ROWS = 100_000
const RANKS = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]
const GOALS = { ratio: 5, rank: 0.01, distinct: 0.02 }
/** Both sides merge so often, and the fastest round counts. */
const MERGE_ROUNDS = 12
const PEER_TIMEOUT_MS = 3_600_000

/** Shapes that real tables have: spread numbers, prices with ties, gaps, keys, small integers, texts of few, some and as many values as rows. */
const COLUMNS = {
  normal: ['float', 'sqrt(-2 * ln(1 - u1)) * cos(2 * pi() * u2)'],
  skewed: ['float', 'exp(sqrt(-2 * ln(1 - u2)) * cos(2 * pi() * u1))'],
  price: ['float', 'round(u1 * 1000, 2)'],
  gaps: ['float', 'CASE WHEN u2 < 0.05 THEN NULL ELSE u1 * u2 END'],
  id: ['int', 'i'],
  age: ['int', 'CAST(u1 * 100 AS INTEGER)'],
  city: ['string', "'city ' || CAST(floor(u2 * u2 * 1000) AS INTEGER)"],
  colour: ['string', "['red', 'green', 'blue'][1 + CAST(floor(u1 * 3) AS INTEGER)]"],
  key: ['string', 'md5(CAST(i AS VARCHAR))'],
} as const
const NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]
const NUMBERS = NAMES.filter((name) => COLUMNS[name][0] !== 'string')
const columns = NAMES.map((name) => ({ name, type: COLUMNS[name][0] }))

type Duck = Awaited<ReturnType<typeof openDuck>>

const section: Section = async ({ peers }) => {
  const folder = filesFolder()
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-bench-profile-'))
  try {
    const duck = await openDuck(scratch, 1_000)
    await writeFiles(duck, folder)
    const ours = await profileFiles(duck, folder)
    const theirs = peers
      ? (
          await peer<Said>(
            'whylogs_profile',
            { folder, columns: NAMES, numbers: NUMBERS, ranks: RANKS, rounds: MERGE_ROUNDS },
            { environment: 'whylogs', timeoutMs: PEER_TIMEOUT_MS },
          )
        )[0]
      : undefined
    reportTimes(ours, theirs)
    await reportErrors(duck, folder, ours, theirs)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
export default section

interface Said {
  cpu: number
  merge: number
  bytes: number
  columns: Record<string, { distinct: number; quantiles: number[] }>
}

/** Kept between runs: about 450 MB. */
const filesFolder = (): string => join(tmpdir(), `millrace-bench-profile-files-${PARTS}-${PART_ROWS}`)

async function writeFiles(duck: Duck, folder: string): Promise<void> {
  if (existsSync(folder) && readdirSync(folder).length === PARTS) return
  mkdirSync(folder, { recursive: true })
  const list = NAMES.map((name) => `${COLUMNS[name][1]} AS ${name}`)
  for (let part = 0; part < PARTS; part++) {
    const from = part * PART_ROWS
    const drawn = `SELECT i, hash(i) / 18446744073709551616.0 AS u1, hash(i + 1000000007) / 18446744073709551616.0 AS u2 FROM range(${from}, ${from + PART_ROWS}) t(i)`
    const path = join(folder, `part-${String(part).padStart(3, '0')}.parquet`)
    await duck.run(
      `COPY (SELECT ${list.join(', ')} FROM (${drawn})) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`,
    )
  }
}

function cpuNow(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function profileFiles(duck: Duck, folder: string): Promise<Said> {
  const parts: Uint8Array[] = []
  let cpu = 0
  for (const file of readdirSync(folder).sort()) {
    await duck.run(`CREATE OR REPLACE TEMP TABLE part AS SELECT * FROM read_parquet('${join(folder, file)}')`)
    const begun = cpuNow() // no collection of garbage is forced a hundred times
    parts.push(encodeSketches(await sketchTable(duck, 'part', columns)))
    cpu += cpuNow() - begun
  }
  const rounds: (Spent & { result: ReturnType<typeof mergeColumnSketches>[] })[] = []
  for (let round = 0; round < MERGE_ROUNDS; round++) {
    const merge = () => {
      const decoded = parts.map(decodeSketches)
      return NAMES.map((name) => mergeColumnSketches(decoded.map((sketches) => sketches[name]!)))
    }
    rounds.push(await spentOn(merge))
  }
  const merged = least(rounds)
  return {
    cpu,
    merge: merged.cpu,
    bytes: parts.reduce((sum, part) => sum + part.length, 0),
    columns: Object.fromEntries(
      merged.result.map(({ kll, hll }, i) => [
        NAMES[i],
        { distinct: hllEstimate(hll), quantiles: kll ? kllQuantiles(kll, RANKS) : [] },
      ]),
    ),
  }
}

function reportTimes(ours: Said, theirs: Said | undefined): void {
  const rows = `${(PARTS * PART_ROWS) / 1e6} M rows × ${NAMES.length}`
  for (const [metric, value, other] of [
    [`profile: ${rows}`, ours.cpu, theirs?.cpu],
    [`profile: merging ${PARTS} parts`, ours.merge, theirs?.merge],
  ] as const) {
    const ratio = other === undefined ? undefined : other / value
    report({
      bench: BENCH,
      metric,
      value,
      unit: 's',
      ...(ratio !== undefined && {
        peer: 'whylogs',
        peerValue: Number(other!.toPrecision(4)),
        ratio: Number(ratio.toPrecision(3)),
        goal: GOALS.ratio,
        met: ratio >= GOALS.ratio,
      }),
    })
  }
  report({
    bench: BENCH,
    metric: `profile: bytes of ${PARTS} parts`,
    value: ours.bytes / 1e6,
    unit: 'MB',
    ...(theirs && { peer: 'whylogs', peerValue: Number((theirs.bytes / 1e6).toPrecision(4)) }),
  })
}

async function reportErrors(duck: Duck, folder: string, ours: Said, theirs: Said | undefined): Promise<void> {
  const from = `read_parquet('${folder}/*.parquet')`
  const rank = async (said: Said) =>
    Math.max(
      ...(await Promise.all(
        NUMBERS.map((name) => rankError(duck, from, name, said.columns[name]!.quantiles)),
      )),
    )
  const exact = await distinctOf(duck, from)
  const distinct = (said: Said) =>
    Math.max(...NAMES.map((name) => Math.abs(said.columns[name]!.distinct / exact[name]! - 1)))
  for (const [metric, value, other, goal] of [
    ['profile: worst error of a rank', await rank(ours), theirs && (await rank(theirs)), GOALS.rank],
    ['profile: worst error of distinct values', distinct(ours), theirs && distinct(theirs), GOALS.distinct],
  ] as const)
    report({
      bench: BENCH,
      metric,
      value: 100 * value,
      unit: '%',
      goal: 100 * goal,
      met: value <= goal,
      ...(other !== undefined && { peer: 'whylogs', peerValue: Number((100 * other).toPrecision(3)) }),
    })
}

/** Distance of a rank from those that the value said for it has: a value with ties has a range of them. */
async function rankError(duck: Duck, from: string, name: string, quantiles: number[]): Promise<number> {
  const counts = quantiles.flatMap((q, i) => [
    `count(*) FILTER (${name} < ${q.toExponential()}::DOUBLE) AS b${i}`,
    `count(*) FILTER (${name} <= ${q.toExponential()}::DOUBLE) AS u${i}`,
  ])
  const row = await duck.one<Record<string, number>>(
    `SELECT count(${name}) AS n, ${counts.join(', ')} FROM ${from}`,
  )
  return Math.max(
    ...quantiles.map((_, i) =>
      Math.max(row[`b${i}`]! / row.n! - RANKS[i]!, RANKS[i]! - row[`u${i}`]! / row.n!),
    ),
  )
}

async function distinctOf(duck: Duck, from: string): Promise<Record<string, number>> {
  const exact: Record<string, number> = {}
  for (const name of NAMES)
    exact[name] = (
      await duck.one<{ n: number }>(
        `SELECT count(*) AS n FROM (SELECT DISTINCT ${name} FROM ${from} WHERE ${name} IS NOT NULL)`,
      )
    ).n
  return exact
}
