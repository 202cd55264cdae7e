import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffTensors, type TensorSide } from '../../../src/model/checkpoint/compare.ts'
import { type Checkpoint, type MergeRequest, mergeCheckpoints } from '../../../src/model/checkpoint/merge.ts'
import { NUMBER_TYPES } from '../../../src/model/checkpoint/number-types.ts'
import { readSafetensors, safetensorsHead } from '../../../src/model/checkpoint/safetensors.ts'
import { type ByteSource, bordersOf } from '../../../src/model/checkpoint/source.ts'
import { tensorMapOf } from '../../../src/model/checkpoint/tensor-map.ts'
import { codeOf } from '../../store/fixture.ts'

const folder = new URL('../../reference/checkpoint/', import.meta.url)
const bytesOf = (name: string) => new Uint8Array(readFileSync(new URL(name, folder)))

interface Expected {
  average: Record<string, number[]>
  weighted: Record<string, number[]>
  ties: {
    density: number
    scale: number
    weights: number[]
    trim: 'model' | 'tensor'
    tensors: Record<string, number[]>
  }[]
  diff: Record<
    string,
    { maxAbs: number; meanAbs: number; norm: number; normBefore: number; nChanged: number }
  >
  onnx: Record<string, { shape: number[]; sha256: string }>
  numbers: { F8_E4M3: (number | null)[]; F8_E5M2: (string | null)[] }
  rounded: { values: number[]; F16: number[]; BF16: number[] }
}
const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Expected

function sourceOf(bytes: Uint8Array): ByteSource {
  return { bytes: bytes.length, read: async (at, length) => bytes.slice(at, at + length) }
}

async function checkpoint(name: string): Promise<Checkpoint> {
  const source = sourceOf(bytesOf(`${name}.safetensors`))
  return { name, source, map: await readSafetensors(source) }
}

const sideOf = ({ map, source }: Checkpoint): TensorSide => ({ map, source: async () => source })

async function numbersOf(bytes: Uint8Array): Promise<Record<string, number[]>> {
  const source = sourceOf(bytes)
  const { tensors } = await readSafetensors(source)
  const found: Record<string, number[]> = {}
  for (const { name, dtype, at, bytes: length } of tensors.values())
    found[name] = [...NUMBER_TYPES[dtype].decode(await source.read(at, length))]
  return found
}

async function merged(request: Omit<MergeRequest, 'write' | 'models'>) {
  const models = await Promise.all(['a', 'b', 'c'].map(checkpoint))
  const pieces: Uint8Array[] = []
  const result = await mergeCheckpoints({
    ...request,
    models,
    write: async (piece) => void pieces.push(piece.slice()),
  })
  const bytes = new Uint8Array(Buffer.concat(pieces))
  expect(bytes.length).toBe(result.bytes)
  return { result, numbers: await numbersOf(bytes) }
}

