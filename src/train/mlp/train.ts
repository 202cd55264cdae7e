import { MillraceError } from '../../core/errors.ts'
import { mix32, seededRng, shuffle } from '../../core/rng.ts'
import { type NetworkMachine, openMachine } from '../../model/network/machine.ts'
import { type DenseNetwork, type InputEncoding, inputCount, inputsOf } from '../../model/network/network.ts'
import { expFast, sigmoidFast } from '../../stats/exp.ts'
import { checkRowsToLearn } from '../checks.ts'
import { type EncodedRows, encodeRows, fitEncodings } from './inputs.ts'
import { type MlpParams, mlpParams } from './params.ts'

/** Rows: one column a feature, NaN where missing; category features hold codes. */
export interface MlpData {
  nRows: number
  columns: Float64Array[]
  categorical: readonly boolean[]
  target: Float64Array
  /** Not negative, with a positive sum. Default: 1 each. */
  weights?: Float64Array
  /** Rows to stop by. */
  valid?: { nRows: number; columns: Float64Array[]; target: Float64Array; weights?: Float64Array }
}

export interface MlpOptions {
  /** `wasm` (default) falls back to `js`; both give the same bits. */
  kernels?: 'wasm' | 'js'
  onProgress?(p: { epoch: number; epochs: number; trainLoss: number; validLoss?: number }): void
  signal?: { readonly aborted: boolean }
}

export interface MlpResult {
  model: DenseNetwork
  /** Mean loss of the batches of each epoch, as they were met. Half the squared error for `l2`, in units of the target's deviation. */
  trainLoss: number[]
  /** Loss of the validation rows after each epoch. */
  validLoss: number[]
  /** Epochs that the model has: those up to the best validation loss. */
  epochs: number
  stopped: 'early' | 'all'
  ranOn: 'wasm' | 'js'
}

/**
 * Trains a multilayer perceptron by mini-batches. Pure: the same data, parameters and seed give the same bytes, from either kind of kernel.
 *
 * Numbers are standardised by their training rows, missing values flagged, categories one input each or embedded; rows are shuffled every epoch. With
 * validation rows the weights of the best epoch are kept. Weights start uniform within `sqrt(6 / (in + out))`, biases at 0.
 * Missing: NaN in columns. Cost: about 6 flops a row, weight and epoch; 20 to 40 Gflop/s on WebAssembly. Memory: 4 bytes a row and input.
 * Errors: MR_MODEL_PARAM, MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT, MR_MODEL_CATEGORY,
 * MR_MODEL_DIVERGED, MR_CANCELLED. Source: Kingma and Ba 2015 (Adam), Loshchilov and Hutter 2019 (decoupled decay), Glorot and Bengio 2010,
 * Srivastava et al. 2014 (dropout), Guo and Berkhahn 2016 (embeddings).
 */
export function trainMlp(data: MlpData, given: Partial<MlpParams> = {}, options: MlpOptions = {}): MlpResult {
  const params = mlpParams(given)
  if (data.columns.length === 0)
    throw new MillraceError('MR_MODEL_SHAPE', { what: 'columns', expected: 1, got: 0 })
  checkData(data, params)
  const training = openTraining(data, params, options)
  const result = runEpochs(training, params, options)
  return { ...result, ranOn: training.machine.ranOn }
}

const TARGETS = { logloss: 'probability', l2: 'number', softmax: 'class' } as const

function checkData(data: MlpData, { loss, nClasses }: MlpParams): void {
  checkRowsToLearn(data, TARGETS[loss])
  if (data.valid && data.valid.nRows > 0) checkRowsToLearn(data.valid, TARGETS[loss], { oneClass: true })
  if (loss !== 'softmax') return
  for (const { target } of data.valid ? [data, data.valid] : [data]) {
    const row = target.findIndex((code) => code >= nClasses)
    const expected = `a class from 0 to ${nClasses - 1}`
    if (row >= 0) throw new MillraceError('MR_MODEL_TARGET', { row, expected, got: String(target[row]) })
  }
}

// ---------------------------------------------------------------- opening

interface LabelledRows {
  rows: EncodedRows
  target: Float64Array
  /** Mean 1. */
  weights: Float64Array | null
}

interface Embedding {
  /** First input of a row, and place of the table among the further parameters. */
  input: number
  at: number
  width: number
}

