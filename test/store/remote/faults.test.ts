/** A remote that fails at any of its requests, and a disk that is full: a coded error, nothing half to be seen, and the same command again puts it right. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { refs } from '../../../src/core/names.ts'
import type { Digest } from '../../../src/core/records.ts'
import { disk } from '../../../src/store/disk/disk.ts'
import { collectRemote } from '../../../src/store/gc/collect-remote.ts'
import { STORE_LIMITS } from '../../../src/store/limits.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Store } from '../../../src/store/ports.ts'
import { verifyStore } from '../../../src/store/reach/verify.ts'
import { openRemote } from '../../../src/store/remote/open.ts'
import type { Remote } from '../../../src/store/remote/ports.ts'
import { pull } from '../../../src/store/remote/pull.ts'
import { push } from '../../../src/store/remote/push.ts'
import { bytesOf, codeOf, eventOf, temporaryFolder, tickingClock } from '../fixture.ts'
import { type FakeS3, fakeS3 } from './s3-server.ts'

/** Every how many-th request is tried as the first that fails; 1 tries all of them. */
const STEP = Number(process.env.MILLRACE_FAULT_STEP ?? 10)
const who = { actor: 'test', now: 1, reason: 'r' }
const env = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', HOME: '/nowhere' }

let server: FakeS3
let folder: ReturnType<typeof temporaryFolder>
const stores: Store[] = []
const { requestPauseMs } = STORE_LIMITS
beforeEach(async () => {
  Object.assign(STORE_LIMITS, { requestPauseMs: 1 })
  folder = temporaryFolder()
  server = await fakeS3()
})
afterEach(async () => {
  vi.restoreAllMocks()
  Object.assign(STORE_LIMITS, { requestPauseMs })
  for (const store of stores.splice(0)) await store.close()
  await server.close()
  folder.remove()
})

type Fault = (request: IncomingMessage, response: ServerResponse) => boolean
const refusal =
  (status: number, code: string): Fault =>
  (_, response) => {
    response.writeHead(status).end(`<Error><Code>${code}</Code><Message>not now</Message></Error>`)
    return true
  }

/** What goes wrong from some request on, and the codes that may say so. */
const FAULTS: Record<string, { fault: Fault; codes: string[] }> = {
  'errors 500': { fault: refusal(500, 'InternalError'), codes: ['MR_REMOTE_ANSWER'] },
  'connections that are reset': {
    fault: (request) => {
      request.socket.destroy()
      return true
    },
    codes: ['MR_REMOTE_UNREACHABLE'],
  },
  'answers that are cut short': {
    fault: (_, response) => {
      response.writeHead(200, { 'content-length': 100_000 })
      response.write('{"kind":"Rem', () => setTimeout(() => response.destroy(), 2))
      return true
    },
    codes: ['MR_REMOTE_UNREACHABLE', 'MR_REMOTE_CORRUPT'],
  },
  'a clock that is wrong': { fault: refusal(403, 'RequestTimeTooSkewed'), codes: ['MR_REMOTE_DENIED'] },
  'no room there': { fault: refusal(507, 'InsufficientStorage'), codes: ['MR_REMOTE_ANSWER'] },
}

async function newStore(name: string): Promise<Store> {
  const store = await openStore({ dir: join(folder.dir, name) }, { clock: tickingClock() })
  stores.push(store)
  return store
}

const opened = (): Promise<Remote> =>
  openRemote('origin', `s3://b/team?endpoint=${server.url}`, { create: true, folder: '/', env })

async function advance(store: Store, parts: string[], parents: Digest[] = []): Promise<Digest> {
  const inside = await store.putRecord({
    kind: 'Inside',
    parts: await store.objects.putAll(parts.map(bytesOf)),
  })
  const to = await store.putRecord({ kind: 'DatasetVersion', dataset: 'd', parents, inside, createdAt: 1 })
  await store.meta.commit({
    moves: [{ name: refs.dataset('d'), to }],
    event: eventOf({ data: { version: to } }),
  })
  return to
}

