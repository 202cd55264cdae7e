/**
 * The client while its server is killed (SIGKILL) and started again: every request is answered, and is one prediction of the log.
 *
 * CLIENT_KILLS (3) kills.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { client } from '../../src/client/index.ts'
import type { OutcomeBlock, PredictionBlock } from '../../src/core/log-blocks.ts'
import { openStore } from '../../src/store/open.ts'
import { CLOCK, logged, withStore } from '../serve/fixture.ts'
import { rowModels } from '../serve/row-models.ts'

const KILLS = Number(process.env.CLIENT_KILLS ?? 3)
const CLIENTS = 8
const built = existsSync(fileURLToPath(new URL('../../dist/serve/server.js', import.meta.url)))
if (!built) console.log('SKIP a client while its server is killed: nothing is built (npm run build)')

describe.skipIf(!built)('a server that is killed', () => {
  let dir: string
  let drop: () => Promise<void>
  let port: number
  let child: ChildProcess
  beforeAll(async () => {
    const made = await withStore()
    dir = join(made.dir, 'state')
    await rowModels(made.store)
    await made.store.close()
    drop = made.drop
    port = await freePort()
    child = await start(dir, port)
  })
  afterAll(async () => {
    child.kill('SIGKILL')
    await drop().catch(() => undefined)
  })

  test(`answers every request over ${KILLS} kills, each once in the log`, async () => {
    const asking = client({
      url: `http://127.0.0.1:${port}`,
      timeoutMs: 120_000,
      tryTimeoutMs: 10_000,
      retry: { tries: 1_000, delayMs: 50, delayMsMax: 500 },
    })
    const answered: { id: string; value: unknown; hour: number }[] = []
    let isOver = false
    const ask = async (name: number) => {
      for (let i = 0; !isOver; i++) {
        const hour = (name + i) % 24
        const [one, two] = (await asking.predict('delay', [{ hour }, { hour: 1 }])) as never as {
          id: string
          value: number
        }[]
        answered.push({ ...one, hour }, { ...two, hour: 1 })
        await asking.feedback('delay', { id: one.id, value: one.value })
      }
    }
    const clients = Array.from({ length: CLIENTS }, (_, name) => ask(name))
    for (let kill = 0; kill < KILLS; kill++) {
      await delay(300 + 300 * (kill % 3))
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('close', resolve))
      child = await start(dir, port)
    }
    await delay(500)
    isOver = true
    await Promise.all(clients)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))

    for (const { value, hour } of answered) expect(value).toBe(hour > 12 ? 15 : 10)
    const store = await openStore({ dir }, { clock: CLOCK })
    const predictions = (await logged<PredictionBlock>(store, 'predictions')).flatMap(({ ids }) => ids)
    const outcomes = new Set((await logged<OutcomeBlock>(store, 'outcomes')).flatMap(({ ids }) => ids))
    await store.close()
    const times = new Map<string, number>()
    for (const id of predictions) times.set(id, (times.get(id) ?? 0) + 1)
    const ids = answered.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.filter((id) => times.get(id) !== 1)).toEqual([])
    expect(ids.filter((id, i) => i % 2 === 0 && !outcomes.has(id))).toEqual([])
    console.log(`client: ${ids.length} predictions over ${KILLS} kills, each answered and once in the log`)
    expect(ids.length).toBeGreaterThan(20)
  })
})

async function start(dir: string, port: number): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('../fixtures/serve-store.mjs', import.meta.url))
  for (let tries = 0; ; tries++) {
    const child = spawn(process.execPath, [script, dir, String(port)], { stdio: ['ignore', 'pipe', 'pipe'] })
    let errors = ''
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    const isServing = await new Promise<boolean>((resolve) => {
      child.stdout.once('data', () => resolve(true))
      child.once('close', () => resolve(false))
    })
    if (isServing) return child
    if (tries === 20) throw new Error(`the server did not start: ${errors}`)
    await delay(250)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
