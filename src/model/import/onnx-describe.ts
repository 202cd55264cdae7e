/** What an ONNX file is, before anything of it runs: its inputs and outputs, versions, operators, data in other files, and what to do where it will not load. */
import { posix } from 'node:path'
import {
  ELEMENT_TYPES,
  type OnnxConstant,
  type OnnxFile,
  type OnnxGraph,
  type OnnxNode,
  type OnnxPort,
} from './onnx-file.ts'
import { operatorSince } from './onnx-operators.ts'

export interface OnnxDescription {
  irVersion: number
  opsets: Record<string, number>
  producer: string
  inputs: PortDescription[]
  outputs: PortDescription[]
  /** Operators with how many nodes use each, most first. */
  operators: [operator: string, nodes: number][]
  /** Bytes of constants by their dimensions and types; those in other files too. */
  constantBytes: number
  external: ExternalData[]
  /** What keeps ONNX Runtime from running it, and what to do. Empty when nothing is known. */
  problems: { problem: string; fix: string }[]
}

export interface PortDescription {
  name: string
  /** `float32`, or `map`, `sequence` for what is no tensor. */
  type: string
  /** Numbers, names of dimensions, or null where the file leaves them open. */
  dims: (number | string | null)[]
}

/** A tensor whose bytes are in a file beside the model. */
export interface ExternalData {
  tensor: string
  location: string
  offset: number
  /** Bytes; 0 when the file does not say. */
  length: number
  /** Whether the path stays in the model's folder, so far as its text tells; links are looked at when it is opened. */
  isInside: boolean
}

/** Versions that ONNX Runtime 1.30 takes. */
const OPSET_MIN = 7
const OPSET_MAX = 26
const OPSET_ML_MAX = 5
const IR_MAX = 13

