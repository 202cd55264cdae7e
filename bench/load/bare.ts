/** ONNX Runtime alone, in a process of its own on the servers' core. */
import { fileURLToPath } from 'node:url'
import type { BenchModel } from './models.ts'
import { SERVER_CORE } from './processes.ts'
import { outputOf } from './wrk.ts'

const SCRIPT = fileURLToPath(new URL('bare.mjs', import.meta.url))

export interface Bare {
  cpuUs: number
  p50Ms: number
}

export async function runBare(model: BenchModel, seconds: number): Promise<Bare> {
  const args = [SCRIPT, model.file, model.rowsFile, model.shape.join(), String(seconds)]
  const said = await outputOf('taskset', ['-c', String(SERVER_CORE), process.execPath, ...args])
  return JSON.parse(said.split('\n').find((line) => line.startsWith('{')) as string) as Bare
}
