import { type BetaCalibration, CHANCE_MIN, type PlattCalibration } from '../../stats/sigmoid-calibration.ts'
import { formOf, type Model } from '../forms/registry.ts'
import type { Calibration, Link } from '../trees.ts'
import { notInOnnx } from './not-in-onnx.ts'
import { DOUBLE, FLOAT } from './onnx-columns.ts'
import { OnnxGraphWriter } from './onnx-writer.ts'

export interface OnnxExportOptions {
  /** Names of the columns, kept in the file's metadata. */
  featureNames?: readonly string[]
  /** Labels of the outputs, kept in the file's metadata. */
  classes?: readonly string[]
  calibration?: Calibration | null
}

/**
 * A model as an ONNX file: input `features` `[rows, nFeatures]` of float32, NaN where missing, category features as codes; output `output`
 * `[rows, nOutputs]` after link and calibration, and `raw` before them.
 *
 * Thresholds and borders of tables are rounded so that every decision on a float32 input is the model's own; leaves, layers and sums are float32, so that answers agree to
 * about 1e-7, and to 2e-6 of the largest in all. Maps of Platt and beta are computed in doubles. Files name operators of opset 13 and ai.onnx.ml 1.
 * Errors: MR_MODEL_EXPORT for forms that ONNX has no operators for. Cost: O(nodes + codes of sets + weights + cells).
 */
export function exportOnnx(model: Model, options: OnnxExportOptions = {}): Uint8Array {
  const form = formOf(model)
  if (!form.writeOnnx) throw notInOnnx(model.kind)
  const graph = new OnnxGraphWriter()
  graph.port('input', 'features', model.nFeatures)
  const raw = graph.node('Identity', [form.writeOnnx(model, graph, 'features')], {}, { output: 'raw' })
  const calibration = options.calibration ?? null
  const tempered = writeMoved(graph, calibration, raw)
  const linked = writeLink(graph, model, tempered)
  const calibrated =
    calibration?.kind === 'platt' || calibration?.kind === 'beta'
      ? writeSigmoidMap(graph, calibration, { link: model.link, raw, linked })
      : writeCalibration(graph, calibration, linked)
  graph.node('Identity', [calibrated], {}, { output: 'output' })
  graph.port('output', 'output', model.nOutputs)
  graph.port('output', 'raw', model.nOutputs)
  return graph.file(metadataOf(options))
}

/** Raw scores as a calibration of them moves them. */
function writeMoved(graph: OnnxGraphWriter, calibration: Calibration | null, raw: string): string {
  if (calibration?.kind === 'temperature')
    return graph.node('Div', [raw, graph.constant([calibration.temperature], [1])])
  if (calibration?.kind !== 'vector') return raw
  const { slopes, intercepts } = calibration
  const scaled = graph.node('Mul', [raw, graph.constant(slopes, [1, slopes.length])])
  return graph.node('Add', [scaled, graph.constant(intercepts, [1, intercepts.length])])
}

function metadataOf({ featureNames, classes }: OnnxExportOptions): Record<string, string> {
  return {
    ...(featureNames ? { 'millrace.features': JSON.stringify(featureNames) } : {}),
    ...(classes ? { 'millrace.classes': JSON.stringify(classes) } : {}),
  }
}

const LINK_OPERATORS: Record<Exclude<Link, 'shares'>, string | null> = {
  identity: null,
  sigmoid: 'Sigmoid',
  exp: 'Exp',
  softmax: 'Softmax',
}

function writeLink(graph: OnnxGraphWriter, { link, nOutputs }: Model, raw: string): string {
  if (link === 'shares') {
    const above = graph.node('Relu', [raw])
    const ones = graph.constant(new Array<number>(nOutputs).fill(1), [nOutputs, 1])
    return graph.node('Div', [above, graph.node('MatMul', [above, ones])])
  }
  const operator = LINK_OPERATORS[link]
  return operator === null ? raw : graph.node(operator, [raw])
}

/** A sigmoid of the logarithms of a chance and of its opposite, in doubles: in floats a chance near 1 has no opposite. */
function writeSigmoidMap(
  graph: OnnxGraphWriter,
  map: PlattCalibration | BetaCalibration,
  { link, raw, linked }: { link: Link; raw: string; linked: string },
): string {
  const number = (value: number, dims = [1, 1]) => graph.tensor('double', [value], dims)
  const wide = graph.node('Cast', [link === 'sigmoid' ? raw : linked], { to: DOUBLE })
  const chance = link === 'sigmoid' ? graph.node('Sigmoid', [wide]) : wide
  const held = graph.node('Clip', [chance, number(CHANCE_MIN, []), number(1 - CHANCE_MIN, [])])
  const up = graph.node('Log', [held])
  const down = graph.node('Log', [graph.node('Sub', [number(1), held])])
  const [a, b, c] = map.kind === 'platt' ? [map.slope, map.slope, map.intercept] : [map.a, map.b, map.c]
  const parts = [graph.node('Mul', [up, number(a)]), graph.node('Mul', [down, number(b)])]
  const score = graph.node('Add', [graph.node('Sub', parts), number(c)])
  return graph.node('Cast', [graph.node('Sigmoid', [score])], { to: FLOAT })
}

/** Piece-wise linear: the first value, and of each piece its slope times how far the output is in it. */
function writeCalibration(graph: OnnxGraphWriter, calibration: Calibration | null, output: string): string {
  if (calibration?.kind !== 'isotonic') return output
  const { x, y } = calibration
  const widths = x.slice(1).map((end, i) => end - x[i])
  const slopes = widths.map((width, i) => (y[i + 1] - y[i]) / width)
  const first = graph.constant([y[0]], [1])
  if (widths.length === 0)
    return graph.node('Add', [graph.node('Mul', [output, graph.constant([0], [1])]), first])
  const beyond = graph.node('Sub', [output, graph.constant(x.slice(0, -1), [widths.length])])
  const above = graph.node('Max', [beyond, graph.constant([0], [1])])
  const within = graph.node('Min', [above, graph.constant(widths, [widths.length])])
  const risen = graph.node('MatMul', [within, graph.constant(slopes, [widths.length, 1])])
  return graph.node('Add', [risen, first])
}
