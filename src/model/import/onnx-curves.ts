/** Activations that exporters write out in plain operators, known by the values of the curve. */
import { ACTIVATIONS, type Activation, CURVES, normalShare } from '../network/activations.ts'
import { numbersOf, type OnnxConstant, type OnnxFile, type OnnxNode } from './onnx-file.ts'

/** A constant of the file: an initializer, or the value of a `Constant` node. */
export function tensorOf({ graph }: OnnxFile, name: string): OnnxConstant | undefined {
  return (
    graph.constants.get(name) ??
    graph.nodes.find((n) => n.operator === 'Constant' && n.outputs[0] === name)?.attributes.get('value')
      ?.tensor
  )
}

export function constantOf(file: OnnxFile, name: string): Float64Array | undefined {
  const constant = tensorOf(file, name)
  return constant && numbersOf(constant)
}

type Elementwise = (...operands: number[]) => number

const ELEMENTWISE: Record<string, Elementwise | undefined> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Neg: (a) => -a,
  Exp: Math.exp,
  Tanh: Math.tanh,
  Sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  Erf: (a) => 2 * normalShare(a * Math.SQRT2) - 1,
  Identity: (a) => a,
  Cast: (a) => a,
}

/** Points at which curves are compared. */
const GRID = Float64Array.from({ length: 121 }, (_, i) => (i - 60) / 8)
const TOLERANCE = 1e-5

/**
 * The activation that begins at `tensor` as a web of elementwise operators with constants, and the tensor that it ends in: the first through which all of it passes and whose
 * values are those of a known curve. Undefined when there is none. Cost: O(nodes).
 */
export function curveFrom(
  file: OnnxFile,
  tensor: string,
): { activation: Activation; output: string } | undefined {
  const values = new Map<string, Float64Array>([[tensor, GRID]])
  const open = new Set([tensor])
  for (const node of file.graph.nodes) {
    if (!node.inputs.some((input) => values.has(input))) continue
    const result = evaluated(file, node, values)
    if (!result) continue
    const [output] = node.outputs
    values.set(output, result)
    open.add(output)
    for (const name of open) if (isUsedUp(file, name, values)) open.delete(name)
    if (open.size !== 1 || !open.has(output)) continue
    const activation = ACTIVATIONS.find((name) => isCurve(result, CURVES[name].value))
    if (activation) return { activation, output }
  }
  return undefined
}

/** Whether all that takes a tensor has been evaluated. Outputs of the graph are taken by its caller. */
function isUsedUp({ graph }: OnnxFile, name: string, values: Map<string, Float64Array>): boolean {
  const takers = graph.nodes.filter(({ inputs }) => inputs.includes(name))
  return (
    takers.length > 0 &&
    takers.every(({ outputs }) => values.has(outputs[0])) &&
    !graph.outputs.some((output) => output.name === name)
  )
}

function evaluated(
  file: OnnxFile,
  { operator, domain, inputs }: OnnxNode,
  values: Map<string, Float64Array>,
): Float64Array | undefined {
  const apply = domain === '' ? ELEMENTWISE[operator] : undefined
  const operands = inputs.map((input) => values.get(input) ?? scalarOf(file, input))
  if (!apply || operands.some((operand) => operand === undefined)) return undefined
  return GRID.map((_, i) =>
    apply(
      ...operands.map((operand) => (typeof operand === 'number' ? operand : (operand as Float64Array)[i])),
    ),
  )
}

function scalarOf(file: OnnxFile, name: string): number | undefined {
  const constant = tensorOf(file, name)
  return constant?.dims.every((dim) => dim === 1) ? numbersOf(constant)[0] : undefined
}

function isCurve(found: Float64Array, curve: (x: number) => number): boolean {
  return GRID.every((x, i) => Math.abs(found[i] - curve(x)) <= TOLERANCE)
}
