import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { seededRng } from '../../../src/core/rng.ts'
import { type AddRequest, addFiles, checkoutFiles, resolveFileSet } from '../../../src/data/files/index.ts'
import { openStore } from '../../../src/store/open.ts'
import type { Store } from '../../../src/store/ports.ts'

/** What a path of a folder holds: bytes, the target of a link, or nothing (an empty folder). */
export type Listing = Record<string, string>

export interface Bench {
  dir: string
  /** Folder that is added. */
  work: string
  store: Store
  storeDir: string
  write(path: string, bytes: string | Uint8Array): void
  add(change?: Partial<AddRequest>): ReturnType<typeof addFiles>
  /** Writes a version into a new folder and gives what is there. */
  checkedOut(name?: string): Promise<Listing>
  reopen(): Promise<void>
}

/** A store and a folder `set` beside it, gone afterwards. */
export async function withFiles(work: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-files-'))
  const storeDir = join(dir, 'store')
  const clock = { now: () => Date.now() }
  let nOut = 0
  const bench: Bench = {
    dir,
    work: join(dir, 'set'),
    store: await openStore({ dir: storeDir }, { clock }),
    storeDir,
    write(path, bytes) {
      mkdirSync(dirname(join(bench.work, path)), { recursive: true })
      writeFileSync(join(bench.work, path), bytes)
    },
    add: (change = {}) => addFiles(bench.store, { paths: [bench.work], actor: 'test', storeDir, ...change }),
    async checkedOut(name = 'set') {
      const to = join(dir, `out${nOut++}`)
      await checkoutFiles(bench.store, await resolveFileSet(bench.store, name), { to })
      return listing(to)
    },
    async reopen() {
      await bench.store.close()
      bench.store = await openStore({ dir: storeDir }, { clock })
    },
  }
  mkdirSync(bench.work)
  try {
    await work(bench)
  } finally {
    await bench.store.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Everything below a folder. Bytes as latin1, links as `-> target`, empty folders as `/`; executables have a `*` before. */
export function listing(folder: string, prefix = ''): Listing {
  const found: Listing = {}
  const items = readdirSync(folder, { withFileTypes: true })
  if (items.length === 0 && prefix !== '') found[prefix] = '/'
  for (const item of items) {
    const path = join(folder, item.name)
    const name = prefix === '' ? item.name : `${prefix}/${item.name}`
    if (item.isDirectory()) Object.assign(found, listing(path, name))
    else if (item.isSymbolicLink()) found[name] = `-> ${readlinkSync(path)}`
    else found[name] = `${lstatSync(path).mode & 0o100 ? '*' : ''}${readFileSync(path, 'latin1')}`
  }
  return found
}

/** Bytes that nothing compresses. */
export function randomBytesOf(seed: number, length: number): Buffer {
  const rng = seededRng(seed)
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => rng.next() * 2 ** 32)
  return Buffer.from(words.buffer, 0, length)
}

/** Bytes of all objects of a store. */
export async function objectBytes(store: Store): Promise<number> {
  let total = 0
  for await (const { bytes } of store.objects.list()) total += bytes
  return total
}
