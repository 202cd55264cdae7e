import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Meter } from '../../src/cli/meter.ts'
import { paintFor } from '../../src/cli/paint.ts'
import { type Progress, ProgressFeed } from '../../src/loop/progress.ts'

test('steps that were expected and had nothing to do do not leave the console waiting for them', () => {
  const stream = new PassThrough()
  const meter = new Meter({ stream, paint: paintFor({}, {}), silent: true })
  const told: Progress[] = []
  meter.feed = new ProgressFeed()
  meter.feed.subscribe((progress) => told.push(progress))
  meter.expect(3)
  meter.begin('Import flights')
  meter.end()
  expect(told.at(-1)).toMatchObject({ step: 1, steps: 3, done: 1 })
  meter.finish()
  expect(told.at(-1)).toMatchObject({ step: 1, steps: 1, done: 1 })
})
