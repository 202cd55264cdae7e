/**
 * A process that edits a folder, adds it and checks it out elsewhere until it is killed: `node child.mjs <compiled> <folder> <seed>`.
 * What was acknowledged goes to stdout at once, one line each.
 */
import { mkdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [, , compiled, dir, seedText] = process.argv
const load = (path) => import(pathToFileURL(join(compiled, path)).href)
const { openStore } = await load('store/open.js')
const { addFiles, checkoutFiles, resolveFileSet } = await load('data/files/index.js')
const { seededRng } = await load('core/rng.js')

const rng = seededRng(Number(seedText))
const storeDir = join(dir, 'store')
const work = join(dir, 'set')
const store = await openStore({ dir: storeDir }, { clock: { now: () => Date.now() } })
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`)
const bytesOf = (length) => {
  const words = Uint32Array.from({ length: length / 4 }, () => rng.next() * 2 ** 32)
  return Buffer.from(words.buffer)
}
say({ begun: true })

for (let i = 0; ; i++) {
  for (let n = 0; n < 3; n++) {
    const folder = join(work, `d${rng.nextInt(4)}`)
    mkdirSync(folder, { recursive: true })
    const path = join(folder, `f${rng.nextInt(12)}`)
    if (rng.nextInt(5) === 0) rmSync(path, { force: true })
    else writeFileSync(path, bytesOf(rng.nextInt(6) === 0 ? 400_000 : 4 * rng.nextInt(2000)))
  }
  writeFileSync(join(work, 'd0', 'always'), String(i))
  const rule = { bytesMin: 1024, bytesAverage: 4096, bytesMax: 16384 }
  const { digest } = await addFiles(store, { paths: [work], actor: 'child', storeDir, rule })
  say({ digest })
  await checkoutFiles(store, await resolveFileSet(store, 'set'), { to: join(dir, 'out') })
  say({ out: digest })
}
