/** Rules by the command line: suggested, imported, told as JSON Schema and shown in a report, over one small project. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'millrace-rules-'))
const file = (name: string) => join(dir, name)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const json = (...args: string[]) =>
  JSON.parse(
    execFileSync(process.execPath, [bin, ...args, '--json'], { cwd: dir, encoding: 'utf8' })
      .trim()
      .split('\n')
      .at(-1)!,
  )
const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { cwd: dir, encoding: 'utf8' })

const CONFIG = `import { dataset, project } from 'millrace'

const shops = dataset('shops', { source: 'shops.csv' })

export default project('shops', { datasets: [shops], models: [] })
`

beforeAll(() => {
  const cities = ['Bern', 'Chur', 'Genf', 'Thun', 'Biel', 'Visp']
  const rows = Array.from({ length: 400 }, (_, i) => {
    const city = (i * 7 + (i >> 3)) % cities.length
    return `${1000 + i},${cities[city]},${3000 + city},${(i * 37) % 91}`
  })
  writeFileSync(file('shops.csv'), `id,city,zip,sales\n${rows.join('\n')}\n`)
  writeFileSync(file('millrace.config.ts'), CONFIG)
})

test('suggestions are a diff until they are written; then they are checks of an import, and not suggested again', () => {
  const planned = json('data', 'suggest', 'shops')
  expect(readFileSync(file('millrace.config.ts'), 'utf8')).toBe(CONFIG)
  expect(planned.config).toMatchObject({ dataset: 'shops', written: false })
  expect(planned.lines).toContain("checks.determines('zip', 'city')")
  expect(planned.suggestions.every((s: { heldOut: { rows: number } }) => s.heldOut.rows > 50)).toBe(true)
  expect(json('data', 'suggest', 'shops', '--write').config.written).toBe(true)
  const written = readFileSync(file('millrace.config.ts'), 'utf8')
  for (const line of planned.lines) expect(written).toContain(`    ${line},\n`)
  const { datasets } = json('data', 'import')
  expect(datasets[0].findings.map((f: { verdict: string }) => f.verdict)).not.toContain('fail')
  expect(datasets[0].rowsQuarantined).toBe(0)
  expect(json('data', 'suggest', 'shops').suggestions).toEqual([])
})

test('a file that no project knows is looked at too, and is not written', () => {
  const shown = run('data', 'suggest', 'shops.csv', '--kinds', 'determines')
  expect(shown.stdout).toContain("checks.determines('city', 'zip')")
  expect(shown.stdout).not.toContain('checks.notNull')
  const refused = run('data', 'suggest', 'shops.csv', '--write')
  expect(refused.status).not.toBe(0)
  expect(refused.stderr).toContain('MR_CLI_USAGE')
  expect(run('data', 'suggest', 'shops', '--kinds', 'sets').stderr).toContain('MR_CLI_VALUE')
  expect(run('data', 'suggest', 'nothing.csv').stderr).toContain('MR_CLI_NO_FILE')
})

test('a suite and a ruleset are added, and what they cannot say is said', () => {
  const expectations = [
    {
      expectation_type: 'expect_column_values_to_be_between',
      kwargs: { column: 'sales', min_value: 0, max_value: 500, mostly: 0.9 },
    },
    { expectation_type: 'expect_column_values_to_be_of_type', kwargs: { column: 'sales', type_: 'int' } },
  ]
  writeFileSync(file('suite.json'), JSON.stringify({ expectations }))
  writeFileSync(
    file('rules.dqdl'),
    'Rules = [ ColumnLength "city" between 2 and 9, ReferentialIntegrity "zip" "places.zip" = 1.0 ]',
  )
  expect(json('data', 'import-checks', 'suite.json', '--write')).toMatchObject({
    lines: ["checks.between('sales', 0, 500).atLeast(0.9).warn()"],
    left: [{ rule: 'expect_column_values_to_be_of_type(sales)' }],
    config: { written: true },
  })
  const rules = json('data', 'import-checks', 'rules.dqdl')
  expect(rules.left).toEqual([{ rule: 'exists(zip in places.zip)', why: 'the project has no such dataset' }])
  expect(rules.config.diff).toContain(
    "+    checks.holds(col('city').length().gt(2).and(col('city').length().lt(9))),",
  )
  expect(run('data', 'import-checks', 'shops.csv').stderr).toContain('MR_DEFINE_IMPORT')
})

test('a schema and a report are written of what was imported', () => {
  const { schema } = json('data', 'schema', 'shops', '-o', 'shops.schema.json')
  expect(schema.required).toEqual(['id', 'city', 'zip', 'sales'])
  expect(schema.properties.city.enum).toHaveLength(6)
  expect(JSON.parse(readFileSync(file('shops.schema.json'), 'utf8'))).toEqual(schema)
  const report = json('data', 'report', 'shops', '-o', 'out/report.html')
  expect(report.output).toBe(file('out/report.html'))
  expect(readFileSync(report.output, 'utf8')).toMatch(
    /^<!doctype html>[\s\S]*All \d+ checks hold; no row was put aside/,
  )
})
