/** The package as npm gives it to a user: packed, installed into an empty folder, and asked for an answer. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const UNPACKED_BYTES_MAX = 8 * 2 ** 20
/** What npm says when it cannot reach a registry. */
const UNREACHABLE =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ENOTCACHED/

interface Packed {
  filename: string
  unpackedSize: number
  files: { path: string }[]
}

let base = ''
let packed: Packed
/** Why the package could not be installed; empty where it was. */
let absent = ''

function npm(cwd: string, ...args: string[]) {
  return spawnSync('npm', args, { cwd, encoding: 'utf8', timeout: 240_000, env: { ...process.env, CI: '1' } })
}

const app = () => join(base, 'app')

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'millrace-package-'))
  const pack = npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', base)
  expect(pack.status, pack.stderr).toBe(0)
  // Some releases of npm give a list, others an object by name.
  const [first] = Object.values(JSON.parse(pack.stdout) as Record<string, Packed>)
  packed = first
  mkdirSync(app())
  writeFileSync(join(app(), 'package.json'), '{ "name": "app", "private": true, "type": "module" }\n')
  const flags = ['--prefer-offline', '--no-audit', '--no-fund']
  const install = npm(app(), 'install', ...flags, join(base, packed.filename))
  if (install.status === 0) return
  if (!UNREACHABLE.test(install.stderr)) throw new Error(install.stderr)
  absent = 'the registry of npm is not reachable, and the cache does not hold the dependencies'
  console.warn(`SKIPPED: ${absent}`)
}, 300_000)
afterAll(() => rmSync(base, { recursive: true, force: true }))

describe('what is packed', () => {
  test('is at most 8 MB when unpacked, and holds no source, test or build note', () => {
    expect(packed.unpackedSize).toBeLessThanOrEqual(UNPACKED_BYTES_MAX)
    const odd = packed.files.filter(
      ({ path }) => !/^(bin|dist)\/|^(LICENSE|README\.md|package\.json)$/.test(path),
    )
    expect(odd).toEqual([])
    expect(packed.files.filter(({ path }) => /tsbuildinfo|\.test\./.test(path))).toEqual([])
  })

  test('has a module for each source, the WebAssembly of kernels among them', () => {
    const paths = new Set(packed.files.map(({ path }) => path))
    const sources = sourcesIn(join(root, 'src')).map((path) => `dist/${path.replace(/\.ts$/, '.js')}`)
    expect(sources.filter((path) => !paths.has(path))).toEqual([])
    const kernels = sources.filter((path) => path.endsWith('-wasm.js'))
    expect(kernels.length).toBeGreaterThan(0)
    const texts = kernels.filter((path) => readFileSync(join(root, path), 'utf8').includes('AGFzbQ'))
    expect(texts.length).toBeGreaterThan(0)
  })
})

function sourcesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
}

describe('an empty folder with the package', () => {
  test('has run no script of any package', ({ skip }) => {
    skip(absent !== '', absent)
    const lock = JSON.parse(readFileSync(join(app(), 'node_modules/.package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean }>
    }
    const withScripts = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript)
    expect(withScripts.map(([path]) => path)).toEqual([])
  })

  test('finds every export of the package, with its types', ({ skip }) => {
    skip(absent !== '', absent)
    const home = join(app(), 'node_modules/millrace')
    const { exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { types: string; default: string }>
    }
    for (const [path, target] of Object.entries(exports)) {
      if (typeof target === 'string') continue
      expect(existsSync(join(home, target.types)), target.types).toBe(true)
      const name = `millrace${path.slice(1)}`
      const program = `const all = await import('${name}'); if (Object.keys(all).length === 0) process.exit(3)`
      const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        cwd: app(),
        encoding: 'utf8',
      })
      expect(ran.status, `${name}: ${ran.stderr}`).toBe(0)
    }
  })

  test('goes from a CSV file to a released model', ({ skip }) => {
    skip(absent !== '', absent)
    writeFileSync(join(app(), 'ships.csv'), ships(900))
    const millrace = (...args: string[]) => npm(app(), 'exec', '--no', '--', 'millrace', ...args)
    const init = millrace('init', 'ships.csv', '--yes')
    expect(init.status, init.stderr).toBe(0)
    expect(readFileSync(join(app(), 'millrace.config.ts'), 'utf8')).toContain("from 'millrace'")
    const up = millrace('up', '--once', '--json')
    expect(up.status, up.stdout + up.stderr).toBe(0)
    const events = up.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event)
    expect(events).toEqual(['imported', 'trained', 'released', 'done'])
  }, 300_000)
})

/** Ships that arrive late by wind, load and chance. */
function ships(rows: number): string {
  let state = 11
  const chance = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const lines = Array.from({ length: rows }, () => {
    const [wind, load] = [Math.floor(60 * chance()), Math.floor(100 * chance())]
    const late = chance() < 0.1 + (wind > 35 ? 0.55 : 0) + (load > 70 ? 0.2 : 0) ? 1 : 0
    return `${wind},${load},${chance() < 0.5 ? 'sail' : 'steam'},${late}`
  })
  return `wind,load,kind,late\n${lines.join('\n')}\n`
}
