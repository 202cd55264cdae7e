/**
 * A process that rewrites most of a folder, adds it and collects garbage until it is killed: `node repack-child.mjs <compiled> <folder> <seed>`.
 * What was acknowledged goes to stdout at once, one line each.
 */
import { mkdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [, , compiled, dir, seedText] = process.argv
const load = (path) => import(pathToFileURL(join(compiled, path)).href)
const { openStore } = await load('store/open.js')
const { addFiles, packRewriter } = await load('data/files/index.js')
const { collectGarbage } = await load('store/gc/collect.js')
const { seededRng } = await load('core/rng.js')

const rng = seededRng(Number(seedText))
const storeDir = join(dir, 'store')
const work = join(dir, 'set')
const store = await openStore({ dir: storeDir }, { clock: { now: () => Date.now() } })
const say = (value) => writeSync(1, `${JSON.stringify(value)}\n`)
const bytesOf = (length) =>
  Buffer.from(Uint32Array.from({ length: length / 4 }, () => rng.next() * 2 ** 32).buffer)
mkdirSync(work, { recursive: true })
say({ begun: true })

for (let nRounds = 0; ; nRounds++) {
  // Every second time little is left of what the last pack holds.
  for (let i = 0; i < 40; i++)
    if (nRounds % 2 === 0) writeFileSync(join(work, `f${i}`), bytesOf(8_000))
    else if (rng.nextInt(4) > 0) rmSync(join(work, `f${i}`), { force: true })
    else if (rng.nextInt(3) > 0) writeFileSync(join(work, `f${i}`), bytesOf(8_000))
  writeFileSync(join(work, 'always'), bytesOf(400))
  const { digest } = await addFiles(store, { paths: [work], actor: 'child', storeDir })
  say({ digest })
  const { rewritten } = await collectGarbage(store, {
    ...{ now: Date.now() + 60_000, graceMs: 0, keepVersions: 1, rewriter: packRewriter },
    ...{ actor: 'child', reason: 'over and over' },
  })
  say({ rewritten })
}
