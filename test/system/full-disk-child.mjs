/**
 * Does things to a store on a small file system of its own that is full, and again once there is room: `node full-disk-child.mjs <dist> <folder>`. Run where `<folder>/disk`
 * may be mounted upon: as root of a name space of mounts. Says one line of JSON for each.
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [, , dist, dir] = process.argv
const load = (file) => import(pathToFileURL(join(dist, file)).href)
const disk = join(dir, 'disk')
mkdirSync(disk)
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk], { stdio: 'ignore' })
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`)
say({ mounted: true })

const {
  collectGarbage,
  createBranch,
  importData,
  loadProject,
  mergeInto,
  openRemote,
  openRuntime,
  pull,
  push,
  up,
} = await load('runtime.js')
const { addFiles } = await load('data/files/index.js')
const { openStore } = await load('store/open.js')
const { verifyStore } = await load('store/reach/verify.js')

const KIB = 1024
const random = (n, seed) => {
  let x = seed
  return Buffer.from(
    Uint32Array.from({ length: n / 4 }, () => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0)).buffer,
  )
}
const who = { actor: 'test', reason: 'a test' }
const folder = join(dir, 'project')
const table = (n, text) =>
  `id,value\n${Array.from({ length: n }, (_, id) => `${id},${text(id)}`).join('\n')}\n`
const source = (name, text) => writeFileSync(join(folder, name), text)
mkdirSync(join(folder, 'set'), { recursive: true })
source(
  'millrace.config.ts',
  `import { dataset, project } from 'millrace'
export default project('p', { datasets: [dataset('d', { source: 'd.csv', key: 'id', mode: 'replace', stream: true })], models: [] })
`,
)
/** Text that takes about as much room in Parquet. */
const plain = (id) => `v${id % 97} ${random(152, id + 1).toString('base64')}`
source('d.csv', table(3000, plain))
const { project } = await loadProject(join(folder, 'millrace.config.ts'))
const stateDir = join(disk, 'state')
const rt = await openRuntime({ project, folder, stateDir, workers: 1 })
const { store } = rt
const other = await openStore({ dir: join(dir, 'other') }, { clock: { now: () => Date.now() } })
const remote = await openRemote('origin', join(disk, 'remote'), { create: true, folder: dir, env: {} })
const there = await openRemote('there', join(dir, 'there'), { create: true, folder: dir, env: {} })

/** Takes all room but so much. */
function fill(leave) {
  const { bavail, bsize } = statfsSync(disk)
  const blocks = bavail - Math.ceil(leave / bsize)
  const fd = openSync(join(disk, 'filler'), 'w')
  const zeros = Buffer.alloc(64 * bsize)
  for (let left = blocks; left > 0; left -= 64) writeSync(fd, zeros, 0, Math.min(64, left) * bsize)
  closeSync(fd)
}
const free = () => rmSync(join(disk, 'filler'), { force: true })

const refsOf = async (prefix) => (await store.meta.refs(prefix)).map(({ name, digest }) => [name, digest])

/** What anybody can see: versions here and on the remote, rows that wait, and what lies about. */
async function look() {
  const [datasets, files] = [await refsOf('datasets/'), await refsOf('files/')]
  const remotes = (await remote.refs('')).map(({ name, digest }) => [name, digest])
  let waiting = 0
  for await (const { records } of store.log.read('rows/d')) waiting += records.length
  return {
    datasets,
    files,
    remotes,
    waiting,
    scratch: readdirSync(store.scratch),
    incoming: readdirSync(join(disk, 'remote', 'incoming')),
  }
}

/** Does something with ever more room: what it came to each time, until it is done. */
async function attempt(name, leaves, work) {
  const before = await look()
  const tries = []
  for (const leave of [...leaves, undefined]) {
    if (leave !== undefined) fill(leave)
    let said
    try {
      const value = await work()
      said = { done: true, value }
    } catch (thrown) {
      said = { code: thrown.code, fix: thrown.fix, message: thrown.message }
    }
    free()
    tries.push({ leave, ...said })
    if (said.done) break
    const { bad, journalBrokenAt } = await verifyStore(store)
    tries.at(-1).isSame = JSON.stringify(await look()) === JSON.stringify(before)
    if (!tries.at(-1).isSame) tries.at(-1).looks = [before, await look()]
    tries.at(-1).isWhole = bad.length === 0 && journalBrokenAt === null
  }
  const { bad, journalBrokenAt } = await verifyStore(store)
  say({ name, tries, isWhole: bad.length === 0 && journalBrokenAt === null })
}

const LEAVES = [0, 40 * KIB, 400 * KIB]

await attempt(
  'import',
  [0, 40 * KIB, 800 * KIB],
  async () => (await importData(rt, { dataset: 'd', ...who })).version.rows,
)

await createBranch(rt, { dataset: 'd', name: 'b', ...who })
source(
  'd.csv',
  table(3000, (id) => (id % 50 === 0 ? 'theirs' : plain(id))),
)
await importData(rt, { dataset: 'd', branch: 'b', ...who })
source(
  'd.csv',
  table(3000, (id) => (id % 75 === 1 ? 'ours' : plain(id))),
)
await importData(rt, { dataset: 'd', ...who })
await attempt('merge', LEAVES, async () => (await mergeInto(rt, { dataset: 'd', branch: 'b', ...who })).done)

for (let i = 0; i < 60; i++) source(`set/f${i}`, random(20_000, i + 1))
const add = () => addFiles(store, { paths: [join(folder, 'set')], storeDir: stateDir, ...who })
await attempt('add', [...LEAVES, 1300 * KIB], async () => (await add()).version.files)

await attempt('push', LEAVES, async () => (await push(store, remote, { ...who, now: Date.now() })).sent)

for (let i = 3; i < 60; i++) rmSync(join(folder, 'set', `f${i}`))
await add()
const collect = async () => {
  const grace = { now: Date.now() + 60_000, graceMs: 0, keepVersions: 1 }
  const { removed, rewritten } = await collectGarbage(store, { ...who, ...grace })
  return { removed, rewritten }
}
await attempt('gc', [0, 40 * KIB], collect)

await push(store, there, { ...who, now: Date.now() })
for (let i = 0; i < 30; i++) writeFileSync(join(folder, 'set', `g${i}`), random(20_000, i + 100))
await addFiles(other, { paths: [join(folder, 'set')], storeDir: join(dir, 'other'), ...who, name: 'more' })
await push(other, there, { ...who, now: Date.now() })
await attempt('pull', LEAVES, async () => (await pull(store, there, who)).refs.length)

const running = await up(rt, { port: 0, follow: 'by-hand' })
const post = async (rows) => {
  const answer = await fetch(`http://${running.address.replace(/^https?:\/\//, '')}/data/d/rows`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rows),
  })
  const body = await answer.json()
  if (answer.status !== 202)
    throw Object.assign(new Error(JSON.stringify(body)), { ...body, ...body.error, status: answer.status })
  return body.rows
}
const rows = Array.from({ length: 3000 }, (_, i) => ({ id: 10_000 + i, value: `row ${i}` }))
await attempt('rows', [0, 40 * KIB], () => post(rows))
await attempt('seal', LEAVES, async () => (await running.seal()).map(({ rows: n }) => n))
await running.close()
await rt.close()
await other.close()
