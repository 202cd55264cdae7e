import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { API_LIMITS, apiRoutes, type ProgressSource } from '../../src/api/index.ts'
import { Feed, type Sink } from '../../src/api/stream.ts'
import type { JournalEvent } from '../../src/core/records.ts'
import { createServer, type Server } from '../../src/serve/server.ts'
import { type ApiFixture, move, NONE, openProject, putRelease, routeTo } from './fixture.ts'

let f: ApiFixture
let server: Server
let url: string
let listeners: Set<(p: Parameters<Parameters<ProgressSource['subscribe']>[0]>[0]) => void>

const PROGRESS = { step: 2, steps: 9, title: 'Train', note: '3 of 9', done: 0.3, etaMs: 4000 }

beforeEach(async () => {
  f = await openProject()
  listeners = new Set()
  const progress: ProgressSource = {
    subscribe(listener) {
      listeners.add(listener)
      listener(PROGRESS)
      return () => listeners.delete(listener)
    },
  }
  server = createServer({ store: f.store, clock: f.rt.clock, port: 0 })
  const never = () => Promise.reject(new Error('not asked here'))
  apiRoutes(server.fastify, {
    rt: f.rt,
    live: f.live,
    progress,
    actions: { rollback: never, promote: never, acknowledge: never },
  })
  url = await server.listen()
})

afterEach(async () => {
  await server.close()
  await f.drop()
})

interface Message {
  event: string
  id?: string
  data: unknown
}

interface Listening {
  messages: Message[]
  status: number
  headers: Record<string, unknown>
  ended: Promise<void>
  stop(): void
  /** Resolves with the first message that fits, heard already or still to come. */
  hear(fits: (message: Message) => boolean): Promise<Message>
}

