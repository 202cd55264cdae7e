import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import type { DenseNetwork } from '../../../src/model/network/network.ts'
import { compileScorer } from '../../../src/model/score.ts'

interface Case {
  activation: 'relu' | 'gelu'
  x: number[]
  output: number
  raw: number
  base: number
  contributions: number[]
}

const { network } = JSON.parse(
  readFileSync(new URL('../../reference/mlp/mlp.json', import.meta.url), 'utf8'),
) as { network: { weights: number[]; biases: number[]; base: number[]; cases: Case[] } }

function modelOf(activation: 'relu' | 'gelu'): DenseNetwork {
  return {
    kind: 'DenseNetwork',
    nFeatures: 3,
    nOutputs: 2,
    link: 'identity',
    encodings: network.base.map(() => ({ kind: 'number', shift: 0, scale: 1, flag: false })),
    base: Float32Array.from(network.base),
    activation,
    widths: [5, 4, 2],
    weights: Float32Array.from(network.weights),
    biases: Float32Array.from(network.biases),
    outputScale: Float64Array.of(1, 1),
    outputShift: Float64Array.of(0, 0),
  }
}

test('raw scores and integrated gradients are those of dense quadrature in NumPy', () => {
  for (const { activation, x, output, raw, base, contributions } of network.cases) {
    const model = modelOf(activation)
    const found = explainRow(model, Float64Array.from(x), output)
    const scores = new Float64Array(2)
    compileScorer(model).rawBatch(Float64Array.from(x), 1, scores)
    expect(Math.abs(scores[output] - raw)).toBeLessThan(1e-5)
    expect(Math.abs(found.base - base)).toBeLessThan(1e-5)
    contributions.forEach((c, j) => {
      expect(Math.abs(found.contributions[j] - c), `${activation} ${x} feature ${j}`).toBeLessThan(
        activation === 'relu' ? 1e-4 : 2e-3,
      )
    })
    // Scores are float32, explanations double; relu is integrated piece by piece.
    expect(Math.abs(found.residual)).toBeLessThan(activation === 'relu' ? 1e-5 : 2e-3)
  }
})

test('hostile bytes are refused, wherever one is changed', () => {
  const bytes = encodeModel(modelOf('relu'))
  let refused = 0
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice()
    changed[at] ^= 0xff
    try {
      const { model } = decodeModel(changed)
      compileScorer(model).rawBatch(new Float64Array(model.nFeatures), 1, new Float64Array(model.nOutputs))
    } catch (error) {
      expect(String(error)).toMatch(/MR_MODEL_(FORMAT|VERSION|INVALID)/)
      refused++
    }
  }
  expect(refused).toBeGreaterThan(bytes.length / 3)
  for (let n = 0; n < bytes.length; n += 7) expect(() => decodeModel(bytes.slice(0, n))).toThrow('MR_MODEL_')
})
