import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { loadProject } from '../../src/define/load.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const scratch = join(root, 'node_modules/.cache/docs-test')

/** Made from the running console, so it is not there before the console is. */
const MADE_LATER: string[] = []

/** Commands that texts name and the command line does not have. One that comes to exist must leave the list. */
const MISSING: Record<string, string> = {}

interface Page {
  /** From the root, with slashes. */
  path: string
  text: string
  /** The text without what stands in code blocks and code spans. */
  prose: string
  blocks: { language: string; code: string; line: number }[]
  anchors: Set<string>
}

/** Peers have environments of their own, with pages of their own. */
const SKIPPED = /^(node_modules|\.venv.*|\.millrace)$/

const pages = markdownFiles().map(readPage)

function markdownFiles(): string[] {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'))
  const below = ['docs', 'examples', 'bench', 'console'].flatMap((folder) =>
    existsSync(join(root, folder)) ? walk(folder) : [],
  )
  return [...top, ...below].sort()
}

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return SKIPPED.test(entry.name) ? [] : walk(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

function readPage(path: string): Page {
  const text = readFileSync(join(root, path), 'utf8')
  const blocks: Page['blocks'] = []
  const outside = text.replace(/^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm, (block, language, code, at) => {
    blocks.push({ language, code, line: text.slice(0, at).split('\n').length + 1 })
    return block.replace(/[^\n]/g, '')
  })
  return { path, text, prose: outside.replace(/`[^`]*`/g, '``'), blocks, anchors: anchorsOf(outside) }
}

/** Anchors as GitHub makes them of headings: small letters, no punctuation, dashes for blanks, a number where one comes again. */
function anchorsOf(markdown: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, heading] of markdown.matchAll(/^#{1,6} +(.+)$/gm)) {
    const plain = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '')
    const slug = plain
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-')
    const n = seen.get(slug) ?? 0
    seen.set(slug, n + 1)
    anchors.add(n === 0 ? slug : `${slug}-${n}`)
  }
  return anchors
}

/** Code of a page, in spans and blocks alike. */
function codeOf({ text, blocks }: Page): string[] {
  const spans = text.replace(/^```[\s\S]*?^```$/gm, '').match(/`[^`\n]+`/g) ?? []
  return [...spans.map((span) => span.slice(1, -1)), ...blocks.map(({ code }) => code)]
}

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('links', () => {
  const links = pages.flatMap((page) =>
    [...page.prose.matchAll(/(!?)\[([^\]]*)\]\(([^)\s]+)[^)]*\)/g)].map(([, image, label, target]) => ({
      page,
      isImage: image === '!',
      label: label!,
      target: target!,
    })),
  )

  test('every relative link leads to a file, and every anchor to a heading', () => {
    const dead = links.flatMap(({ page, isImage, target }) => {
      if (/^[a-z]+:/.test(target)) return []
      const [file, anchor] = target.split('#') as [string, string | undefined]
      const path = file === '' ? page.path : relative(root, resolve(root, dirname(page.path), file))
      if (isImage && MADE_LATER.includes(path)) return []
      if (!existsSync(join(root, path))) return [`${page.path}: ${target}`]
      if (anchor === undefined) return []
      const there = pages.find((other) => other.path === path)
      return there?.anchors.has(anchor) ? [] : [`${page.path}: ${target}`]
    })
    expect(dead).toEqual([])
  })

  test('every image says what it shows', () => {
    expect(links.filter(({ isImage, label }) => isImage && label.length < 10).map((l) => l.target)).toEqual(
      [],
    )
  })

  test('every page of docs is linked from another', () => {
    const linked = new Set(
      links.map(({ page, target }) =>
        relative(root, resolve(root, dirname(page.path), target.split('#')[0]!)),
      ),
    )
    const alone = pages.filter(({ path }) => path.startsWith('docs/') && !linked.has(path))
    expect(alone.map(({ path }) => path)).toEqual([])
  })

  test('every page that an alert names is there', () => {
    const source = readFileSync(join(root, 'src/watch/alerts.ts'), 'utf8')
    const named = [...source.matchAll(/'(docs\/operating\/[\w-]+\.md)'/g)].map((found) => found[1]!)
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter((path) => !pages.some((page) => page.path === path))).toEqual([])
  })
})

