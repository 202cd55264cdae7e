import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** Floors of the house (docs/ARCHITECTURE.md): a room imports rooms of lower floors only, so stations never import one another. */
const FLOORS: Record<string, number> = {
  core: 0,
  client: 1,
  stats: 1,
  store: 1,
  expr: 1,
  engine: 2,
  model: 2,
  define: 2,
  data: 3,
  train: 3,
  gate: 3,
  release: 3,
  serve: 3,
  watch: 3,
  frame: 4,
  loop: 4,
  api: 5,
  cli: 6,
  'index.ts': 7,
  'runtime.ts': 7,
}

/** Rooms that run anywhere: no `node:` module, no clock of their own, no unseeded chance. */
const PURE = ['core', 'stats']

interface Import {
  from: string
  to: string
  dynamic: boolean
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const imports = files.flatMap(importsOf)

function importsOf(file: string): Import[] {
  const text = readFileSync(join(src, file), 'utf8')
  const { module } = parseSync(file, text)
  const fixed = [
    ...module.staticImports.map((i) => i.moduleRequest.value),
    ...module.staticExports.flatMap((e) =>
      e.entries.flatMap((x) => (x.moduleRequest ? [x.moduleRequest.value] : [])),
    ),
  ]
  const dynamic = module.dynamicImports.flatMap(
    (i) => /^['"](.*)['"]$/.exec(text.slice(i.moduleRequest.start, i.moduleRequest.end))?.[1] ?? [],
  )
  return [
    ...fixed.map((to) => ({ from: file, to, dynamic: false })),
    ...dynamic.map((to) => ({ from: file, to, dynamic: true })),
  ]
}

function roomOf(file: string): string {
  return file.split('/')[0]
}

function target(i: Import): string | undefined {
  return i.to.startsWith('.') ? relative(src, resolve(src, dirname(i.from), i.to)) : undefined
}

test('every room has a floor', () => {
  expect([...new Set(files.map(roomOf))].filter((room) => FLOORS[room] === undefined)).toEqual([])
})

test('imports point strictly down', () => {
  const wrong = imports.flatMap((i) => {
    const to = target(i)
    if (to === undefined) return []
    const [a, b] = [roomOf(i.from), roomOf(to)]
    return a === b || FLOORS[b] < FLOORS[a] ? [] : [`${i.from} → ${to}`]
  })
  expect(wrong).toEqual([])
})

test('imports make no cycle', () => {
  const next = new Map<string, string[]>()
  for (const i of imports) {
    const to = target(i)
    if (to !== undefined && !i.dynamic) next.set(i.from, [...(next.get(i.from) ?? []), to])
  }
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const visit = (file: string, path: string[]) => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      return
    }
    state.set(file, 'open')
    for (const to of next.get(file) ?? []) visit(to, [...path, file])
    state.set(file, 'done')
  }
  for (const file of files) visit(file, [])
  expect(cycles).toEqual([])
})

test('the pure rooms use no node module, no clock and no unseeded chance', () => {
  const wrong = imports
    .filter((i) => PURE.includes(roomOf(i.from)) && !i.to.startsWith('.'))
    .map((i) => `${i.from} imports ${i.to}`)
  for (const file of files.filter((f) => PURE.includes(roomOf(f)))) {
    const text = readFileSync(join(src, file), 'utf8')
    for (const banned of ['Date.now(', 'Math.random(', 'process.', 'new Date()'])
      if (text.includes(banned)) wrong.push(`${file} uses ${banned}`)
  }
  expect(wrong).toEqual([])
})

test('no file is named for what it is not about', () => {
  expect(files.filter((f) => /(^|\/)(utils?|helpers?|lib|common|misc)(\.ts|\/)/.test(f))).toEqual([])
})
