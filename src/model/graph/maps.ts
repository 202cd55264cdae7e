/**
 * skl2onnx ends classifiers with `ZipMap`, which makes a map by class of each row's probabilities; the runtime gives tensors only. Such nodes are left out of the bytes that
 * it loads, and the tensor they were made of is the output.
 */
import type { OnnxFile } from '../import/onnx-file.ts'
import { onnxRefusal as refuse } from '../import/onnx-file.ts'
import { bytesOf, textOf, WireWriter, wireFields } from '../import/protobuf.ts'

/** Fields of a model, a graph and a node. Source: onnx.proto. */
const GRAPH = 7
const [NODE, OUTPUT] = [1, 12]
const [NODE_INPUT, NODE_OUTPUT, NODE_OPERATOR] = [1, 2, 4]

/** Tensor that each map among the outputs was made of, by the map's name. */
export function mapSources({ graph }: OnnxFile): Map<string, string> {
  return new Map(
    graph.nodes
      .filter(
        ({ operator, inputs, outputs }) => operator === 'ZipMap' && inputs.length > 0 && outputs.length > 0,
      )
      .map(({ inputs, outputs }) => [outputs[0], inputs[0]]),
  )
}

/** The file without its maps; itself where it has none. Errors: MR_MODEL_IMPORT for bytes that are no ONNX. Cost: O(bytes). */
export function withoutMaps(bytes: Uint8Array): Uint8Array {
  const fields = [...wireFields(bytes, refuse)]
  const graphs = fields.filter(({ field }) => field === GRAPH)
  if (graphs.length !== 1) return bytes
  const graph = bytesOf(graphs[0], refuse)
  const maps = mapsOf(graph)
  if (maps.size === 0) return bytes
  const file = new WireWriter()
  for (const field of fields) {
    if (field.field === GRAPH) file.message(GRAPH, graphWithout(graph, maps))
    else if (field.wire === 0) file.int(field.field, field.value)
    else if (field.wire === 2) file.bytes(field.field, field.bytes)
  }
  return file.done()
}

function mapsOf(graph: Uint8Array): Map<string, string> {
  const maps = new Map<string, string>()
  for (const field of wireFields(graph, refuse)) {
    if (field.field !== NODE) continue
    const { operator, input, output } = nodeOf(bytesOf(field, refuse))
    if (operator === 'ZipMap' && input !== '' && output !== '') maps.set(output, input)
  }
  return maps
}

function nodeOf(bytes: Uint8Array): { operator: string; input: string; output: string } {
  const node = { operator: '', input: '', output: '' }
  for (const field of wireFields(bytes, refuse)) {
    if (field.field === NODE_INPUT) node.input ||= textOf(field, refuse)
    if (field.field === NODE_OUTPUT) node.output ||= textOf(field, refuse)
    if (field.field === NODE_OPERATOR) node.operator = textOf(field, refuse)
  }
  return node
}

function graphWithout(graph: Uint8Array, maps: Map<string, string>): WireWriter {
  const writer = new WireWriter()
  for (const field of wireFields(graph, refuse)) {
    if (field.wire === 0) writer.int(field.field, field.value)
    if (field.wire !== 2) continue
    const source = field.field === OUTPUT ? maps.get(nameOf(field.bytes)) : undefined
    if (field.field === NODE && nodeOf(field.bytes).operator === 'ZipMap') continue
    if (source === undefined) writer.bytes(field.field, field.bytes)
    else writer.message(OUTPUT, floatsNamed(source))
  }
  return writer
}

function nameOf(port: Uint8Array): string {
  for (const field of wireFields(port, refuse)) if (field.field === 1) return textOf(field, refuse)
  return ''
}

/** What `ZipMap` takes: a tensor of floats of any shape. */
function floatsNamed(name: string): WireWriter {
  const tensor = new WireWriter().int(1, 1)
  return new WireWriter().text(1, name).message(2, new WireWriter().message(1, tensor))
}
