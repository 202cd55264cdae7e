/** Forms of model as operators of ONNX. */
import type { LinearModel, TreeEnsemble } from '../trees.ts'
import { treeAttributes } from './onnx-trees.ts'
import { ML, type OnnxGraphWriter } from './onnx-writer.ts'

/** Writes an ensemble from a tensor of features; gives the name of its raw scores. */
export function writeTreesOnnx(model: TreeEnsemble, graph: OnnxGraphWriter, features: string): string {
  return graph.node('TreeEnsembleRegressor', [features], treeAttributes(model), { domain: ML })
}

/** Writes a linear model: missing values are replaced first. */
export function writeLinearOnnx(model: LinearModel, graph: OnnxGraphWriter, features: string): string {
  const { weights, intercepts, missing, nOutputs } = model
  const imputed = graph.node(
    'Imputer',
    [features],
    { imputed_value_floats: Float32Array.from(missing), replaced_value_float: Number.NaN },
    { domain: ML },
  )
  return graph.node(
    'LinearRegressor',
    [imputed],
    {
      coefficients: Float32Array.from(weights),
      intercepts: Float32Array.from(intercepts),
      targets: nOutputs,
    },
    { domain: ML },
  )
}
