import { expect, test } from 'vitest'
import { checkpointRef, checkpointsOf, dropCheckpoint } from '../../src/train/checkpoints.ts'
import { openPlace } from '../fixtures/training-place.ts'

const specDigest = `sha256:${'a1'.repeat(32)}` as const

test('the last checkpoint of a run is found again until the run has ended', async () => {
  const { store } = await openPlace()
  const owner = { store, specDigest }
  const checkpoints = checkpointsOf(owner, 1_000_000)!
  expect(await checkpoints.load()).toBeUndefined()
  await checkpoints.save(Uint8Array.of(1))
  await checkpoints.save(Uint8Array.of(2, 3))
  expect(Uint8Array.from((await checkpointsOf(owner, 1_000_000)!.load())!)).toStrictEqual(Uint8Array.of(2, 3))
  await dropCheckpoint(owner)
  expect(await checkpoints.load()).toBeUndefined()
  expect(await store.meta.ref(checkpointRef(specDigest))).toBeUndefined()
  await dropCheckpoint(owner)
})

test('a training of few rows keeps none', async () => {
  const { store } = await openPlace()
  expect(checkpointsOf({ store, specDigest }, 99_999)).toBeUndefined()
})