interface Training {
  machine: NetworkMachine
  encodings: InputEncoding[]
  embeddings: Embedding[]
  /** Floats of all tables. */
  tableFloats: number
  widths: number[]
  train: LabelledRows
  valid: LabelledRows | null
  /** Targets are trained on as `(y - shift) / scale`. */
  shift: number
  scale: number
  nOutputs: number
}

function openTraining(data: MlpData, params: MlpParams, { kernels }: MlpOptions): Training {
  const rng = seededRng(mix32(params.seed ^ 0x6d6c70))
  const encodings = fitEncodings(data, data.categorical, params, rng)
  const nInputs = inputCount(encodings)
  const nOutputs = params.loss === 'softmax' ? params.nClasses : 1
  const widths = [...params.hidden, nOutputs]
  const tableFloats = encodings.reduce((sum, e) => sum + (e.kind === 'embedding' ? e.table.length : 0), 0)
  const machine = openMachine(
    { nInputs: nInputs, widths, activation: params.activation },
    {
      batchRows: Math.min(params.batchRows, Math.max(data.nRows, data.valid?.nRows ?? 0)),
      training: true,
      extraFloats: tableFloats,
      kernels,
    },
  )
  const [shift, scale] = params.loss === 'l2' ? momentsOf(data) : [0, 1]
  const labelled = ({ nRows, columns, target, weights }: Omit<MlpData, 'categorical'>): LabelledRows => ({
    rows: encodeRows({ nRows, columns }, encodings, machine.inputWidth),
    target: params.loss === 'l2' ? target.map((y) => (y - shift) / scale) : target,
    weights: weights ? meanOne(weights) : null,
  })
  startParameters(machine, [nInputs, ...widths], rng)
  const embeddings = placeEmbeddings(machine, encodings)
  return {
    machine,
    encodings,
    embeddings,
    tableFloats,
    widths,
    train: labelled(data),
    valid: data.valid && data.valid.nRows > 0 ? labelled(data.valid) : null,
    shift,
    scale,
    nOutputs,
  }
}

/** Weighted mean and deviation of the target, deviation 1 where it is constant. */
function momentsOf({ target, weights }: MlpData): [number, number] {
  const weigh = (values: Float64Array) => {
    let sum = 0
    let total = 0
    for (let i = 0; i < values.length; i++) {
      const w = weights ? weights[i] : 1
      sum += w * values[i]
      total += w
    }
    return sum / total
  }
  const origin = target[0]
  const mean = origin + weigh(target.map((y) => y - origin))
  const deviation = Math.sqrt(weigh(target.map((y) => (y - mean) * (y - mean))))
  return [mean, deviation > 1e-12 * Math.abs(mean) ? deviation : 1]
}

function meanOne(weights: Float64Array): Float64Array {
  const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length
  return weights.map((w) => w / mean)
}

function startParameters(machine: NetworkMachine, widths: readonly number[], rng: { next(): number }): void {
  const weights: number[] = []
  for (let l = 1; l < widths.length; l++) {
    const bound = Math.sqrt(6 / (widths[l - 1] + widths[l]))
    for (let i = 0; i < widths[l - 1] * widths[l]; i++) weights.push((2 * rng.next() - 1) * bound)
  }
  const units = widths.slice(1).reduce((sum, width) => sum + width, 0)
  machine.loadParameters(Float32Array.from(weights), new Float32Array(units))
}

/** Puts the tables of embedded features into the machine's memory. */
function placeEmbeddings(machine: NetworkMachine, encodings: readonly InputEncoding[]): Embedding[] {
  const placed: Embedding[] = []
  let input = 0
  let at = 0
  for (const encoding of encodings) {
    if (encoding.kind === 'embedding') {
      machine.floats.set(encoding.table, machine.extraAt + at)
      placed.push({ input, at, width: encoding.width })
      at += encoding.table.length
    }
    input += inputsOf(encoding)
  }
  return placed
}

// ---------------------------------------------------------------- epochs

/** What the best epoch so far had. */
interface Kept {
  epochs: number
  loss: number
  parameters: { weights: Float32Array; biases: Float32Array; tables: Float32Array }
}

