/** The form of multilayer perceptrons. */
import { allFinite, between, check, checkLength, shapeError } from '../checks.ts'
import { writeNetworkOnnx } from '../export/onnx-network.ts'
import type { Explainer, FormHead, HiddenLayer, Kernel, ModelForm, SectionReader } from '../form.ts'
import { ACTIVATIONS, type Activation, CURVES } from '../network/activations.ts'
import { bodyOf } from '../network/body.ts'
import { networkExplanations } from '../network/explain.ts'
import { openMachine } from '../network/machine.ts'
import { type DenseNetwork, encodeRow, type InputEncoding, inputCount } from '../network/network.ts'
import { pieces } from './pieces.ts'

/** Each guards memory against a hostile file. */
export const NETWORK_LIMITS = { inputsMax: 65_536, unitsMax: 16_384, layersMax: 32, embeddingMax: 1024 }

/** Rows that pass through all layers together, and floats that such a block may have in its widest layer. */
const BLOCK_ROWS = 256
const BLOCK_FLOATS = 2 ** 20

export const networkForm: ModelForm<DenseNetwork> = {
  kind: 'DenseNetwork',
  format: 'network',
  validate,
  extra: ({ activation }) => ({ activation }),
  arrays: networkArrays,
  read: readNetwork,
  kernel: networkKernel,
  explainer: networkExplainer,
  hidden: hiddenUnits,
  scorerBytes: ({ weights, widths, base }) =>
    4_096 + weights.length * 4 + BLOCK_ROWS * 4 * widths.reduce((sum, units) => sum + units, base.length),
  writeOnnx: writeNetworkOnnx,
}

/** Units of the last hidden layer, after their activation. */
function hiddenUnits(model: DenseNetwork): HiddenLayer {
  const layer = model.widths.length - 1
  const body = bodyOf(model, layer)
  const kernel = networkKernel(body)
  const activate = CURVES[model.activation].value
  return {
    name: `hidden layer ${layer}`,
    width: body.nOutputs,
    rows: (rows, n) => {
      const out = new Float64Array(n * body.nOutputs)
      kernel.rows(rows, n, out)
      return out.map(activate)
    },
  }
}

function validate(model: DenseNetwork): void {
  const { nFeatures, nOutputs, encodings, widths, weights, biases, base } = model
  check(ACTIVATIONS.includes(model.activation), 'activation', 0, ACTIVATIONS.join(' or '), model.activation)
  checkLength('encodings', encodings.length, nFeatures)
  encodings.forEach(validateEncoding)
  const nInputs = inputCount(encodings)
  between('inputs', 0, nInputs, 1, NETWORK_LIMITS.inputsMax)
  between('layers', 0, widths.length, 1, NETWORK_LIMITS.layersMax)
  widths.forEach((units, l) => {
    between('widths', l, units, 1, NETWORK_LIMITS.unitsMax)
  })
  checkLength('outputs', widths[widths.length - 1], nOutputs)
  checkLength('base', base.length, nInputs)
  checkLength('weights', weights.length, weightCount(nInputs, widths))
  checkLength(
    'biases',
    biases.length,
    widths.reduce((sum, units) => sum + units, 0),
  )
  checkLength('outputScale', model.outputScale.length, nOutputs)
  checkLength('outputShift', model.outputShift.length, nOutputs)
  for (const part of ['base', 'weights', 'biases', 'outputScale', 'outputShift'] as const)
    allFinite(part, model[part])
}

function weightCount(nInputs: number, widths: readonly number[]): number {
  return widths.reduce((sum, units, l) => sum + units * (l === 0 ? nInputs : widths[l - 1]), 0)
}

function validateEncoding(encoding: InputEncoding, j: number): void {
  if (encoding.kind === 'number') {
    allFinite('shift', [encoding.shift])
    allFinite('scale', [encoding.scale])
    return
  }
  const { codes } = encoding
  for (let i = 1; i < codes.length; i++) check(codes[i] > codes[i - 1], 'codes', i, 'rising', codes[i])
  check(codes.length === 0 || codes[0] >= 0, 'codes', 0, 'at least 0', codes[0])
  if (encoding.kind === 'oneHot') return
  between('embedding width', j, encoding.width, 1, NETWORK_LIMITS.embeddingMax)
  checkLength('table', encoding.table.length, (codes.length + 1) * encoding.width)
  allFinite('table', encoding.table)
}

// ---------------------------------------------------------------- bytes

const ENCODING_KINDS = ['number', 'flagged', 'oneHot', 'embedding'] as const

