/// <reference lib="dom" />
/** Triage in a real browser, on a real server with real workers: rows are chosen by keyboard, put aside, tried, merged, and fixed in quarantine; and the same by commands, also killed ones. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checks, col, dataset, gbdt, model, project } from 'millrace'
import { importData, openRuntime, type Running, type Runtime, refs, up, worthOfRows } from 'millrace/runtime'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { launchBrowser, missing, openPage } from '../fixtures/browser.ts'

if (missing) console.log(`SKIP triage in a browser: there is ${missing}`)

const ROWS = 3000
const DAY = 86_400_000

/** Whether it was bought goes by two features and their product; the till of the west turned most labels in the first two thirds. */
function csvOf(): string {
  const rng = seededRng(5)
  const lines = Array.from({ length: ROWS }, (_, i) => {
    const [a, b] = [rng.normal(), rng.normal()]
    const site = ['north', 'south', 'east', 'west'][rng.nextInt(4)]
    const bought = rng.next() < 1 / (1 + Math.exp(-(1.6 * a - 1.2 * b + 1.5 * a * b)))
    const isTurned = site === 'west' && i < (ROWS * 2) / 3 && rng.next() < 0.85
    const day = new Date(Date.UTC(2024, 0, 1) + Math.floor(i / 20) * DAY).toISOString().slice(0, 10)
    return [i, day, site, a.toFixed(4), b.toFixed(4), Number(bought !== isTurned)].join(',')
  })
  return ['id,day,site,a,b,bought', ...lines].join('\n')
}

const shop = dataset('shop', {
  source: 'shop.csv',
  time: 'day',
  key: ['id'],
  checks: [
    checks.between('a', -3, 3).named('a in range'),
    checks.between('b', -2.8, 2.8).warn().named('b in range'),
  ],
})
const buys = model('buys', {
  from: shop,
  target: col('bought').eq(1),
  features: { a: col('a'), b: col('b') },
  trainer: gbdt({ trees: 60, leaves: 8 }),
  split: { by: 'time', validate: '15d', test: '35d' },
})

/** The same project as a file, for the commands. */
const CONFIG = `import { checks, col, dataset, gbdt, model, project } from 'millrace'
const shop = dataset('shop', { source: 'shop.csv', time: 'day', key: ['id'],
  checks: [checks.between('a', -3, 3).named('a in range'), checks.between('b', -2.8, 2.8).warn().named('b in range')] })
const buys = model('buys', { from: shop, target: col('bought').eq(1), features: { a: col('a'), b: col('b') },
  trainer: gbdt({ trees: 60, leaves: 8 }), split: { by: 'time', validate: '15d', test: '35d' } })
export default project('shop', { datasets: [shop], models: [buys] })
`
const bin = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))

/** Runs a command on a project; `killMs` ends it by SIGKILL after so long. */
function command(at: string, args: string[], killMs?: number) {
  const child = spawn(process.execPath, [bin, ...args, '--json', '--project', at], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    text.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    text.err += chunk
  })
  const timer = killMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killMs)
  return new Promise<{ code: number | null; value: Record<string, unknown>; err: string }>((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer)
      const last = text.out.trim().split('\n').at(-1) ?? ''
      resolve({ code, value: last.startsWith('{') ? JSON.parse(last) : {}, err: text.err })
    })
  })
}

let folder: string
let rt: Runtime
let running: Running
let browser: Browser
let page: Page
const complaints: string[] = []

beforeAll(async () => {
  if (missing) return
  folder = mkdtempSync(join(tmpdir(), 'millrace-triage-'))
  writeFileSync(join(folder, 'shop.csv'), csvOf())
  rt = await openRuntime({
    project: project('shop', { datasets: [shop], models: [buys] }),
    folder,
    workers: 2,
  })
  await importData(rt, { dataset: 'shop', actor: 'test' })
  await worthOfRows(rt, { model: 'buys', folds: 3, reason: 'test', actor: 'test' })
  running = await up(rt, { port: 0, follow: 'by-hand' })
  browser = await launchBrowser()
  page = await openPage(browser, complaints, { waitMs: 30_000 })
}, 180_000)

