/** `millrace data check` as a build runs it: exit codes, what is printed and what is left alone. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-check-cli-'))
  const orders = `dataset('orders', { source: 'orders*.csv', key: 'id', checks: [
    checks.notNull('name').owner('ops@example.com'), checks.between('x', 0, 9).warn(), checks.mean('x', { max: 5 })] })`
  writeFileSync(
    join(folder, 'millrace.config.ts'),
    `import { checks, dataset, project } from 'millrace'\nexport default project('shop', { datasets: [${orders}, dataset('other', { source: 'other.csv' })] })\n`,
  )
  writeFileSync(join(folder, 'orders.csv'), 'id,name,x\n1,a,0.5\n2,b,3\n')
  writeFileSync(join(folder, 'late.csv'), 'id,name,x\n1,a,0.5\n2,,30\n2,c,1\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const check = (...args: string[]) => data('check', ...args)

function data(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'data', ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, CI: '1' },
  })
  return { status, stdout, stderr }
}

test('ends with 0 over files that hold, by the dataset whose source names them', () => {
  const { status, stdout } = check('orders.csv')
  expect(status).toBe(0)
  expect(stdout).toContain('Check orders.csv as orders')
  expect(stdout).toContain('2 rows, 4 checks, 1 pass')
})

test('ends with 3 over files that do not, shows rows when asked, and writes them with their numbers', () => {
  const failing = join(folder, 'failing.parquet')
  const { status, stdout } = check('late.csv', '--as', 'orders', '--rows', '2', '--failing', failing)
  expect(status).toBe(3)
  expect(stdout).toMatch(/✗ {2}notNull\(name\) +1 +3 +66\.7 % {2}quarantine {2}ops@example\.com/)
  expect(stdout).toMatch(/ {2}between\(x, 0, 9\)\n {2}row {2}x\n {4}1 {2}30\.0/)
  expect(stdout).toContain('2 rows that fail')
  expect(existsSync(failing)).toBe(true)
})

test('gives scripts the findings with their counts', () => {
  const { status, stdout } = check('late.csv', '--as', 'orders', '--json')
  expect(status).toBe(3)
  const { refused, checked } = JSON.parse(stdout) as {
    refused: boolean
    checked: { rows: number; findings: { check: string; verdict: string; failed?: number }[] }[]
  }
  expect([refused, checked[0]!.rows]).toEqual([true, 3])
  expect(checked[0]!.findings.map((f) => [f.check, f.verdict, f.failed])).toEqual([
    ['notNull(name)', 'fail', 1],
    ['between(x, 0, 9)', 'fail', 1],
    ['mean(x) <= 5', 'fail', undefined],
    ['unique key', 'fail', 1],
  ])
})

test('says what is missing: a file, the dataset that is meant, a version', () => {
  expect(check('gone.csv').stderr).toContain('MR_DATA_NO_FILES')
  expect(check('late.csv').stderr).toContain('--as')
  expect(check('orders').stderr).toContain('MR_DATA_VERSION')
  expect(check('late.csv', '--as', 'nothing').stderr).toContain('one of orders, other')
})

test('only warnings: they say no when --strict asks', () => {
  writeFileSync(join(folder, 'orders-warm.csv'), 'id,name,x\n1,a,8\n2,b,30\n')
  expect(check('orders-warm.csv').status).toBe(0)
  expect(check('orders-warm.csv', '--strict').status).toBe(3)
})

test('nothing named: every dataset that has a version, and none that was never imported', () => {
  expect(check().stderr).toContain('MR_DATA_VERSION')
  expect(data('import', 'orders', '--file', 'orders.csv').status).toBe(0)
  const { status, stdout } = check()
  expect(status).toBe(0)
  expect(stdout).toContain('Check orders ')
  expect(stdout).not.toContain('Check other')
})
