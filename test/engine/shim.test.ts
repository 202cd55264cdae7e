import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const shim = readFileSync(join(import.meta.dirname, '../../bin/millrace.cjs'), 'utf8')

/** Runs the shim beside a main module of ours. */
function run(main: string | undefined, env: Record<string, string> = {}, text = shim) {
  const folder = mkdtempSync(join(tmpdir(), 'shim-'))
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'bin/millrace.cjs'), text)
  if (main !== undefined) {
    mkdirSync(join(folder, 'dist/cli'), { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    writeFileSync(join(folder, 'dist/cli/main.js'), main)
  }
  const { UV_THREADPOOL_SIZE: _, ...rest } = process.env
  const result = spawnSync(process.execPath, [join(folder, 'bin/millrace.cjs')], {
    env: { ...rest, ...env },
    encoding: 'utf8',
  })
  rmSync(folder, { recursive: true })
  return result
}

describe('the command', () => {
  const tell = 'console.log(process.env.UV_THREADPOOL_SIZE)'

  it('makes room in the thread pool for queries, unless it was set', () => {
    expect(run(tell).stdout.trim()).toBe(String(Math.max(8, availableParallelism() + 4)))
    expect(run(tell, { UV_THREADPOOL_SIZE: '5' }).stdout.trim()).toBe('5')
  })

  it('says which Node it needs, and what to do when it is not compiled', () => {
    const old = run(tell, {}, shim.replace('process.versions.node.split', "'20.18.9'.split"))
    expect([old.status, old.stderr]).toEqual([1, expect.stringContaining('needs Node 20.19')])
    const unbuilt = run(undefined)
    expect([unbuilt.status, unbuilt.stderr]).toEqual([1, expect.stringContaining('npm run build')])
  })
})
