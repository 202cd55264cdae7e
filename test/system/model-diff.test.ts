/// <reference lib="dom" />
/** Versions of a model and of files, compared in a real browser on a real server: from the page of the model to what moved, and to the tensors of a checkpoint. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { canary, col, dataset, gates, gbdt, model, project } from 'millrace'
import {
  importData,
  openRuntime,
  type Running,
  type Runtime,
  releaseLatest,
  trainModel,
  up,
} from 'millrace/runtime'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { addFiles } from '../../src/data/files/index.ts'
import { launchBrowser, missing, openPage } from '../fixtures/browser.ts'

if (missing) console.log(`SKIP versions compared in a browser: there is ${missing}`)

const ROWS = Number(process.env.DIFF_ROWS ?? 6000)
/** Where pictures of the screens are written, if anywhere. */
const SHOTS = process.env.SHOTS
const ORIGINS = ['ATL', 'DFW', 'ORD', 'SEA']

/** Flights that are late in the evening; from ORD in a storm, which the first version is too small to tell. */
function csv(): string {
  const rng = seededRng(20240101)
  const lines = Array.from({ length: ROWS }, (_, n) => {
    const at = new Date(Date.UTC(2024, 0, 1) + Math.floor((n / ROWS) * 100 * 24) * 3_600_000)
    const [hour, wind, origin] = [at.getUTCHours(), Math.round(rng.next() * 40), ORIGINS[rng.nextInt(4)]!]
    const chance = 0.05 + 0.015 * hour + (origin === 'ORD' && wind > 20 ? 0.45 : 0)
    return `${at.toISOString().slice(0, 19)}Z,${origin},${wind},${200 + rng.nextInt(2000)},${rng.next() < chance ? 40 : 3}`
  })
  return ['date,origin,wind,distance,delay', ...lines].join('\n')
}

const flights = dataset('flights', { source: 'flights.csv', time: 'date' })
const late = model('late', {
  from: flights,
  target: col('delay').gt(15),
  features: {
    hour: col('date').hour(),
    distance: col('distance'),
    origin: col('origin').category(),
    wind: col('wind'),
  },
  trainer: gbdt({ trees: 40, leaves: 12, minRowsInLeaf: 20 }),
  split: { by: 'time', validate: '20d', test: '30d' },
  gates: [gates.beatsBaseline()],
  release: canary({ steps: [0.1] }),
  watch: { owner: 'oncall@example.com' },
})

let folder: string
let rt: Runtime
let running: Running
let browser: Browser
let page: Page
const complaints: string[] = []
const bytesOf = (name: string) => readFileSync(new URL(`../reference/checkpoint/${name}`, import.meta.url))

beforeAll(async () => {
  if (missing) return
  folder = mkdtempSync(join(tmpdir(), 'millrace-model-diff-'))
  writeFileSync(join(folder, 'flights.csv'), csv())
  rt = await openRuntime({
    project: project('flights', { datasets: [flights], models: [late] }),
    folder,
    workers: 2,
  })
  await importData(rt, { dataset: 'flights', actor: 'test', message: 'a winter of flights' })
  const small = gbdt({ trees: 6, leaves: 4, minRowsInLeaf: 60 })
  await trainModel(rt, { model: 'late', trainer: small, reason: 'a small one to begin with', actor: 'test' })
  await releaseLatest(rt, { model: 'late', actor: 'test' })
  running = await up(rt, { port: 0, follow: 'by-hand' })
  browser = await launchBrowser()
  page = await openPage(browser, complaints)
}, 120_000)

afterAll(async () => {
  await browser?.close()
  await running?.close()
  await rt?.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

/** Runs in the page: what sticks out of it. */
function tooWide(): string[] {
  const page = document.documentElement
  if (page.scrollWidth <= page.clientWidth) return []
  return [
    `${page.scrollWidth} px`,
    ...[...document.querySelectorAll('main *')]
      .filter(
        (node) => node.closest('.scroll') === null && node.getBoundingClientRect().right > innerWidth + 1,
      )
      .map((node) => `${node.tagName} ${node.className}`),
  ]
}

/** The same screen wide and narrow, light and dark; on a phone nothing may scroll sideways. */
async function look(name: string): Promise<void> {
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ] as const) {
    await page.setViewportSize({ width, height })
    expect(await page.evaluate(tooWide), `${name} at ${width}`).toEqual([])
    if (!SHOTS) continue
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: join(SHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true })
    }
    await page.emulateMedia({ colorScheme: 'light' })
  }
}

