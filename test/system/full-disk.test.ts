/**
 * A file system of 48 MB that is really full, in a name space of mounts of its own: everything that writes says so by its code, shows nothing half, and works once there
 * is room. Where neither user name spaces nor root are there, it is skipped.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const child = fileURLToPath(new URL('./full-disk-child.mjs', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'millrace-full-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** How a process gets mounts of its own here; undefined where it cannot. */
const alone = [
  ['unshare', '-Urm'],
  ['unshare', '-m'],
].find(([command, ...args]) => {
  const mount = `mount -t tmpfs -o size=1m tmpfs ${dir}`
  return spawnSync(command!, [...args, 'sh', '-c', mount]).status === 0
})
if (!alone) console.log('skipped: no file system can be mounted here without root or user name spaces')

interface Try {
  leave?: number
  done?: true
  value?: unknown
  code?: string
  fix?: string
  isSame?: boolean
  isWhole?: boolean
}

interface Said {
  name?: string
  tries: Try[]
  isWhole: boolean
}

async function saidByChild(): Promise<Said[]> {
  const [command, ...args] = alone!
  const running = spawn(command!, [...args, process.execPath, child, dist, dir], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let problems = ''
  running.stderr.on('data', (text) => {
    problems += text
  })
  const said: Said[] = []
  createInterface({ input: running.stdout }).on('line', (line) => said.push(JSON.parse(line) as Said))
  const status = await new Promise((resolve) => running.once('close', resolve))
  expect({ status, problems }).toEqual({ status: 0, problems: '' })
  return said.filter(({ name }) => name)
}

/** What each comes to in the end. */
const DONE: Record<string, unknown> = {
  import: 3000,
  merge: true,
  add: 60,
  push: expect.any(Number),
  gc: { removed: expect.anything(), rewritten: expect.objectContaining({ objects: 1 }) },
  pull: expect.any(Number),
  rows: 3000,
  seal: [3000],
}

describe.skipIf(!alone)('a disk that is really full', () => {
  it('is said by its code, shows nothing half, and everything works once there is room', async () => {
    const said = await saidByChild()
    expect(said.map(({ name }) => name)).toEqual(Object.keys(DONE))
    for (const { name, tries, isWhole } of said) {
      const failed = tries.filter(({ done }) => !done)
      expect({ name, codes: failed.map(({ code }) => code) }).toEqual({
        name,
        codes: failed.map(() => 'MR_NO_SPACE'),
      })
      expect({ name, failed: failed.filter((each) => !each.isSame || !each.isWhole) }).toEqual({
        name,
        failed: [],
      })
      expect(failed.length, `${name} met a full disk`).toBeGreaterThan(0)
      expect(failed[0]!.fix).toContain('free some space')
      expect({ name, value: tries.at(-1)!.value, isWhole }).toEqual({
        name,
        value: DONE[name!],
        isWhole: true,
      })
    }
  }, 240_000)
})
