import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ERRORS, MillraceError } from '../../src/core/errors.ts'
import { disk } from '../../src/store/disk/disk.ts'
import { fault } from '../../src/store/disk/fault.ts'
import { openLibsql } from '../../src/store/meta/libsql.ts'
import { openMeta } from '../../src/store/meta/meta.ts'
import { migrate } from '../../src/store/meta/migrations.ts'
import { openStore } from '../../src/store/open.ts'
import { all, bytesOf, codeOf, digestNo, eventOf, temporaryFolder, tickingClock } from './fixture.ts'

const clock = tickingClock()
let folder: ReturnType<typeof temporaryFolder>
const inFolder = (name: string) => join(folder.dir, name)

beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => {
  vi.restoreAllMocks()
  folder.remove()
})

describe('opening a store', () => {
  it('makes the folder, and finds everything again by path, by { dir } and by URL', async () => {
    const dir = inFolder('deep/er/.millrace')
    const first = await openStore({ dir }, { clock })
    const digest = await first.putRecord({ kind: 'Note', text: 'kept' })
    await first.meta.commit({ moves: [{ name: 'n', to: digest }], event: eventOf() })
    await first.log.append('s', ['1'])
    await first.close()
    for (const where of [dir, pathToFileURL(dir).href, `file:${dir}`]) {
      const store = await openStore(where, { clock })
      expect(store.repaired).toEqual([])
      expect(await store.getRecord((await store.meta.ref('n'))!.digest, 'Note')).toEqual({
        kind: 'Note',
        text: 'kept',
      })
      expect(await all(store.log.read('s'))).toMatchObject([{ records: ['1'] }])
      await store.close()
    }
  })

  it('opens many times at once, also when it must be made first', async () => {
    const stores = await Promise.all(
      Array.from({ length: 6 }, () => openStore({ dir: inFolder('s') }, { clock })),
    )
    await Promise.all(
      stores.map((store, i) =>
        store.meta.commit({ moves: [{ name: `r${i}`, to: digestNo(i) }], event: eventOf() }),
      ),
    )
    expect(await stores[0].meta.refs('r')).toHaveLength(6)
    expect(await stores[5].meta.verifyJournal()).toBeUndefined()
    expect(new Set(stores.map(({ scratch }) => scratch)).size).toBe(6)
    await Promise.all(stores.map((store) => store.close()))
  })

  it('refuses a folder or a file that is something else and leaves it as it was', async () => {
    mkdirSync(inFolder('photos'))
    for (let i = 0; i < 5; i++) writeFileSync(inFolder(`photos/${i}.jpg`), 'x')
    const refused = openStore({ dir: inFolder('photos') }, { clock })
    await expect(refused).rejects.toThrow(/is not a Millrace store: it holds 0.jpg, 1.jpg, 2.jpg and 2 more/)
    expect(readdirSync(inFolder('photos'))).toHaveLength(5)
    expect(await codeOf(openStore({ dir: inFolder('photos/0.jpg') }, { clock }))).toBe('MR_STORE_FOREIGN')
    expect(await codeOf(openStore({ dir: inFolder('photos/0.jpg/deeper') }, { clock }))).toBe(
      'MR_STORE_FOREIGN',
    )
    mkdirSync(inFolder('other'))
    writeFileSync(inFolder('other/store.json'), '{"kind":"shop"}')
    expect(await codeOf(openStore({ dir: inFolder('other') }, { clock }))).toBe('MR_STORE_FOREIGN')
  })

  it('refuses a folder format and a schema that a newer version wrote', async () => {
    mkdirSync(inFolder('newer'))
    writeFileSync(inFolder('newer/store.json'), '{"kind":"millrace-store","format":99}')
    expect(await codeOf(openStore({ dir: inFolder('newer') }, { clock }))).toBe('MR_STORE_NEWER')
    await (await openStore({ dir: inFolder('s') }, { clock })).close()
    const db = await openLibsql(inFolder('s/meta.sqlite'))
    await db.insertInto('migrations').values({ id: '9999-from-the-future', applied_at: 0 }).execute()
    await db.destroy()
    await expect(openStore({ dir: inFolder('s') }, { clock })).rejects.toThrow(
      /its format is 9999-from-the-future/,
    )
  })

  it('goes on with a store whose making was cut short', async () => {
    mkdirSync(inFolder('s/objects'), { recursive: true })
    writeFileSync(inFolder('s/store.json.half'), '{"ki')
    const store = await openStore({ dir: inFolder('s') }, { clock })
    expect(await store.objects.verify(await store.objects.put(bytesOf('x')))).toBe('ok')
    await store.close()
  })

  it('says which URL has no adapter, without its password', async () => {
    await expect(openStore('postgres://me:secret@db/x', { clock })).rejects.toThrow(
      /no store adapter for "postgres:\/\/…@db\/x"/,
    )
  })

  it('says that the database is damaged, and where', async () => {
    await (await openStore({ dir: inFolder('s') }, { clock })).close()
    for (const name of ['meta.sqlite-wal', 'meta.sqlite-shm']) rmSync(inFolder(`s/${name}`), { force: true })
    writeFileSync(
      inFolder('s/meta.sqlite'),
      'not a database at all, but long enough to be looked at as one '.repeat(20),
    )
    expect(await codeOf(openStore({ dir: inFolder('s') }, { clock }))).toBe('MR_STORE_DAMAGED')
  })

  it('says what is forbidden', async () => {
    for (const code of ['EACCES', 'EROFS', 'SQLITE_READONLY_DIRECTORY', 'SQLITE_CANTOPEN']) {
      expect(fault(Object.assign(new Error('no'), { code }), '/p', 'write')).toMatchObject({
        code: 'MR_NO_PERMISSION',
      })
    }
    if (process.getuid?.() === 0) return console.log('skipped the real folder: root may write everywhere')
    mkdirSync(inFolder('locked'), { mode: 0o555 })
    expect(await codeOf(openStore({ dir: inFolder('locked/s') }, { clock }))).toBe('MR_NO_PERMISSION')
  })

  it('refuses work after close', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    await store.close()
    expect(await codeOf(store.log.append('s', ['1']))).toBe('MR_STORE_CLOSED')
    expect(await codeOf(store.meta.commit({ event: eventOf() }))).toBe('MR_STORE_CLOSED')
    expect(existsSync(store.scratch)).toBe(false)
  })

  it('explains every code in whole sentences', () => {
    const data = {
      digest: 'd',
      path: '/p',
      found: 'f',
      expected: 'e',
      got: 'g',
      format: '2',
      known: ['file:'],
      detail: 'x',
      url: 'u',
    }
    const more = {
      waitedMs: 1,
      what: 'w',
      stream: 's',
      pid: 7,
      offset: 3,
      pendingBytes: 9,
      max: 8,
      segment: 1,
    }
    const codes = Object.entries(ERRORS).filter(([code]) => /^MR_(STORE|OBJECT|LOG|RECORD)_/.test(code))
    expect(codes.length).toBeGreaterThan(10)
    for (const [code] of codes) {
      const error = new MillraceError(code as 'MR_OBJECT_CORRUPT', { ...data, ...more })
      expect(error.toString()).not.toMatch(/undefined|\[object/)
    }
  })
})

