import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { sha256Hex } from '../../src/core/sha256.ts'

test('gives the published value of the FIPS 180-4 example "abc"', () => {
  expect(sha256Hex(new TextEncoder().encode('abc'))).toBe(
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
})

test('agrees with the platform at every length around the block borders', () => {
  for (let length = 0; length < 260; length++) {
    const bytes = randomBytes(length)
    expect(sha256Hex(bytes)).toBe(createHash('sha256').update(bytes).digest('hex'))
  }
})
