/** Heads on networks of any operators: the regressions that scikit-learn fits on embeddings that PyTorch computed, in a file that ONNX Runtime scores. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import type { ModelTask } from '../../../src/core/records.ts'
import { head } from '../../../src/define/index.ts'
import type { HeadTrainer } from '../../../src/define/types.ts'
import { openOnnx } from '../../../src/engine/infer/onnx.ts'
import { cutNetwork, hiddenTensors } from '../../../src/model/graph/cut.ts'
import { readOnnxFile } from '../../../src/model/import/onnx-file.ts'
import { headLearner } from '../../../src/train/head/learner.ts'
import type { LearnedGraph, LearnInput } from '../../../src/train/learner.ts'

const at = (file: string) => fileURLToPath(new URL(`../../reference/networks/heads/${file}`, import.meta.url))
interface Recorded {
  rows: number[][]
  binary: number[]
  multiclass: number[]
  regression: number[]
  outputs: Record<string, number[][]>
}
const recorded: Recorded = JSON.parse(readFileSync(at('answers.json'), 'utf8'))
const nRows = recorded.rows.length
const columns = recorded.rows[0].map((_, j) => Float64Array.from(recorded.rows, (row) => row[j]))

const infer = await openOnnx({ workers: 1 })
afterAll(() => infer.close())

function inputOf(task: ModelTask, file: string, over: Partial<LearnInput> = {}) {
  const notes: string[] = []
  const train = { nRows, columns, target: Float64Array.from(recorded[task as 'binary']) }
  const input: LearnInput = {
    task,
    nClasses: task === 'multiclass' ? 3 : 1,
    ...(task === 'multiclass' && { classes: ['a', 'b', 'c'] }),
    features: columns.map((_, j) => ({ name: `pixel${j}`, type: 'number' })),
    train,
    validate: train,
    seed: 1,
    signal: new AbortController().signal,
    progress: () => undefined,
    note: (text) => notes.push(text),
    place: {
      ...{ id: 'x', scratch: '', checkpoints: '' },
      path: async () => at(file),
      infer: async () => infer,
    },
    ...over,
  }
  return { input, notes }
}

const planned = (options: Partial<Parameters<typeof head>[0]> = {}): HeadTrainer => ({
  ...head({ network: 'conv.onnx', ...options }),
  contents: { 'conv.onnx': `sha256:${'0'.repeat(64)}` },
})

async function learned(input: LearnInput, trainer: HeadTrainer): Promise<LearnedGraph> {
  const found = await headLearner.learnAny!(input, trainer)
  if (!('graph' in found)) throw new Error('not a network')
  return found
}

describe.each(['conv.onnx', 'conv-one-row.onnx'])('on %s', (file) => {
  test.each(
    (['binary', 'multiclass', 'regression'] as const).flatMap((task) =>
      ([1, 2, 'last'] as const).map((layer) => [task, layer] as const),
    ),
  )('a head for %s on layer %s says what scikit-learn says', async (task, layer) => {
    const { input, notes } = inputOf(task, file)
    const { outputs, reading, graph, close } = await learned(input, planned({ layer }))
    const said = await outputs(columns, nRows)
    const expected = recorded.outputs[`${task}-${layer}`].flat()
    const worst = Math.max(...expected.map((value, i) => Math.abs(said[i] - value)))
    expect(worst).toBeLessThan(task === 'regression' ? 2e-4 : 2e-5)
    expect(reading).toMatchObject({ output: 'millrace_output', link: 'identity' })
    expect(notes.join()).toContain('the last layer was learned from 240 rows')
    // Nothing of the file after the layer is left: weights of the old last layers are gone.
    if (layer === 1) expect(graph.length).toBeLessThan(readFileSync(at(file)).length)
    close()
  })
})

test('a tensor may be named, and what is not there is refused with what is', async () => {
  const file = readOnnxFile(readFileSync(at('conv.onnx')))
  const [first, second, last] = hiddenTensors(file)
  const { input, notes } = inputOf('binary', 'conv.onnx')
  const { outputs, close } = await learned(input, planned({ layer: second }))
  const said = await outputs(columns, nRows)
  for (const [i, [p]] of recorded.outputs['binary-2'].entries()) expect(said[i]).toBeCloseTo(p, 4)
  expect(notes[0]).toContain(`up to "${second}", 24 numbers a row`)
  close()
  const refusal = (options: object, over: Partial<LearnInput> = {}) =>
    learned(inputOf('binary', 'conv.onnx', over).input, planned(options)).then(
      () => 'nothing',
      (error: Error) => error.message,
    )
  expect(await refusal({ layer: 4 })).toContain(
    `a layer from 1 to 3, which are its hidden ones (${first}, ${second}, ${last})`,
  )
  expect(await refusal({ layer: 'nothing' })).toContain('the name of a tensor that a node')
  expect(await refusal({}, { features: input.features.slice(1) })).toMatch(/MR_MODEL_ALIGN|MR_TRAIN/)
  const holes = columns.map((column, j) =>
    j === 5 ? column.map((x, i) => (i === 7 ? Number.NaN : x)) : column,
  )
  expect(await refusal({}, { train: { ...input.train, columns: holes } })).toContain('fill missing values')
  const controller = new AbortController()
  controller.abort()
  expect(await refusal({}, { signal: controller.signal })).toContain('abort')
})

test('only rows that are kept are learned from', async () => {
  const kept = Int32Array.from({ length: 120 }, (_, i) => i * 2)
  const target = Float64Array.from(recorded.binary, (y, i) => (i % 2 === 0 ? y : 1 - y))
  const all = await learned(inputOf('binary', 'conv.onnx', { kept }).input, planned())
  const half = await learned(
    inputOf('binary', 'conv.onnx', { kept, train: { nRows, columns, target } }).input,
    planned(),
  )
  expect(Buffer.from(half.graph).equals(Buffer.from(all.graph))).toBe(true)
  all.close()
  half.close()
})

const digits = fileURLToPath(new URL('../../../../shared/data/mnist-t10k', import.meta.url))
if (!existsSync(digits)) console.log('SKIP a head on a network of digits: no ../shared/data/mnist-t10k here')

test.runIf(existsSync(digits))(
  'a network of digits by CNTK, of fixed rows and reshaped weights, tells odd digits from even by a head on its last layer',
  async () => {
    const [pixels, labels] = ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz'].map((name) =>
      gunzipSync(readFileSync(join(digits, name))),
    )
    const n = 800
    const rowsFrom = (first: number) => ({
      nRows: n,
      columns: Array.from({ length: 784 }, (_, j) =>
        Float64Array.from({ length: n }, (__, i) => pixels[16 + (first + i) * 784 + j]),
      ),
      target: Float64Array.from({ length: n }, (_, i) => labels[8 + first + i] % 2),
    })
    const [train, fresh] = [rowsFrom(0), rowsFrom(n)]
    const { input, notes } = inputOf('binary', 'conv.onnx', {
      features: train.columns.map((_, j) => ({ name: `pixel${j}`, type: 'number' })),
      train,
      validate: fresh,
      place: {
        ...{ id: 'x', scratch: '', checkpoints: '', infer: async () => infer },
        path: async () => join(digits, 'mnist.onnx'),
      },
    })
    const { outputs, close } = await learned(input, planned())
    expect(notes.join()).toContain('256 numbers a row')
    const said = await outputs(fresh.columns, n)
    const right = said.filter((p, i) => p > 0.5 === (fresh.target[i] === 1)).length
    expect(right / n).toBeGreaterThan(0.95)
    close()
  },
  60_000,
)

test('a file that is changed anywhere is refused or still cut, and never crashes', () => {
  const whole = new Uint8Array(readFileSync(at('conv-one-row.onnx')))
  let cut = 0
  for (let i = 0; i < 2_000; i++) {
    const bytes = whole.slice()
    bytes[(i * 2_654_435_761) % whole.length] ^= 1 + (i % 255)
    try {
      const file = readOnnxFile(bytes)
      cutNetwork(bytes, file, hiddenTensors(file)[0] ?? '')
      cut++
    } catch (error) {
      expect((error as { code?: string }).code, String(error)).toMatch(/^MR_MODEL_/)
    }
  }
  expect(cut).toBeGreaterThan(0)
})
