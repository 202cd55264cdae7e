/** The page of requests to try, in a browser. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser, noBrowser } from '../fixtures/browser.ts'
import { type Fixture, serving } from '../serve/fixture.ts'
import { rowModels } from '../serve/row-models.ts'

if (noBrowser) console.log(`SKIP the page of requests to try: ${noBrowser}`)

const token = 'token-of-this-test'

describe.skipIf(noBrowser)('the page at /docs', () => {
  let f: Fixture
  let browser: Browser
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined, token })
    browser = await launchBrowser()
  })
  afterAll(async () => {
    await browser.close()
    await f.close()
  })

  test.each([
    ['a desktop', 1280, 'light'],
    ['a telephone', 390, 'dark'],
  ] as const)(
    'on %s: takes the token, shows a model, sends its example, and shows what is wrong',
    async (_, width, colorScheme) => {
      const page = await browser.newPage({ viewport: { width, height: 844 }, colorScheme })
      const faults: string[] = []
      page.on('pageerror', (error) => faults.push(error.message))
      const elsewhere: string[] = []
      page.on('request', (request) => {
        if (!request.url().startsWith(f.url) && !request.url().startsWith('data:'))
          elsewhere.push(request.url())
      })
      await page.goto(`${f.url}/docs#late`)
      await page.getByText('token').first().waitFor()
      await page.locator('#token').fill(token)
      await page.locator('#token').blur()
      await page.getByRole('heading', { name: 'late' }).waitFor()
      const first = page.locator('details').first()
      await first.locator('button.send').click()
      await first.locator('.status', { hasText: '200' }).waitFor()
      expect(JSON.parse((await first.locator('pre').textContent()) as string)).toMatchObject({
        model: 'late',
        threshold: 0.5,
      })
      await first.locator('textarea').fill('{"row": {"hour": "<b>noon</b>"}}')
      await first.locator('button.send').click()
      await first.locator('.status', { hasText: '400' }).waitFor()
      expect(await first.locator('pre').textContent()).toContain('MR_SERVE_FIELD')
      expect(await first.locator('pre b').count()).toBe(0)
      await page.getByRole('link', { name: 'server' }).click()
      await page.getByRole('heading', { name: 'Server' }).waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
      expect([faults, elsewhere]).toEqual([[], []])
      await page.close()
    },
  )
})
