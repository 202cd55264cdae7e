/// <reference lib="dom" />
/** Merges that wait, decided in a real browser on a real server: by pressing, by keys, by filter and expression, with undo; and merged once a broken check was set right. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checks, dataset, project } from 'millrace'
import { importData, openRuntime, type Running, type Runtime, refs, up } from 'millrace/runtime'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser, missing, openPage } from '../fixtures/browser.ts'

if (missing) console.log(`SKIP merges in a browser: there is ${missing}`)

const ROWS = Number(process.env.MERGE_CONFLICTS ?? 120)
/** Where pictures of the screens are written, if anywhere. */
const SHOTS = process.env.SHOTS
const PLACES = ['hall A', 'hall B', 'outside']

type Edit = (id: number) => { stock?: number; price?: number; place?: string } | null

function csvOf(edit: Edit): string {
  const lines = Array.from({ length: ROWS * 2 }, (_, id) => {
    const own = edit(id)
    if (own === null) return []
    const of = { stock: 10 + (id % 7), price: 5 + (id % 11) / 2, place: PLACES[id % 3], ...own }
    return [`P-${String(id).padStart(5, '0')},${of.stock},${of.price},${of.place},2024-0${1 + (id % 9)}-11`]
  })
  return ['id,stock,price,place,since', ...lines.flat()].join('\n')
}

const shop = dataset('prices', {
  source: 'prices.csv',
  key: ['id'],
  mode: 'replace',
  checks: [checks.between('stock', 0, 500).named('stock in range')],
})

let folder: string
let rt: Runtime
let running: Running
let browser: Browser
let page: Page
const complaints: string[] = []

beforeAll(async () => {
  if (missing) return
  folder = mkdtempSync(join(tmpdir(), 'millrace-merges-'))
  const put = async (edit: Edit, branch?: string) => {
    writeFileSync(join(folder, 'prices.csv'), csvOf(edit))
    await importData(rt, { dataset: 'prices', actor: 'ana', ...(branch && { branch }) })
  }
  rt = await openRuntime({ project: project('shop', { datasets: [shop], models: [] }), folder, workers: 2 })
  await put(() => ({}))
  const start = (await rt.store.meta.ref(refs.dataset('prices')))!.digest
  await rt.store.meta.commit({
    moves: [{ name: refs.dataset('prices', 'summer'), from: null, to: start }],
    event: {
      type: 'data.branched',
      subject: 'datasets/prices',
      actor: 'ana',
      reason: 'summer sale',
      data: {},
    },
  })
  const isOne = (id: number) => id < ROWS
  await put(
    (id) => (isOne(id) ? { stock: 20 + id, price: id % 3 === 0 ? 7.25 : 3 } : id % 5 === 1 ? null : {}),
    'summer',
  )
  await put((id) =>
    id === 2
      ? null
      : isOne(id)
        ? { stock: 40 + (id % 13), ...(id % 3 === 0 && { price: 8.5 }) }
        : { place: 'moved' },
  )
  running = await up(rt, { port: 0, follow: 'by-hand' })
  browser = await launchBrowser()
  page = await openPage(browser, complaints, { width: 1280 })
}, 180_000)