describe('a chain of commits', () => {
  it('lets the event loop turn meanwhile', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const startedAt = performance.now()
    while (performance.now() - startedAt < 150) await store.meta.commit({ event: eventOf() })
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
    await store.close()
  })
})

describe('a full disk', () => {
  const full = () =>
    vi.spyOn(disk, 'write').mockRejectedValue(Object.assign(new Error('write'), { code: 'ENOSPC' }))

  it('refuses objects and appends by code, keeps what was there, and goes on when there is room', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    await store.log.append('s', ['"before"'])
    const stub = full()
    expect(await codeOf(store.objects.put(bytesOf('too much')))).toBe('MR_NO_SPACE')
    expect(await codeOf(store.log.append('s', ['"during"']))).toBe('MR_NO_SPACE')
    stub.mockRestore()
    expect(readdirSync(store.scratch)).toEqual([])
    await store.log.append('s', ['"after"'])
    expect((await all(store.log.read('s'))).flatMap(({ records }) => records)).toEqual([
      '"before"',
      '"after"',
    ])
    expect(await store.objects.verify(await store.objects.put(bytesOf('too much')))).toBe('ok')
    await store.close()
  })

  it('takes back a batch that was written in part', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    await store.log.append('s', ['"before"'])
    vi.spyOn(disk, 'write').mockImplementationOnce(async (handle, bytes, position) => {
      await handle.write(bytes, 0, bytes.length - 10, position)
      throw Object.assign(new Error('write'), { code: 'ENOSPC' })
    })
    expect(await codeOf(store.log.append('s', ['"during"']))).toBe('MR_NO_SPACE')
    await Promise.all([store.log.append('s', ['"x"']), store.log.append('s', ['"y"'])])
    expect((await all(store.log.read('s'))).flatMap(({ records }) => records)).toEqual([
      '"before"',
      '"x"',
      '"y"',
    ])
    await store.close()
  })

  it('refuses a commit by code and keeps the chain whole', async () => {
    const path = inFolder('meta.sqlite')
    const db = await openLibsql(path)
    await migrate(db, path, 0)
    const meta = openMeta(db, clock)
    await meta.commit({ event: eventOf() })
    await sql`PRAGMA max_page_count = 1`.execute(db)
    const big = () =>
      meta.commit({
        moves: [{ name: 'big', to: digestNo(1) }],
        event: eventOf({ data: 'x'.repeat(200_000) }),
      })
    expect(await codeOf(big())).toBe('MR_NO_SPACE')
    expect(await meta.ref('big')).toBeUndefined()
    await sql`PRAGMA max_page_count = 100000`.execute(db)
    expect(await big()).toMatchObject({ ok: true, event: { seq: 2 } })
    expect(await meta.verifyJournal()).toBeUndefined()
    await meta.close()
  })

  it('holds on a real one', async () => {
    const mount = inFolder('small')
    mkdirSync(mount)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount], { stdio: 'ignore' })
    } catch {
      return console.log('skipped: mounting a small file system needs root')
    }
    try {
      const store = await openStore({ dir: join(mount, 's') }, { clock })
      const acknowledged: string[] = []
      const refused = (async () => {
        for (let i = 0; ; i++) {
          const record = JSON.stringify({ i, pad: 'x'.repeat(50_000) })
          await store.log.append('s', [record])
          acknowledged.push(record)
        }
      })()
      expect(await codeOf(refused)).toBe('MR_NO_SPACE')
      expect(await codeOf(store.objects.put(new Uint8Array(1_000_000)))).toBe('MR_NO_SPACE')
      expect((await all(store.log.read('s'))).flatMap(({ records }) => records)).toEqual(acknowledged)
      expect(acknowledged.length).toBeGreaterThan(5)
      await store.close()
    } finally {
      execFileSync('umount', ['-l', mount])
    }
  })
})

