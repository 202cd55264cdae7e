/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The console in a real browser, on a real server, on a small family that was really trained: what each screen says is what the store holds. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canary, checks, col, dataset, each, gates, gbdt, model, project } from 'millrace'
import {
  currentRelease,
  importData,
  openRuntime,
  promoteModel,
  type Running,
  type Runtime,
  releaseLatest,
  steppedClock,
  trainModel,
  up,
} from 'millrace/runtime'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeBlocks } from '../../src/core/log-blocks.ts'
import { launchBrowser, missing } from '../fixtures/browser.ts'

const DAY = 86_400_000
const BEGIN = Date.UTC(2001, 0, 1)
const SEED_DAYS = 42
const LIVE = BEGIN + SEED_DAYS * DAY
const ROWS_A_DAY = 200
const ORIGINS = ['ATL', 'DFW', 'ORD', 'XNA'] as const
const TARGETS = ['JFK', 'LAX', 'MIA', 'SEA', 'SLC'] as const

if (missing) console.log(`SKIP the console in a browser: there is ${missing}`)

// ---------------------------------------------------------------- the project

interface Flight {
  at: number
  origin: string
  destination: string
  distance: number
  late: boolean
}

/** Flights of a day: later in the evening, and from ORD more often; XNA is too small for a model of its own. */
function flightsOf(day: number): Flight[] {
  return Array.from({ length: ROWS_A_DAY }, (_, i) => {
    const n = (day * ROWS_A_DAY + i) >>> 0
    const roll = (salt: number) => (Math.imul(n * 2 + salt, 2_654_435_761) >>> 8) / 2 ** 24
    const hour = Math.floor(roll(1) * 24)
    const from = roll(3)
    const origin = ORIGINS[from < 0.34 ? 0 : from < 0.66 ? 1 : from < 0.97 ? 2 : 3]
    const chance = 0.06 + 0.018 * hour + (origin === 'ORD' ? 0.18 : 0)
    return {
      at: BEGIN + day * DAY + hour * 3_600_000 + (i % 60) * 60_000,
      origin,
      destination: TARGETS[Math.floor(roll(5) * TARGETS.length)],
      distance: 200 + Math.floor(roll(7) * 2000),
      late: roll(9) < chance,
    }
  })
}

/** Two rows without a delay and one from the far future of delays are in the first delivery. */
const DIRT = [
  '2001-01-02T08:00:00Z,,700,ATL,JFK',
  '2001-01-03T09:00:00Z,,800,ORD,LAX',
  '2001-01-04T10:00:00Z,99999,900,DFW,MIA',
]

function csvOf(days: number, dirt: readonly string[]): string {
  const rows = Array.from({ length: days }, (_, day) => flightsOf(day)).flat()
  const line = (f: Flight) =>
    `${new Date(f.at).toISOString().replace('.000Z', 'Z')},${f.late ? 40 : 2},${f.distance},${f.origin},${f.destination}`
  return ['date,delay,distance,origin,destination', ...rows.map(line), ...dirt].join('\n')
}

const late = (from: ReturnType<typeof flightsDataset>) =>
  model('late', {
    description: 'Will this flight arrive more than 15 minutes late?',
    from,
    target: col('delay').gt(15),
    features: {
      hour: col('date').hour(),
      distance: col('distance'),
      origin: col('origin').category(),
      destination: col('destination').category(),
    },
    each: each('origin', { rowsMin: 600 }),
    trainer: gbdt({ trees: 12, leaves: 8, memberTrees: 3, minRowsInLeaf: 30 }),
    split: { by: 'time', validate: '6d', test: '6d' },
    gates: [gates.beatsBaseline()],
    release: canary({ steps: [0.1] }),
    watch: { window: 'day', owner: 'oncall@example.com', outcomeDelay: '1h' },
  })

const flightsDataset = () =>
  dataset('flights', {
    source: 'flights.csv',
    time: 'date',
    checks: [
      checks.notNull('delay').atLeast(0.99),
      checks.between('delay', -120, 2880).named('delay in range').atLeast(0.99),
    ],
  })

// ---------------------------------------------------------------- the place