afterAll(async () => {
  await browser?.close()
  await running?.close()
  await rt?.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

async function shoot(name: string) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`) })
}

describe.skipIf(missing !== null)('merges in the console', () => {
  test('a branch is merged where it conflicts: what waits stands on the page of the dataset and in the badge', async () => {
    await page.goto(`${running.address}/data/prices/triage`)
    const branch = page.getByRole('article', { name: 'Branch summer' })
    await branch.getByRole('button', { name: 'Merge' }).click()
    await page.getByRole('heading', { name: 'summer → main' }).waitFor()
    await page.getByText(/0 of [\d,]+ conflicts in [\d,]+ rows decided/).waitFor()
    await page.getByText('1 need a person').first().waitFor({ state: 'attached' })
    await shoot('merge-1280-light')
    await page.getByRole('link', { name: 'prices', exact: true }).click()
    await page.getByRole('link', { name: 'summer → main' }).click()
    await page.getByRole('heading', { name: 'summer → main' }).waitFor()
    expect(complaints).toEqual([])
  })

  test('conflicts are decided by keys and by hand, undone, and decided by filter and expression', async () => {
    const said = async () => await page.locator('.merge-progress strong').innerText()
    const first = page.getByRole('group', { name: 'stock of P-00000' })
    await first.getByRole('button').first().focus()
    await page.keyboard.press('3')
    await expect.poll(said).toBe('1')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('v')
    await page.getByLabel('Value for price of P-00000').fill('1e')
    await page.keyboard.press('Enter')
    await page.getByText('MR_DATA_MERGE_VALUE').waitFor()
    await page.getByRole('group', { name: 'price of P-00000' }).getByRole('button', { name: /other/ }).click()
    await page.getByLabel('Value for price of P-00000').fill('9.75')
    await page.keyboard.press('Enter')
    await expect.poll(said).toBe('2')
    await page.getByRole('button', { name: /^Undo step 2/ }).click()
    await expect.poll(said).toBe('1')
    await page.getByRole('button', { name: /^stock / }).click()
    await page.getByLabel('Only rows for which this holds').fill('ours_stock > 40')
    await page.getByRole('button', { name: 'Filter' }).click()
    await page.getByRole('button', { name: 'Expression…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Expression of ours, theirs and base').fill('ours * 100')
    await dialog.getByRole('button', { name: 'See what comes of it' }).click()
    await dialog.getByRole('button', { name: /^Decide [\d,]+$/ }).waitFor()
    await shoot('merge-1280-expression')
    await dialog.getByRole('button', { name: /^Decide [\d,]+$/ }).click()
    await dialog.waitFor({ state: 'hidden' })
    await expect.poll(said).not.toBe('1')
    expect(complaints).toEqual([])
  })

  test('what does not keep a check is shown where it is, and the rest is decided and merged', async () => {
    await page.goto(`${running.address}/data/prices/merges/main/summer`)
    await page.getByRole('button', { name: 'As in main' }).click()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /^Decide [\d,]+$/ })
      .click()
    await page.getByText(/All [\d,]+ conflicts decided/).waitFor()
    await page.getByRole('button', { name: 'Merge…' }).click()
    await page.getByRole('dialog').getByText('MR_DATA_MERGE_OPEN').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Show them' }).click()
    await page
      .getByText(/does not keep/)
      .first()
      .waitFor()
    await shoot('merge-1280-broken')
    await page.getByRole('button', { name: /^Undo step 4/ }).click()
    await page.goto(`${running.address}/data/prices/merges/main/summer`)
    await page.getByRole('button', { name: 'As in main' }).waitFor()
    await page.emulateMedia({ colorScheme: 'dark' })
    await shoot('merge-1280-dark')
    await page.setViewportSize({ width: 390, height: 844 })
    const wide = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    expect(wide).toBeLessThanOrEqual(0)
    await shoot('merge-390-dark')
    await page.emulateMedia({ colorScheme: 'light' })
    await page.getByRole('article').first().scrollIntoViewIfNeeded()
    await page.evaluate(() => document.querySelector('.merge-rows')?.scrollIntoView())
    await shoot('merge-390-light')
    await page.setViewportSize({ width: 1280, height: 900 })
    const before = (await rt.store.meta.ref(refs.dataset('prices')))!.digest
    await page.getByRole('button', { name: 'Merge…' }).click()
    await page.getByRole('dialog').getByLabel('Why').fill('agreed with the shop')
    await page.getByRole('dialog').getByRole('button', { name: 'Merge', exact: true }).click()
    await page.getByRole('dialog').getByRole('heading', { name: 'Done' }).waitFor()
    expect((await rt.store.meta.ref(refs.dataset('prices')))!.digest).not.toBe(before)
    expect(complaints).toEqual([])
  })
})
