/**
 * A process that adds versions to one store, pushes them, pulls them into another and collects garbage in both, for ever, until it is killed:
 * `node child.mjs <folder of the compiled store> <store a> <store b> <remote> <name>`. What was acknowledged goes to stdout at once, one line each.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [, , compiled, dirA, dirB, url, name] = process.argv
const { env } = process
const load = (file) => import(pathToFileURL(join(compiled, file)).href)
const [{ openStore }, { collectGarbage }, { collectRemote }, { openRemote }, { push }, { pull }] =
  await Promise.all(
    [
      'open.js',
      'gc/collect.js',
      'gc/collect-remote.js',
      'remote/open.js',
      'remote/push.js',
      'remote/pull.js',
    ].map(load),
  )
const clock = { now: () => Date.now() }
const [a, b] = [await openStore({ dir: dirA }, { clock }), await openStore({ dir: dirB }, { clock })]
const remote = await openRemote('origin', url, { create: true, folder: '/', env })
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`)
const bytes = (text) => Buffer.from(text.repeat(1 + (text.length % 7) * 300))

async function advance(i) {
  const parent = (await a.meta.ref('datasets/d@main'))?.digest
  const parts = await a.objects.putAll([
    bytes(`part ${i % 4}`),
    bytes(`${name} part ${i}`),
    bytes(`${name} other ${i}`),
  ])
  await a.objects.put(bytes(`${name} stray ${i}`))
  const inside = await a.putRecord({ kind: 'Inside', parts })
  const to = await a.putRecord({
    kind: 'DatasetVersion',
    parents: parent ? [parent] : [],
    inside,
    createdAt: Date.now(),
  })
  const event = { type: 'data.imported', subject: 'd', actor: name, reason: 'r', data: { version: to } }
  const { ok } = await a.meta.commit({
    moves: [{ name: 'datasets/d@main', from: parent ?? null, to }],
    event,
  })
  if (ok) say({ head: to })
  return to
}

const who = { actor: name, reason: 'r' }
const collect = async (store, more) => {
  const { removed } = await collectGarbage(store, { now: Date.now(), graceMs: 10_000, ...more, ...who })
  say({ collected: removed.objects })
}

say({ begun: true })
for (let i = 0; ; i++) {
  const to = await advance(i)
  // A collection beside the transfer; what is older than the grace period has been given up.
  await Promise.all([
    push(a, remote, { ...who, now: Date.now() }).then((done) =>
      say({ pushed: to, state: done.refs[0].state }),
    ),
    i % 2 === 0 ? collect(a, i % 4 === 0 ? { keepVersions: 5 } : {}) : undefined,
  ])
  if (i % 3 === 2) {
    const { removed } = await collectRemote(a, remote, { ...who, graceMs: 2_000 })
    say({ swept: removed.objects })
  }
  if (i % 2 === 1)
    await Promise.all([pull(b, remote, who).then(() => say({ pulled: to })), collect(b, {}).catch(() => {})])
}