let folder: string
let rt: Runtime
let running: Running
let browser: Browser
let context: BrowserContext
let page: Page
const clock = steppedClock(LIVE)
const complaints: string[] = []

async function post(path: string, body: unknown): Promise<void> {
  const response = await fetch(`${running.address}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status, `${path}: ${await response.clone().text()}`).toBe(200)
}

/** A day of traffic and, with the clock at its end, what really happened. */
async function serveDay(day: number): Promise<void> {
  const flights = flightsOf(day)
  const idOf = (i: number) => `f-${day}-${i}`
  for (const origin of ORIGINS) {
    const own = flights.map((f, i) => ({ f, i })).filter(({ f }) => f.origin === origin)
    await post('/predict/late', {
      key: origin,
      ids: own.map(({ i }) => idOf(i)),
      rows: own.map(({ f }) => ({
        date: new Date(f.at).toISOString(),
        distance: f.distance,
        origin: f.origin,
        destination: f.destination,
      })),
    })
  }
  clock.set(BEGIN + (day + 1) * DAY)
  await post(
    '/v2/models/late/feedback',
    flights.map((f, i) => ({ id: idOf(i), value: f.late ? 1 : 0 })),
  )
}

async function newPage(from: BrowserContext): Promise<Page> {
  const opened = await from.newPage()
  opened.on('pageerror', (error) => complaints.push(`${opened.url()}: ${error.message}`))
  opened.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${opened.url()}: ${message.text()}`)
  })
  return opened
}

async function newContext(options: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
  const made = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  })
  await made.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
    )
  })
  return made
}

async function open(path: string, on: Page = page): Promise<void> {
  await on.goto(`${running.address}${path}`)
  await on.locator('main h1').waitFor()
  await on.waitForFunction(() => document.querySelector('.skeleton') === null)
}

