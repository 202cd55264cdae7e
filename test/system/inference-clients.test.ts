/** Clients of the field as they are, against models of others and against released models. MILLRACE_CLIENTS_PYTHON names a Python with the libraries of clients/requirements.txt. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { type Fixture, logged, serving } from '../serve/fixture.ts'
import { type ModelsFixture, serveModels } from '../serve/models/fixture.ts'
import { rowModels } from '../serve/row-models.ts'

const python = process.env.MILLRACE_CLIENTS_PYTHON
if (!python)
  console.log(
    'SKIP clients of Triton: MILLRACE_CLIENTS_PYTHON names no Python with tritonclient (CI makes one)',
  )

interface Check {
  name: string
  ok: boolean
  got: string
}

/** What a script printed, line by line. The server of the test runs in this process, so it is waited for without blocking. */
async function checksOf(script: string, ...args: string[]): Promise<Check[]> {
  const child = spawn(
    python as string,
    [fileURLToPath(new URL(`clients/${script}.py`, import.meta.url)), ...args],
    { timeout: 120_000 },
  )
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const status = await new Promise((resolve) => child.once('close', resolve))
  expect(status, errors).toBe(0)
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Check)
}

describe.skipIf(!python)('unmodified clients', () => {
  let f: ModelsFixture
  beforeAll(async () => {
    f = await serveModels()
  })
  afterAll(() => f.close())

  test('tritonclient over HTTP and gRPC: health, metadata, every datatype, refusals, repository, statistics, streams, compression, timeouts', async () => {
    const checks = await checksOf('triton', new URL(f.url).host, f.grpcUrl)
    expect(checks.filter(({ ok }) => !ok)).toEqual([])
    expect(checks.length).toBeGreaterThan(60)
  })
})

describe.skipIf(!python)('unmodified clients of released models', () => {
  const token = 'a-token-of-this-test'
  let f: Fixture
  beforeAll(async () => {
    f = await serving(rowModels, { load: undefined, grpcPort: 0, token })
  })
  afterAll(() => f.close())

  test('tritonclient sends raw columns over HTTP and gRPC: every type, missing values, every task, refusals, tokens, streams', async () => {
    const checks = await checksOf('triton_rows', new URL(f.url).host, f.server.grpcAddress() as string, token)
    expect(checks.filter(({ ok }) => !ok)).toEqual([])
    expect(checks.length).toBeGreaterThan(70)
    const blocks = await logged<PredictionBlock>(f.store, 'predictions')
    const ids = blocks.flatMap((block) => block.ids)
    expect(ids).toContain('r1:0')
  })
})
