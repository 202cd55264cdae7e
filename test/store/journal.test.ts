import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { openLibsql } from '../../src/store/meta/libsql.ts'
import type { Store } from '../../src/store/ports.ts'
import { digestNo, eventOf, withStore } from './fixture.ts'

/** Five events, each moving a ref; then one statement of a forger; what the check says. */
async function afterForgery(forgery: string): Promise<number | undefined> {
  let found: number | undefined
  await withStore(async (store, dir) => {
    await fiveEvents(store)
    const db = await openLibsql(join(dir, 'meta.sqlite'))
    await sql.raw(forgery).execute(db)
    await db.destroy()
    found = await store.meta.verifyJournal()
  })
  return found
}

async function fiveEvents(store: Store) {
  for (let i = 1; i <= 5; i++) {
    await store.meta.commit({ moves: [{ name: 'r', to: digestNo(i) }], event: eventOf({ data: { i } }) })
  }
}

describe('the journal', () => {
  it('chains each event to the one before by the SHA-256 of its canonical JSON', () =>
    withStore(async (store) => {
      await fiveEvents(store)
      const [first, second] = await store.meta.events()
      expect(first.previous).toBe(`sha256:${'0'.repeat(64)}`)
      expect(second.previous).toBe(first.hash)
      const text =
        `{"actor":"test","at":${first.at},"data":{"i":1},"previous":"${first.previous}","reason":"a test moves it",` +
        '"seq":1,"subject":"tests/one","type":"test.moved"}'
      expect(first.hash).toBe(`sha256:${createHash('sha256').update(text).digest('hex')}`)
    }))

  it.each([
    ['nothing was touched', 'select 1', undefined],
    ['a reason was edited', "update journal set reason = 'another' where seq = 3", 3],
    ['data were edited', `update journal set data = '{"i":9}' where seq = 5`, 5],
    ['data are no JSON any more', "update journal set data = '{' where seq = 2", 2],
    ['a time was edited', 'update journal set at = at + 1 where seq = 1', 1],
    ['an event was removed', 'delete from journal where seq = 2', 2],
    ['the first event was removed', 'delete from journal where seq = 1', 1],
    ['the tail was cut', 'delete from journal where seq >= 4', 4],
    ['everything was cut', 'delete from journal', 1],
    ['a hash was edited', "update journal set hash = 'sha256:0' where seq = 4", 4],
    [
      'an event was copied to the end',
      'insert into journal select 6, at, type, subject, actor, reason, data, previous, hash from journal where seq = 5',
      6,
    ],
  ])('when %s, the check says so', async (_, forgery, broken) => {
    expect(await afterForgery(forgery)).toBe(broken)
  })
})