describe.skipIf(missing !== null)('two versions in the console', () => {
  test('with one version alone, the page says what to do', async () => {
    await page.goto(`${running.address}/models/late/diff`)
    await page.getByText('There is no second version yet').waitFor()
    await look('diff-alone')
    await trainModel(rt, { model: 'late', reason: 'more trees', actor: 'test' })
    await releaseLatest(rt, { model: 'late', actor: 'test' })
  }, 60_000)

  test('are picked on the page of the model, compared by a run, and told in sentences and numbers', async () => {
    await page.goto(`${running.address}/models/late/releases`)
    await page.getByRole('link', { name: /Which answers change from v1 to v2/ }).click()
    await page.getByRole('heading', { name: 'late v1 → v2' }).waitFor()
    expect(await page.locator('.sentence').innerText()).toMatch(
      /^v2 was trained on the same data as v1, with \d+ settings changed \(.*leaves/,
    )
    await page.getByText('Not compared yet').waitFor()
    await look('diff-begin')
    await page.getByRole('button', { name: 'Compare their answers' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Where they moved most' }).waitFor()
    const said = await page.locator('.sentence').innerText()
    expect(said).toMatch(/^v2 decides [\d,]+ of [\d,]+ test rows otherwise \([\d.]+ %\)/)
    expect(await page.locator('main').innerText()).toMatch(/Answers moved most where origin is ORD/)
    expect(await page.getByRole('heading', { name: 'Inside: trees' }).count()).toBe(1)
    await look('diff')
  }, 60_000)

  test('the same two are not run again, others are picked by select, and a row opens in the playground', async () => {
    const runs = async () => (await rt.store.meta.refs('runs/')).length
    const before = await runs()
    await page.reload()
    await page.getByRole('heading', { name: 'Where they moved most' }).waitFor()
    expect(await runs()).toBe(before)
    await page.getByLabel('From').selectOption('2')
    await page.getByRole('heading', { name: 'late v2 → v2' }).waitFor()
    await page.getByText('one and the same version').first().waitFor()
    await page.goto(`${running.address}/models/late/diff?from=1&to=2`)
    await page.getByRole('link', { name: 'Try it' }).first().click()
    await page.getByRole('button', { name: 'Predict' }).click()
    await page.locator('.force-row').first().waitFor()
  }, 60_000)

  test('files have pages, and a checkpoint tells its tensors', async () => {
    const nets = join(folder, 'nets')
    mkdirSync(nets)
    const add = () => addFiles(rt.store, { paths: [nets], actor: 'test', storeDir: rt.stateDir })
    writeFileSync(join(nets, 'late.safetensors'), bytesOf('base.safetensors'))
    writeFileSync(join(nets, 'notes.md'), 'as it began')
    await add()
    writeFileSync(join(nets, 'late.safetensors'), bytesOf('a.safetensors'))
    writeFileSync(join(nets, 'weights.md'), 'fine-tuned')
    await add()
    await page.goto(`${running.address}/data`)
    await page.getByRole('link', { name: 'nets' }).waitFor()
    await look('data')
    await page.getByRole('link', { name: 'nets' }).click()
    await page.getByRole('heading', { name: 'nets' }).waitFor()
    await look('files')
    await page.getByRole('link', { name: /^Compare/ }).click()
    await page.getByRole('heading', { name: 'late.safetensors' }).waitFor()
    expect(await page.locator('.sentence').innerText()).toMatch(
      /In late\.safetensors \d+ of \d+ tensors changed/,
    )
    await look('files-diff')
    expect(complaints).toEqual([])
  }, 60_000)
})
