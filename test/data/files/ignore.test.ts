import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isPlain } from '../../../src/data/files/entry.ts'
import { walk } from '../../../src/data/files/walk.ts'

interface Case {
  files: Record<string, string>
  paths: string[]
  ignored: string[]
}
const file = new URL('../../reference/ignore/expected.json', import.meta.url)
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[]

const folder = mkdtempSync(join(tmpdir(), 'millrace-ignore-'))
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}
beforeAll(() => {
  for (const path of new Set(cases.flatMap(({ paths }) => paths))) write(path, 'x')
})
afterAll(() => rmSync(folder, { recursive: true }))

it.each(cases.map((given) => ({ given, patterns: JSON.stringify(Object.entries(given.files)) })))(
  'leaves out what git ignores: $patterns',
  async ({ given: { files, paths, ignored } }) => {
    const rules = Object.keys(files).map((base) => join(base, '.millraceignore'))
    try {
      for (const [base, text] of Object.entries(files)) write(join(base, '.millraceignore'), text)
      const options = {
        storeDir: join(folder, 'none'),
        signal: new AbortController().signal,
        onFiles: () => {},
      }
      const walked = await walk([folder], options)
      const taken = new Set(walked.files.paths.filter((_, i) => isPlain(walked.files.modeOf(i))))
      const isRules = (path: string) => path.endsWith('.millraceignore')
      expect(paths.filter((path) => !taken.has(path) && !isRules(path))).toEqual(
        ignored.filter((path) => !isRules(path)),
      )
    } finally {
      for (const path of rules) rmSync(join(folder, path))
    }
  },
)
