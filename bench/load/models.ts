/** The models that all servers serve, with the rows they are asked and what ONNX Runtime alone answers. Made once, by bench/peers/serve_models.py. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sha256Hex } from '../../dist/core/sha256.js'
import { peer } from '../peers/run.ts'

export type ModelName = 'iris' | 'gbdt' | 'mlp' | 'conv'

export interface BenchModel<Name = ModelName | 'image'> {
  name: Name
  /** The `.onnx` file, and that of its rows. */
  file: string
  rowsFile: string
  sha256: string
  /** Of one row. */
  shape: number[]
  rows: Float32Array[]
  outputs: string[]
  /** Elements of each output, row by row. */
  answers: Record<string, number[][]>
}

export interface BenchModels {
  /** Of those that all servers serve. */
  folder: string
  of(name: ModelName): BenchModel<ModelName>
  names: readonly ModelName[]
  /** Of those that are asked of ours alone: `image`, whose rows are large, and `slow`. */
  moreFolder: string
  image: BenchModel
}

const NAMES: readonly ModelName[] = ['iris', 'gbdt', 'mlp', 'conv']
const SCRIPT = fileURLToPath(new URL('../peers/serve_models.py', import.meta.url))

export async function benchModels(): Promise<BenchModels> {
  const version = sha256Hex(readFileSync(SCRIPT)).slice(0, 12)
  const folder = join(tmpdir(), `millrace-bench-serve-${version}`)
  if (!NAMES.every((name) => existsSync(join(folder, `${name}.json`)))) {
    mkdirSync(folder, { recursive: true })
    await peer('serve_models', { folder }, { environment: 'serve' })
  }
  const models = new Map(NAMES.map((name) => [name, readModel(folder, 'models', name)]))
  return {
    folder: join(folder, 'models'),
    names: NAMES,
    of: (name) => models.get(name) as BenchModel<ModelName>,
    moreFolder: join(folder, 'more'),
    image: readModel(folder, 'more', 'image'),
  }
}

function readModel<Name extends string>(folder: string, place: string, name: Name): BenchModel<Name> {
  const json = readFileSync(join(folder, `${name}.json`), 'utf8')
  const described = JSON.parse(json) as BenchModel<Name> & { rows: number }
  const rowsFile = join(folder, `${name}.rows`)
  const all = new Float32Array(new Uint8Array(readFileSync(rowsFile)).buffer)
  const width = described.shape.reduce((product, size) => product * size, 1)
  const rows = Array.from({ length: described.rows }, (_, i) => all.subarray(i * width, (i + 1) * width))
  return { ...described, file: join(folder, place, `${name}.onnx`), rowsFile, rows }
}
