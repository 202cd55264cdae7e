import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LogPosition, Store } from '../../src/store/ports.ts'
import { all, codeOf } from '../store/fixture.ts'

type With = (
  work: (store: Store, dir: string) => Promise<void>,
  limits?: { logSegmentBytesMax: number },
) => Promise<void>

async function recordsOf(store: Store, stream: string, after?: LogPosition): Promise<string[]> {
  return (await all(store.log.read(stream, after))).flatMap(({ records }) => records)
}

/** Laws of `Log`, for every adapter. */
export function logContract(name: string, withStore: With): void {
  describe(`log on ${name}`, () => {
    it('reads back any JSON in the order it was appended', () =>
      withStore(async (store) => {
        const expected: string[] = []
        await fc.assert(
          fc.asyncProperty(fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 4 }), async (values) => {
            const records = values.map((value) => JSON.stringify(value))
            await store.log.append('any', records)
            expected.push(...records)
          }),
          { numRuns: 40 },
        )
        expect(await recordsOf(store, 'any')).toEqual(expected)
      }))

    it('reads on after the position of an append or of a batch, over segments', () =>
      withStore(
        async (store) => {
          const positions: LogPosition[] = []
          for (let i = 0; i < 20; i++)
            positions.push(await store.log.append('s', [`{"i":${i},"pad":"${'x'.repeat(50)}"}`]))
          expect(new Set(positions.map(({ segment }) => segment)).size).toBeGreaterThan(2)
          for (const [i, position] of positions.entries()) {
            const rest = (await recordsOf(store, 's', position)).map((record) => JSON.parse(record).i)
            expect(rest).toEqual(Array.from({ length: 19 - i }, (_, k) => i + 1 + k))
          }
          const tail = (await all(store.log.read('s'))).at(-1)!
          expect(tail.next).toEqual(positions.at(-1))
          await store.log.append('s', ['{"i":20}'])
          expect(await recordsOf(store, 's', tail.next)).toEqual(['{"i":20}'])
        },
        { logSegmentBytesMax: 500 },
      ))

    it('gives 64 appenders at once their own places, each with its records together', () =>
      withStore(async (store) => {
        const appender = async (who: number) => {
          for (let i = 0; i < 5; i++)
            await store.log.append(
              'busy',
              [0, 1].map((half) => JSON.stringify({ who, i, half })),
            )
        }
        await Promise.all(Array.from({ length: 64 }, (_, who) => appender(who)))
        const records = (await recordsOf(store, 'busy')).map(
          (record) => JSON.parse(record) as Record<string, number>,
        )
        expect(records).toHaveLength(640)
        for (let k = 0; k < records.length; k += 2) expect(records[k + 1]).toEqual({ ...records[k], half: 1 })
        for (let who = 0; who < 64; who++) {
          expect(records.filter((r) => r.who === who && r.half === 0).map((r) => r.i)).toEqual([
            0, 1, 2, 3, 4,
          ])
        }
      }))

    it('closes segments that hold exactly the records, and drops them', () =>
      withStore(async (store) => {
        await store.log.append('s', ['{"a":1}', '{"a":2}'])
        const sealed = await store.log.seal('s')
        expect(sealed).toMatchObject([{ records: 2 }])
        expect(await store.log.seal('s')).toEqual(sealed)
        await store.log.append('s', ['{"a":3}'])
        expect((await store.log.segments('s')).map(({ sealed, records }) => [sealed, records])).toEqual([
          [true, 2],
          [false, 1],
        ])
        const lines = readFileSync(sealed[0].path, 'utf8').trimEnd().split('\n')
        expect(lines.map((line) => JSON.parse(line))).toEqual([{ a: 1 }, { a: 2 }])
        await store.log.drop('s', sealed[0].segment)
        await store.log.drop('s', sealed[0].segment)
        expect(await recordsOf(store, 's')).toEqual(['{"a":3}'])
        expect(await recordsOf(store, 's', { segment: sealed[0].segment, offset: 0 })).toEqual(['{"a":3}'])
      }))

    it('refuses to drop the segment that is being written', () =>
      withStore(async (store) => {
        const { segment } = await store.log.append('s', ['1'])
        expect(await codeOf(store.log.drop('s', segment))).toBe('MR_LOG_SEGMENT_OPEN')
      }))

    it('has nothing to say about a stream that was never written', () =>
      withStore(async (store) => {
        expect(await recordsOf(store, 'none')).toEqual([])
        expect(await store.log.segments('none')).toEqual([])
        expect(await store.log.seal('none')).toEqual([])
      }))

    it('refuses a record over the limit and one that is not a line', () =>
      withStore(async (store) => {
        expect(await codeOf(store.log.append('s', [JSON.stringify('ü'.repeat(600_000))]))).toBe('MR_LIMIT')
        await expect(store.log.append('s', ['{"a":\n1}'])).rejects.toThrow(/one line of JSON/)
        await expect(store.log.append('s', ['1 '])).rejects.toThrow(/one line of JSON/)
        await expect(store.log.append('../s', ['1'])).rejects.toThrow(/a stream is named/)
        expect(await recordsOf(store, 's')).toEqual([])
      }))
  })
}
