import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MillraceError } from '../../src/core/errors.ts'
import { loadProject } from '../../src/define/load.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-load-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function config(text: string, name = 'millrace.config.ts'): string {
  const home = mkdtempSync(join(folder, 'p-'))
  writeFileSync(join(home, name), text)
  return home
}

async function errorOf(path: string): Promise<MillraceError> {
  return loadProject(path).then(
    () => expect.unreachable('it loaded'),
    (error) => error,
  )
}

const SOUND = `import { col, dataset, maximize, model, project } from 'millrace'
import * as m from 'millrace/metrics'
const trips: ReturnType<typeof dataset> = dataset('trips', { source: 'trips.csv' })
export default project('trips', { datasets: [trips], models: [model('long', { from: trips, target: col('minutes').gt(30),
  objectives: { quality: maximize(m.auc) } })] })
`

test('loads a TypeScript config that imports millrace without its being installed there', async () => {
  const home = config(SOUND)
  const loaded = await loadProject(home)
  expect(loaded.folder).toBe(home)
  expect(loaded.path).toBe(join(home, 'millrace.config.ts'))
  expect(loaded.project.models[0]).toMatchObject({
    name: 'long',
    from: 'trips',
    features: [],
    split: { by: 'random' },
  })
  expect((await loadProject(loaded.path)).project).toEqual(loaded.project)
})

test('loads JavaScript configs too', async () => {
  const text =
    "import { project, dataset } from 'millrace'\nexport default project('x', { datasets: [dataset('a', { source: 'a.csv' })] })\n"
  expect((await loadProject(config(text, 'millrace.config.mjs'))).project.name).toBe('x')
  expect((await loadProject(config(text, 'millrace.config.js'))).project.name).toBe('x')
})

test('a folder without a config says how to make one', async () => {
  const error = await errorOf(join(folder, 'nowhere'))
  expect(error.code).toBe('MR_DEFINE_NO_CONFIG')
  expect(error.fix).toContain('millrace init')
})

test('a syntax error is named with file, line and column', async () => {
  const home = config("import { project } from 'millrace'\n\nexport default project('x', { datasets: [ }\n")
  const error = await errorOf(home)
  expect(error.message).toBe(
    `MR_DEFINE_SYNTAX: ${home}/millrace.config.ts:3:42 cannot be read: Unexpected token`,
  )
})

test('a config that throws is named with its line', async () => {
  const error = await errorOf(
    config('const nothing: any = undefined\n\nnothing.at.all()\nexport default 1\n'),
  )
  expect(error.code).toBe('MR_DEFINE_CONFIG')
  expect(error.message).toMatch(/TypeError: Cannot read properties of undefined.* \(line 3\)/)
})

test('another default export than a project says what it is', async () => {
  expect((await errorOf(config('export default { kind: "ModelDef" }\n'))).message).toContain(
    'got an object of kind ModelDef',
  )
  expect((await errorOf(config('export const a = 1\n'))).message).toContain('got nothing')
})

test('coded errors of the config’s own calls, and faults of the project, pass unchanged', async () => {
  const badDuration = SOUND.replace(
    "source: 'trips.csv'",
    "source: 'trips.csv', checks: [checks.fresh('at', '3 days' as any)]",
  ).replace('import {', 'import { checks,')
  expect((await errorOf(config(badDuration))).message).toBe(
    'MR_DEFINE_DURATION: checks.fresh(\'at\') must be a duration, got "3 days"',
  )
  expect((await errorOf(config(SOUND.replace("model('long'", "model('two words'")))).message).toMatch(
    /^MR_DEFINE_VALUE: models\.two words\.name must be a name/,
  )
})