describe.skipIf(missing !== null)('the console', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-console-'))
    writeFileSync(join(folder, 'flights.csv'), csvOf(SEED_DAYS, DIRT))
    const flights = flightsDataset()
    rt = await openRuntime({
      project: project('flights', { datasets: [flights], models: [late(flights)] }),
      folder,
      clock,
      workers: 2,
      memoryMb: 512,
    })
    await importData(rt, { dataset: 'flights', message: 'the first six weeks', actor: 'test' })
    const trained = await trainModel(rt, { model: 'late', reason: 'first training', actor: 'test' })
    expect(trained.passed).toBe(true)
    await releaseLatest(rt, { model: 'late', actor: 'test' })
    running = await up(rt, { port: 0, follow: 'by-hand' })
    browser = await launchBrowser()
    context = await newContext()
    page = await newPage(context)
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
    await running?.close()
    await rt?.close()
    if (folder) rmSync(folder, { recursive: true, force: true })
  })

  test('the fleet shows the model and says how it is, and learns of closed windows without being loaded again', async () => {
    await open('/')
    await page.getByRole('link', { name: 'late', exact: true }).first().waitFor()
    expect(await page.locator('.sentence').innerText()).toContain('late is live at v1')
    expect(await page.locator('.sentence').innerText()).toContain('quality is not measured yet')
    await page.evaluate(() => Object.assign(window, { sameDocument: true }))
    for (let day = SEED_DAYS; day < SEED_DAYS + 3; day++) {
      await serveDay(day)
      clock.set(clock.now() + 3_700_000)
      await running.poll()
    }
    await page.waitForFunction(() =>
      /on 200 outcomes/.test(document.querySelector('.sentence')?.textContent ?? ''),
    )
    expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true)
  })

  test('quality and drift are drawn from the windows that closed', async () => {
    await open('/models/late')
    await page.locator('.series canvas').waitFor()
    expect(await page.locator('.aside').innerText()).toMatch(/n 200/)
    await page.getByRole('button', { name: 'Table' }).first().click()
    expect(await page.locator('main figure table tbody tr').count()).toBe(3)
    await page.getByRole('link', { name: 'Drift' }).click()
    await page.locator('.multiple').first().waitFor()
    expect(await page.locator('.multiple').count()).toBe(4)
    expect(await page.locator('.multiple').first().innerText()).toContain('n 200')
  })

  test('every tab of a model answers its question', async () => {
    for (const [tab, holds] of [
      ['Members', 'members'],
      ['Versions', 'Card of v1'],
      ['Releases', 'Who answered the traffic'],
      ['Explain', 'What it leans on'],
      ['Speed', ''],
    ] as const) {
      await page.getByRole('navigation', { name: 'About late' }).getByRole('link', { name: tab }).click()
      await page.waitForFunction(
        (words) => document.querySelector('main')?.textContent?.includes(words),
        holds,
      )
      expect(await page.locator('h1').innerText()).toBe('late')
    }
    await open('/models/late%2FORD')
    expect(await page.locator('.sentence').innerText()).toMatch(
      /^late\/ORD (answers for itself|is answered by)/,
    )
    expect(await page.locator('.page-title').innerText()).toContain('live')
  })

  test('quarantine shows the rows that were put aside, each with its reason', async () => {
    await open('/data/flights')
    await page.getByRole('link', { name: 'the first six weeks' }).click()
    const quarantine = page.locator('#quarantine')
    await quarantine.locator('tbody tr').first().waitFor()
    expect(await quarantine.locator('tbody tr').count()).toBe(3)
    expect(await quarantine.innerText()).toContain('delay in range')
    expect(await quarantine.innerText()).toContain('2001-01-04 10:00:00')
  })

  test('the playground predicts, its reasons add up to the score, and feedback lands in the log', async () => {
    await open('/playground/late')
    await page.getByRole('button', { name: 'Predict' }).click()
    await page.locator('.force-row').first().waitFor()
    const figures = await page
      .locator('.force-row > .num')
      .evaluateAll((cells) =>
        cells.map((cell) => Number.parseFloat((cell.textContent ?? '').replaceAll('−', '-'))),
      )
    const [base, ...rest] = figures
    const raw = rest.pop()!
    expect(rest).toHaveLength(4)
    expect(Math.abs(base + rest.reduce((a, b) => a + b, 0) - raw)).toBeLessThan(0.0005 * figures.length)
    const shown = Number.parseFloat(await page.locator('.answer-value').innerText())
    expect(shown).toBeGreaterThan(0)
    expect(shown).toBeLessThan(100)

    const id = decodeURIComponent(
      (await page.getByRole('link', { name: /Everything behind/ }).getAttribute('href'))!.split('/').at(-1)!,
    )
    await page.getByText('This is wrong').click()
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByText('Thank you').waitFor()
    expect(await outcomeInLog(id)).toBeTypeOf('number')

    await page.getByRole('link', { name: /Everything behind/ }).click()
    await page.getByRole('heading', { name: 'Why this prediction' }).waitFor()
    expect(await page.locator('main').innerText()).toMatch(/it (happened|did not happen)/)
  })

  test('a rollback is planned, told and done from the page, and the routes change', async () => {
    writeFileSync(join(folder, 'flights.csv'), csvOf(SEED_DAYS + 3, []))
    await importData(rt, {
      dataset: 'flights',
      select: { fromAt: LIVE, toAt: LIVE + 3 * DAY },
      message: 'three days more',
      actor: 'test',
    })
    await trainModel(rt, { model: 'late', reason: 'three days more', actor: 'test' })
    await releaseLatest(rt, { model: 'late', actor: 'test' })
    await promoteModel(rt, { model: 'late', actor: 'test', reason: 'the test says so' })
    expect((await currentRelease(rt.store, 'late'))?.release.routes[0].version).toBe(2)
    await running.refresh()

    await open('/models/late/releases')
    await page.getByRole('button', { name: 'Roll back' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('What it will do').waitFor()
    expect(await dialog.innerText()).toContain('millrace rollback late')
    expect(
      (await currentRelease(rt.store, 'late'))?.release.routes[0].version,
      'a plan changes nothing',
    ).toBe(2)
    await dialog.getByRole('textbox').fill('v2 promises too much')
    await dialog.getByRole('button', { name: 'Roll back' }).click()
    await dialog.getByRole('heading', { name: 'Done' }).waitFor()
    const { release } = (await currentRelease(rt.store, 'late'))!
    expect(release.routes.filter((r) => r.role === 'live').map((r) => r.version)).toEqual([1])
    await dialog.getByRole('button', { name: 'Close', exact: true }).last().click()
    await page.waitForFunction(() =>
      document.querySelector('.sentence')?.textContent?.includes('late is live at v1'),
    )
  })

  test('the keyboard goes everywhere', async () => {
    await open('/')
    await page.keyboard.press('g')
    await page.keyboard.press('d')
    await page.waitForURL('**/data')
    await page.keyboard.press('/')
    await page.getByRole('dialog').locator('input').waitFor()
    await page.keyboard.type('late')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/models/late**')
    await page.keyboard.press('?')
    await page
      .getByRole('dialog')
      .getByText(/search/i)
      .first()
      .waitFor()
    await page.keyboard.press('Escape')
  })

  test('every screen has one heading, landmarks, named controls, and fits a phone, in the dark too', async () => {
    const version = (await rt.store.meta.ref('datasets/flights@main'))?.digest ?? ''
    const phone = await newContext({
      viewport: { width: 390, height: 844 },
      colorScheme: 'dark',
      hasTouch: true,
    })
    const small = await newPage(phone)
    for (const path of [
      '/',
      '/models/late',
      '/models/late/drift',
      '/models/late/members',
      '/models/late/versions',
      '/models/late/releases',
      '/models/late/explain',
      '/models/late%2FATL',
      '/data',
      '/data/flights',
      `/data/flights/versions/${encodeURIComponent(version)}`,
      '/alerts',
      '/runs',
      '/journal',
      '/playground/late',
      '/backtest/late',
      '/settings',
      '/predictions/f-43-7',
    ]) {
      await open(path, small)
      expect(await small.evaluate(faults), path).toEqual([])
    }
    const dark = await small.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const [r, g, b] = (dark.match(/\d+/g) ?? []).map(Number)
    expect(r + g + b).toBeLessThan(120)
    await phone.close()
  })

  test('the browser had nothing to complain about', () => {
    expect(complaints).toEqual([])
  })
})

