import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type CommandRun, runCommand } from '../../../src/train/command/run.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-command-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a text of JavaScript as the program. */
function program(text: string, over: Partial<CommandRun> = {}): Promise<void> {
  return runCommand({
    command: [process.execPath, '-e', text],
    cwd: folder,
    env: { PATH: process.env.PATH as string },
    timeMsMax: 20_000,
    memoryMbMax: 4_096,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...over,
  })
}

test('lines with progress are told, everything else is its log', async () => {
  const told: [number, string][] = []
  const said = `
    console.log(JSON.stringify({ progress: 0.25, note: 'tree 25' }))
    console.log('{ not json')
    console.log(JSON.stringify({ progress: 7 }))
    process.stdout.write(JSON.stringify({ progress: 1 }))`
  await program(said, { onProgress: (done, note) => told.push([done, note]) })
  expect(told).toEqual([
    [0.25, 'tree 25'],
    [1, ''],
  ])
})

test('a program that fails is quoted: the end of its log, and how it ended', async () => {
  const failing = "console.log('x'.repeat(9000)); console.error('no such column: fare'); process.exitCode = 3"
  const error = await program(failing).catch((thrown) => thrown)
  expect(error.code).toBe('MR_TRAIN_COMMAND_FAILED')
  expect(error.message).toContain('exit code 3')
  expect(error.message).toContain('no such column: fare')
  expect(error.message.length).toBeLessThan(4_600)
})

test('sees of the environment what it is given, and nothing else', async () => {
  process.env.SECRET_OF_MINE = 'x'
  await program("if (process.env.SECRET_OF_MINE || process.env.GIVEN !== '1') process.exit(1)", {
    env: { PATH: process.env.PATH as string, GIVEN: '1' },
  })
  delete process.env.SECRET_OF_MINE
})

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

const STARTS_ANOTHER = (file: string) => `
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  require('node:fs').writeFileSync(${JSON.stringify(file)}, String(child.pid))
  process.on('SIGTERM', () => {})
  setInterval(() => {}, 1000)
  console.log(JSON.stringify({ progress: 0.1 }))`

test('on cancel it ends with all that it started, though it does not listen', async () => {
  const file = join(folder, 'cancelled.pid')
  const controller = new AbortController()
  const error = await program(STARTS_ANOTHER(file), {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  }).catch((thrown) => thrown)
  expect(error.code).toBe('MR_CANCELLED')
  await expect.poll(() => isAlive(Number(readFileSync(file, 'utf8')))).toBe(false)
}, 20_000)

test('what it leaves running ends when it has ended', async () => {
  const file = join(folder, 'left.pid')
  await program(`
    const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
    require('node:fs').writeFileSync(${JSON.stringify(file)}, String(child.pid))
    process.exit(0)`)
  await expect.poll(() => isAlive(Number(readFileSync(file, 'utf8')))).toBe(false)
})

test('it may take so long and no longer', async () => {
  const error = await program('setInterval(() => {}, 1000)', { timeMsMax: 400 }).catch((thrown) => thrown)
  expect(error.code).toBe('MR_TRAIN_COMMAND_TIME')
  expect(error.message).toContain('took longer than')
})

test.runIf(process.platform === 'linux')('it may take so much memory and no more', async () => {
  const hungry = 'const held = []; setInterval(() => held.push(Buffer.alloc(2e7, 1)), 20)'
  const error = await program(hungry, { memoryMbMax: 300 }).catch((thrown) => thrown)
  expect(error.code).toBe('MR_TRAIN_COMMAND_MEMORY')
})

test('a program that is not there is named', async () => {
  const error = await program('', { command: ['no-such-program-here'] }).catch((thrown) => thrown)
  expect(error.code).toBe('MR_TRAIN_COMMAND_ABSENT')
  expect(error.message).toContain('there is no program "no-such-program-here"')
})
