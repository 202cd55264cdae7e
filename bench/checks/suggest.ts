/**
 * Suggested checks: how many of those learned from seven rows of ten hold on the other three, over five real sets, beside Deequ's; and which wrong cells of two dirty
 * sets they find, beside those of Deequ and of the last Great Expectations that suggests any (0.18; the assistants were removed in 1.0).
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seededRng } from '../../dist/core/rng.js'
import { suggestChecks } from '../../dist/data/index.js'
import {
  accusedCells,
  differingCells,
  readTable,
  scoreOf,
  type Table,
  verdictsOn,
  writeTable,
} from '../data/wrong-cells.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const SHARED = fileURLToPath(new URL('../../../shared/data/', import.meta.url))
const FITTED_SHARE = 0.7
/** Splits; with peers the first alone, for both sides, since Spark takes minutes for each. */
const SEEDS = [1, 2, 3]
const PEER_SEEDS = [1]
const PEER = { environment: 'deequ', timeoutMs: 1_200_000 }

/** `names`: of files without a line of names; `missing`: what stands for a missing value in the file. */
const SETS: { name: string; file: string; names?: string; missing?: string }[] = [
  {
    name: 'adult',
    file: 'adult/adult-train.csv.gz',
    names:
      'age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,capital_loss,hours_per_week,native_country,income',
    missing: '?',
  },
  { name: 'bank-marketing', file: 'bank-marketing/bank-additional.csv.gz' },
  { name: 'titanic', file: 'titanic/titanic-raw.csv' },
  { name: 'california-housing', file: 'california-housing/housing.csv.gz' },
  { name: 'loans', file: 'loans-lendingclub/loans_full_schema.csv.gz', missing: 'NA' },
]

const DIRTY = [
  {
    name: 'hospital',
    dirty: 'dirty-hospital/dirty.csv.gz',
    clean: 'dirty-hospital/clean.csv.gz',
    id: 'index',
  },
  { name: 'flights', dirty: 'dirty-flights/dirty.csv', clean: 'dirty-flights/clean.csv', id: 'tuple_id' },
]

