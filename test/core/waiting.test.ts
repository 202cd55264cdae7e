import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Waiting } from '../../src/core/waiting.ts'

test('is a map whose oldest entry is the first of a plain map, whatever is set, deleted and dropped', () => {
  const id = fc.integer({ min: 0, max: 6 }).map(String)
  const step = fc.oneof(
    fc.record({ what: fc.constant('set' as const), id }),
    fc.record({ what: fc.constant('delete' as const), id }),
    fc.record({ what: fc.constantFrom('oldest' as const, 'drop' as const), id }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const waiting = new Waiting<number>()
      const plain = new Map<string, number>()
      for (const [i, { what, id }] of steps.entries()) {
        if (what === 'set') {
          waiting.set(id, i)
          plain.set(id, i)
        } else if (what === 'delete') expect(waiting.delete(id)).toBe(plain.delete(id))
        else if (what === 'drop') {
          waiting.dropOldest()
          for (const first of [...plain.keys()].slice(0, 1)) plain.delete(first)
        }
        expect(waiting.oldest()).toBe(plain.values().next().value)
        expect([waiting.size, waiting.get(id), waiting.has(id)]).toEqual([
          plain.size,
          plain.get(id),
          plain.has(id),
        ])
      }
    }),
    { numRuns: 500 },
  )
})