describe('code in the docs', () => {
  const blocks = pages.flatMap(({ path, blocks }) =>
    blocks
      .filter(({ language, code }) => language === 'ts' && /from 'millrace/.test(code))
      .map(({ code, line }) => ({ place: `${path}:${line}`, code })),
  )

  test('every TypeScript block that imports millrace type-checks', () => {
    mkdirSync(scratch, { recursive: true })
    for (const [i, { code }] of blocks.entries()) writeFileSync(join(scratch, `block-${i}.ts`), code)
    writeFileSync(join(scratch, 'tsconfig.json'), JSON.stringify(tsconfig()))
    const said = compile().filter((line) => line.startsWith('block-'))
    const placed = said.map((line) =>
      line.replace(/^block-(\d+)\.ts/, (_, i) => `${blocks[Number(i)]!.place} `),
    )
    expect(placed).toEqual([])
    expect(blocks.length).toBeGreaterThan(5)
  }, 60_000)

  test('every whole config among them is a project that could run', async () => {
    mkdirSync(join(scratch, 'configs'), { recursive: true })
    for (const [i, { place, code }] of blocks.entries()) {
      if (!code.includes('export default project(')) continue
      const file = join(scratch, 'configs', `config-${i}.ts`)
      writeFileSync(file, code)
      const { project } = await loadProject(file)
      expect(project.kind, place).toBe('ProjectDef')
    }
  })

  function tsconfig(): object {
    const at = (path: string) => [join(root, path)]
    return {
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        composite: false,
        rewriteRelativeImportExtensions: false,
        noUnusedLocals: false,
        typeRoots: [join(root, 'node_modules/@types')],
        paths: {
          millrace: at('src/index.ts'),
          'millrace/frame': at('src/frame/index.ts'),
          'millrace/metrics': at('src/define/metrics.ts'),
          'millrace/stats': at('src/stats/index.ts'),
          'millrace/runtime': at('src/runtime.ts'),
          'millrace/client': at('src/client/index.ts'),
        },
      },
      include: ['block-*.ts'],
    }
  }

  /** Lines that the compiler says of the blocks; faults of the sources are told by the other checks. */
  function compile(): string[] {
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    try {
      execFileSync(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], {
        cwd: scratch,
        encoding: 'utf8',
      })
      return []
    } catch (thrown) {
      return (thrown as { stdout: string }).stdout.split('\n')
    }
  }
})