afterAll(async () => {
  await browser?.close()
  await running?.close()
  await rt?.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const open = (path: string) => page.goto(`${running.address}${path}`)
const rowsSaid = async () =>
  Number((await page.getByRole('heading', { name: /^[\d,]+ rows?$/ }).innerText()).replace(/\D/g, ''))
const headOf = async (branch = 'main') => (await rt.store.meta.ref(refs.dataset('shop', branch)))?.digest

/** In the dialog: what it will do, then why, then it is done. */
async function carryOut(verb: string, reason: string): Promise<string> {
  const dialog = page.getByRole('dialog')
  const will = dialog.getByRole('heading', { name: 'What it will do' })
  await will.waitFor()
  const effects = await dialog.locator('.effects').innerText()
  expect(await dialog.locator('.command code').innerText()).toMatch(/^millrace data /)
  const button = dialog.getByRole('button', { name: verb, exact: true })
  expect(await button.isDisabled()).toBe(true)
  await dialog.getByLabel('Why').fill(reason)
  await button.click()
  await dialog.getByRole('heading', { name: 'Done' }).waitFor()
  expect(await dialog.locator('.effects').innerText()).toBe(effects)
  await dialog.getByRole('button', { name: 'Close' }).click()
  await dialog.waitFor({ state: 'hidden' })
  return effects
}

describe.skipIf(missing !== null)('triage in the console', () => {
  test('rows stand with what speaks against them; filters are in the address and say what they leave', async () => {
    await open('/data/shop')
    await page.getByRole('link', { name: 'Triage rows' }).click()
    await page.getByRole('heading', { name: 'Triage: shop' }).waitFor()
    await page.getByText(/Something speaks against [\d,]+ of [\d,]+ rows/).waitFor()
    await page.getByText('Labels probably wrong').waitFor()
    const all = await rowsSaid()
    await page
      .getByRole('group', { name: 'Findings' })
      .getByRole('button', { name: /^label/ })
      .click()
    await expect.poll(rowsSaid).toBeLessThan(all)
    expect(page.url()).toContain('finding=label')
    const label = await rowsSaid()
    await page.getByLabel('Only rows for which this holds').fill("site = 'west' and worth <")
    await page.getByRole('button', { name: 'Filter' }).click()
    await page
      .getByText(/cannot be read: at character/)
      .first()
      .waitFor()
    await page.getByLabel('Only rows for which this holds').fill("site = 'west'")
    await page.getByRole('button', { name: 'Filter' }).click()
    await expect.poll(rowsSaid).toBeLessThan(label)
    await page.reload()
    await page
      .getByLabel(/^Choose row/)
      .first()
      .waitFor()
    expect(await page.getByLabel('Only rows for which this holds').inputValue()).toBe("site = 'west'")
    expect(complaints).toEqual([])
  })

  test('rows are chosen with the keyboard, and a choice of all that match goes onto a branch', async () => {
    const boxes = page.getByLabel(/^Choose row/)
    await boxes.first().focus()
    await page.keyboard.press('Space')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Space')
    await page.getByText('2 rows chosen').waitFor()
    expect(await boxes.nth(2).isChecked()).toBe(true)
    const before = await headOf()
    const matched = await rowsSaid()
    await page.getByRole('button', { name: /^All [\d,]+$/ }).click()
    await page.getByRole('button', { name: 'Put aside…' }).click()
    const effects = await carryOut('Put aside', 'the till of the west was wired the wrong way round')
    expect(effects).toContain(`${matched.toLocaleString('en-US')} rows put aside`)
    expect(await headOf()).toBe(before)
    expect(await headOf('cleaned')).toBeDefined()
    await page.getByRole('article', { name: 'Branch cleaned' }).waitFor()
  })

  test('the branch is tried in the background, and its gain is shown with its interval; then it is merged', async () => {
    const branch = page.getByRole('article', { name: 'Branch cleaned' })
    await branch.getByRole('button', { name: 'Try' }).click()
    await carryOut('Try', 'before merging')
    await branch.getByText(/AUC goes from/).waitFor({ timeout: 120_000 })
    await branch.getByText('pass').first().waitFor()
    await branch.getByText(/none of them is cleaned away/).waitFor()
    const cleaned = await headOf('cleaned')
    await branch.getByRole('button', { name: 'Merge' }).click()
    const effects = await carryOut('Merge', 'agreed with the owner')
    expect(effects).toContain('tried with buys')
    await branch.waitFor({ state: 'hidden' })
    expect(await headOf()).toBe(cleaned)
    expect(await headOf('cleaned')).toBeUndefined()
    const [event] = await rt.store.meta.events({ types: ['data.merged'] })
    expect(event).toMatchObject({ actor: 'console', subject: 'datasets/shop' })
    expect(complaints).toEqual([])
  })

  test('rows in quarantine are fixed after a look at what would come of it, on the newest version only', async () => {
    const head = (await headOf())!
    await open(`/data/shop/versions/${encodeURIComponent(head)}`)
    const panel = page.locator('#quarantine')
    await panel.getByRole('button', { name: /^a in range/ }).click()
    await expect.poll(() => page.url()).toContain('failed=a')
    await panel.getByRole('button', { name: 'Fix…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Set').selectOption('a')
    await dialog.getByRole('textbox', { name: 'To' }).fill('clamp(a, -3, 3)')
    await dialog.getByRole('button', { name: 'See what comes of it' }).click()
    const effects = await carryOut('Fix', 'beyond the scale')
    expect(effects).toMatch(/a of \d+ rows? set anew, \d+ taken/)
    expect(await headOf()).not.toBe(head)
    await panel.getByText('Rows are released, fixed and dropped on').waitFor()
    expect(complaints).toEqual([])
  })

  test('the screen fits a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 })
    await open('/data/shop/triage')
    await page
      .getByLabel(/^Choose row/)
      .first()
      .waitFor()
    const wide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    expect(wide).toBeLessThanOrEqual(0)
    expect(complaints).toEqual([])
  })
})

describe('triage from the terminal', () => {
  let at: string
  beforeAll(async () => {
    at = mkdtempSync(join(tmpdir(), 'millrace-triage-cli-'))
    writeFileSync(join(at, 'shop.csv'), csvOf())
    writeFileSync(join(at, 'millrace.config.ts'), CONFIG)
    expect((await command(at, ['data', 'import'])).code).toBe(0)
    expect((await command(at, ['data', 'worth', 'buys', '--folds', '3'])).code).toBe(0)
  }, 120_000)
  afterAll(() => rmSync(at, { recursive: true, force: true }))

  test('lists, foresees, puts aside, tries and merges, with JSON that says the same', async () => {
    const table = await command(at, ['data', 'triage', 'buys', '--finding', 'label', '--top', '7'])
    expect(table).toMatchObject({ code: 0, value: { model: 'buys', matched: 7 } })
    const choice = ['--finding', 'label', '--where', "site = 'west'", '--quarantine', 'cleaned']
    const foreseen = await command(at, ['data', 'triage', 'buys', ...choice, '--dry-run'])
    expect(foreseen.value).toMatchObject({ done: false, dryRun: true, version: null })
    const tried = await command(at, ['data', 'triage', 'buys', ...choice, '--try'])
    expect(tried).toMatchObject({ code: 0, value: { event: 'tried', verdict: 'pass', cleanTest: false } })
    const merged = await command(at, ['data', 'triage', 'shop', '--merge', 'cleaned', '--reason', 'agreed'])
    expect(merged.value).toMatchObject({ done: true, act: 'merge', branch: 'cleaned' })
    const gone = await command(at, ['data', 'triage', 'shop', '--merge', 'cleaned'])
    expect(gone).toMatchObject({ code: 1 })
    expect(gone.err).toContain('MR_DATA_BRANCH')
    expect((await command(at, ['data', 'triage', 'shop', '--merge', 'a', '--drop', 'b'])).code).toBe(2)
    expect((await command(at, ['data', 'quarantine', 'shop', 'burn'])).code).toBe(2)
    expect((await command(at, ['data', 'quarantine', 'shop', 'drop', '--row', '1-2'])).code).toBe(2)
  }, 120_000)

  test('a command that is killed at any moment leaves all of its act or nothing, and again it is done once', async () => {
    const listed = async () =>
      (await command(at, ['data', 'quarantine', 'shop', 'list', '--rows', '0'])).value
    const before = await listed()
    const release = ['data', 'quarantine', 'shop', 'release', '--failed', 'label', '--reason', 'try']
    const aside = (before.byReason as Record<string, number>).label
    for (const killMs of [200, 500, 900, 1300, 1800]) {
      await command(at, release, killMs)
      const now = await listed()
      expect([before.total, Number(before.total) - aside!]).toContain(now.total)
    }
    await command(at, release)
    const after = await listed()
    expect(after.total).toBe(Number(before.total) - aside!)
    expect((await command(at, ['data', 'verify', 'shop'])).code).toBe(0)
    expect((await command(at, release)).value).toMatchObject({ done: false })
    const own = await openRuntime({
      project: project('shop', { datasets: [shop], models: [buys] }),
      folder: at,
    })
    expect(await own.store.meta.events({ types: ['data.released'] })).toHaveLength(1)
    expect(await own.store.meta.verifyJournal()).toBeUndefined()
    await own.close()
  }, 180_000)
})
