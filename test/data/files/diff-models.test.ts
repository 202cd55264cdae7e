import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { diffFiles, diffModels, resolveFileSet } from '../../../src/data/files/index.ts'
import { withFiles } from './fixture.ts'

const bytesOf = (name: string) => readFileSync(new URL(`../../reference/checkpoint/${name}`, import.meta.url))

it('says which tensors of model files differ, also where their numbers lie in a file beside the model', () =>
  withFiles(async ({ store, write, add }) => {
    write('m.safetensors', bytesOf('base.safetensors'))
    write('notes.safetensors', 'no model at all')
    write('onnx/external.onnx', bytesOf('external.onnx'))
    const external = bytesOf('external.bin')
    write('onnx/external.bin', external)
    await add()
    write('m.safetensors', bytesOf('b.safetensors'))
    write('notes.safetensors', 'still none')
    external.writeFloatLE(external.readFloatLE(400) + 0.5, 400)
    write('onnx/external.bin', external)
    await add()
    const pair = [await resolveFileSet(store, 'set~1'), await resolveFileSet(store, 'set')] as const
    const models = await diffModels(store, pair, await diffFiles(store, ...pair))
    expect(models.map(({ path }) => path)).toEqual(['m.safetensors', 'onnx/external.onnx'])
    expect(models[0].reshaped).toEqual([{ name: 'odd', before: 'F32 [2, 3]', after: 'F32 [3, 2]' }])
    expect(models[1]).toMatchObject({ same: 3, changed: [{ name: 'raw', nChanged: 1, shape: [40, 50] }] })
    expect(models[1].changed[0].maxAbs).toBeCloseTo(0.5, 6)
    expect(models[1].changed[0].meanAbs).toBeCloseTo(0.5 / 2000, 9)
  }))