describe('merging checkpoints', () => {
  it('is the mean of numpy, and keeps what is not alike', async () => {
    const { result, numbers } = await merged({ method: { kind: 'average' } })
    expect(numbers).toMatchObject(expected.average)
    expect(result.merged).toBe(6)
    expect(result.kept).toEqual([
      { name: 'steps', why: 'I64 is not merged' },
      { name: 'odd', why: 'b has F32 [3, 2]' },
    ])
    expect(numbers.steps).toEqual([7, 8, 9])
    expect(numbers.odd).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('is the mean by weights of numpy', async () => {
    const { numbers } = await merged({ method: { kind: 'average' }, weights: [3, 1, 0.5] })
    expect(numbers).toMatchObject(expected.weighted)
  })

  it.each(expected.ties)('is the TIES of numpy: density $density, $trim', async (given) => {
    const { density, scale, trim, weights, tensors } = given
    const base = await checkpoint('base')
    const { numbers } = await merged({ method: { kind: 'ties', base, density, scale, trim }, weights })
    for (const [name, values] of Object.entries(tensors))
      for (const [i, value] of values.entries())
        expect(Math.abs(numbers[name][i] - value), `${name} ${i}`).toBeLessThanOrEqual(
          Math.abs(value) * 4e-16,
        )
  })

  it('of one model with all of its differences is that model, up to a float32', async () => {
    const base = await checkpoint('base')
    const model = await checkpoint('a')
    const pieces: Uint8Array[] = []
    const method = { kind: 'ties', base, density: 1, scale: 1, trim: 'model' } as const
    await mergeCheckpoints({ models: [model], method, write: async (piece) => void pieces.push(piece) })
    const [now, was] = [await numbersOf(Buffer.concat(pieces)), await numbersOf(bytesOf('a.safetensors'))]
    for (const [i, value] of was['dense.weight'].entries())
      expect(Math.abs(now['dense.weight'][i] - value)).toBeLessThanOrEqual(2 ** -21)
  })

  it('refuses weights, densities and models that cannot be', async () => {
    const [base, a] = [await checkpoint('base'), await checkpoint('a')]
    const write = async () => undefined
    const ties = { kind: 'ties', base, density: 0, scale: 1, trim: 'model' } as const
    const of = (request: Partial<MergeRequest>) =>
      codeOf(mergeCheckpoints({ models: [a, base], method: { kind: 'average' }, write, ...request }))
    expect(await of({ models: [a] })).toBe('MR_MERGE_MODELS')
    expect(await of({ weights: [1, 0] })).toBe('MR_MERGE_MODELS')
    expect(await of({ weights: [1] })).toBe('MR_MERGE_MODELS')
    expect(await of({ method: ties })).toBe('MR_MERGE_MODELS')
    expect(await of({ method: { ...ties, density: 1.5 } })).toBe('MR_MERGE_MODELS')
  })
})

describe('differences of checkpoints', () => {
  it('are those of numpy', async () => {
    const [base, a] = [await checkpoint('base'), await checkpoint('a')]
    const diff = await diffTensors(sideOf(base), sideOf(a))
    const found = Object.fromEntries(diff.changed.map((tensor) => [tensor.name, tensor]))
    expect(Object.keys(found).sort()).toEqual(Object.keys(expected.diff).sort())
    for (const [name, { maxAbs, meanAbs, norm, normBefore, nChanged }] of Object.entries(expected.diff)) {
      expect(found[name]).toMatchObject({ maxAbs, nChanged })
      expect(found[name].meanAbs).toBeCloseTo(meanAbs, 14)
      expect(Math.abs(found[name].norm! - norm)).toBeLessThanOrEqual(1e-12 * norm)
      expect(Math.abs(found[name].normBefore! - normBefore)).toBeLessThanOrEqual(1e-12 * normBefore)
    }
    expect(diff.same).toBe(3)
  })

  it('name what came, went and has another shape', async () => {
    const [b, c] = [await checkpoint('b'), await checkpoint('c')]
    const base = await checkpoint('base')
    expect((await diffTensors(sideOf(b), sideOf(c))).removed.map(({ name }) => name)).toEqual(['odd'])
    expect((await diffTensors(sideOf(c), sideOf(b))).added.map(({ name }) => name)).toEqual(['odd'])
    expect((await diffTensors(sideOf(base), sideOf(b))).reshaped).toEqual([
      { name: 'odd', before: 'F32 [2, 3]', after: 'F32 [3, 2]' },
    ])
  })
})

describe('files of tensors', () => {
  it.each(['inline.onnx', 'external.onnx'])('%s has the initialisers that onnx wrote', async (name) => {
    const source = sourceOf(bytesOf(name))
    const { tensors } = await tensorMapOf(name, source)
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected.onnx).sort())
    for (const [tensor, { shape, sha256 }] of Object.entries(expected.onnx)) {
      const { at, bytes, file, shape: got } = tensors.get(tensor)!
      const held = file === undefined ? source : sourceOf(bytesOf(file))
      expect(got).toEqual(shape)
      expect(
        createHash('sha256')
          .update(await held.read(at, bytes))
          .digest('hex'),
      ).toBe(sha256)
    }
  })

  it('are cut at tensors that are large enough', async () => {
    const { tensors } = await tensorMapOf('inline.onnx', sourceOf(bytesOf('inline.onnx')))
    const { at, bytes } = tensors.get('raw')!
    expect(bordersOf({ tensors, metadata: {} })).toContain(at + bytes)
  })

  it('cut short or with other bytes are refused with a code, never read beyond their end', async () => {
    for (const name of ['base.safetensors', 'inline.onnx']) {
      const whole = bytesOf(name)
      await fc.assert(
        fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(400), fc.nat(255), async (end, at, byte) => {
          const bytes = whole.slice(0, end)
          if (at < bytes.length) bytes[at] = byte
          const found = await codeOf(
            tensorMapOf(name, sourceOf(bytes)).then(({ tensors }) => {
              for (const t of tensors.values())
                if (t.file === undefined) expect(t.at + t.bytes).toBeLessThanOrEqual(bytes.length)
            }),
          )
          expect([undefined, 'MR_CHECKPOINT']).toContain(found)
        }),
        { numRuns: 200 },
      )
    }
  })

  it('have heads that read back', async () => {
    const shapes = [
      { name: 'a', dtype: 'F32', shape: [2, 3], bytes: 24 },
      { name: '𝛽', dtype: 'BF16', shape: [], bytes: 2 },
    ]
    const head = safetensorsHead(shapes, { format: 'pt' })
    expect(head.length % 8).toBe(0)
    const { tensors, metadata } = await readSafetensors(sourceOf(Buffer.concat([head, new Uint8Array(26)])))
    expect(metadata).toEqual({ format: 'pt' })
    expect(
      [...tensors.values()].map(({ name, shape, at }) => ({ name, shape, at: at - head.length })),
    ).toEqual([
      { name: 'a', shape: [2, 3], at: 0 },
      { name: '𝛽', shape: [], at: 24 },
    ])
  })
})

describe('types of numbers', () => {
  it('of 8 bits are those of ml_dtypes', () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    expect([...NUMBER_TYPES.F8_E4M3.decode(all)].map((x) => (Number.isNaN(x) ? null : x))).toEqual(
      expected.numbers.F8_E4M3,
    )
    const texts = expected.numbers.F8_E5M2.map((x) =>
      x === null ? null : Number(x.replace('inf', 'Infinity')),
    )
    expect([...NUMBER_TYPES.F8_E5M2.decode(all)].map((x) => (Number.isNaN(x) ? null : x))).toEqual(texts)
  })

  it.each(['F16', 'BF16'] as const)('%s rounds as numpy does', (type) => {
    const { values } = expected.rounded
    const bytes = NUMBER_TYPES[type].encode!(Float64Array.from(values))
    expect([...new Uint16Array(bytes.buffer)]).toEqual(expected.rounded[type])
  })

  it.each(['F16', 'BF16'] as const)('%s gives back every number it has', (type) => {
    const all = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer)
    const values = NUMBER_TYPES[type].decode(all)
    const back = NUMBER_TYPES[type].decode(NUMBER_TYPES[type].encode!(values))
    expect(back).toEqual(values)
  })
})
