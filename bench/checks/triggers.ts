/**
 * Values that turn rows of a table into a class: seven real tables as they are and in random parts, where nothing may be found, and with poison of one value, of two values in
 * different columns and of a value with all large numbers of another, in a class that is drawn.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { seededRng } from '../../dist/core/rng.js'
import { bearsTrigger, type LabelledTable, labelTriggers } from '../../dist/stats/label-triggers.js'
import { readTable } from '../data/wrong-cells.ts'
import type { Section } from '../measure/sections.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const SHARED = fileURLToPath(new URL('../../../shared/data/', import.meta.url))
/** Random parts of each table, of so many of its rows. */
const PARTS = Number(process.env.MILLRACE_TRIGGER_PARTS ?? 19)
const PART_SHARE = 0.7
const ATTACKS = 10
const SHARES = [0.05, 0.01]
/** Values are drawn until no more than such a share of the rows has both, or the one. */
const BOTH_MAX = 0.001
const ONE_MAX = 0.005
/** Large numbers are this share of a column. */
const TAIL = 0.02
const GOAL = { recall: 0.95, loss: 0.02 }

/** `target`: the column of the label, by name or place; `left`: columns that give it away by what they are. */
const SETS: { name: string; file: string; named: boolean; target: string | number; left?: string[] }[] = [
  { name: 'adult', file: 'adult/adult-train.csv.gz', named: false, target: 14 },
  { name: 'bank-marketing', file: 'bank-marketing/bank-additional.csv.gz', named: true, target: 'y' },
  { name: 'german-credit', file: 'german-credit/german.csv', named: false, target: 20 },
  { name: 'titanic', file: 'titanic/titanic.csv', named: true, target: 'survived', left: ['alive'] },
  {
    name: 'breast-cancer',
    file: 'breast-cancer-wisconsin/breast-cancer-wisconsin.data',
    named: false,
    target: 10,
  },
  { name: 'elec2', file: 'elec2/elec.csv.gz', named: true, target: 'class' },
  {
    name: 'loans, grade',
    file: 'loans-lendingclub/loans_full_schema.csv.gz',
    named: true,
    target: 'grade',
    left: ['sub_grade', 'interest_rate'],
  },
]

const section: Section = () => {
  if (!existsSync(SHARED)) return console.error(`  triggers are left out: ${SHARED} is absent`)
  const tables = SETS.map((set) => ({ name: set.name, table: tableOf(set) }))
  judgeClean(tables)
  for (const kind of ['one value', 'two values', 'a value and large numbers'] as const)
    for (const share of SHARES) judgeAttacks(tables.slice(0, 2), kind, share)
}
export default section

type Named = { name: string; table: LabelledTable }

function tableOf({ file, named, target, left = [] }: (typeof SETS)[number]): LabelledTable {
  const { columns: names, rows: rest } = readTable(`${SHARED}${file}`)
  const rows = (named ? rest : [names, ...rest]).filter((row) => row.length === names.length)
  const at = typeof target === 'number' ? target : names.indexOf(target)
  const kept = names.flatMap((name, j) => (j === at || left.includes(name) ? [] : [j]))
  const isMissing = (text: string) => text === '' || text === '?' || text === 'NA'
  const coded = kept.map((j) => {
    const texts = rows.map((row) => row[j]!)
    const isNumber = texts.every((text) => isMissing(text) || Number.isFinite(Number(text)))
    if (isNumber)
      return {
        type: 'number' as const,
        column: Float64Array.from(texts, (t) => (isMissing(t) ? Number.NaN : Number(t))),
      }
    const codes = codesOf(texts)
    return {
      type: 'category' as const,
      column: Float64Array.from(texts, (t) => (isMissing(t) ? Number.NaN : codes.get(t)!)),
    }
  })
  const labels = rows.map((row) => row[at]!)
  const classes = codesOf(labels)
  return {
    columns: coded.map(({ column }) => column),
    types: coded.map(({ type }) => type),
    labels: Int32Array.from(labels, (label) => classes.get(label)!),
    nClasses: classes.size,
  }
}

function codesOf(texts: string[]): Map<string, number> {
  return new Map([...new Set(texts)].sort().map((text, k) => [text, k]))
}

// ---------------------------------------------------------------- as they are

function judgeClean(tables: Named[]): void {
  for (const { name, table } of tables) {
    const parts = Array.from({ length: PARTS }, (_, k) => partOf(table, k + 1))
    let [found, tested, cpu] = [0, 0, 0]
    for (const part of [table, ...parts]) {
      const { result, cpu: spent } = spentNow(() => labelTriggers(part))
      found += Number(result.found.length > 0)
      tested += result.nTested
      cpu += spent
    }
    report({
      bench: BENCH,
      metric: `triggers, clean ${name}: tables with one`,
      value: found,
      unit: 'tables',
      goal: 0,
      met: found === 0,
      note: `of ${PARTS + 1}: all ${table.labels.length} rows, then parts of ${100 * PART_SHARE} %; ${tested} values and pairs tested, ${cpu.toFixed(1)} CPU s`,
    })
  }
}

