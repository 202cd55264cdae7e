import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../src/core/canonical.ts'
import { LIMITS } from '../../src/core/limits.ts'
import type { Digest } from '../../src/core/records.ts'
import type { Store } from '../../src/store/ports.ts'
import { digestNo, eventOf } from '../store/fixture.ts'

type With = (work: (store: Store, dir: string) => Promise<void>) => Promise<void>

/** Laws of `Meta` without its jobs, for every adapter. */
export function metaContract(name: string, withStore: With): void {
  describe(`refs and journal on ${name}`, () => {
    it('moves a ref and says why in one event', () =>
      withStore(async ({ meta }) => {
        const result = await meta.commit({
          moves: [{ name: 'models/late@live', from: null, to: digestNo(1) }],
          event: eventOf({ data: { z: 1, a: [1.5, 'ü'], gone: undefined } }),
        })
        if (!result.ok) throw new Error('the commit was refused')
        expect(await meta.ref('models/late@live')).toEqual({
          name: 'models/late@live',
          digest: digestNo(1),
          seq: result.event.seq,
          movedAt: result.event.at,
        })
        expect(await meta.events()).toEqual([result.event])
        expect(result.event.data).toEqual({ z: 1, a: [1.5, 'ü'] })
      }))

    it('moves nothing and says what the ref holds when the compare is lost', () =>
      withStore(async ({ meta }) => {
        await meta.commit({ moves: [{ name: 'a', to: digestNo(1) }], event: eventOf() })
        const lost = await meta.commit({
          moves: [
            { name: 'b', to: digestNo(2) },
            { name: 'a', from: digestNo(9), to: digestNo(2) },
          ],
          event: eventOf(),
        })
        expect(lost).toEqual({ ok: false, conflict: { name: 'a', holds: digestNo(1) } })
        expect(
          await meta.commit({ moves: [{ name: 'a', from: null, to: null }], event: eventOf() }),
        ).toMatchObject({ ok: false })
        expect(
          await meta.commit({ moves: [{ name: 'c', from: digestNo(1), to: null }], event: eventOf() }),
        ).toEqual({
          ok: false,
          conflict: { name: 'c', holds: null },
        })
        expect(await meta.ref('b')).toBeUndefined()
        expect(await meta.events()).toHaveLength(1)
      }))

    it('keeps the history of a ref, newest first, over its deletion', () =>
      withStore(async ({ meta }) => {
        for (const to of [digestNo(1), digestNo(2), null, digestNo(3)]) {
          await meta.commit({ moves: [{ name: 'a', to }], event: eventOf() })
        }
        const digests = (await meta.history('a')).map(({ digest }) => digest)
        expect(digests).toEqual([digestNo(3), null, digestNo(2), digestNo(1)])
        expect(await meta.history('a', 2)).toHaveLength(2)
        expect(await meta.history('never')).toEqual([])
      }))

    it('refuses to move a ref that was moved again to what it held, where the event is named', () =>
      withStore(async ({ meta }) => {
        const put = () => meta.commit({ moves: [{ name: 'a', to: digestNo(1) }], event: eventOf() })
        await put()
        const { seq } = (await meta.ref('a'))!
        await put()
        const move = { name: 'a', from: digestNo(1), to: null }
        const refused = { ok: false, conflict: { name: 'a', holds: digestNo(1) } }
        expect(await meta.commit({ moves: [{ ...move, seq }], event: eventOf() })).toEqual(refused)
        const now = (await meta.ref('a'))!.seq
        expect(await meta.commit({ moves: [{ ...move, seq: now }], event: eventOf() })).toMatchObject({
          ok: true,
        })
        expect(await meta.ref('a')).toBeUndefined()
      }))

    it('finds exactly the refs that begin with a prefix, in order', () =>
      withStore(async ({ meta }) => {
        const names = [
          'runs/a',
          'runs/b',
          'runs/é',
          'runs/\u{1f600}',
          'runs',
          'runsx',
          'Runs/a',
          'run%/a',
          'runs0',
        ]
        await meta.commit({ moves: names.map((name) => ({ name, to: digestNo(1) })), event: eventOf() })
        for (const prefix of ['runs/', 'run', 'run%', 'R', '', 'z']) {
          const found = (await meta.refs(prefix)).map((ref) => ref.name)
          expect(new Set(found)).toEqual(new Set(names.filter((name) => name.startsWith(prefix))))
          expect(found).toEqual(found.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
        }
      }))

    it('agrees with a plain map about any sequence of moves', () =>
      withStore(async ({ meta }) => {
        const model = new Map<string, Digest>()
        const digests = [undefined, null, digestNo(1), digestNo(2)]
        const move = fc.record({
          name: fc.constantFrom('x', 'y', 'z'),
          from: fc.constantFrom(...digests),
          to: fc.constantFrom(null, digestNo(1), digestNo(2)),
        })
        await fc.assert(
          fc.asyncProperty(
            fc.uniqueArray(move, { selector: ({ name }) => name, maxLength: 3 }),
            async (moves) => {
              const expected = moves.every(
                ({ name, from }) => from === undefined || from === (model.get(name) ?? null),
              )
              const result = await meta.commit({ moves, event: eventOf() })
              expect(result.ok).toBe(expected)
              if (expected)
                for (const { name, to } of moves) to === null ? model.delete(name) : model.set(name, to)
              for (const key of ['x', 'y', 'z']) expect((await meta.ref(key))?.digest).toBe(model.get(key))
            },
          ),
          { numRuns: 60 },
        )
        expect(await meta.verifyJournal()).toBeUndefined()
      }))

    it('loses none of many increments by compare-and-set at once', () =>
      withStore(async ({ meta }) => {
        const increment = async (): Promise<void> => {
          const held = await meta.ref('counter')
          const to = digestNo(Number.parseInt(held?.digest.slice(-8) ?? '0', 16) + 1)
          const result = await meta.commit({
            moves: [{ name: 'counter', from: held?.digest ?? null, to }],
            event: eventOf(),
          })
          if (!result.ok) await increment()
        }
        await Promise.all(
          Array.from({ length: 8 }, async () => {
            for (let i = 0; i < 10; i++) await increment()
          }),
        )
        expect((await meta.ref('counter'))?.digest).toBe(digestNo(80))
        expect(await meta.events()).toHaveLength(80)
      }))

    it('answers events by place, subject, type and count', () =>
      withStore(async ({ meta }) => {
        for (let i = 0; i < 6; i++) {
          await meta.commit({
            event: eventOf({ type: i % 2 ? 'odd' : 'even', subject: `models/m${i}`, data: i }),
          })
        }
        const data = async (query: Parameters<typeof meta.events>[0]) =>
          (await meta.events(query)).map((event) => event.data)
        expect(await data({ after: 2, before: 5 })).toEqual([2, 3])
        expect(await data({ types: ['odd'] })).toEqual([1, 3, 5])
        expect(await data({ types: [] })).toEqual([])
        expect(await data({ subject: 'models/m4' })).toEqual([4])
        expect(await data({ subjectPrefix: 'models/' })).toHaveLength(6)
        expect(await data({ newest: true, limit: 2 })).toEqual([5, 4])
        expect(await data({ limit: 0 })).toEqual([])
      }))

    it('caps a page of events at its limit', () =>
      withStore(async ({ meta }) => {
        expect(await meta.newestSeq()).toBe(0)
        await Promise.all(
          Array.from({ length: LIMITS.journalPageMax + 5 }, () => meta.commit({ event: eventOf() })),
        )
        expect(await meta.events({ limit: 10_000 })).toHaveLength(LIMITS.journalPageMax)
        expect(await meta.events({ after: LIMITS.journalPageMax })).toHaveLength(5)
        expect(await meta.newestSeq()).toBe(LIMITS.journalPageMax + 5)
        expect(await meta.verifyJournal()).toBeUndefined()
      }))

    it('keeps any text in an event, and the chain whole', () =>
      withStore(async ({ meta }) => {
        const text = fc.string({ unit: 'binary', maxLength: 12 })
        const data = fc.jsonValue()
        await fc.assert(
          fc.asyncProperty(text, text, data, async (reason, subject, data) => {
            const result = await meta.commit({ event: eventOf({ reason, subject, data: data as Json }) })
            expect(result.ok && (await meta.events({ newest: true, limit: 1 }))).toEqual(
              result.ok && [result.event],
            )
          }),
          { numRuns: 60 },
        )
        await meta.commit({ event: eventOf({ reason: 'half a pair \ud800, a zero \0', data: '\ud800\0' }) })
        expect((await meta.events({ newest: true, limit: 1 }))[0].reason).toBe(
          'half a pair \ufffd, a zero \ufffd',
        )
        expect(await meta.verifyJournal()).toBeUndefined()
        await expect(meta.commit({ moves: [{ name: 'a\0', to: null }], event: eventOf() })).rejects.toThrow(
          /a ref has a name/,
        )
      }))

    it('refuses an event that no JSON can hold, and goes on', () =>
      withStore(async ({ meta }) => {
        const broken = meta.commit({ event: eventOf({ data: Number.NaN }) })
        const whole = meta.commit({ event: eventOf({ data: 1 }) })
        await expect(broken).rejects.toThrow(/not a JSON number/)
        expect((await whole).ok).toBe(true)
        expect(await meta.events()).toHaveLength(1)
      }))
  })

  describe(`hosts on ${name}`, () => {
    const host = (address: string, weight = 1) => ({ address, weight, memoryMb: 512 })

    it('keeps one row a host, whose beat grows each time that it tells of itself', () =>
      withStore(async ({ meta: { hosts } }) => {
        expect(await hosts.list()).toEqual([])
        await hosts.beat(host('b:1'))
        await hosts.beat(host('a:1'))
        await hosts.beat(host('a:1', 2.5))
        expect(await hosts.list()).toEqual([
          { ...host('a:1', 2.5), beat: 2 },
          { ...host('b:1'), beat: 1 },
        ])
        await Promise.all(Array.from({ length: 20 }, () => hosts.beat(host('b:1'))))
        expect((await hosts.list())[1].beat).toBe(21)
      }))

    it('takes a host away, with a beat only while that is its beat', () =>
      withStore(async ({ meta: { hosts } }) => {
        await hosts.beat(host('a:1'))
        await hosts.beat(host('a:1'))
        await hosts.remove('a:1', 1)
        expect(await hosts.list()).toHaveLength(1)
        await hosts.remove('a:1', 2)
        await hosts.remove('a:1')
        expect(await hosts.list()).toEqual([])
      }))
  })
}