describe('commands', () => {
  interface Spec {
    name: string
    options?: readonly (readonly [flags: string, text: string])[]
  }
  interface Said {
    path: string
    text: string
    words: string[]
    options: string[]
  }

  const list = join(root, 'src/cli/command-list.ts')
  const hasList = existsSync(list)
  if (!hasList)
    console.warn(
      'the command line is not there (src/cli/command-list.ts): commands in the docs are not checked',
    )

  /** Commands in code everywhere, and anywhere in the texts of errors. */
  const said = pages.flatMap((page) =>
    page.path === 'docs/errors.md'
      ? [...page.text.matchAll(/\bmillrace (?!and\b)[a-z][^`";,()\n]*/g)].flatMap(
          ([text]) => commandIn(page.path, text) ?? [],
        )
      : codeOf(page)
          .flatMap((code) => code.split(/\n|&&|\|/))
          .flatMap((line) => commandIn(page.path, line) ?? []),
  )
  /** Options that every command takes; `--help` is commander's. */
  const everywhere = ['--json', '--project', '--state', '--verbose', '--version', '--help']

  /** `npx millrace data log flights --limit 3` → words `data log flights`, options `--limit`. */
  function commandIn(path: string, line: string): Said | undefined {
    const found = /(?:^|\s)millrace +([a-z][\w-]*(?: .*)?)$/.exec(line.replace(/#.*$/, '').trim())
    if (!found || /^(?:is|and|with)\b/.test(found[1]!)) return undefined
    const pieces = found[1]!.split(/\s+/)
    const end = pieces.findIndex((piece) => piece.startsWith('-'))
    const options = pieces.flatMap((piece) => /^--[a-z][a-z-]*/.exec(piece)?.[0] ?? [])
    return { path, text: found[1]!, words: end < 0 ? pieces : pieces.slice(0, end), options }
  }

  async function commands(): Promise<readonly Spec[]> {
    return ((await import('../../src/cli/command-list.ts')) as { COMMANDS: readonly Spec[] }).COMMANDS
  }

  const specOf = (specs: readonly Spec[], { words }: Said) =>
    specs.find(({ name }) => name === words.slice(0, 2).join(' ')) ??
    specs.find(({ name }) => name === words[0])

  test.skipIf(!hasList)('every command that the docs name exists', async () => {
    const specs = await commands()
    const missing = said.filter((one) => !specOf(specs, one))
    const unknown = missing.filter(
      ({ words }) => !(words[0]! in MISSING) && !(words.slice(0, 2).join(' ') in MISSING),
    )
    expect(unknown.map(({ path, text }) => `${path}: millrace ${text}`)).toEqual([])
    expect(said.length).toBeGreaterThan(30)
  })

  test.skipIf(!hasList)('what is listed as missing is missing, and said somewhere', async () => {
    const specs = await commands()
    for (const name of Object.keys(MISSING)) {
      expect(
        specs.map((spec) => spec.name),
        `take "${name}" out of MISSING`,
      ).not.toContain(name)
      expect(
        said.some(({ words }) => `${words.join(' ')} `.startsWith(`${name} `)),
        `nothing says "${name}" any more`,
      ).toBe(true)
    }
  })

  test.skipIf(!hasList)('every option in a command exists', async () => {
    const specs = await commands()
    const unknown = said.flatMap((one) => {
      const known = [
        ...everywhere,
        ...(specOf(specs, one)?.options ?? []).flatMap(([flags]) => flags.match(/--[a-z-]+/g) ?? []),
      ]
      return one.options
        .filter((option) => !known.includes(option))
        .map((option) => `${one.path}: millrace ${one.text} (${option})`)
    })
    expect(unknown).toEqual([])
  })

  test('every npm script that the docs name exists', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const named = pages.flatMap((page) =>
      codeOf(page).flatMap((code) =>
        [...code.matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)].map((found) => found[1] ?? found[2]!),
      ),
    )
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([])
    expect(named).toEqual(expect.arrayContaining(['start', 'test']))
  })
})

test('the plot and the tables of what serving costs are drawn from the recorded figures', () => {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/performance-plot.mjs'), '--check'])
  expect(status, 'run: node scripts/performance-plot.mjs').toBe(0)
})

describe('words', () => {
  test('no page names a place of one machine', () => {
    const found = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/(?<![\w.~])\/(?:home|Users|root|work|tmp)\/\S*/g)].map(
        ([place]) => `${path}: ${place}`,
      ),
    )
    expect(found).toEqual([])
  })

  test('no page leaves work for later', () => {
    const found = pages.filter(({ prose }) => /\b(?:TODO|FIXME|TBD|lorem ipsum|coming soon)\b/i.test(prose))
    expect(found.map(({ path }) => path)).toEqual([])
  })

  test('every decision has its number, its parts, and a line in the list', () => {
    const list = pages.find(({ path }) => path === 'docs/decisions/README.md')!
    const records = pages.filter(({ path }) => /^docs\/decisions\/\d{4}-/.test(path))
    records.forEach(({ path, text }, i) => {
      const number = Number(/(\d{4})-/.exec(path)![1])
      expect(number).toBe(i + 1)
      expect(text, path).toMatch(new RegExp(`^# ${number}\\. .+\n\n\\*\\*Status:\\*\\* `))
      expect(
        [...text.matchAll(/^## (.+)$/gm)].map((found) => found[1]),
        path,
      ).toEqual(['Context', 'Decision', 'Consequences', 'Updates'])
      expect(list.text).toContain(`(${path.split('/').at(-1)})`)
    })
  })

  test('the words of the glossary stand in order, each once', () => {
    const words = [
      ...pages.find(({ path }) => path === 'docs/GLOSSARY.md')!.text.matchAll(/^- \*\*(.+?)\*\*: /gm),
    ].map((found) => found[1]!)
    expect(words.length).toBeGreaterThan(40)
    expect(words).toEqual([...new Set(words)].sort((a, b) => a.localeCompare(b, 'en')))
  })

  test('the floors that the architecture lists are those that the test of layers holds', () => {
    const source = readFileSync(join(root, 'test/house/layers.test.ts'), 'utf8')
    const rooms = [...source.matchAll(/^ {2}'?([\w.]+)'?: (\d),$/gm)].map((found) => ({
      room: found[1]!,
      floor: found[2]!,
    }))
    expect(rooms.length).toBeGreaterThan(15)
    const page = pages.find(({ path }) => path === 'docs/ARCHITECTURE.md')!
    const rows = new Map(
      [...page.text.matchAll(/^\| (\d) \| (.+) \|$/gm)].map((found) => [found[1]!, found[2]!]),
    )
    expect(rooms.filter(({ room, floor }) => !rows.get(floor)?.includes(`\`${room}\``))).toEqual([])
  })

  test('pages are short enough to be read', () => {
    const long = pages.filter(
      ({ path, text }) => path !== 'docs/errors.md' && text.split(/\s+/).length > 2600,
    )
    expect(long.map(({ path }) => path)).toEqual([])
    expect(statSync(join(root, 'README.md')).size).toBeLessThan(20_000)
  })
})
