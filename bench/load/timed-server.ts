/**
 * A server of one model whose calls take a known time, in a process of its own: the server is the real one, the model is a wait that computes nothing.
 * Each line of its standard input is options as JSON: a server of them takes the place of the one before, and its address is printed. It ends with its input.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Infer, OnnxTensor } from '../../dist/core/tensors.js'
import { createModelServer, type ModelServer } from '../../dist/serve/models/model-server.js'
import { logistic } from '../../test/engine/infer/onnx-bytes.ts'

export interface TimedOptions {
  fixedMs: number
  perRowMs: number
  threads: number
  latencyMs: number
  batchRowsMax?: number
  batchDelayMs?: number
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-timed-'))
writeFileSync(join(folder, 'timed.onnx'), logistic([1, 0, 0], 0))

const signature = {
  inputs: [{ name: 'x', type: 'float32', shape: ['rows', 3] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['rows', 1] }],
}
const waits = ({ fixedMs, perRowMs }: TimedOptions) =>
  ({
    load: async () => signature,
    run: (_: string, { x }: Record<string, OnnxTensor>) =>
      new Promise((resolve) => {
        const rows = x.dims[0]
        const y = { type: 'float32', dims: [rows, 1], data: new Float32Array(rows) }
        setTimeout(() => resolve({ y }), fixedMs + perRowMs * rows)
      }),
    unload: async () => undefined,
  }) as unknown as Infer

let server: ModelServer | undefined
for await (const line of createInterface({ input: process.stdin })) {
  const options = JSON.parse(line) as TimedOptions
  await server?.close()
  server = createModelServer({
    path: join(folder, 'timed.onnx'),
    port: 0,
    clock: { now: () => Date.now() },
    infer: async () => waits(options),
    ...options,
  })
  process.stdout.write(`${await server.listen()}\n`)
}
await server?.close()
rmSync(folder, { recursive: true, force: true })