/** What somebody else gets of the remote is whole, and is one of the versions that a push has named. */
async function isWholeFor(name: string, remote: Remote, heads: readonly Digest[]): Promise<void> {
  const store = await newStore(name)
  await pull(store, remote, who)
  expect((await verifyStore(store)).bad).toEqual([])
  expect(heads).toContain((await store.meta.ref(refs.dataset('d')))?.digest)
}

const isKnown = (parts: string) => Array.from({ length: 3 }, (_, i) => `${parts} ${i} ${'x'.repeat(2000)}`)

/** By default the one in which answers begin well. */
const TRIED = Object.entries(FAULTS).filter((_, i) => STEP < 10 || i === 2)

describe.each(TRIED)('a remote with %s', (_, { fault, codes }) => {
  it('fails push, pull and collection with a code, shows nothing half, and lets the next one finish', async () => {
    const [a, b] = [await newStore('a'), await newStore('b')]
    const remote = await opened()
    const heads = [await advance(a, isKnown('first'))]
    await push(a, remote, who)
    await pull(b, remote, who)
    const works: Record<string, () => Promise<unknown>> = {
      push: () => push(a, remote, { ...who, force: true }),
      pull: () => pull(b, remote, who),
      gc: () => collectRemote(a, remote, { ...who, graceMs: -10_000 }),
    }
    let nFailed = 0
    for (let k = 1, isOver = false; !isOver; k += STEP) {
      heads.push(await advance(a, isKnown(`round ${k}`), [heads.at(-1)!]))
      isOver = true
      for (const [name, work] of Object.entries(works)) {
        let n = 0
        server.behaviour.before = (request, response) => ++n >= k && fault(request, response)
        const code = await codeOf(work()).catch(() => undefined)
        server.behaviour.before = undefined
        if (code !== undefined) {
          isOver = false
          nFailed++
          expect(codes, `${name} at request ${k}`).toContain(code)
        }
        await isWholeFor(`look-${name}-${k}`, remote, heads)
        // A lease that could not be taken back is that of a process which goes on here: it ends by its age.
        for (const { name: lease } of await remote.leases.list()) await remote.leases.remove(lease)
        await work()
        await isWholeFor(`after-${name}-${k}`, remote, heads.slice(-1))
      }
      expect((await verifyStore(a)).bad).toEqual([])
      expect((await b.meta.ref(refs.dataset('d')))?.digest).toBe(heads.at(-1))
      expect((await verifyStore(b)).bad).toEqual([])
    }
    expect(nFailed).toBeGreaterThan(0)
  })
})

it('a full disk here stops a pull with MR_NO_SPACE, and the next one goes on', async () => {
  const [a, b] = [await newStore('a'), await newStore('b')]
  const remote = await opened()
  const head = await advance(a, isKnown('first'))
  await push(a, remote, who)
  const { write } = disk
  let n = 0
  vi.spyOn(disk, 'write').mockImplementation(async (handle, bytes, position) => {
    if (++n > 2) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    await write(handle, bytes, position)
  })
  expect(await codeOf(pull(b, remote, who))).toBe('MR_NO_SPACE')
  vi.restoreAllMocks()
  expect(await b.meta.refs('datasets/')).toEqual([])
  expect((await pull(b, remote, who)).refs[0]).toMatchObject({ digest: head, state: 'new' })
  expect((await verifyStore(b)).bad).toEqual([])
})

it('an ETag that is another one than the ref has lets no push overwrite it', async () => {
  const a = await newStore('a')
  const remote = await opened()
  await advance(a, isKnown('first'))
  await push(a, remote, who)
  const before = await remote.refs('')
  await advance(a, isKnown('second'))
  server.behaviour.before = (request) => {
    if (request.method === 'PUT' && request.url?.includes('/refs/')) request.headers['if-match'] = '"other"'
    return false
  }
  const { refs: pushed } = await push(a, remote, { ...who, force: true })
  expect(pushed[0].state).toBe('moved')
  server.behaviour.before = undefined
  expect(await remote.refs('')).toEqual(before)
  expect((await push(a, remote, { ...who, force: true })).refs[0].state).toBe('forced')
})