function runEpochs(
  training: Training,
  params: MlpParams,
  { onProgress, signal }: MlpOptions,
): Omit<MlpResult, 'ranOn'> {
  const order = Uint32Array.from({ length: training.train.rows.nRows }, (_, i) => i)
  const trainLoss: number[] = []
  const validLoss: number[] = []
  let best: Kept | null = null
  for (let epoch = 1; epoch <= params.epochs; epoch++) {
    shuffle(order, seededRng(mix32(params.seed + epoch * 0x9e3779b9)))
    trainLoss.push(runEpoch(training, params, order, epoch, signal))
    if (!Number.isFinite(trainLoss[epoch - 1]))
      throw new MillraceError('MR_MODEL_DIVERGED', { epoch, learningRate: params.learningRate })
    if (training.valid) {
      const loss = lossOf(training, params, training.valid)
      validLoss.push(loss)
      if (best === null || loss < best.loss)
        best = { epochs: epoch, loss, parameters: readParameters(training) }
    }
    onProgress?.({
      epoch,
      epochs: params.epochs,
      trainLoss: trainLoss[epoch - 1],
      validLoss: validLoss[epoch - 1],
    })
    if (best && params.patience > 0 && epoch - best.epochs >= params.patience) {
      const model = modelOf(training, params, best.parameters)
      return { model, trainLoss, validLoss, epochs: best.epochs, stopped: 'early' }
    }
  }
  const model = modelOf(training, params, best?.parameters ?? readParameters(training))
  return { model, trainLoss, validLoss, epochs: best?.epochs ?? params.epochs, stopped: 'all' }
}

/** One pass over the rows; gives the mean loss of the batches as they were met. */
function runEpoch(
  training: Training,
  params: MlpParams,
  order: Uint32Array,
  epoch: number,
  signal: MlpOptions['signal'],
): number {
  const { machine, train, embeddings } = training
  const { batchRows, dropout, learningRate } = params
  const decay = learningRate * params.weightDecay
  let loss = 0
  for (let from = 0, batch = 0; from < order.length; from += batchRows, batch++) {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'training' })
    const n = Math.min(batchRows, order.length - from)
    const drop =
      dropout > 0 ? { share: dropout, salt: mix32(params.seed ^ mix32(epoch * 1e6 + batch)) } : undefined
    loadBatch(training, train.rows, order, from, n)
    machine.forward(n, drop)
    loss += outputSlopes(training, params, train, order, from, n)
    machine.backward(n, embeddings.length > 0, drop)
    if (embeddings.length > 0) tableGradients(training, order, from, n)
    if (params.optimizer === 'adam') machine.adam(learningRate, decay)
    else machine.descend(learningRate, params.momentum, decay)
  }
  return loss / order.length
}

function loadBatch(
  { machine, embeddings }: Training,
  { inputs, width, tableRows }: EncodedRows,
  order: Uint32Array | null,
  from: number,
  n: number,
): void {
  const { floats, inputAt, extraAt } = machine
  for (let i = 0; i < n; i++) {
    const row = order ? order[from + i] : from + i
    const to = inputAt + i * width
    floats.set(inputs.subarray(row * width, (row + 1) * width), to)
    for (let e = 0; e < embeddings.length; e++) {
      const { input, at, width: size } = embeddings[e]
      const table = extraAt + at + tableRows[e][row] * size
      for (let k = 0; k < size; k++) floats[to + input + k] = floats[table + k]
    }
  }
}

/** Adds the slopes of embedded inputs to the gradients of their tables' rows, in row order. */
function tableGradients(
  { machine, embeddings, train, tableFloats }: Training,
  order: Uint32Array,
  from: number,
  n: number,
): void {
  const { floats, inputSlopeAt, inputWidth, extraGradientAt } = machine
  const { tableRows } = train.rows
  floats.fill(0, extraGradientAt, extraGradientAt + tableFloats)
  for (let i = 0; i < n; i++) {
    const row = order[from + i]
    for (let e = 0; e < embeddings.length; e++) {
      const { input, at, width } = embeddings[e]
      const to = extraGradientAt + at + tableRows[e][row] * width
      const slopes = inputSlopeAt + i * inputWidth + input
      for (let k = 0; k < width; k++) floats[to + k] += floats[slopes + k]
    }
  }
}

// ---------------------------------------------------------------- losses

/** Writes the slope of the mean loss by each output of a batch, and gives the sum of losses. */
function outputSlopes(
  { machine, nOutputs }: Training,
  { loss }: MlpParams,
  { target, weights }: LabelledRows,
  order: Uint32Array | null,
  from: number,
  n: number,
): number {
  const { floats, outputAt, outputWidth, slopeAt } = machine
  let sum = 0
  for (let i = 0; i < n; i++) {
    const row = order ? order[from + i] : from + i
    const at = outputAt + i * outputWidth
    const to = slopeAt + i * outputWidth
    const w = weights ? weights[row] : 1
    if (loss === 'softmax') {
      sum += w * softmaxSlopes(floats, at, to, nOutputs, target[row])
      for (let k = 0; k < nOutputs; k++) floats[to + k] *= w / n
      continue
    }
    const y = target[row]
    const s = floats[at]
    const error = loss === 'l2' ? s - y : sigmoidFast(s) - y
    floats[to] = (w * error) / n
    sum += w * (loss === 'l2' ? 0.5 * error * error : logLoss(s, y))
  }
  return sum
}

