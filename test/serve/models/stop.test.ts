/** `millrace serve` as a process manager sees it: told to stop, it ends in order and says so. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const graph = 'test/reference/networks/sklearn-regression.onnx'
const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

/** The command with these options, once it can answer. */
async function started(...options: string[]) {
  const args = [file('dist/cli/main.js'), 'serve', file(graph), '--port', '0', '--json', ...options]
  const child = spawn(process.execPath, args)
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const code = new Promise((resolve) => child.once('exit', resolve))
  await expect.poll(() => said, { timeout: 30_000 }).toContain('"event":"ready"')
  return { child, code, said: () => said, last: () => said.trim().split('\n').at(-1) }
}

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
const isThere = (pid: number) => existsSync(`/proc/${pid}`)

test('SIGTERM ends it with exit code 0 after its last event, also where threads hold models', async () => {
  const { child, code, last } = await started()
  child.kill('SIGTERM')
  expect(await code).toBe(0)
  expect(last()).toBe('{"event":"stopped"}')
}, 60_000)

test.skipIf(process.platform !== 'linux')(
  'with several processes, SIGTERM ends all of them, and when the first is killed the others end by themselves',
  async () => {
    const orderly = await started('--workers', '2')
    expect(orderly.said()).toContain('"workers":2')
    const workers = childrenOf(orderly.child.pid ?? 0)
    expect(workers.length).toBeGreaterThanOrEqual(2)
    orderly.child.kill('SIGTERM')
    expect(await orderly.code).toBe(0)
    expect(orderly.last()).toBe('{"event":"stopped"}')
    expect(workers.filter(isThere)).toEqual([])
    const killed = await started('--workers', '2')
    const orphans = childrenOf(killed.child.pid ?? 0)
    killed.child.kill('SIGKILL')
    await killed.code
    await expect.poll(() => orphans.filter(isThere), { timeout: 10_000 }).toEqual([])
  },
  60_000,
)