function networkArrays(model: DenseNetwork): [string, ArrayLike<number>][] {
  const kindOf = (e: InputEncoding) => (e.kind === 'number' && e.flag ? 'flagged' : e.kind)
  const numbers = model.encodings.filter((e) => e.kind === 'number')
  const coded = model.encodings.filter((e) => e.kind !== 'number')
  const embeddings = model.encodings.filter((e) => e.kind === 'embedding')
  return [
    ['encodings', model.encodings.map((e) => ENCODING_KINDS.indexOf(kindOf(e)))],
    ['shift', numbers.map(({ shift }) => shift)],
    ['scale', numbers.map(({ scale }) => scale)],
    ['codeCounts', coded.map(({ codes }) => codes.length)],
    ['codes', coded.flatMap(({ codes }) => Array.from(codes))],
    ['embeddingWidths', embeddings.map(({ width }) => width)],
    ['tables', embeddings.flatMap(({ table }) => Array.from(table))],
    ['base', model.base],
    ['widths', model.widths],
    ['weights', model.weights],
    ['biases', model.biases],
    ['outputScale', model.outputScale],
    ['outputShift', model.outputShift],
  ]
}

function readNetwork({ nFeatures, nOutputs, link, extra }: FormHead, arrays: SectionReader): DenseNetwork {
  const encodings = readEncodings(arrays, nFeatures)
  return {
    kind: 'DenseNetwork',
    nFeatures,
    nOutputs,
    link,
    encodings,
    base: Float32Array.from(arrays.take('base')),
    activation: extra.activation as Activation,
    widths: Array.from(arrays.take('widths')),
    weights: Float32Array.from(arrays.take('weights')),
    biases: Float32Array.from(arrays.take('biases')),
    outputScale: arrays.take('outputScale', nOutputs),
    outputShift: arrays.take('outputShift', nOutputs),
  }
}

function readEncodings(arrays: SectionReader, nFeatures: number): InputEncoding[] {
  const kinds = arrays.take('encodings', nFeatures)
  const parts = {
    shift: pieces(arrays, 'shift'),
    scale: pieces(arrays, 'scale'),
    counts: pieces(arrays, 'codeCounts'),
    codes: pieces(arrays, 'codes'),
    widths: pieces(arrays, 'embeddingWidths'),
    tables: pieces(arrays, 'tables'),
  }
  const encodings = Array.from(kinds, (code, j): InputEncoding => {
    const kind = ENCODING_KINDS[code]
    check(kind !== undefined, 'encodings', j, 'a known kind', code)
    if (kind === 'number' || kind === 'flagged') {
      const [shift] = parts.shift.next(1)
      const [scale] = parts.scale.next(1)
      return { kind: 'number', shift, scale, flag: kind === 'flagged' }
    }
    const codes = Int32Array.from(parts.codes.next(parts.counts.next(1)[0]))
    if (kind === 'oneHot') return { kind, codes }
    const [width] = parts.widths.next(1)
    return { kind, codes, width, table: Float32Array.from(parts.tables.next((codes.length + 1) * width)) }
  })
  for (const part of Object.values(parts)) part.finish()
  return encodings
}

// ---------------------------------------------------------------- scoring and explaining

function networkKernel(model: DenseNetwork): Kernel {
  const { encodings, nFeatures, nOutputs, outputScale, outputShift, widths, activation } = model
  const nInputs = inputCount(encodings)
  const batchRows = Math.max(1, Math.min(BLOCK_ROWS, Math.floor(BLOCK_FLOATS / Math.max(nInputs, ...widths))))
  const machine = openMachine({ nInputs, widths, activation }, { batchRows })
  machine.loadParameters(model.weights, model.biases)
  const { floats, inputAt, inputWidth, outputAt, outputWidth } = machine
  const pass = (rows: Float64Array, from: number, n: number, out: Float64Array) => {
    floats.fill(0, inputAt, inputAt + n * inputWidth)
    for (let i = 0; i < n; i++)
      encodeRow(encodings, rows, (from + i) * nFeatures, floats, inputAt + i * inputWidth)
    machine.forward(n)
    for (let i = 0; i < n; i++)
      for (let k = 0; k < nOutputs; k++)
        out[(from + i) * nOutputs + k] =
          outputShift[k] + outputScale[k] * floats[outputAt + i * outputWidth + k]
  }
  return {
    rows: (rows, n, out) => {
      for (let from = 0; from < n; from += batchRows) pass(rows, from, Math.min(batchRows, n - from), out)
    },
  }
}

/** Integrated gradients from the mean inputs on. `base` is the raw score there, not the mean raw score. */
function networkExplainer(model: DenseNetwork): Explainer {
  const { explain, bases } = networkExplanations(model)
  const kernel = networkKernel(model)
  const raws = new Float64Array(model.nOutputs)
  return {
    how: { method: 'integrated-gradients', exact: false },
    bases,
    explain: (x, output = 0) => {
      if (x.length < model.nFeatures) throw shapeError('row', model.nFeatures, x.length)
      kernel.rows(x, 1, raws)
      const contributions = explain(x, output)
      const explained = contributions.reduce((sum, c) => sum + c, bases[output])
      return { base: bases[output], contributions, raw: raws[output], residual: raws[output] - explained }
    },
  }
}
