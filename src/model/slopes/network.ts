/** Image networks of ONNX with their slopes: how an answer changes with each number that goes in, which runtimes do not tell. */
import { MillraceError } from '../../core/errors.ts'
import { numbersOf, type OnnxFile, type OnnxNode } from '../import/onnx-file.ts'
import { type Given, OPERATORS, type Operator, sizeOf } from './operators.ts'

export interface SlopedNetwork {
  /** Sizes of an item that goes in: channels, height, width. */
  inputDims: number[]
  nOutputs: number
  /** Scores before a last softmax, `[n * nOutputs]`, of `n` items one after another. */
  run(x: Float64Array, n: number): Float64Array
  /** Slopes of a sum of scores, weighted by `weights` `[n * nOutputs]`, by each number of the items of the last `run`. */
  slopes(weights: Float64Array): Float64Array
}

interface Step {
  operator: Operator
  inputs: number[]
}

/**
 * Reads a network of one input and the operators of `operators.ts`. In doubles and plain arithmetic, so that scores are the runtime's but for rounding in 32 bits.
 * Errors: MR_MODEL_SLOPES with the operator that has none here, MR_MODEL_IMPORT for damaged constants.
 */
export function slopedNetwork(file: OnnxFile, output: string): SlopedNetwork {
  const { graph } = file
  const inputs = graph.inputs.filter(({ name }) => !graph.constants.has(name))
  const [input] = inputs
  const inputDims = input?.dims.slice(1)
  if (inputs.length !== 1 || inputDims.some((size) => typeof size !== 'number' || size < 1))
    throw refused('inputs', `one input of known sizes, got ${inputs.length}`)
  const places = new Map([[input.name, 0]])
  const shapes = [inputDims as number[]]
  const steps: Step[] = []
  const constants = new Map(
    [...graph.constants].map(([name, c]) => [name, { dims: c.dims, data: () => numbersOf(c) }]),
  )
  const wanted = beforeSoftmax(graph.nodes, output)
  for (const node of neededNodes(graph.nodes, wanted)) {
    const tensor = node.attributes.get('value')?.tensor
    if (node.operator === 'Constant' && tensor) {
      constants.set(node.outputs[0], { dims: tensor.dims, data: () => numbersOf(tensor) })
      continue
    }
    const given = node.inputs
      .filter((name) => name !== '')
      .map((name): Given => {
        const place = places.get(name)
        if (place !== undefined) return { live: { dims: shapes[place] } }
        const constant = constants.get(name)
        if (!constant) throw refused(node.operator, `the tensor ${name}`)
        return { constant: { dims: constant.dims, data: constant.data() } }
      })
    const isStill = given.every((one) => 'constant' in one)
    if (isStill && node.operator === 'Reshape') {
      const [data, shape] = given as { constant: { dims: number[]; data: Float64Array } }[]
      const dims = [...shape.constant.data]
      const known = dims.reduce((product, size) => product * (size === -1 ? 1 : size), 1)
      const settled = dims.map((size) => (size === -1 ? data.constant.data.length / known : size))
      constants.set(node.outputs[0], { dims: settled, data: () => data.constant.data })
      continue
    }
    const operator = OPERATORS[node.operator]?.(node, given) ?? 'the operator'
    if (typeof operator === 'string') throw refused(node.operator, operator)
    const live = node.inputs.map((name) => places.get(name)).filter((place) => place !== undefined)
    places.set(node.outputs[0], shapes.length)
    shapes.push(operator.dims)
    steps.push({ operator, inputs: live })
  }
  const last = places.get(wanted)
  if (last === undefined) throw refused('outputs', `the tensor ${output}`)
  return networkOf(steps, shapes, last)
}

function refused(operator: string, why: string): MillraceError {
  return new MillraceError('MR_MODEL_SLOPES', { operator, why })
}

/** Slopes of probabilities vanish where a network is sure: what a last softmax takes says the same. */
function beforeSoftmax(nodes: readonly OnnxNode[], output: string): string {
  const maker = nodes.find(({ outputs }) => outputs[0] === output)
  return maker && ['Softmax', 'LogSoftmax', 'Identity'].includes(maker.operator)
    ? beforeSoftmax(nodes, maker.inputs[0])
    : output
}

function neededNodes(nodes: readonly OnnxNode[], output: string): OnnxNode[] {
  const needed = new Set([output])
  const kept: OnnxNode[] = []
  for (const node of [...nodes].reverse()) {
    if (!needed.has(node.outputs[0])) continue
    for (const name of node.inputs) needed.add(name)
    kept.push(node)
  }
  return kept.reverse()
}

function networkOf(steps: Step[], shapes: number[][], last: number): SlopedNetwork {
  let values: Float64Array[] = []
  let rows = 0
  return {
    inputDims: shapes[0],
    nOutputs: sizeOf(shapes[last]),
    run(x, n) {
      rows = n
      values = [x]
      for (const { operator, inputs } of steps)
        values.push(
          operator.forward(
            inputs.map((i) => values[i]),
            n,
          ),
        )
      return values[last]
    },
    slopes(weights) {
      const slopes: (Float64Array | undefined)[] = new Array(shapes.length).fill(undefined)
      slopes[last] = weights
      for (let place = last; place > 0; place--) {
        const slope = slopes[place]
        if (!slope) continue
        const { operator, inputs } = steps[place - 1]
        const given = inputs.map((i) => values[i])
        operator.back(slope, given, values[place], rows).forEach((part, k) => {
          const before = slopes[inputs[k]]
          slopes[inputs[k]] = before ? before.map((v, i) => v + part[i]) : part
        })
        if (place !== last) slopes[place] = undefined
      }
      return slopes[0] ?? new Float64Array(values[0].length)
    },
  }
}