function listen(headers: Record<string, string> = {}): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/api/stream`, { headers }, (response) => {
      const messages: Message[] = []
      const waiting: { fits: (m: Message) => boolean; done: (m: Message) => void }[] = []
      let rest = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        const blocks = (rest + piece).split('\n\n')
        rest = blocks.pop() ?? ''
        for (const message of blocks.flatMap(parse)) {
          messages.push(message)
          for (const one of waiting) if (one.fits(message)) one.done(message)
        }
      })
      const ended = new Promise<void>((done) => response.once('close', done))
      resolve({
        messages,
        ended,
        status: response.statusCode ?? 0,
        headers: response.headers,
        stop: () => asking.destroy(),
        hear: (fits) => {
          const known = messages.find(fits)
          return known ? Promise.resolve(known) : new Promise((done) => waiting.push({ fits, done }))
        },
      })
    })
    asking.once('error', reject)
    asking.end()
  })
}

function parse(block: string): Message[] {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
  const data = field('data')
  return data === undefined ? [] : [{ event: field('event') ?? '', id: field('id'), data: JSON.parse(data) }]
}

const journal = (heard: Listening) =>
  heard.messages.filter((m) => m.event === 'journal').map((m) => (m.data as JournalEvent).seq)

const isEvent = (seq: number) => (m: Message) => m.event === 'journal' && (m.data as JournalEvent).seq === seq

test('a reader hears the pulse, the progress, and what is written from now on', async () => {
  await putRelease(f.store, { routes: [routeTo(NONE, 3)] })
  const heard = await listen()
  expect(heard.status).toBe(200)
  expect(heard.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
  })
  const pulse = await heard.hear((m) => m.event === 'pulse')
  expect(pulse.data).toMatchObject({
    requestsPerSecond: 0,
    latencyMsP50: null,
    routes: { late: [{ version: 3, role: 'live', weight: 1 }] },
  })
  expect((await heard.hear((m) => m.event === 'progress')).data).toEqual(PROGRESS)
  const seq = await move(f.store, 'x', 'models/late', {})
  expect(await heard.hear(isEvent(seq))).toMatchObject({
    id: String(seq),
    data: { type: 'x', subject: 'models/late' },
  })
  expect(journal(heard)).toEqual([seq])
  heard.stop()
})

test('routes in the pulse follow a release', async () => {
  await putRelease(f.store, { routes: [routeTo(NONE, 3)] })
  const heard = await listen()
  await heard.hear((m) => m.event === 'pulse')
  await putRelease(f.store, { routes: [routeTo(NONE, 4)] })
  await heard.hear((m) => m.event === 'pulse' && JSON.stringify(m.data).includes('"version":4'))
  heard.stop()
})

test('a reader that comes back is told what it missed, in order and once', async () => {
  for (let i = 0; i < 7; i++) await move(f.store, 'x', 'models/late', {})
  const heard = await listen({ 'last-event-id': '3' })
  await heard.hear(isEvent(7))
  const seq = await move(f.store, 'x', 'models/late', {})
  await heard.hear(isEvent(seq))
  expect(journal(heard)).toEqual([4, 5, 6, 7, 8])
  heard.stop()
})

test('a reader that leaves is forgotten, and with the last one the work ends', async () => {
  const [one, two] = [await listen(), await listen()]
  await Promise.all([one.hear((m) => m.event === 'pulse'), two.hear((m) => m.event === 'pulse')])
  expect(listeners.size).toBe(1)
  one.stop()
  two.stop()
  await expect.poll(() => listeners.size).toBe(0)
})

test('closing the server ends its streams', async () => {
  const heard = await listen()
  await heard.hear((m) => m.event === 'pulse')
  await server.close()
  await heard.ended
  expect(listeners.size).toBe(0)
})

describe('the feed', () => {
  interface Kept extends Sink {
    text: string
    isEnded: boolean
    writableLength: number
  }

  const sink = (): Kept => ({
    text: '',
    isEnded: false,
    writableLength: 0,
    write(text) {
      this.text += text
    },
    end() {
      this.isEnded = true
    },
  })

  const feedOf = () => new Feed({ rt: f.rt, live: f.live })

  test('refuses one reader too many', () => {
    const feed = feedOf()
    for (let i = 0; i < API_LIMITS.streamsMax; i++) {
      feed.checkRoom()
      feed.add(sink())
    }
    expect(() => feed.checkRoom()).toThrow(/MR_API_STREAMS/)
    feed.close()
    expect(feed.readers).toBe(0)
  })

  test('lets a reader go who does not read', async () => {
    const feed = feedOf()
    const slow = sink()
    feed.add(slow)
    slow.writableLength = API_LIMITS.streamBacklogBytesMax + 1
    await move(f.store, 'x', 'models/late', {})
    await expect.poll(() => slow.isEnded).toBe(true)
    expect(feed.readers).toBe(0)
  })

  test('sends a heartbeat when the pulse cannot be made', async () => {
    const broken = {
      ...f.live,
      total: () => {
        throw new Error('no numbers')
      },
    }
    const feed = new Feed({ rt: f.rt, live: broken })
    const kept = sink()
    feed.add(kept)
    await expect.poll(() => kept.text).toContain(': heartbeat\n\n')
    feed.close()
    expect(kept.isEnded).toBe(true)
  })

  test('no reader misses an event or hears one twice, whenever it joins while many are written', async () => {
    const feed = feedOf()
    const readers: { kept: Kept; after: number }[] = []
    for (let i = 0; i < 60; i++) {
      const seq = await move(f.store, 'x', 'models/late', {})
      if (i % 5 === 0) {
        const kept = sink()
        feed.add(kept, seq)
        readers.push({ kept, after: seq })
      }
    }
    const seqs = ({ text }: Kept) => [...text.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1]))
    await expect
      .poll(() => readers.every(({ kept, after }) => after === 60 || seqs(kept).at(-1) === 60), {
        timeout: 5000,
      })
      .toBe(true)
    for (const { kept, after } of readers)
      expect(seqs(kept)).toEqual(Array.from({ length: 60 - after }, (_, i) => after + 1 + i))
    feed.close()
  })
})
