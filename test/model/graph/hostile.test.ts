/** Networks that were damaged or made to do harm: refused with a code before a runtime sees them, soon. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { mix32 } from '../../../src/core/rng.ts'
import { withoutMaps } from '../../../src/model/graph/maps.ts'
import { planReading } from '../../../src/model/graph/reading.ts'
import { describeOnnx } from '../../../src/model/import/onnx-describe.ts'
import { readOnnxFile } from '../../../src/model/import/onnx-file.ts'
import { WireWriter } from '../../../src/model/import/protobuf.ts'

const MUTANTS = Number(process.env.MILLRACE_FUZZ ?? 1_000)
const bytesOf = (name: string) =>
  new Uint8Array(readFileSync(new URL(`../../reference/networks/whole/${name}.onnx`, import.meta.url)))
const features = ['a', 'b', 'c', 'd'].map((name) => ({ name, type: 'number' as const }))
const plan = (bytes: Uint8Array) =>
  planReading(readOnnxFile(withoutMaps(bytes)), {
    ...{ file: 'net.onnx', task: 'binary', features },
    declared: { features: ['a', 'b', 'c', 'd'] },
  })

test.each(['several', 'sklearn-maps', 'torch-double'])(
  '%s damaged at random is planned or refused with a code',
  (name) => {
    const whole = bytesOf(name)
    expect(plan(whole).inputs.flatMap((input) => input.features)).toEqual([0, 1, 2, 3])
    let refused = 0
    for (let seed = 0; seed < MUTANTS; seed++) {
      const bytes = whole.slice(0, seed % 5 === 0 ? mix32(seed) % whole.length : whole.length)
      for (let k = 0; k < 4; k++) bytes[mix32(seed * 8 + k) % whole.length] = mix32(seed * 8 + 4 + k) & 0xff
      try {
        plan(bytes)
      } catch (thrown) {
        if (!isMillraceError(thrown)) throw new Error(`mutant ${seed}: ${String(thrown)}`, { cause: thrown })
        refused++
      }
    }
    expect(refused).toBeGreaterThan(0)
  },
)

const outside = () =>
  new WireWriter()
    .int(1, 4)
    .int(2, 1)
    .text(8, 'w')
    .message(13, new WireWriter().text(1, 'location').text(2, '/etc/passwd'))
    .int(14, 1)
const node = (attribute: WireWriter) => new WireWriter().text(4, 'Constant').message(5, attribute)
const sparse = () => new WireWriter().message(1, outside())
const graphs: Record<string, () => WireWriter> = {
  'a constant': () => new WireWriter().message(5, outside()),
  'a sparse constant': () => new WireWriter().message(15, sparse()),
  'a constant that another hides': () =>
    new WireWriter().message(5, outside()).message(5, new WireWriter().text(8, 'w')),
  'an attribute': () =>
    new WireWriter().message(1, node(new WireWriter().text(1, 'value').message(5, outside()))),
  'a list in an attribute': () =>
    new WireWriter().message(1, node(new WireWriter().text(1, 'v').message(10, outside()))),
  'a sparse attribute': () =>
    new WireWriter().message(1, node(new WireWriter().text(1, 'v').message(22, sparse()))),
  'a graph within': () =>
    new WireWriter().message(
      1,
      node(new WireWriter().text(1, 'body').message(6, new WireWriter().message(5, outside()))),
    ),
}

test.each(Object.keys(graphs))('data in another file are found in %s', (where) => {
  const bytes = new WireWriter().int(1, 8).message(7, graphs[where]()).done()
  const { external } = describeOnnx(readOnnxFile(bytes))
  expect(external).toMatchObject([{ location: '/etc/passwd', isInside: false }])
})

test('and in functions and in what a training would run', () => {
  const inNode = node(new WireWriter().text(1, 'value').message(5, outside()))
  const inFunction = new WireWriter().text(1, 'f').message(7, inNode)
  const training = new WireWriter().message(1, new WireWriter().message(5, outside()))
  const file = new WireWriter().int(1, 8).message(7, new WireWriter())
  const bytes = file.message(25, inFunction).message(20, training).done()
  expect(describeOnnx(readOnnxFile(bytes)).external).toHaveLength(2)
})

test('sizes that are only claimed take no memory', () => {
  const dim = (size: number | bigint) => new WireWriter().int(1, size)
  const shape = new WireWriter()
    .message(1, dim(1))
    .message(1, dim(2n ** 31n))
    .message(1, dim(2n ** 31n))
  const type = new WireWriter().message(1, new WireWriter().int(1, 1).message(2, shape))
  const input = new WireWriter().text(1, 'x').message(2, type)
  const tensor = new WireWriter()
    .int(1, 2n ** 31n)
    .int(2, 1)
    .text(8, 'w')
  const graph = new WireWriter().message(5, tensor).message(11, input)
  const bytes = new WireWriter().int(1, 8).message(7, graph).done()
  expect(describeOnnx(readOnnxFile(bytes)).constantBytes).toBe(2 ** 33)
  expect(() => plan(bytes)).toThrow(/MR_TRAIN_NETWORK|MR_MODEL_ALIGN/)
})
