/** Versions of a table: two million rows with scattered and with contiguous edits, their difference, reading the second version, and a merge of two branches, beside dvc. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { diff, relation, resolveVersion } from '../../dist/data/index.js'
import { importData } from '../../dist/loop/data.js'
import { createBranch } from '../../dist/loop/dataset-refs.js'
import { loadProject, mergeInto, openRuntime, raw } from '../../dist/runtime.js'
import { least, type Spent, spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'versions'
const ROWS = 2_000_000
const ACTOR = { actor: 'bench', reason: 'bench' }
const ROUNDS = 3
const PEER_TIMEOUT_MS = 1_800_000

type Runtime = Awaited<ReturnType<typeof openRuntime>>

/** Six columns: a key, a time, a number, two words and a flag. */
const columns = (row: string) =>
  `${row} AS id, TIMESTAMP '2001-01-01' + INTERVAL (${row} % 31536000) SECOND AS at, round(hash(${row}) % 1000003 / 97.0, 3) AS x, 'user ' || (hash(${row} + 1) % 50000) AS who, 'place ' || (hash(${row} + 2) % 300) AS place, hash(${row} + 3) % 3 = 0 AS flag`

const first = `SELECT ${columns('i')} FROM range(${ROWS}) t(i) ORDER BY i`

/** 967 rows changed, 3,000 new and 4,000 gone: anywhere, or next to each other. */
const PATTERNS = {
  scattered: {
    gone: 'hash(i * 7 + 1) % 480 = 0',
    changed: 'hash(i * 11 + 5) % 1900 = 0',
    fresh: `SELECT ${columns('i')} FROM (SELECT ${ROWS} + j * 13 AS i FROM range(3000) t(j))`,
  },
  contiguous: {
    gone: 'i >= 500000 AND i < 504000',
    changed: 'i >= 504000 AND i < 504967',
    fresh: `SELECT ${columns('i')} FROM (SELECT ${ROWS} + j AS i FROM range(3000) t(j))`,
  },
} as const

/** Rows that are gone and changed, exactly 4,000 and 967 of them, as tables `gone` and `changed`. */
function secondOf(pattern: keyof typeof PATTERNS): string[] {
  const { gone, changed, fresh } = PATTERNS[pattern]
  return [
    `CREATE OR REPLACE TABLE gone AS SELECT i FROM range(${ROWS}) t(i) WHERE ${gone} ORDER BY i LIMIT 4000`,
    `CREATE OR REPLACE TABLE changed AS SELECT i FROM range(${ROWS}) t(i) WHERE ${changed} AND i NOT IN (SELECT i FROM gone) ORDER BY i LIMIT 967`,
    `CREATE OR REPLACE VIEW second AS SELECT * REPLACE (CASE WHEN id IN (SELECT i FROM changed) THEN x + 1 ELSE x END AS x) FROM (${first}) WHERE id NOT IN (SELECT i FROM gone) UNION ALL ${fresh}`,
  ]
}

