/** Why a prediction is what it is: inputs, features, contributions that add up, and what the model stands on. */
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { ModelVersion, Observation } from '../../core/records.ts'
import { featureRowFn } from '../../expr/features.ts'
import { explainByGraph } from '../../loop/explain.ts'
import { findOutcome, findPrediction } from '../../loop/find-prediction.ts'
import { explainerOf } from '../../model/explain.ts'
import { CLOSED_FORM } from '../../model/explain-rows.ts'
import { SCALES } from '../../model/links.ts'
import { loadModel } from '../../model/load.ts'
import type { Store } from '../../store/ports.ts'
import type { Why } from '../contract.ts'
import { asSent } from './as-sent.ts'
import { fittedOf } from './features.ts'
import { sortFindings } from './findings.ts'
import { gatesOf, modelVersion, type Project, trainedOn } from './model-state.ts'

/** Errors: MR_LOOP_PREDICTION_UNKNOWN; the store's when the model that answered cannot be read. */
export async function whyView({ store }: Pick<Project, 'store'>, id: string): Promise<Why> {
  const answer = await findPrediction(store.log, id)
  if (!answer) throw new MillraceError('MR_LOOP_PREDICTION_UNKNOWN', { id })
  const version = await modelVersion(store, answer.modelVersion)
  const [outcome, report, { features, explanation }] = await Promise.all([
    findOutcome(store.log, id, answer.at),
    gatesOf(store, answer.model, answer.version),
    explain(store, answer, version),
  ])
  return {
    id,
    model: answer.model,
    member: answer.member,
    version: answer.version,
    modelVersion: answer.modelVersion,
    route: answer.route,
    at: answer.at,
    inputs: asSentInputs(answer, version),
    ...(answer.unlogged && { unlogged: answer.unlogged }),
    features,
    output: answer.output,
    ...(answer.label !== undefined && { label: answer.label, probabilities: answer.probabilities }),
    explanation,
    outcome: outcome ? { value: outcome.value, at: outcome.at } : null,
    trainedOn: trainedOn(version),
    run: version.run,
    gates: sortFindings(report?.findings ?? []),
    command: `millrace why ${id}`,
  }
}

/** Inputs as clients write them: the log holds times as numbers. */
function asSentInputs({ inputs, unlogged = [] }: Observation, { signature }: ModelVersion): Why['inputs'] {
  const types = new Map(signature.inputs.map(({ name, type }) => [name, type]))
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      name,
      asSent(value, unlogged.includes(name) ? 'json' : (types.get(name) ?? 'json')),
    ]),
  )
}

type Explained = Pick<Why, 'features' | 'explanation'>

async function explain(store: Store, answer: Observation, version: ModelVersion): Promise<Explained> {
  const fitted = await fittedOf(store, version)
  const lacks = fitted.columns.map(({ name }) => name).filter((name) => answer.unlogged?.includes(name))
  if (lacks.length > 0) return { features: {}, explanation: notLogged(answer, lacks) }
  const x = new Float64Array(fitted.features.length)
  featureRowFn(fitted)(answer.inputs as Parameters<ReturnType<typeof featureRowFn>>[0], x, 0)
  const names = fitted.features.map((feature) => feature.name)
  const numberOf = (j: number) => (Number.isNaN(x[j]) ? null : x[j])
  const features = Object.fromEntries(names.map((name, j) => [name, numberOf(j)]))
  const { classes } = version
  const code = classes && answer.label !== undefined ? Math.max(0, classes.indexOf(answer.label)) : 0
  if (version.format === 'onnx') {
    const parts = { names, x, numberOf, output: code }
    return { features, explanation: await explainGraph(store, answer, version, parts) }
  }
  const { graph } = await loadModel(store, answer.modelVersion)
  const explainer = explainerOf(graph.model)
  const { base, contributions, raw, residual } = explainer.explain(x, code)
  const parts = names.map((feature, j) => ({ feature, value: numberOf(j), contribution: contributions[j] }))
  parts.sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
  return {
    features,
    explanation: {
      base,
      contributions: parts,
      raw,
      residual,
      ...(explainer.how ?? CLOSED_FORM),
      scale: SCALES[graph.model.link],
      ...(classes && { class: classes[code] }),
    },
  }
}

/** An answer whose inputs are not in the log cannot be worked out again: all of it stands in the base, with the reason. */
function notLogged({ output }: Observation, columns: readonly string[]): Why['explanation'] {
  const fallback = `not explained: the log does not have ${columns.join(', ')}, by the policy of the model`
  return {
    ...{ base: output, contributions: [], raw: output, residual: 0 },
    ...{ method: 'none', exact: false, scale: 'output', fallback },
  }
}

interface GraphParts {
  names: string[]
  x: Float64Array
  numberOf(j: number): number | null
  output: number
}

/** A graph that ONNX Runtime scores, by samples against rows that it was trained on; where that cannot be, all of its answer stands in the base, with the reason. */
async function explainGraph(
  store: Store,
  answer: Observation,
  version: ModelVersion,
  { names, x, numberOf, output }: GraphParts,
): Promise<Why['explanation']> {
  const { modelVersion: digest, model, member } = answer
  try {
    const located = { digest, version, member: member === '' ? undefined : member }
    const found = await explainByGraph(store, located, { model, output, rowOf: () => x })
    const { base, contributions, residual, method, exact, fallback } = found.ways[0]
    const parts = names.map((feature, j) => ({
      feature,
      value: numberOf(j),
      contribution: contributions[j],
    }))
    parts.sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
    const { classes } = version
    return {
      ...{ base, contributions: parts, raw: found.outputs[output], residual, method, exact },
      ...(fallback !== undefined && { fallback }),
      scale: 'output',
      ...(classes && { class: classes[output] }),
    }
  } catch (thrown) {
    if (!isMillraceError(thrown)) throw thrown
    return {
      ...{ base: answer.output, contributions: [], raw: answer.output, residual: 0 },
      ...{ method: 'none', exact: false, scale: 'output (ONNX, not explained)', fallback: thrown.message },
    }
  }
}
