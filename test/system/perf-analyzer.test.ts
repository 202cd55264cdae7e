/**
 * Triton's perf_analyzer as it is, against both servers over HTTP and gRPC. MILLRACE_PERF_ANALYZER names the program: wheels of `perf-analyzer` need glibc 2.38, those of `tritonclient` up to 2.47 have one
 * (data/bin/perf_analyzer) that runs with older ones, given libb64 and libcudart on LD_LIBRARY_PATH.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fixture, serving } from '../serve/fixture.ts'
import { type ModelsFixture, serveModels } from '../serve/models/fixture.ts'
import { rowModels } from '../serve/row-models.ts'

const program = process.env.MILLRACE_PERF_ANALYZER
const missing =
  program === undefined
    ? 'MILLRACE_PERF_ANALYZER names none'
    : existsSync(program)
      ? null
      : `there is none at ${program}`
if (missing) console.log(`SKIP perf_analyzer: ${missing}`)

/** Short windows: what is held here is that it runs, not how fast. */
const COMMON = ['-p', '500', '-s', '999', '-r', '6', '--concurrency-range', '2']

function analyzed(...args: string[]): Promise<{ status: number | null; text: string }> {
  const child = spawn(program as string, [...args, ...COMMON], { timeout: 60_000 })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      text += chunk
    })
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, text })))
}

describe.skipIf(missing)('perf_analyzer', () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-perf-'))
  let released: Fixture
  let others: ModelsFixture
  beforeAll(async () => {
    released = await serving(rowModels, { load: undefined, grpcPort: 0 })
    others = await serveModels()
    const row = {
      hour: { content: [15], shape: [1] },
      distance: { content: [1200.5], shape: [1] },
      weekend: { content: [true], shape: [1] },
      origin: { content: ['ATL'], shape: [1] },
      date: { content: ['2001-04-01T15:20:00Z'], shape: [1] },
    }
    writeFileSync(join(dir, 'rows.json'), JSON.stringify({ data: [row] }))
  })
  afterAll(async () => {
    await released.close()
    await others.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const host = (url: string) => new URL(url).host
  const cases: [string, () => string[]][] = [
    [
      'trees of others, HTTP',
      () => ['-m', 'trees', '-u', host(others.url), '-i', 'http', '--shape', 'input:6'],
    ],
    [
      'trees of others, gRPC',
      () => ['-m', 'trees', '-u', others.grpcUrl, '-i', 'grpc', '--shape', 'input:6'],
    ],
    [
      'an ONNX graph, HTTP, batches of 4',
      () => ['-m', 'late', '-u', host(others.url), '-i', 'http', '-b', '4'],
    ],
    [
      'an ONNX graph, gRPC streams',
      () => ['-m', 'late', '-u', others.grpcUrl, '-i', 'grpc', '--streaming', '--async'],
    ],
    [
      'raw columns, HTTP',
      () => ['-m', 'late', '-u', host(released.url), '-i', 'http', '--input-data', join(dir, 'rows.json')],
    ],
    [
      'raw columns, gRPC',
      () => [
        '-m',
        'late',
        '-u',
        released.server.grpcAddress() as string,
        '-i',
        'grpc',
        '--input-data',
        join(dir, 'rows.json'),
      ],
    ],
  ]
  test.each(cases)('%s', async (name, args) => {
    const { status, text } = await analyzed(...args())
    const [, throughput] = /throughput: ([\d.]+) infer/i.exec(text) ?? []
    expect(status, text).toBe(0)
    expect(Number(throughput), text).toBeGreaterThan(0)
    const [, p99] = /p99 latency: (\d+)/i.exec(text) ?? []
    console.log(`perf_analyzer, ${name}: ${throughput} inferences a second, p99 ${p99} µs`)
  })
})
