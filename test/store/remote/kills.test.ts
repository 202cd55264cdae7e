/**
 * `kill -9` at any moment of push, pull and garbage collection, here and on a remote: a folder, and an S3 API. `MILLRACE_KILLS=200` for as many; few by default. With
 * `MILLRACE_WEED` the server is SeaweedFS, else one of our own in memory.
 */
import { spawn } from 'node:child_process'
import { readdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Digest } from '../../../src/core/records.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { collectGarbage } from '../../../src/store/gc/collect.ts'
import { collectRemote } from '../../../src/store/gc/collect-remote.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Store } from '../../../src/store/ports.ts'
import { verifyStore } from '../../../src/store/reach/verify.ts'
import { walk } from '../../../src/store/reach/walk.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import { pull } from '../../../src/store/remote/pull.ts'
import { push } from '../../../src/store/remote/push.ts'
import { ask } from '../../../src/store/remote/s3/client.ts'
import { startSeaweed, WEED } from '../../fixtures/seaweed.ts'
import { compileFor } from '../compiled.ts'
import { temporaryFolder } from '../fixture.ts'
import { fakeS3 } from './s3-server.ts'

const KILLS = Number(process.env.MILLRACE_KILLS ?? 2)
const child = fileURLToPath(new URL('./child.mjs', import.meta.url))

interface Said {
  head?: Digest
  pushed?: Digest
  pulled?: Digest
  collected?: number
  swept?: number
}

/** Runs the child, kills it some time after it has begun, and gives what it had acknowledged. */
async function killed(
  args: string[],
  env: NodeJS.ProcessEnv,
  afterMs: number,
): Promise<{ said: Said[]; problems: string }> {
  const process_ = spawn(process.execPath, [child, ...args], {
    ...{ env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  })
  const said: Said[] = []
  let problems = ''
  process_.stderr.on('data', (text) => {
    problems += text
  })
  const lines = createInterface({ input: process_.stdout })
  const begun = new Promise<void>((resolve) => lines.once('line', () => resolve()))
  const read = new Promise<void>((resolve) => lines.once('close', resolve))
  const exited = new Promise<void>((resolve) => process_.once('close', () => resolve()))
  lines.on('line', (line) => said.push(JSON.parse(line)))
  await Promise.race([begun, exited])
  await delay(afterMs)
  process_.kill('SIGKILL')
  await Promise.all([read, exited])
  return { said, problems }
}

async function age(store: Store): Promise<void> {
  const then = new Date(Date.now() - 60_000)
  for await (const { digest } of store.objects.list())
    utimesSync(await store.objects.path(digest), then, then)
}

interface Server {
  url: string
  env: Record<string, string>
  close(): Promise<void>
}

const KEYS = {
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  AWS_REGION: 'us-east-1',
  HOME: '/nowhere',
}

/** The server answers before it takes buckets. */
async function makeBucket(endpoint: string): Promise<void> {
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' }
  const place = { endpoint, bucket: 'millrace', region: 'us-east-1', isVirtualHost: false, remote: 'origin' }
  for (let tries = 1; ; tries++) {
    try {
      await ask({ ...place, credentials }, { method: 'PUT' })
      return
    } catch (thrown) {
      if (tries === 20) throw thrown
      await delay(500)
    }
  }
}

const REMOTES: Record<string, (dir: string) => Promise<Server>> = {
  'a folder': async (dir) => ({ url: join(dir, 'remote'), env: {}, close: async () => {} }),
  'an S3 API': async () => {
    if (WEED) {
      const { endpoint, env, close } = await startSeaweed(WEED)
      await makeBucket(endpoint)
      return { url: `s3://millrace/kills?endpoint=${endpoint}`, env, close }
    }
    const server = await fakeS3()
    return { url: `s3://b/team?endpoint=${server.url}`, env: KEYS, close: server.close }
  },
}

it.each(Object.entries(REMOTES))(
  `loses nothing and shows nothing half on %s, ${KILLS} times over`,
  async (_, start) => {
    const { dir, remove } = temporaryFolder()
    const server = await start(dir)
    const sources = ['open', 'gc/collect', 'gc/collect-remote', 'remote/open', 'remote/push', 'remote/pull']
    const compiled = join(
      compileFor(
        'exchange',
        sources.map((name) => `src/store/${name}.ts`),
      ),
      'store',
    )
    const random = seededRng(20261128)
    const { url, env } = server
    const [dirA, dirB] = ['a', 'b'].map((name) => join(dir, name))
    const clock = { now: () => Date.now() }
    const counts = { head: 0, pushed: 0, pulled: 0, collected: 0, swept: 0 }
    let last: Digest | undefined
    try {
      for (let round = 0; round < KILLS; round++) {
        const { said, problems } = await killed(
          [compiled, dirA, dirB, url, `round${round}`],
          env,
          random.nextInt(1200),
        )
        expect(problems).toBe('')
        for (const key of Object.keys(counts) as (keyof typeof counts)[])
          counts[key] += said.filter((each) => each[key] !== undefined).length
        const [a, b] = [await openStore({ dir: dirA }, { clock }), await openStore({ dir: dirB }, { clock })]
        const remote = await openRemote('origin', url, { create: true, folder: dir, env })
        // Nothing that was acknowledged is lost, and whatever a ref reaches is whole: here, there and on the remote.
        for (const store of [a, b])
          expect(await verifyStore(store)).toMatchObject({ bad: [], journalBrokenAt: null })
        const head = (await a.meta.ref('datasets/d@main'))?.digest
        last = said.findLast((each) => each.head !== undefined)?.head ?? last
        if (last !== undefined) expect((await walk(a.objects, [head!])).reached.has(last)).toBe(true)
        await remoteIsWhole(remote, join(dir, `whole-${round}`))
        const pushed = said.findLast((each) => each.pushed !== undefined)?.pushed
        if (pushed)
          expect((await walk(a.objects, [(await remote.refs(''))[0].digest])).reached.has(pushed)).toBe(true)
        // The next commands put everything right.
        if (round % 10 === 0 && head !== undefined) {
          await push(a, remote, { actor: 't', now: 1 })
          await pull(b, remote, { actor: 't' })
          await collectRemote(b, remote, { graceMs: 1_000, actor: 't', reason: 'r' })
          await remoteIsWhole(remote, join(dir, `collected-${round}`))
          expect((await b.meta.ref('datasets/d@main'))?.digest).toBe(head)
          await age(a)
          await collectGarbage(a, { now: Date.now(), graceMs: 10_000, actor: 't', reason: 'r' })
          expect(readdirSync(join(dirA, 'objects', 'trash'))).toEqual([])
          for (const store of [a, b]) expect((await verifyStore(store)).bad).toEqual([])
        }
        await a.close()
        await b.close()
      }
      console.log(`${KILLS} kills: ${JSON.stringify(counts)} acknowledged`)
      expect(counts.pushed).toBeGreaterThan(0)
    } finally {
      await server.close()
      remove()
    }
  },
  3_600_000,
)

/** Every object that a ref of the remote reaches comes from there with its bytes; those that history was cut before are named by the ref. */
async function remoteIsWhole(remote: Awaited<ReturnType<typeof openRemote>>, dir: string): Promise<void> {
  if ((await remote.refs('')).length === 0) return
  const fresh = await openStore({ dir }, { clock: { now: () => Date.now() } })
  try {
    await pull(fresh, remote, { actor: 't' })
    expect((await verifyStore(fresh)).bad).toEqual([])
  } finally {
    await fresh.close()
    rmSync(dir, { recursive: true, force: true })
  }
}
