import { excerpt, MillraceError } from '../../core/errors.ts'
import type { DenseNetwork } from '../network/network.ts'
import { inSet } from '../tree-walk.ts'
import type { LinearModel, TreeEnsemble } from '../trees.ts'
import { IMPORT_LIMITS, type ImportedFeature, type ImportedModel } from './imported.ts'
import { bitsOf } from './tree-writer.ts'

/** A column that a model is to be asked with: its name, and for categories the value of each code. */
export interface AskedFeature {
  name: string
  type: 'number' | 'category'
  values?: readonly string[]
}

function refuse(part: string, expected: string, got: string): MillraceError {
  return new MillraceError('MR_MODEL_ALIGN', { part, expected, got: excerpt(got) })
}

/**
 * The model over other columns: its features found by name (or by place, where the file names none and there are as many), its categories by value, its
 * outputs in the order of `classes`. A value that the file does not know goes as its unlisted codes do.
 * Errors: MR_MODEL_ALIGN for a feature that is not there, numbers where the model has categories, and other classes. Cost: O(nodes + words of sets).
 */
export function alignModel(
  imported: ImportedModel,
  asked: readonly AskedFeature[],
  classes: readonly string[] | undefined,
): ImportedModel['model'] {
  const columns = columnsFor(imported.features, asked)
  const outputs = outputsFor(imported, classes)
  const { model } = imported
  if (model.kind === 'TreeEnsemble') return alignTrees(model, { imported, asked, columns, outputs })
  if (model.kind === 'LinearModel') return alignLinear(model, asked.length, columns, outputs)
  if (model.kind === 'DenseNetwork') return alignNetwork(model, asked.length, columns, outputs)
  throw refuse('the model', 'trees, a linear model or a network', model.kind)
}

/** The column of each feature of the model: by name, or by place where the file names none. Errors: MR_MODEL_ALIGN. */
export function columnsFor(features: readonly ImportedFeature[], asked: readonly AskedFeature[]): Int32Array {
  const byName = new Map(asked.map(({ name }, j) => [name, j]))
  if (!features.some(({ named }) => named) && !features.every(({ name }) => byName.has(name))) {
    if (features.length !== asked.length)
      throw refuse(
        'features',
        `${features.length} features in the order of the file, which names none`,
        `${asked.length}`,
      )
    return Int32Array.from(features.keys())
  }
  const absent = features.filter(({ name }) => !byName.has(name)).map(({ name }) => name)
  if (absent.length > 0)
    throw refuse(
      'features',
      `a feature for each name of the file, also ${absent.slice(0, 5).join(', ')}`,
      asked.map(({ name }) => name).join(', '),
    )
  return Int32Array.from(features, ({ name }) => byName.get(name) as number)
}

/** The output of ours for each output of the model. */
function outputsFor(
  { model, classes: own }: ImportedModel,
  classes: readonly string[] | undefined,
): Int32Array {
  const n = classes?.length ?? 1
  if (model.nOutputs !== n) throw refuse('outputs', `${n}, as the task has`, `${model.nOutputs}`)
  if (!classes || !own) return Int32Array.from({ length: n }, (_, k) => k)
  return Int32Array.from(own, (label) => {
    const at = classes.indexOf(label)
    if (at < 0) throw refuse('classes', classes.join(', '), own.join(', '))
    return at
  })
}

interface Aligning {
  imported: ImportedModel
  asked: readonly AskedFeature[]
  columns: Int32Array
  outputs: Int32Array
}

function alignTrees(model: TreeEnsemble, { imported, asked, columns, outputs }: Aligning): TreeEnsemble {
  const sets = setsFor(model, imported.features, asked, columns)
  const baseScores = new Float64Array(model.nOutputs)
  outputs.forEach((to, k) => {
    baseScores[to] = model.baseScores[k]
  })
  const rules = model.rules && {
    ...model.rules,
    zeroMissing: model.rules.zeroMissing.map((j) => columns[j]).sort((a, b) => a - b),
  }
  return {
    ...model,
    nFeatures: asked.length,
    feature: model.feature.map((j, node) => (model.left[node] < 0 ? 0 : columns[j])),
    outputOf: model.outputOf.map((k) => outputs[k]),
    baseScores,
    categorySets: sets,
    ...(rules ? { rules } : {}),
  }
}

/** Sets over the codes of the columns. */
function setsFor(
  model: TreeEnsemble,
  features: readonly ImportedFeature[],
  asked: readonly AskedFeature[],
  columns: Int32Array,
): Uint32Array[] {
  const sets = [...model.categorySets]
  const inSets = new Set<number>()
  model.categorySet.forEach((set, node) => {
    if (set >= 0) inSets.add(model.feature[node])
  })
  const codes = features.map((feature, j) => codesFor(feature, asked[columns[j]]))
  for (let node = 0; node < model.feature.length; node++) {
    const set = model.categorySet[node]
    const map = set < 0 ? undefined : codes[model.feature[node]]
    if (map) sets[set] = mapped(model.categorySets[set], map, model.missingLeft[node] === 1)
    const j = model.feature[node]
    if (set < 0 && model.left[node] >= 0 && !inSets.has(j)) refuseNumbers(features[j], asked[columns[j]])
  }
  return sets
}