describe('files of a process that ended', () => {
  it('are removed at the next open and reported; those of a living one stay', async () => {
    const living = await openStore({ dir: inFolder('s') }, { clock })
    writeFileSync(join(living.scratch, 'in-use'), 'x')
    const dead = inFolder('s/scratch/12345-dead')
    mkdirSync(dead)
    writeFileSync(join(dead, 'half'), 'x')
    writeFileSync(inFolder('s/scratch/12345-dead.lock'), '')
    const store = await openStore({ dir: inFolder('s') }, { clock })
    expect(store.repaired).toEqual([
      { what: 'scratch', path: dead, detail: 'removed 1 temporary files of a process that ended' },
    ])
    expect(existsSync(dead)).toBe(false)
    expect(readFileSync(join(living.scratch, 'in-use'), 'utf8')).toBe('x')
    await store.close()
    await living.close()
    expect(readdirSync(inFolder('s/scratch')).filter((name) => !name.startsWith('open.lock'))).toEqual([])
  })
})

describe('objects as files', () => {
  const withObject = async (
    work: (
      store: Awaited<ReturnType<typeof openStore>>,
      digest: `sha256:${string}`,
      path: string,
    ) => Promise<void>,
  ) => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    const digest = await store.objects.put(bytesOf('precious bytes'))
    await work(store, digest, await store.objects.path(digest))
    await store.close()
  }
  const overwrite = (path: string, text: string) => {
    rmSync(path)
    writeFileSync(path, text)
  }

  it('lie read-only under the first two digits of their digest', () =>
    withObject(async (_, digest, path) => {
      const hex = digest.slice(7)
      expect(path).toBe(inFolder(`s/objects/${hex.slice(0, 2)}/${hex.slice(2)}`))
      expect(statSync(path).mode & 0o777).toBe(0o444)
    }))

  it('are found damaged by their digest; the error names the file, what was found and what to do', () =>
    withObject(async (store, digest, path) => {
      overwrite(path, 'precious bytez')
      const error = await store.objects.get(digest).catch((thrown) => thrown)
      expect(error).toMatchObject({ code: 'MR_OBJECT_CORRUPT', data: { digest, path } })
      expect(error.data.found).toMatch(/^sha256:[0-9a-f]{64}$/)
      expect(error.message).toContain(path)
      expect(error.fix).toContain('millrace verify --repair')
      expect(await store.objects.verify(digest)).toBe('corrupt')
    }))

  it('are healed when the same bytes are put again, as bytes or as a file', () =>
    withObject(async (store, digest, path) => {
      for (const damage of ['precious bytez', 'short', '']) {
        overwrite(path, damage)
        expect(await store.objects.put(bytesOf('precious bytes'))).toBe(digest)
        expect(await store.objects.verify(digest)).toBe('ok')
        overwrite(path, damage)
        writeFileSync(join(store.scratch, 'again'), 'precious bytes')
        await store.objects.putFile(join(store.scratch, 'again'))
        expect(await store.objects.verify(digest)).toBe('ok')
      }
    }))

  it('stay absent when their bytes could not be made durable', () =>
    withObject(async (store) => {
      vi.spyOn(disk, 'sync').mockRejectedValueOnce(Object.assign(new Error('sync'), { code: 'EIO' }))
      expect(await codeOf(store.objects.put(bytesOf('never there')))).toBe('EIO')
      expect(await all(store.objects.list())).toHaveLength(1)
      expect(readdirSync(store.scratch)).toEqual([])
    }))

  it('survive strange files in their folders', () =>
    withObject(async (store, digest) => {
      writeFileSync(inFolder('s/objects/README'), 'x')
      writeFileSync(join(inFolder('s/objects'), digest.slice(7, 9), 'note.txt'), 'x')
      expect(await all(store.objects.list())).toMatchObject([{ digest, bytes: 14 }])
    }))

  it('take over a file from another file system', async () => {
    const elsewhere = '/dev/shm'
    if (!existsSync(elsewhere)) return console.log('skipped: there is no /dev/shm')
    const path = join(elsewhere, `millrace-test-${process.pid}`)
    await withObject(async (store) => {
      writeFileSync(path, 'from afar')
      const { digest } = await store.objects.putFile(path)
      expect(existsSync(path)).toBe(false)
      expect(Buffer.from(await store.objects.get(digest)).toString()).toBe('from afar')
    })
  })

  it('wait for the disk, each once, before they are acknowledged', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    const sync = vi.spyOn(disk, 'sync')
    await store.objects.putAll([bytesOf('a'), bytesOf('b'), bytesOf('c')])
    expect(sync).toHaveBeenCalledTimes(3)
    await store.close()
  })
})

describe('records', () => {
  it('are frozen, of one kind, and read once', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    const digest = await store.putRecord({ kind: 'Note', list: [{ deep: 1 }], absent: undefined })
    const record = await store.getRecord<{ kind: 'Note'; list: { deep: number }[] }>(digest, 'Note')
    expect(record).toEqual({ kind: 'Note', list: [{ deep: 1 }] })
    expect(await store.getRecord(digest, 'Note')).toBe(record)
    expect(() => record.list.push({ deep: 2 })).toThrow(TypeError)
    expect(await codeOf(store.getRecord(digest, 'Other'))).toBe('MR_RECORD_KIND')
    for (const text of ['no json', '[1]', 'null', '{"a":1}']) {
      expect(await codeOf(store.getRecord(await store.objects.put(bytesOf(text)), 'Note'))).toBe(
        'MR_RECORD_KIND',
      )
    }
    await store.close()
  })

  it('of equal content have one digest, whatever the order of their keys', async () => {
    const store = await openStore({ dir: inFolder('s') }, { clock })
    const [a, b] = await store.putRecords([
      { kind: 'N', x: 1, y: 2 },
      { y: 2, x: 1, kind: 'N' },
    ])
    expect(a).toBe(b)
    await store.close()
  })
})