async function outcomeInLog(id: string): Promise<number | string | undefined> {
  for await (const { records } of rt.store.log.read('outcomes'))
    for (const block of decodeBlocks(records)) {
      const at = block.kind === 'outcomes' ? block.ids.indexOf(id) : -1
      if (block.kind === 'outcomes' && at >= 0) return block.values[at]
    }
  return undefined
}

/** Runs in the page: what keeps it from being usable by everybody. */
function faults(): string[] {
  const found: string[] = []
  const headings = document.querySelectorAll('h1').length
  if (headings !== 1) found.push(`${headings} h1`)
  for (const landmark of ['main', 'nav', 'header'])
    if (!document.querySelector(landmark)) found.push(`no ${landmark}`)
  if (!document.documentElement.lang) found.push('no language')
  if (!document.title) found.push('no title')
  const wide = document.documentElement.scrollWidth - innerWidth
  if (wide > 0) found.push(`scrolls ${wide} px sideways`)
  for (const control of document.querySelectorAll<HTMLElement>(
    'button, a[href], input, select, textarea, summary',
  )) {
    const labels = (control as HTMLInputElement).labels
    const name =
      control.getAttribute('aria-label') ||
      control.getAttribute('aria-labelledby') ||
      control.textContent?.trim() ||
      (labels && labels.length > 0 ? labels[0].textContent?.trim() : '') ||
      control.getAttribute('title')
    if (
      !name &&
      control.getAttribute('aria-hidden') !== 'true' &&
      (control as HTMLInputElement).type !== 'hidden'
    )
      found.push(`unnamed ${control.outerHTML.slice(0, 120)}`)
  }
  for (const image of document.querySelectorAll('svg[role="img"], img'))
    if (!image.getAttribute('aria-label') && !image.getAttribute('alt')) found.push('image without words')
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id)
  for (const id of ids.filter((one, i) => ids.indexOf(one) !== i)) found.push(`id ${id} twice`)
  return found
}