function logLoss(s: number, y: number): number {
  return Math.max(s, 0) - s * y + Math.log1p(expFast(-Math.min(60, Math.abs(s))))
}

function softmaxSlopes(floats: Float32Array, at: number, to: number, nOutputs: number, y: number): number {
  let top = Number.NEGATIVE_INFINITY
  for (let k = 0; k < nOutputs; k++) top = Math.max(top, floats[at + k])
  let total = 0
  for (let k = 0; k < nOutputs; k++) total += expFast(Math.max(-60, floats[at + k] - top))
  for (let k = 0; k < nOutputs; k++)
    floats[to + k] = expFast(Math.max(-60, floats[at + k] - top)) / total - (k === y ? 1 : 0)
  return Math.log(total) + top - floats[at + y]
}

/** Mean loss of rows as they are. */
function lossOf(training: Training, params: MlpParams, rows: LabelledRows): number {
  let sum = 0
  for (let from = 0; from < rows.rows.nRows; from += params.batchRows) {
    const n = Math.min(params.batchRows, rows.rows.nRows - from)
    loadBatch(training, rows.rows, null, from, n)
    training.machine.forward(n)
    sum += outputSlopes(training, params, rows, null, from, n)
  }
  return sum / rows.rows.nRows
}

// ---------------------------------------------------------------- model

function readParameters({ machine, tableFloats }: Training): Kept['parameters'] {
  const tables = machine.floats.slice(machine.extraAt, machine.extraAt + tableFloats)
  return { ...machine.readParameters(), tables }
}

const LINK = { logloss: 'sigmoid', l2: 'identity', softmax: 'softmax' } as const

function modelOf(training: Training, params: MlpParams, parameters: Kept['parameters']): DenseNetwork {
  const { nOutputs, widths, shift, scale, train } = training
  const { weights, biases, tables } = parameters
  let embedded = 0
  const encodings = training.encodings.map((encoding): InputEncoding => {
    if (encoding.kind !== 'embedding') return encoding
    const e = embedded++
    const { at } = training.embeddings[e]
    const table = tables.slice(at, at + encoding.table.length)
    return { ...encoding, table: withOther(table, encoding, train.rows.tableRows[e]) }
  })
  return {
    kind: 'DenseNetwork',
    nFeatures: encodings.length,
    nOutputs,
    link: LINK[params.loss],
    encodings,
    base: meanInputs(train, encodings),
    activation: params.activation,
    widths,
    weights,
    biases,
    outputScale: new Float64Array(nOutputs).fill(scale),
    outputShift: new Float64Array(nOutputs).fill(shift),
  }
}

/** Where no training row was of another category, that table row is the mean of the others: a new category is an average one. */
function withOther(
  table: Float32Array,
  { codes, width }: { codes: Int32Array; width: number },
  tableRows: Uint16Array,
): Float32Array {
  if (tableRows.includes(codes.length)) return table
  const mean = new Float64Array(width)
  for (const row of tableRows) for (let k = 0; k < width; k++) mean[k] += table[row * width + k]
  table.set(
    mean.map((sum) => sum / tableRows.length),
    codes.length * width,
  )
  return table
}

/** Mean of each input over the training rows. */
function meanInputs({ rows, weights }: LabelledRows, encodings: readonly InputEncoding[]): Float32Array {
  const { nRows, width, inputs, tableRows } = rows
  const sums = new Float64Array(inputCount(encodings))
  for (let i = 0; i < nRows; i++) {
    const w = weights ? weights[i] : 1
    for (let k = 0; k < sums.length; k++) sums[k] += w * inputs[i * width + k]
  }
  let input = 0
  let e = 0
  for (const encoding of encodings) {
    if (encoding.kind === 'embedding') {
      const rowOf = tableRows[e++]
      for (let i = 0; i < nRows; i++)
        for (let k = 0; k < encoding.width; k++)
          sums[input + k] += (weights ? weights[i] : 1) * encoding.table[rowOf[i] * encoding.width + k]
    }
    input += inputsOf(encoding)
  }
  return Float32Array.from(sums, (sum) => sum / nRows)
}