const section: Section = async ({ peers }) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-tables-'))
  try {
    for (const pattern of ['scattered', 'contiguous'] as const) await edits(folder, pattern, peers)
    await merges(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default section

async function project(folder: string): Promise<Runtime> {
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeFileSync(
    join(folder, 'millrace.config.ts'),
    `import { dataset, project } from 'millrace'
export default project('tables', { datasets: [dataset('t', { source: 'data/none.parquet', key: 'id', mode: 'replace' })], models: [] })
`,
  )
  return await openRuntime(await loadProject(join(folder, 'millrace.config.ts')))
}

async function write(rt: Runtime, path: string, rows: string): Promise<void> {
  const query = await rt.query()
  await query.exec(raw(`COPY (${rows}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`))
}

async function edits(parent: string, pattern: keyof typeof PATTERNS, peers: boolean): Promise<void> {
  const folder = join(parent, pattern)
  const rt = await project(folder)
  try {
    const [one, two] = [join(folder, 'one.parquet'), join(folder, 'two.parquet')]
    await write(rt, one, first)
    const query = await rt.query()
    for (const statement of secondOf(pattern)) await query.exec(raw(statement))
    await write(rt, two, 'SELECT * FROM second')
    const empty = await bytesIn(rt)
    const add1 = await spentOn(() => importData(rt, { dataset: 't', files: [one], actor: 'bench' }))
    const full = (await bytesIn(rt)) - empty
    const add2 = await spentOn(() => importData(rt, { dataset: 't', files: [two], actor: 'bench' }))
    const again = (await bytesIn(rt)) - empty - full
    told(`2 M rows, ${pattern}: first version, add`, add1)
    told(`2 M rows, ${pattern}: second version, add`, add2)
    const share = (100 * again) / full
    const goal = pattern === 'scattered' ? 1 : 3.5
    const theirs = peers ? await dvcShare(folder, one, two) : undefined
    report({
      bench: BENCH,
      metric: `2 M rows, ${pattern} edits, stored again`,
      value: share,
      unit: '%',
      goal,
      met: share <= goal,
      ...(theirs !== undefined && { peer: 'dvc', peerValue: theirs }),
      note: `${Math.round(again / 1024)} of ${Math.round(full / 1024)} kB; the file has ${Math.round(statSync(two).size / 1024)}`,
    })
    await differences(rt, pattern)
    await readings(rt, pattern, two)
  } finally {
    await rt.close()
  }
}

async function bytesIn(rt: Runtime): Promise<number> {
  let bytes = 0
  for await (const object of rt.store.objects.list()) bytes += object.bytes
  return bytes
}

function told(metric: string, { cpu, wall }: Spent): void {
  report({ bench: BENCH, metric, value: wall, unit: 's', note: `${cpu.toFixed(2)} s of CPU in this process` })
}

async function differences(rt: Runtime, pattern: string): Promise<void> {
  const [a, b] = [await resolveVersion(rt.store, 't~1'), await resolveVersion(rt.store, 't')]
  const query = await rt.query()
  const rounds = []
  for (let i = 0; i < ROUNDS; i++) rounds.push(await spentOn(() => diff(rt.store, query, a.digest, b.digest)))
  const { inserted, deleted, updated } = rounds[0]!.result.keyed!
  const counts = `${inserted}/${deleted}/${updated}`
  const { wall, cpu } = least(rounds)
  report({
    bench: BENCH,
    metric: `2 M rows, ${pattern}: difference by key`,
    value: wall,
    unit: 's',
    goal: 1,
    met: wall <= 1 && counts === '3000/4000/967',
    note: `${counts} inserted, deleted, updated; ${cpu.toFixed(2)} s of CPU`,
  })
}

/** All columns of all rows, added up: the version beside one plain file of the same rows. */
async function readings(rt: Runtime, pattern: string, file: string): Promise<void> {
  const query = await rt.query()
  const { version } = await resolveVersion(rt.store, 't')
  const rows = await relation(rt.store, version)
  const sums =
    'count(*) AS n, sum(id) AS id, sum(x) AS x, max("at") AS t, count(DISTINCT who) AS who, count(DISTINCT place) AS place, sum(CAST(flag AS INTEGER)) AS flag'
  const [ours, plain]: [Spent[], Spent[]] = [[], []]
  const answers: string[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const mine = await spentOn(() =>
      query.rows({ text: `SELECT ${sums} FROM (${rows.text})`, params: rows.params }),
    )
    const other = await spentOn(() => query.rows(raw(`SELECT ${sums} FROM read_parquet('${file}')`)))
    ours.push(mine)
    plain.push(other)
    answers.push(
      `${Number(mine.result[0]!.n)} ${Number(mine.result[0]!.id)}`,
      `${Number(other.result[0]!.n)} ${Number(other.result[0]!.id)}`,
    )
  }
  if (new Set(answers).size !== 1)
    throw new Error(`the version has other rows than the file: ${answers.join(', ')}`)
  const [mine, other] = [least(ours), least(plain)]
  report({
    bench: BENCH,
    metric: `2 M rows, ${pattern}: reading the second version`,
    value: mine.cpu,
    unit: 's CPU',
    peer: 'one plain file',
    peerValue: Number(other.cpu.toPrecision(4)),
    ratio: Number((mine.cpu / other.cpu).toPrecision(3)),
    goal: 1.5,
    met: mine.cpu <= 1.5 * other.cpu,
  })
}

/** What dvc stores again of the second file. */
async function dvcShare(folder: string, one: string, two: string): Promise<number> {
  const repository = mkdtempSync(join(folder, 'dvc-'))
  const source = join(folder, 'table.parquet')
  copyFileSync(one, source)
  const steps = await peer<{ stored: number }>(
    'versions_files',
    { tool: 'dvc', repository, source, steps: ['add', 'edit'], replacement: two },
    { environment: 'dvc', timeoutMs: PEER_TIMEOUT_MS, threads: 2 },
  )
  return Number(((100 * steps[1]!.stored) / steps[0]!.stored).toPrecision(4))
}

// ---------------------------------------------------------------- merges

const MERGE_ROWS = 1_000_000

/** Two branches of a million rows, a thousand rows changed on each, ten of them the same cells. */
async function merges(parent: string): Promise<void> {
  const folder = join(parent, 'merge')
  const rt = await project(folder)
  try {
    const base = `SELECT ${columns('i')} FROM range(${MERGE_ROWS}) t(i) ORDER BY i`
    const edited = (where: string, by: number) =>
      `SELECT * REPLACE (CASE WHEN ${where} THEN x + ${by} ELSE x END AS x) FROM (${base})`
    const files = {
      base,
      ours: edited('id % 1000 = 17', 1),
      theirs: edited('id % 1000 = 18 AND id >= 10000 OR id % 1000 = 17 AND id < 10000', 2),
    }
    for (const [name, rows] of Object.entries(files)) await write(rt, join(folder, `${name}.parquet`), rows)
    const add = (name: keyof typeof files, branch?: string) =>
      importData(rt, { dataset: 't', files: [join(folder, `${name}.parquet`)], actor: 'bench', branch })
    await add('base')
    await createBranch(rt, { dataset: 't', name: 'other', ...ACTOR })
    await add('theirs', 'other')
    await add('ours')
    const request = { dataset: 't', branch: 'other', keep: true, ...ACTOR }
    // A worker that has started; the merge that is timed is another spec.
    await mergeInto(rt, { ...request, dryRun: true, rules: { rest: 'base' } })
    const open = await spentOn(() => mergeInto(rt, { ...request, dryRun: true }))
    const done = await spentOn(() => mergeInto(rt, { ...request, rules: { rest: 'theirs' } }))
    const found = open.result.open.cell
    report({
      bench: BENCH,
      metric: '1 M rows, merge of 1,000 + 1,000 edits: conflicts found',
      value: open.wall,
      unit: 's',
      goal: 1,
      met: open.wall <= 1 && found === 10,
      note: `${found} conflicts, of 10`,
    })
    const { inserted, updated, deleted } = done.result.taken
    report({
      bench: BENCH,
      metric: '1 M rows, merge of 1,000 + 1,000 edits, decided',
      value: done.wall,
      unit: 's',
      goal: 1,
      met: done.wall <= 1 && updated === 1000,
      note: `${inserted}/${updated}/${deleted} inserted, updated, deleted; ${done.result.decided} decided`,
    })
  } finally {
    await rt.close()
  }
}
