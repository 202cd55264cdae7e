/** `millrace serve` as a process manager sees it: told to stop, it ends in order and says so. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

test('SIGTERM ends it with exit code 0 after its last event, also where threads hold models', async () => {
  const graph = file('test/reference/networks/sklearn-regression.onnx')
  const child = spawn(process.execPath, [file('dist/cli/main.js'), 'serve', graph, '--port', '0', '--json'])
  let said = ''
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  const code = new Promise((resolve) => child.once('exit', resolve))
  await expect.poll(() => said, { timeout: 30_000 }).toContain('"event":"ready"')
  child.kill('SIGTERM')
  expect(await code).toBe(0)
  expect(said.trim().split('\n').at(-1)).toBe('{"event":"stopped"}')
}, 60_000)