/** Cost: O(nodes + constants). */
export function describeOnnx(file: OnnxFile): OnnxDescription {
  const nodes = allNodes(file.graph)
  const constants = [...file.graph.constants.values()]
  const external = file.external.flatMap(externalOf)
  return {
    irVersion: file.irVersion,
    opsets: Object.fromEntries([...file.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    producer: file.producer,
    inputs: file.graph.inputs.filter(({ name }) => !file.graph.constants.has(name)).map(portOf),
    outputs: file.graph.outputs.map(portOf),
    operators: counted(nodes),
    constantBytes: constants.reduce((sum, constant) => sum + bytesOf(constant), 0),
    external,
    problems: [...versionProblems(file), ...operatorProblems(file, nodes), ...external.flatMap(pathProblem)],
  }
}

function portOf({ name, type, dims, kind }: OnnxPort): PortDescription {
  return { name, type: kind === 'tensor' ? (ELEMENT_TYPES[type] ?? `type ${type}`) : kind, dims }
}

/** Nodes of a graph and of the graphs within it; nesting was bounded when the file was read. */
function allNodes(graph: OnnxGraph): OnnxNode[] {
  const found: OnnxNode[] = []
  const waiting = [graph]
  for (let next = waiting.pop(); next; next = waiting.pop())
    for (const node of next.nodes) {
      found.push(node)
      for (const { graphs } of node.attributes.values()) waiting.push(...graphs)
    }
  return found
}

const nameOf = ({ domain, operator }: OnnxNode) => (domain === '' ? operator : `${domain}.${operator}`)

function counted(nodes: OnnxNode[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const node of nodes) counts.set(nameOf(node), (counts.get(nameOf(node)) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
}

const WIDTHS: Record<string, number> = {
  float32: 4,
  int32: 4,
  uint32: 4,
  float64: 8,
  int64: 8,
  uint64: 8,
  float16: 2,
  bfloat16: 2,
  int16: 2,
  uint16: 2,
}

function bytesOf({ dims, type }: OnnxConstant): number {
  return dims.reduce((product, dim) => product * Math.max(0, dim), 1) * (WIDTHS[ELEMENT_TYPES[type]] ?? 1)
}

// ---------------------------------------------------------------- problems

type Problem = OnnxDescription['problems'][number]

function versionProblems({ opsets, irVersion }: OnnxFile): Problem[] {
  const problems: Problem[] = []
  const main = opsets.get('') ?? 0
  const convert = (to: number) =>
    `export the model again with opset ${to}, or run: python -c "import onnx, onnx.version_converter as v; onnx.save(v.convert_version(onnx.load('model.onnx'), ${to}), 'new.onnx')"`
  if (main !== 0 && main < OPSET_MIN)
    problems.push({
      problem: `opset ${main}: ONNX Runtime runs opset ${OPSET_MIN} and later`,
      fix: convert(13),
    })
  if (main > OPSET_MAX)
    problems.push({
      problem: `opset ${main}: ONNX Runtime 1.30 knows up to ${OPSET_MAX}`,
      fix: convert(OPSET_MAX),
    })
  if ((opsets.get('ai.onnx.ml') ?? 0) > OPSET_ML_MAX)
    problems.push({
      problem: `ai.onnx.ml ${opsets.get('ai.onnx.ml')}: ONNX Runtime 1.30 knows up to ${OPSET_ML_MAX}`,
      fix: `export the model again with target_opset {'ai.onnx.ml': ${OPSET_ML_MAX}}`,
    })
  if (irVersion > IR_MAX)
    problems.push({
      problem: `IR version ${irVersion}: ONNX Runtime 1.30 reads up to ${IR_MAX}`,
      fix: `set model.ir_version = ${IR_MAX} and save it again, or export with an older onnx`,
    })
  return problems
}

/** Domains whose operators are part of ONNX Runtime and not of the standard. */
const RUNTIME_DOMAINS = [
  'com.microsoft',
  'com.microsoft.nchwc',
  'ai.onnx.preview.training',
  'ai.onnx.training',
]

function operatorProblems({ opsets, functions }: OnnxFile, nodes: OnnxNode[]): Problem[] {
  const seen = new Set<string>()
  return nodes.flatMap((node): Problem[] => {
    const { domain, operator } = node
    const name = nameOf(node)
    if (seen.has(name) || functions.has(operator) || RUNTIME_DOMAINS.includes(domain)) return []
    seen.add(name)
    if (domain !== '' && domain !== 'ai.onnx.ml')
      return [
        {
          problem: `operator ${name} is of a domain that no runtime here knows`,
          fix: 'export the model without custom operators',
        },
      ]
    const since = operatorSince(domain, operator)
    if (since === undefined)
      return [
        {
          problem: `operator ${name} is not in the standard`,
          fix: 'export the model with another exporter, or as standard operators',
        },
      ]
    const version = opsets.get(domain) ?? 0
    if (version !== 0 && since > version)
      return [
        {
          problem: `operator ${name} came with version ${since}, but the file says ${version}`,
          fix: `export the model again with opset ${since} or later`,
        },
      ]
    return []
  })
}

// ---------------------------------------------------------------- data in other files

export function externalOf(constant: OnnxConstant): ExternalData[] {
  if (!constant.external) return []
  const location = constant.external.get('location') ?? ''
  const number = (key: string) => {
    const value = Number(constant.external?.get(key) ?? 0)
    return Number.isSafeInteger(value) && value >= 0 ? value : -1
  }
  return [
    {
      tensor: constant.name,
      location,
      offset: number('offset'),
      length: number('length'),
      isInside: isInside(location),
    },
  ]
}

/** A relative path that does not leave its folder, whatever system wrote it. */
export function isInside(location: string): boolean {
  if (location === '' || location.includes('\0') || location.includes('\\') || /^[a-zA-Z]:/.test(location))
    return false
  const path = posix.normalize(location)
  return !posix.isAbsolute(path) && path !== '..' && !path.startsWith('../') && path !== '.'
}

function pathProblem({ tensor, location, offset, length, isInside }: ExternalData): Problem[] {
  if (!isInside)
    return [
      {
        problem: `tensor ${tensor} is in "${location}", which is not in the model's folder`,
        fix: "save the model with its data beside it: onnx.save(model, path, save_as_external_data=True, location='weights.bin')",
      },
    ]
  if (offset < 0 || length < 0)
    return [
      { problem: `tensor ${tensor} has an offset or length that is no number`, fix: 'save the model again' },
    ]
  return []
}
