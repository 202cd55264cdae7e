import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { addChecks } from '../../src/cli/edit/add-checks.ts'
import { lineDiff } from '../../src/cli/edit/line-diff.ts'
import { mergeNotNull, planChecks, undeclared, writeConfig } from '../../src/cli/edit/write-checks.ts'
import { checks } from '../../src/define/checks.ts'
import { loadProject } from '../../src/define/load.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-edit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const LINES = ["checks.notNull('a')", "checks.holds(col('a').le(col('b')))"]
const add = (source: string) => addChecks(source, 'sales', LINES, ['checks', 'col'])

test('a list of checks is added below the last property, and names are imported in order', () => {
  const source =
    "import { dataset } from 'millrace'\n\nconst d = dataset('sales', {\n  source: 'a.csv', // all of it\n})\n"
  expect(add(source)).toBe(
    `import { checks, col, dataset } from 'millrace'\n\nconst d = dataset('sales', {\n  source: 'a.csv', // all of it\n  checks: [\n    ${LINES[0]},\n    ${LINES[1]},\n  ],\n})\n`,
  )
})

test('a list on one line is opened, one on several lines grows, an empty one is filled', () => {
  const head = "import { checks, col, dataset } from 'millrace'\n"
  const of = (list: string) => `${head}const d = dataset('sales', {\n  source: 'a',\n  checks: ${list},\n})\n`
  const grown = (first: string) => of(`[\n${first}    ${LINES[0]},\n    ${LINES[1]},\n  ]`)
  expect(add(of("[checks.unique('x')]"))).toBe(grown("    checks.unique('x'),\n"))
  expect(add(of("[\n    checks.unique('x'), // why\n  ]"))).toBe(grown("    checks.unique('x'), // why\n"))
  expect(add(of('[]'))).toBe(grown(''))
})

test('other datasets, nested properties, remarks, texts, templates and patterns do not mislead', () => {
  const source = [
    "import { checks, dataset } from 'millrace'",
    "// dataset('sales', { checks: [] })",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of a template
    'const t = `dataset("sales", { checks: [${[1].map((x) => `${x}`)}] })`',
    'const r = /dataset\\(\'sales\', [{/]/.test("}") ? 4 / 2 : 1',
    "const other = dataset('others', { source: 'o', checks: [checks.unique('z')] })",
    "export const d = dataset('sales', { read: { checks: [1] } as never, source: ['a)]}'] })",
  ].join('\n')
  const edited = add(source)!.split('\n')
  expect(edited.slice(1, 5)).toEqual(source.split('\n').slice(1, 5))
  expect(edited.slice(5).join('\n')).toBe(
    `export const d = dataset('sales', { read: { checks: [1] } as never, source: ['a)]}'],\n  checks: [\n    ${LINES[0]},\n    ${LINES[1]},\n  ],\n})`,
  )
})

test('what cannot be edited in place is said: another form of declaration, checks from elsewhere', () => {
  expect(add("const d = dataset(name, { source: 'a' })")).toBeUndefined()
  expect(add("const d = dataset('sales', options)")).toBeUndefined()
  expect(add("const d = dataset('sales', { source: 'a', checks: all })")).toBeUndefined()
})

test('an edit is planned with its diff, tried beside the config, and written', async () => {
  const path = join(folder, 'millrace.config.ts')
  const source =
    "import { dataset, project } from 'millrace'\nconst d = dataset('sales', { source: 'a.csv' })\nexport default project('p', { datasets: [d], models: [] })\n"
  writeFileSync(path, source)
  const wanted = [checks.notNull('a').def, checks.between('b', 0, 1).warn().def]
  const edit = await planChecks(await loadProject(folder), 'sales', wanted)
  expect(readFileSync(path, 'utf8')).toBe(source)
  expect(readdirSync(folder)).toEqual(['millrace.config.ts'])
  expect(edit.diff.filter((line) => line.startsWith('+'))).toContain("+    checks.between('b', 0, 1).warn(),")
  await writeConfig(edit)
  expect((await loadProject(folder)).project.datasets[0]!.checks).toEqual(wanted)
})

test('an edit that would not run is refused with the lines to add by hand, and leaves nothing behind', async () => {
  const own = mkdtempSync(join(folder, 'own-'))
  writeFileSync(
    join(own, 'millrace.config.ts'),
    "import { dataset, project } from 'millrace'\nconst checks = []\nconst d = dataset('sales', { source: 'a.csv' })\nexport default project('p', { datasets: [d], models: [] })\n",
  )
  await expect(planChecks(await loadProject(own), 'sales', [checks.notNull('a').def])).rejects.toMatchObject({
    code: 'MR_CLI_CONFIG_EDIT',
    data: { lines: ["checks.notNull('a')"] },
  })
  expect(readdirSync(own)).toEqual(['millrace.config.ts'])
})

test('columns that are always there are one check; what is declared is not said again', () => {
  const found = [checks.notNull('a').def, checks.between('b', 0, 1).def, checks.notNull('b').def]
  expect(mergeNotNull(found).map((c) => c.name)).toEqual(['notNull(a, b)', 'between(b, 0, 1)'])
  expect(undeclared(found, [checks.notNull('b', 'a').def]).map((c) => c.name)).toEqual(['between(b, 0, 1)'])
  expect(undeclared(found, [checks.between('b', 0, 1).warn().def])).toHaveLength(2)
})

test('a diff has three lines around what changed, and applies', () => {
  const from = Array.from({ length: 12 }, (_, i) => `line ${i}`)
  const to = from.toSpliced(6, 1, 'new', 'newer')
  expect(lineDiff(from.join('\n'), to.join('\n'))).toEqual([
    '@@ -4,7 +4,8 @@',
    ' line 3',
    ' line 4',
    ' line 5',
    '-line 6',
    '+new',
    '+newer',
    ' line 7',
    ' line 8',
    ' line 9',
  ])
  expect(lineDiff('a', 'a')).toEqual([])
})