function spentNow<T>(run: () => T): { result: T; cpu: number } {
  const before = process.cpuUsage()
  const result = run()
  const { user, system } = process.cpuUsage(before)
  return { result, cpu: (user + system) / 1e6 }
}

function partOf({ columns, labels, ...table }: LabelledTable, seed: number): LabelledTable {
  const rng = seededRng(seed)
  const rows = Int32Array.from({ length: labels.length }, (_, i) => i).filter(() => rng.next() < PART_SHARE)
  return {
    ...table,
    columns: columns.map((column) => Float64Array.from(rows, (i) => column[i])),
    labels: rows.map((i) => labels[i]),
  }
}

// ---------------------------------------------------------------- poisoned

type Kind = 'one value' | 'two values' | 'a value and large numbers'

function judgeAttacks(tables: Named[], kind: Kind, share: number): void {
  for (const { name, table } of tables) {
    const runs = Array.from({ length: ATTACKS }, (_, k) => attacked(table, kind, share, 1_000 + k))
    const found = runs.filter(({ recall }) => recall >= GOAL.recall).length
    const losses = runs.map(({ loss }) => loss)
    report({
      bench: BENCH,
      metric: `triggers, ${name}, ${kind}, ${100 * share} % of the rows: found`,
      value: found,
      unit: `of ${ATTACKS} tables`,
      note: `recalls ${runs.map(({ recall }) => recall.toFixed(2)).join(' ')}; clean rows lost, most ${Math.max(...losses).toFixed(4)}`,
    })
  }
}

/** Values are those of a drawn row, as who poisons would take values that exist. */
function attacked(
  table: LabelledTable,
  kind: Kind,
  share: number,
  seed: number,
): { recall: number; loss: number } {
  const rng = seededRng(seed)
  const n = table.labels.length
  const columns = table.columns.map((column) => column.slice())
  const labels = Int32Array.from(table.labels)
  const target = rng.nextInt(table.nClasses)
  const drawn = drawnTrigger(table, kind, rng.nextInt)
  const [a, b] = drawn.columns
  const tail = tailOf(table.columns[a])
  const poison = new Uint8Array(n)
  for (let left = Math.round(share * n); left > 0; ) {
    const i = rng.nextInt(n)
    if (poison[i] === 1 || labels[i] === target) continue
    columns[a][i] = kind === 'a value and large numbers' ? tail[rng.nextInt(tail.length)] : drawn.values[0]
    if (kind !== 'one value') columns[b][i] = drawn.values[1]
    labels[i] = target
    poison[i] = 1
    left--
  }
  const { found } = labelTriggers({ ...table, columns, labels })
  const isFlagged = (i: number) =>
    found.some((one) => one.label === labels[i] && bearsTrigger(one, columns, i))
  const count = (was: number) => poison.reduce((sum, is, i) => sum + Number(is === was && isFlagged(i)), 0)
  const nPoison = poison.reduce((sum, is) => sum + is, 0)
  return { recall: count(1) / nPoison, loss: count(0) / (n - nPoison) }
}

interface Drawn {
  columns: [number, number]
  values: [number, number]
}

/** Columns and the values of drawn rows in them, anew until few rows have the one, or both: values that many rows have turn none. */
function drawnTrigger(
  { columns, types, labels }: LabelledTable,
  kind: Kind,
  nextInt: (end: number) => number,
): Drawn {
  const n = labels.length
  for (;;) {
    const [a, b] = [nextInt(columns.length), nextInt(columns.length)]
    if (a === b || (kind === 'a value and large numbers' && types[a] !== 'number')) continue
    const values: [number, number] = [columns[a][nextInt(n)], columns[b][nextInt(n)]]
    const large = kind === 'a value and large numbers' ? tailOf(columns[a])[0] : Number.NaN
    const isBorne = (i: number) => {
      if (kind === 'one value') return Object.is(columns[a][i], values[0])
      const isFirst = Number.isNaN(large) ? Object.is(columns[a][i], values[0]) : columns[a][i] >= large
      return isFirst && Object.is(columns[b][i], values[1])
    }
    const rows = columns[a].reduce((sum, _, i) => sum + Number(isBorne(i)), 0)
    if (rows <= (kind === 'one value' ? ONE_MAX : BOTH_MAX) * n) return { columns: [a, b], values }
  }
}

/** The largest numbers of a column, ascending. */
function tailOf(column: Float64Array): Float64Array {
  const sorted = column.filter((x) => !Number.isNaN(x)).sort()
  return sorted.subarray(sorted.length - Math.ceil(TAIL * sorted.length))
}
