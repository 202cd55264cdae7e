/**
 * A process that works on a store until it is killed: `node child.mjs <compiled open.js> <folder> <work> <name>`.
 * What was acknowledged goes to stdout at once, one line each.
 */
import { writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [, , openPath, dir, work, name] = process.argv
const { openStore } = await import(pathToFileURL(openPath).href)
const store = await openStore({ dir }, { clock: { now: () => Date.now() } })
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`)
const event = { type: 'test.moved', subject: 'tests/child', actor: name, reason: 'a child works', data: {} }
const digestNo = (n) => `sha256:${n.toString(16).padStart(64, '0')}`

async function increment() {
  for (;;) {
    const held = await store.meta.ref('counter')
    const n = Number.parseInt(held?.digest.slice(-8) ?? '0', 16) + 1
    const move = { name: 'counter', from: held?.digest ?? null, to: digestNo(n) }
    const result = await store.meta.commit({ moves: [move], event: { ...event, data: { n } } })
    if (result.ok) return n
  }
}

const works = {
  /** Fifty increments of one counter, against everybody else. */
  async count() {
    for (let i = 0; i < 50; i++) say({ n: await increment() })
  },
  /** Claims and ends jobs until none is left. */
  async jobs() {
    for (;;) {
      const job = await store.meta.jobs.claim(name, Date.now(), 60_000)
      if (job === undefined) return
      if (await store.meta.jobs.finish(job.id, job.fence, { state: 'done' }, Date.now(), 3))
        say({ job: job.id })
    }
  },
  /** Appends, commits and puts for ever. */
  async everything() {
    const appender = async (who) => {
      for (let i = 0; ; i++) {
        const record = JSON.stringify({ id: `${name}-${who}-${i}`, pad: 'x'.repeat(i % 400) })
        await store.log.append('s', [record])
        say({ record })
      }
    }
    const committer = async () => {
      for (;;) say({ n: await increment() })
    }
    const putter = async () => {
      for (let i = 0; ; i++)
        say({ object: await store.objects.put(Buffer.from(`${name} ${i} ${'y'.repeat(5_000)}`)) })
    }
    say({ repaired: store.repaired })
    await Promise.all([appender(0), appender(1), appender(2), committer(), putter(), putter()])
  },
}

await works[work]()
await store.close()
