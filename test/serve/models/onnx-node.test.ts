/**
 * The node tests of ONNX 1.20.0: each a model of one operator with inputs and outputs, through our way of opening and the runtime. Those that the runtime itself passes must
 * pass; the rest must be refused with what to do, and never be answered wrongly in silence.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import type { OnnxData, OnnxTensor } from '../../../src/core/tensors.ts'
import { openOnnx } from '../../../src/engine/infer/onnx.ts'
import { ELEMENT_TYPES } from '../../../src/model/import/onnx-file.ts'
import { addInts, addReals, bytesOf, intOf, readMessage, textOf } from '../../../src/model/import/protobuf.ts'
import { refuseAs } from '../../../src/model/import/refusal.ts'
import { readModel } from '../../../src/serve/models/read-model.ts'
import { openTensorModel, type Tensors } from '../../../src/serve/models/tensor-model.ts'
import { arrayOfBytes, datatypeOfOnnx, numericType } from '../../../src/serve/oip/datatypes.ts'
import { fromHalf } from '../../../src/serve/oip/half.ts'

const ARCHIVE = fileURLToPath(
  new URL('../../../../shared/data/onnx-node-tests/onnx-node.tar.xz', import.meta.url),
)
const folder = mkdtempSync(join(tmpdir(), 'millrace-onnx-node-'))
const has = existsSync(ARCHIVE) && spawnSync('tar', ['xf', ARCHIVE, '-C', folder]).status === 0
if (!has) console.log('SKIP ONNX node tests: ../shared/data/onnx-node-tests is absent, or tar cannot read it')
/** Seven thousand small files take a busy disk its time. */
afterAll(() => rmSync(folder, { recursive: true, force: true }), 120_000)

/** Passed by onnxruntime-node 1.30.0 alone, asked in the same way. */
const BARE = 1_384
/** How far a number may be off, as it was when the runtime was asked alone. */
const [RELATIVE, ABSOLUTE] = [1e-3, 1e-3]

const refuse = refuseAs('a tensor')

/** A TensorProto; undefined for sequences and optionals, which are other messages, and for types that the protocol does not have. */
function tensorOf(path: string): OnnxTensor | undefined {
  const read = {
    dims: [] as number[],
    type: 0,
    ints: [] as number[],
    reals: [] as number[],
    wide: [] as number[],
    texts: [] as string[],
    raw: undefined as Uint8Array | undefined,
  }
  try {
    readMessage(
      readFileSync(path),
      read,
      {
        1: (m, f) => addInts(m.dims, f, refuse),
        2: (m, f) => {
          m.type = intOf(f, refuse)
        },
        4: (m, f) => addReals(m.reals, f, 4, refuse),
        5: (m, f) => addInts(m.ints, f, refuse),
        6: (m, f) => m.texts.push(textOf(f, refuse)),
        7: (m, f) => addInts(m.wide, f, refuse),
        9: (m, f) => {
          m.raw = bytesOf(f, refuse)
        },
        10: (m, f) => addReals(m.reals, f, 8, refuse),
        11: (m, f) => addInts(m.wide, f, refuse),
      },
      refuse,
    )
  } catch {
    return undefined
  }
  const type = ELEMENT_TYPES[read.type] ?? ''
  const datatype = datatypeOfOnnx(type)
  if (datatype === undefined) return undefined
  if (type === 'string') return { type, dims: read.dims, data: read.texts }
  if (read.raw) return { type, dims: read.dims, data: arrayOfBytes(datatype, read.raw) as OnnxData }
  const values = [...read.reals, ...read.ints, ...read.wide]
  const data = numericType(datatype)?.make(values.length) as Float32Array
  values.forEach((value, i) => {
    data[i] = (type.endsWith('int64') ? BigInt(value) : value) as number
  })
  return { type, dims: read.dims, data }
}

function numbers({ type, data }: OnnxTensor): (number | string)[] {
  if (type === 'float16') return Array.from(data as Uint16Array, fromHalf)
  return Array.from(data as Float32Array, (x) => (typeof x === 'string' ? x : Number(x)))
}

/** As numpy.testing.assert_allclose says it. */
function same(got: OnnxTensor | undefined, want: OnnxTensor): boolean {
  if (got?.type !== want.type || got.dims.join() !== want.dims.join()) return false
  const [a, b] = [numbers(got), numbers(want)]
  return b.every((x, i) => {
    const y = a[i]
    if (typeof x === 'string' || typeof y === 'string') return x === y
    if (Number.isNaN(x) || !Number.isFinite(x)) return Object.is(x, y)
    return Math.abs(x - y) <= ABSOLUTE + RELATIVE * Math.abs(x)
  })
}

const inOrder = (path: string, kind: string): string[] =>
  readdirSync(path)
    .filter((file) => file.startsWith(`${kind}_`))
    .sort((a, b) => Number(/\d+/.exec(a)?.[0]) - Number(/\d+/.exec(b)?.[0]))

test.skipIf(!has)(
  'what the runtime passes passes here, and what does not is refused with what to do',
  async () => {
    const root = join(folder, 'onnx/backend/test/data/node')
    const pool = await openOnnx({ workers: 1, memoryMb: 4_096 })
    const outcomes: Record<'passed' | 'refused' | 'wrong' | 'failed' | 'other', string[]> = {
      passed: [],
      refused: [],
      wrong: [],
      failed: [],
      other: [],
    }
    try {
      for (const name of readdirSync(root).sort()) {
        const sets = join(root, name, 'test_data_set_0')
        const open = () =>
          openTensorModel({ name, from: 'file', versions: [], notes: [] }, join(root, name, 'model.onnx'), {
            infer: async () => pool,
            read: async (path) => readModel(path),
            admit: async () => undefined,
            replicas: () => 1,
          })
        try {
          const model = await open()
          const inputs = inOrder(sets, 'input').map((file) => tensorOf(join(sets, file)))
          const outputs = inOrder(sets, 'output').map((file) => tensorOf(join(sets, file)))
          if ([...inputs, ...outputs].includes(undefined)) outcomes.other.push(name)
          else {
            const feeds = Object.fromEntries(
              inputs.map((tensor, i) => [model.inputs[i].name, tensor]),
            ) as Tensors
            const given = await model.run(feeds)
            const isSame = outputs.every((want, i) => same(given[model.outputs[i].name], want as OnnxTensor))
            outcomes[isSame ? 'passed' : 'wrong'].push(name)
          }
          model.close()
        } catch (error) {
          outcomes[isMillraceError(error) && error.fix.length > 10 ? 'refused' : 'failed'].push(name)
        }
      }
    } finally {
      await pool.close()
    }
    const counts = Object.fromEntries(Object.entries(outcomes).map(([kind, names]) => [kind, names.length]))
    console.log(`ONNX node tests: ${JSON.stringify(counts)}; wrong: ${outcomes.wrong.join(', ')}`)
    expect(outcomes.failed).toEqual([])
    expect(counts.passed).toBeGreaterThanOrEqual(BARE)
  },
  600_000,
)