/** A column of categories has codes of ours, which mean nothing to a threshold; but a split of the missing from the present may ask it. */
function refuseNumbers(feature: ImportedFeature, asked: AskedFeature): void {
  if (asked.type === 'category' && feature.type === 'number')
    throw refuse(`feature ${feature.name}`, 'a number, as the model has it', 'categories')
}

/** The model's code for each code of a column, -1 for values that it does not know; undefined where codes are the same. */
function codesFor(feature: ImportedFeature, asked: AskedFeature): Int32Array | undefined {
  if (asked.type === 'number') {
    if (feature.categories)
      throw refuse(`feature ${feature.name}`, 'categories, as the model has it', 'a number')
    return undefined
  }
  const known = feature.categories && new Map(feature.categories.map((value, code) => [String(value), code]))
  return Int32Array.from(asked.values ?? [], (value) => (known ? (known.get(value) ?? -1) : codeOf(value)))
}

/** Without values in the file, a category is its own code. */
function codeOf(value: string): number {
  const code = Number(value)
  return Number.isInteger(code) && code >= 0 && code < 2 ** 31 ? code : -1
}

/** Codes beyond the values of the column go as missing ones do, as unlisted codes of the file did. */
function mapped(set: Uint32Array, codes: Int32Array, missingLeft: boolean): Uint32Array {
  if (codes.length > IMPORT_LIMITS.nodesMax)
    throw refuse('categories', `at most ${IMPORT_LIMITS.nodesMax}`, `${codes.length}`)
  const left: number[] = []
  codes.forEach((code, i) => {
    if (inSet(set, code, missingLeft)) left.push(i)
  })
  const words = new Uint32Array(Math.ceil(codes.length / 32))
  words.set(bitsOf(left))
  // The rest of the last word stands for codes that no value has.
  if (missingLeft) for (let i = codes.length; i < words.length * 32; i++) words[i >>> 5] |= 1 << (i & 31)
  return words
}

function alignLinear(
  model: LinearModel,
  nFeatures: number,
  columns: Int32Array,
  outputs: Int32Array,
): LinearModel {
  const weights = new Float64Array(nFeatures * model.nOutputs)
  const missing = new Float64Array(nFeatures)
  const intercepts = new Float64Array(model.nOutputs)
  columns.forEach((to, j) => {
    missing[to] = model.missing[j]
    for (let k = 0; k < model.nOutputs; k++)
      weights[outputs[k] * nFeatures + to] = model.weights[k * model.nFeatures + j]
  })
  outputs.forEach((to, k) => {
    intercepts[to] = model.intercepts[k]
  })
  return { ...model, nFeatures, weights, missing, intercepts }
}

/** An imported network has one input a column; columns that it does not have get weights of 0. */
function alignNetwork(
  model: DenseNetwork,
  nFeatures: number,
  columns: Int32Array,
  outputs: Int32Array,
): DenseNetwork {
  const [units] = model.widths
  const before = model.nFeatures * units
  const first = new Float32Array(nFeatures * units)
  const base = new Float32Array(nFeatures)
  const encodings = Array.from({ length: nFeatures }, () => unused)
  columns.forEach((to, j) => {
    encodings[to] = model.encodings[j]
    base[to] = model.base[j]
    first.set(model.weights.subarray(j * units, (j + 1) * units), to * units)
  })
  const weights = new Float32Array(first.length + model.weights.length - before)
  weights.set(first)
  weights.set(model.weights.subarray(before), first.length)
  return withOutputs({ ...model, nFeatures, encodings, base, weights }, outputs)
}

const unused: DenseNetwork['encodings'][number] = { kind: 'number', shift: 0, scale: 1, flag: false }

/** Units of the last layer in the order of our outputs. */
function withOutputs(model: DenseNetwork, outputs: Int32Array): DenseNetwork {
  const n = outputs.length
  const [weights, biases] = [model.weights.slice(), model.biases.slice()]
  const nIn = model.widths[model.widths.length - 2] ?? model.nFeatures
  const [weightsAt, biasesAt] = [weights.length - nIn * n, biases.length - n]
  outputs.forEach((to, k) => {
    biases[biasesAt + to] = model.biases[biasesAt + k]
    for (let i = 0; i < nIn; i++) weights[weightsAt + i * n + to] = model.weights[weightsAt + i * n + k]
  })
  return { ...model, weights, biases }
}
