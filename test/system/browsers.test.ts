/** The example of browsers by the command line: real snapshots of 32 months, and a model that is old before anyone touches it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { BacktestReport } from '../../src/loop/backtest.ts'

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const state = mkdtempSync(join(tmpdir(), 'millrace-browsers-'))
afterAll(() => rmSync(state, { recursive: true, force: true }))

const millrace = (...args: string[]) =>
  execFileSync(process.execPath, [at('bin/millrace.cjs'), ...args, '--state', state, '--json'], {
    cwd: at('examples/02-browsers'),
    encoding: 'utf8',
  })

test('trained on 32, 11, 3, 2 and 1 months ago, tested on now: the oldest fails and the newest is best', () => {
  millrace('data', 'import', 'browsers')
  const text = millrace(
    'backtest',
    'apple',
    ...['--test', '2026-09'],
    ...['--train', '2024-01,2025-10,2026-06,2026-07,2026-08'],
  )
  const { rows, decay } = JSON.parse(text.trim().split('\n').at(-1)!) as BacktestReport
  const auc = rows.map((row) => row.lead.value)
  expect(auc).toHaveLength(5)
  // The anchors of this data give .727 (with rows that repeat) and .998; what matters is the gap.
  expect(auc[0]).toBeLessThan(0.85)
  expect(auc[4]).toBeGreaterThan(0.97)
  expect(Math.max(...auc)).toBe(auc[4])
  expect(decay!.interval[0]).toBeGreaterThan(0)
}, 120_000)
