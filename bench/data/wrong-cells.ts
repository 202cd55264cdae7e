/** Cells that a set of checks finds at fault, by a real import that puts rows aside with their reasons, and how they compare with cells known to be wrong. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readQuarantine, resolveVersion } from '../../dist/data/index.js'
import { dataset, project } from '../../dist/index.js'
import { importData, openRuntime, type Runtime } from '../../dist/runtime.js'

/** A table of texts as it stands in a CSV file, blanks around values off. */
export interface Table {
  columns: string[]
  rows: string[][]
}

export interface Score {
  flagged: number
  wrong: number
  found: number
  precision: number
  recall: number
}

/** A check and the column whose cells it judges. */
export interface Accusing {
  check: { name: string; rule: object; atLeast: number; onFail: string }
  column: string
}

/** Reads a CSV file with quotes, packed or not. */
export function readTable(path: string): Table {
  const bytes = readFileSync(path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  const [columns = [], ...rows] = recordsOf(text, /^[^,\r\n]*;/.test(text) ? ';' : ',')
  return { columns, rows: rows.filter((r) => r.length === columns.length) }
}

function recordsOf(text: string, delimiter: string): string[][] {
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${delimiter}\\r\\n]*))(${delimiter}|\\r?\\n|$)`, 'g')
  const records: string[][] = [[]]
  for (const [, quoted, plain, end] of text.matchAll(cell)) {
    records.at(-1)!.push((quoted?.replaceAll('""', '"') ?? plain ?? '').trim())
    if (end !== delimiter && end !== '') records.push([])
    if (end === '') break
  }
  return records
}

export function writeTable(path: string, { columns, rows }: Table): void {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  writeFileSync(path, `${[columns, ...rows].map((r) => r.map(cell).join(',')).join('\n')}\n`)
}

/** `row:column` of all cells that differ between two tables of the same shape. */
export function differingCells(a: Table, b: Table): Set<string> {
  const cells = new Set<string>()
  for (const [i, row] of a.rows.entries())
    for (const [c, value] of row.entries()) if (value !== b.rows[i]![c]) cells.add(`${i}:${a.columns[c]}`)
  return cells
}

/** Cells at fault by each check: the file is imported with every check putting rows aside. `id` numbers the rows from 1. */
export async function accusedCells(
  path: string,
  id: string,
  accusing: readonly Accusing[],
): Promise<Map<string, Set<string>>> {
  const checks = accusing.map(({ check }, i) => ({ ...check, name: `c${i}`, onFail: 'quarantine' }))
  return await withImported(path, checks, async (rt) => {
    const { digest } = await resolveVersion(rt.store, 'rows')
    const { columns, rows } = await readQuarantine(rt.store, await rt.query(), digest, { limit: 1_000_000 })
    const at = columns.indexOf(id)
    const cells = new Map(accusing.map(({ check }) => [check.name, new Set<string>()]))
    for (const { values, reasons } of rows)
      for (const reason of reasons) {
        const { check, column } = accusing[Number(reason.slice(1))]!
        cells.get(check.name)!.add(`${Number(values[at]) - 1}:${column}`)
      }
    return cells
  })
}

/** The verdict of each check on a file, in their order. */
export async function verdictsOn(path: string, checks: readonly Accusing['check'][]): Promise<string[]> {
  const named = checks.map((check, i) => ({ ...check, name: `c${i}`, onFail: 'warn' }))
  return await withImported(path, named, async (rt) => {
    const { version } = await resolveVersion(rt.store, 'rows')
    const verdicts = new Map(version.findings.map(({ check, verdict }) => [check, verdict]))
    return named.map(({ name }) => verdicts.get(name) ?? 'absent')
  })
}

async function withImported<T>(
  path: string,
  checks: readonly object[],
  work: (rt: Runtime) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-cells-'))
  const data = dataset('rows', { source: path, checks: checks as never })
  const rt = await openRuntime({
    project: project('cells', { datasets: [data], models: [] }),
    folder,
    stateDir: join(folder, 'state'),
  })
  try {
    await importData(rt, { dataset: 'rows', actor: 'bench' })
    return await work(rt)
  } finally {
    await rt.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

export function scoreOf(flagged: ReadonlySet<string>, wrong: ReadonlySet<string>): Score {
  const found = [...flagged].filter((cell) => wrong.has(cell)).length
  return {
    flagged: flagged.size,
    wrong: wrong.size,
    found,
    precision: flagged.size === 0 ? 1 : found / flagged.size,
    recall: wrong.size === 0 ? 1 : found / wrong.size,
  }
}
