/** What the guide of asking a model shows is run as it stands, but for the address. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Fixture, serving } from '../serve/fixture.ts'
import { rowModels } from '../serve/row-models.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/guides/serving.md'), 'utf8')
const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => ({
  language,
  code: code as string,
}))
const codeOf = (language: string) =>
  blocks.filter((block) => block.language === language).map(({ code }) => code)
const run = promisify(execFile)
const python = process.env.MILLRACE_CLIENTS_PYTHON
if (!python)
  console.log(
    'SKIP the example of tritonclient in the guide: MILLRACE_CLIENTS_PYTHON names no Python with it',
  )

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

describe('the guide', () => {
  let f: Fixture
  const scratch = join(root, 'node_modules/.cache/serving-guide')
  const here = (code: string) => code.replaceAll('127.0.0.1:7300', new URL(f.url).host)
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined })
    mkdirSync(scratch, { recursive: true })
  })
  afterAll(async () => {
    await f.close()
    rmSync(scratch, { recursive: true, force: true })
  })

  test('curl: a row, rows in pieces, and KServe V1', async () => {
    const said = await Promise.all(
      codeOf('sh').map(async (code) => (await run('sh', ['-c', here(code)])).stdout),
    )
    expect(said).toHaveLength(3)
    expect(JSON.parse(said[0] as string).probability).toBeCloseTo(sigmoid(-1.5 + 1 + 0.5 + 2), 12)
    expect(said[1]).toMatch(/^data: {"predictions":.*\n\nevent: done\ndata: {"rows":2}\n\n$/)
    expect(JSON.parse(said[2] as string).predictions[0].probability).toBeCloseTo(sigmoid(-1.5 + 1 + 2), 12)
  })

  test('fetch', async () => {
    const [code] = codeOf('js')
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', here(code as string)])
    expect(JSON.parse(stdout)).toEqual([
      [expect.closeTo(sigmoid(1.5), 12), true],
      [expect.closeTo(sigmoid(-1.5), 12), false],
    ])
  })

  test('millrace/client', async () => {
    const [code] = codeOf('ts')
    const file = join(scratch, `example-${process.pid}.ts`)
    writeFileSync(file, here(code as string))
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    try {
      await import(pathToFileURL(file).href)
      const [first = [], second = []] = log.mock.calls
      expect(first[0]).toBeCloseTo(sigmoid(1.5), 12)
      expect(first[1]).toMatchObject({ feature: 'hour' })
      expect([...(second[0] as Float64Array)]).toEqual([
        expect.closeTo(sigmoid(-1.5), 12),
        expect.closeTo(sigmoid(-1), 12),
      ])
    } finally {
      log.mockRestore()
    }
  })

  test.skipIf(!python)('tritonclient', async () => {
    const [code] = codeOf('python')
    const { stdout } = await run(python as string, ['-c', here(code as string)])
    expect(stdout).toMatch(/^\[0\.8175\d+ 0\.1824\d+\] \[ True False\]/)
  })
})