const section: Section = async ({ peers }) => {
  if (!existsSync(SHARED)) return console.error(`  suggestions are left out: ${SHARED} is absent`)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-suggest-'))
  try {
    await judgeHolding(folder, peers)
    for (const set of DIRTY) await judgeCells(set, folder, peers)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default section

interface Tally {
  suggested: number
  holding: number
  broken: string[]
}

async function judgeHolding(folder: string, peers: boolean): Promise<void> {
  const all = { ours: [] as Tally[], theirs: [] as Tally[] }
  for (const set of SETS) {
    const table = tableOf(set)
    const ours: Tally[] = []
    const theirs: Tally[] = []
    for (const seed of peers ? PEER_SEEDS : SEEDS) {
      const files = splitFiles(folder, table, seed)
      ours.push(await holdingOf(files))
      if (peers) theirs.push(...(await peer<Tally>('suggest_deequ', files, PEER)))
    }
    reportHolding(set.name, ours, theirs)
    all.ours.push(...ours)
    all.theirs.push(...theirs)
  }
  reportHolding('five sets', all.ours, all.theirs)
}

function reportHolding(name: string, ours: readonly Tally[], theirs: readonly Tally[]): void {
  const [own, other] = [sumOf(ours), sumOf(theirs)]
  const share = shareOf(own)
  const broken =
    own.broken.length === 0 ? '' : `; did not: ${[...new Set(own.broken)].slice(0, 3).join(', ')}`
  report({
    bench: BENCH,
    metric: `suggestions that hold on held-out rows: ${name}`,
    value: share,
    unit: '',
    ...(theirs.length > 0 && {
      peer: 'Deequ',
      peerValue: Number(shareOf(other).toPrecision(4)),
      goal: Number(shareOf(other).toPrecision(4)),
      met: share >= shareOf(other),
    }),
    note: `${own.holding} of ${own.suggested} over ${ours.length === 1 ? 'a split' : `${ours.length} splits`}${theirs.length > 0 ? `; Deequ ${other.holding} of ${other.suggested} on the same` : ''}${broken}`,
  })
}

const shareOf = ({ holding, suggested }: Tally): number => (suggested === 0 ? 0 : holding / suggested)

function sumOf(tallies: readonly Tally[]): Tally {
  const sum = { suggested: 0, holding: 0, broken: [] as string[] }
  for (const { suggested, holding, broken } of tallies) {
    sum.suggested += suggested
    sum.holding += holding
    sum.broken.push(...broken)
  }
  return sum
}

/** Missing values are empty cells for all sides. */
function tableOf({ file, names, missing }: (typeof SETS)[number]): Table {
  const { columns, rows } = readTable(`${SHARED}${file}`)
  const all = names === undefined ? rows : [columns, ...rows]
  return {
    columns: (names === undefined ? columns : names.split(',')).map((name) => name.replaceAll('.', '_')),
    rows: all.map((row) => row.map((cell) => (cell === missing ? '' : cell))),
  }
}

function splitFiles(folder: string, { columns, rows }: Table, seed: number): { fit: string; test: string } {
  const rng = seededRng(seed)
  const isFitted = rows.map(() => rng.next() < FITTED_SHARE)
  const files = { fit: join(folder, 'fit.csv'), test: join(folder, 'test.csv') }
  writeTable(files.fit, { columns, rows: rows.filter((_, i) => isFitted[i]) })
  writeTable(files.test, { columns, rows: rows.filter((_, i) => !isFitted[i]) })
  return files
}

async function holdingOf({ fit, test }: { fit: string; test: string }): Promise<Tally> {
  const { suggestions } = await suggestChecks([fit])
  const verdicts = await verdictsOn(
    test,
    suggestions.map(({ check }) => check),
  )
  const broken = suggestions.filter((_, i) => verdicts[i] !== 'pass').map(({ check }) => check.name)
  return { suggested: suggestions.length, holding: suggestions.length - broken.length, broken }
}

async function judgeCells(
  { name, dirty, clean, id }: (typeof DIRTY)[number],
  folder: string,
  peers: boolean,
): Promise<void> {
  const [seen, truth] = [readTable(`${SHARED}${dirty}`), readTable(`${SHARED}${clean}`)]
  const wrong = differingCells(seen, truth)
  const file = join(folder, `${name}.csv`)
  writeTable(file, seen)
  const { suggestions } = await suggestChecks([file])
  const accusing = suggestions.map(({ check, columns }) => ({ check, column: columns.at(-1)! }))
  const cells = await accusedCells(file, id, accusing)
  reportCells(
    name,
    'suggested checks',
    new Set([...cells.values()].flatMap((c) => [...c])),
    wrong,
    suggestions.length,
  )
  if (!peers) return
  const [deequ] = await peer<{ suggested: number; cells: string[] }>('suggest_deequ', { fit: file }, PEER)
  reportCells(name, "Deequ's suggestions", new Set(deequ!.cells), wrong, deequ!.suggested)
  const [ge] = await peer<{ suggested: number; cells: string[] }>(
    'suggest_ge',
    { fit: file },
    { environment: 'ge018', timeoutMs: 1_200_000 },
  )
  reportCells(name, 'Great Expectations 0.18, onboarding', new Set(ge!.cells), wrong, ge!.suggested)
}

function reportCells(
  set: string,
  by: string,
  flagged: ReadonlySet<string>,
  wrong: ReadonlySet<string>,
  suggested: number,
): void {
  const score = scoreOf(flagged, wrong)
  const note = `${score.found} of ${score.flagged} cells at fault by ${suggested} checks are wrong; ${score.wrong} are`
  const metric = (what: string) => `wrong cells of ${set}, ${what}: ${by}`
  // Of no cell at fault nothing is right or wrong.
  if (score.flagged > 0)
    report({ bench: BENCH, metric: metric('precision'), value: score.precision, unit: '' })
  report({ bench: BENCH, metric: metric('recall'), value: score.recall, unit: '', note })
}
