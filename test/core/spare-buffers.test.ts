import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SPARE_LIMITS, SpareBuffers } from '../../src/core/spare-buffers.ts'

const { bytesMin, heldBytesMax } = SPARE_LIMITS
const KB = 1024

test('no memory is had by two at once, whoever takes and gives back, and what waits stays below its limit', () => {
  const act = fc.oneof(
    fc.record({ take: fc.integer({ min: 1, max: 4_000 * KB }) }),
    fc.record({ give: fc.nat(20) }),
  )
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const spare = new SpareBuffers()
      const had: ArrayBuffer[] = []
      for (const one of acts) {
        if ('give' in one) {
          spare.give(had.splice(one.give % (had.length + 1), 1))
          continue
        }
        const buffer = spare.take(one.take)
        expect(buffer.byteLength).toBeGreaterThanOrEqual(one.take)
        expect(had).not.toContain(buffer)
        had.push(buffer)
      }
      expect(spare.heldBytes).toBeLessThanOrEqual(heldBytesMax)
    }),
  )
})

test('what was given back is used again for about the same size, and not for one that would waste half of it', () => {
  const spare = new SpareBuffers()
  const buffer = spare.take(600 * KB)
  spare.give([buffer])
  expect(spare.take(200 * KB)).not.toBe(buffer)
  expect(spare.take(601 * KB)).toBe(buffer)
  expect(spare.heldBytes).toBe(0)
})

test('small ones and those beyond the limit are let go', () => {
  const spare = new SpareBuffers()
  spare.give([new ArrayBuffer(bytesMin - 1), new ArrayBuffer(heldBytesMax + 1)])
  expect(spare.heldBytes).toBe(0)
  spare.give([new ArrayBuffer(heldBytesMax), new ArrayBuffer(bytesMin)])
  expect(spare.heldBytes).toBe(heldBytesMax)
})
