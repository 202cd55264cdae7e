import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What people import by the package's name. */
const DOORS: Record<string, string> = {
  millrace: 'src/index.ts',
  'millrace/runtime': 'src/runtime.ts',
  'millrace/frame': 'src/frame/index.ts',
  'millrace/metrics': 'src/define/metrics.ts',
  'millrace/stats': 'src/stats/index.ts',
  'millrace/client': 'src/client/index.ts',
}
const SKIPPED = /^(node_modules|dist|\.venv.*|\.millrace)$/

const files = ['src', 'test', 'console', 'bench', 'examples', 'scripts'].flatMap(walk)
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
const modules = new Map([...sources].map(([file, text]) => [file, parseSync(file, text).module]))
const used = usedNames()

function walk(folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return SKIPPED.test(entry.name) ? [] : walk(path)
    return /\.(tsx?|mjs)$/.test(entry.name) ? [path] : []
  })
}

/** Names that some file imports of another, as `file name`; `file *` where it takes all of them. */
function usedNames(): Set<string> {
  const found = new Set<string>()
  for (const [file, { staticImports, staticExports, dynamicImports }] of modules) {
    const note = (from: string, name: string | null | undefined) => {
      const path = from.startsWith('.') ? relative(root, resolve(root, dirname(file), from)) : DOORS[from]
      if (path) found.add(`${path} ${name ?? '*'}`)
    }
    for (const { moduleRequest, entries } of staticImports)
      for (const { importName } of entries)
        note(moduleRequest.value, importName.kind === 'Default' ? 'default' : importName.name)
    for (const { entries } of staticExports)
      for (const { moduleRequest, importName } of entries)
        if (moduleRequest) note(moduleRequest.value, importName.name)
    const text = sources.get(file) as string
    for (const { moduleRequest } of dynamicImports)
      note(text.slice(moduleRequest.start + 1, moduleRequest.end - 1), '*')
  }
  return found
}

/** Types document what a function takes and gives, and limits in capitals are there to be read: both may stand alone. */
function mustBeUsed(name: string, isType: boolean, text: string): boolean {
  return !isType && !/^[A-Z0-9_]+$/.test(name) && !new RegExp(`export (interface|type) ${name}\\b`).test(text)
}

test('what a file gives to others is taken by one', () => {
  const alone = [...modules]
    .filter(([file]) => /^(src|console\/src)\//.test(file) && !Object.values(DOORS).includes(file))
    .flatMap(([file, { staticExports }]) =>
      staticExports
        .flatMap(({ entries }) => entries)
        .filter(({ moduleRequest }) => !moduleRequest)
        .map(({ exportName, isType }) => ({ name: exportName.name ?? 'default', isType }))
        .filter(({ name, isType }) => mustBeUsed(name, isType, sources.get(file) as string))
        .filter(({ name }) => !used.has(`${file} ${name}`) && !used.has(`${file} *`))
        .map(({ name }) => `${file}: ${name}`),
    )
  expect(alone).toEqual([])
  expect(modules.size).toBeGreaterThan(500)
})
