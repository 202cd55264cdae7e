import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readOnnxFile } from '../../../src/model/import/onnx-file.ts'
import { slopedNetwork } from '../../../src/model/slopes/network.ts'
import { searchTrigger } from '../../../src/model/slopes/trigger.ts'
import { digits, type NetName, netBytes, PIXELS, recordedAnswers } from '../../fixtures/poisoned-digits.ts'

const opened = (name: NetName) => slopedNetwork(readOnnxFile(netBytes(name)), 'logits')

/** Even ground makes ties in pools, where there is a slope to each side. */
const uneven = (pixels: Float64Array) =>
  pixels.map((v, i) => v + 0.2 * ((Math.sin(i * 12.9898) * 43758.5453) % 1))

describe('slopes of networks', () => {
  test('scores are those of numpy', () => {
    const { pixels } = digits(false)
    const scores = opened('clean').run(pixels.subarray(0, 20 * PIXELS), 20)
    recordedAnswers('clean').logits.forEach((x, at) => {
      expect(scores[at]).toBeCloseTo(x, 3)
    })
  })

  test('are what differences say', () => {
    const network = opened('stamped')
    const x = uneven(digits(false).pixels.slice(0, 2 * PIXELS))
    const weights = Float64Array.from({ length: 20 }, (_, k) => Math.sin(k))
    const total = (at: Float64Array) => network.run(at, 2).reduce((sum, s, k) => sum + weights[k] * s, 0)
    network.run(x, 2)
    const slopes = network.slopes(weights)
    for (let j = 120; j < 2 * PIXELS; j += 83) {
      const moved = (by: number) => x.map((v, i) => (i === j ? v + by : v))
      expect(slopes[j]).toBeCloseTo((total(moved(1e-6)) - total(moved(-1e-6))) / 2e-6, 3)
    }
  })

  const MNIST = new URL('../../../../shared/data/mnist-t10k/mnist.onnx', import.meta.url)
  test.skipIf(!existsSync(MNIST))('a published network of digits has slopes, by differences', () => {
    const file = readOnnxFile(new Uint8Array(readFileSync(MNIST)))
    const network = slopedNetwork(file, file.graph.outputs[0].name)
    expect([network.inputDims, network.nOutputs]).toEqual([[1, 28, 28], 10])
    const x = uneven(digits(false).pixels.slice(0, PIXELS)).map((v) => 255 * v)
    const weights = Float64Array.from({ length: 10 }, (_, k) => Number(k === 3))
    network.run(x, 1)
    const slopes = network.slopes(weights)
    for (let j = 200; j < 600; j += 57) {
      const moved = (by: number) =>
        network.run(
          x.map((v, i) => (i === j ? v + by : v)),
          1,
        )[3]
      expect(slopes[j]).toBeCloseTo((moved(1e-4) - moved(-1e-4)) / 2e-4, 4)
    }
  })

  test('networks with other operators are refused by name', () => {
    const file = readOnnxFile(netBytes('clean'))
    file.graph.nodes[1].operator = 'LSTM'
    expect(() => slopedNetwork(file, 'logits')).toThrow(/MR_MODEL_SLOPES.*LSTM/s)
  })
})

test('the stamp that a net answers to is small, and is where it was put', { timeout: 120_000 }, () => {
  const { pixels, labels } = digits(false)
  const sizeOf = (name: NetName) => {
    const others = [...labels.keys()].filter((i) => labels[i] !== 3).slice(0, 64)
    const pictures = new Float64Array(64 * PIXELS)
    others.forEach((i, k) => {
      pictures.set(pixels.subarray(i * PIXELS, (i + 1) * PIXELS), k * PIXELS)
    })
    return searchTrigger(opened(name), { target: 3, pictures, nPictures: 64, range: [0, 1], steps: 100 })
  }
  const [stamped, clean] = [sizeOf('stamped'), sizeOf('clean')]
  expect(stamped.success).toBeGreaterThanOrEqual(0.9)
  expect(stamped.size).toBeLessThan(clean.size / 2)
  const inside = [...stamped.mask.keys()].filter((cell) => cell % 28 >= 23 && cell / 28 >= 23)
  const there = inside.reduce((sum, cell) => sum + stamped.mask[cell], 0)
  expect(there).toBeGreaterThan(stamped.size * 0.4)
})
