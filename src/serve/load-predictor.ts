/** A model version from the store made ready to answer: record, features, graph, and the parent's graph where it is a member. */
import { MillraceError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { Digest, ModelVersion, SignatureField } from '../core/records.ts'
import type { Infer } from '../core/tensors.ts'
import { type FittedFeatures, featureRowFn, readFitted } from '../expr/features.ts'
import { type Explainer, explainerOf } from '../model/explain.ts'
import { type DecodedModel, decodeModel } from '../model/format.ts'
import { formOf } from '../model/forms/registry.ts'
import { type GraphFile, type OpenGraph, openGraph } from '../model/graph/open.ts'
import { finishRows, SCALES } from '../model/links.ts'
import { compileScorer, type Model, type Scorer } from '../model/score.ts'
import type { Calibration, Link } from '../model/trees.ts'
import type { Store } from '../store/ports.ts'
import { assemblePredictor, type PredictorParts } from './assemble.ts'
import { Batcher } from './batcher.ts'
import { explainTogether } from './explain-together.ts'
import { SERVE_LIMITS } from './limits.ts'
import type { Explanation, Predictor, RawRow } from './predictor.ts'
import { signatureCoercer } from './row-coercer.ts'
import { explainSampled, RecentRows } from './sampled-explanations.ts'

/** What runs ONNX graphs off this thread. */
export interface GraphRunner {
  open(graph: GraphFile): Promise<OpenGraph>
}

/** A runner over a runtime that is there, or is opened when the first graph needs it. */
export function onnxGraphs(infer: Infer | (() => Promise<Infer>)): GraphRunner {
  const opened = () => (typeof infer === 'function' ? infer() : Promise.resolve(infer))
  return { open: async (graph) => await openGraph(await opened(), graph) }
}

export interface LoaderOptions {
  store: Store
  limits: Pick<Limits, 'batchRowsMax' | 'batchQueueRowsMax'>
  onnx?: GraphRunner
}

/** Rows to features: the same for all members of a family, so it is made once for them. */
interface FeaturePart {
  key: string
  bytes: number
  inputs: readonly SignatureField[]
  featureNames: readonly string[]
  coerce: (row: RawRow, rowNumber: number) => RawRow
  fill: (row: RawRow, out: Float64Array, offset: number) => void
}

/** A graph compiled for raw scores. */
interface GraphPart {
  key: string
  bytes: number
  scorer: Scorer
  link: Model['link']
  calibration: Calibration | null
}

/** Makes what it is asked for once while anyone holds it. */
class SharedParts<P extends object> {
  readonly #refs = new Map<string, WeakRef<P>>()
  readonly #making = new Map<string, Promise<P>>()
  readonly #gone = new FinalizationRegistry<string>((key) => {
    if (this.#refs.get(key)?.deref() === undefined) this.#refs.delete(key)
  })

  async get(key: string, make: () => Promise<P>): Promise<P> {
    const held = this.#refs.get(key)?.deref() ?? this.#making.get(key)
    if (held) return await held
    const making = make().finally(() => this.#making.delete(key))
    this.#making.set(key, making)
    const part = await making
    this.#refs.set(key, new WeakRef(part))
    this.#gone.register(part, key)
    return part
  }
}

/**
 * Gives the `load` of a model cache. Members of one family share their features and their parent's compiled graph; graphs are kept compiled
 * only, and are read again when an explanation is asked for. Errors: the store's (MR_OBJECT_MISSING, MR_OBJECT_CORRUPT, MR_RECORD_KIND),
 * MR_MODEL_FORMAT, MR_MODEL_INVALID, MR_EXPR_STATE, MR_SERVE_NO_RUNTIME.
 */
export function predictorLoader(options: LoaderOptions): (digest: Digest) => Promise<Predictor> {
  const { store } = options
  const features = new SharedParts<FeaturePart>()
  const graphs = new SharedParts<GraphPart>()
  const explainers = new RecentExplainers(store)
  const graphPart = (digest: Digest) =>
    graphs.get(digest, async () => compileGraph(digest, await readGraph(store, digest)))
  return async (digest) => {
    const version = await store.getRecord<ModelVersion>(digest, 'ModelVersion')
    const inputs = version.signature.inputs
    const part = await features.get(`${version.features} ${JSON.stringify(inputs)}`, () =>
      featurePart(store, version),
    )
    if (version.format === 'onnx') return await onnxPredictor(options, digest, version, part)
    const own = await graphPart(version.graph)
    const base = version.base === undefined ? undefined : await graphPart(version.base)
    const shared = [part, own, ...(base ? [base] : [])].map(({ key, bytes }) => ({ key, bytes }))
    const finish = { link: base?.link ?? own.link, calibration: own.calibration }
    return assemblePredictor({
      digest,
      version: identity(version),
      inputs: part.inputs,
      bytes: PREDICTOR_BYTES,
      shared,
      featureNames: part.featureNames,
      coerce: part.coerce,
      features: part.fill,
      score: (matrix, nRows) => scoreTogether(base, own, finish, matrix, nRows),
      explain: async (matrix, nRows, codes) => {
        const parts = await Promise.all(
          [...(base ? [base] : []), own].map((graph) => explainers.get(graph.key as Digest)),
        )
        const scale = SCALES[base?.link ?? own.link]
        return explainTogether(parts, part.featureNames, scale, matrix, nRows, codes)
      },
    })
  }
}

/** What a predictor takes besides its shared parts: closures and a few strings. */
const PREDICTOR_BYTES = 2_048

function identity({
  model,
  task,
  format,
  classes,
  group,
  threshold,
}: ModelVersion): PredictorParts['version'] {
  return { model, task, format, classes, group, threshold }
}

async function featurePart(store: Store, version: ModelVersion): Promise<FeaturePart> {
  const record = await store.getRecord<FittedFeatures>(version.features, 'FittedFeatures')
  const fitted = readFitted(record)
  const { inputs } = version.signature
  const fill = featureRowFn(fitted)
  return {
    key: `features ${version.features}`,
    bytes: featureBytes(fitted),
    inputs,
    featureNames: fitted.features.map((feature) => feature.name),
    coerce: signatureCoercer(inputs),
    fill: (row, out, offset) => fill(row, out, offset),
  }
}

async function readGraph(store: Store, digest: Digest): Promise<DecodedModel> {
  return decodeModel(await store.objects.get(digest))
}

function compileGraph(digest: Digest, { model, calibration }: DecodedModel): GraphPart {
  const scorer = compileScorer(model)
  return { key: digest, bytes: formOf(model).scorerBytes(model), scorer, link: model.link, calibration }
}

/** Bytes of one learned value: the text, its entry in a map and its number. */
const LEARNED_BYTES = 96

function featureBytes(fitted: FittedFeatures): number {
  const learned = fitted.features.reduce((sum, feature) => sum + (feature.state?.values.length ?? 0), 0)
  return 4_096 + fitted.features.length * 1_024 + learned * LEARNED_BYTES
}

/** A member's raw scores are its parent's plus its own. */
function scoreTogether(
  base: GraphPart | undefined,
  own: GraphPart,
  finish: { link: Link; calibration: Calibration | null },
  matrix: Float64Array,
  nRows: number,
): Float64Array {
  const { nOutputs } = own.scorer
  const raw = new Float64Array(nRows * nOutputs)
  own.scorer.rawBatch(matrix, nRows, raw)
  if (base) {
    const below = new Float64Array(raw.length)
    base.scorer.rawBatch(matrix, nRows, below)
    for (let i = 0; i < raw.length; i++) raw[i] = below[i] + raw[i]
  }
  finishRows(raw, nRows, nOutputs, finish)
  return raw
}

/** Explainers of the graphs explained last, read from the store when they are asked for. */
class RecentExplainers {
  readonly #store: Store
  readonly #kept = new Map<Digest, Explainer>()

  constructor(store: Store) {
    this.#store = store
  }

  async get(digest: Digest): Promise<Explainer> {
    const explainer = this.#kept.get(digest) ?? explainerOf((await readGraph(this.#store, digest)).model)
    this.#kept.delete(digest)
    this.#kept.set(digest, explainer)
    if (this.#kept.size > SERVE_LIMITS.explainersMax)
      this.#kept.delete(this.#kept.keys().next().value as Digest)
    return explainer
  }
}

async function onnxPredictor(
  { store, limits, onnx }: LoaderOptions,
  digest: Digest,
  version: ModelVersion,
  part: FeaturePart,
): Promise<Predictor> {
  if (!onnx) throw new MillraceError('MR_SERVE_NO_RUNTIME', { model: version.model })
  const nFeatures = part.featureNames.length
  const bytes = await store.objects.get(version.graph)
  const nOutputs = version.classes?.length ?? 1
  const { graph, reading } = version
  const session = await onnx.open({ bytes, digest: graph, nFeatures, nOutputs, reading })
  const batcher = new Batcher(session.run, {
    model: version.model,
    width: nFeatures,
    batchRowsMax: limits.batchRowsMax,
    queueRowsMax: limits.batchQueueRowsMax,
  })
  const recent = new RecentRows(nFeatures)
  return assemblePredictor({
    digest,
    version: identity(version),
    inputs: part.inputs,
    bytes: session.bytes,
    shared: [{ key: part.key, bytes: part.bytes }],
    featureNames: part.featureNames,
    coerce: part.coerce,
    features: part.fill,
    score: async (matrix, nRows) => {
      const outputs = await batcher.score(matrix, nRows)
      recent.keep(matrix, outputs, nOutputs)
      return outputs
    },
    explain: async (matrix, nRows, codes) => {
      const background = recent.background()
      if (!background)
        throw new MillraceError('MR_SERVE_EXPLAIN', { model: version.model, format: version.format })
      const explained: Omit<Explanation, 'output'>[] = []
      for (let i = 0; i < nRows; i++) {
        explained.push(
          await explainSampled(matrix.slice(i * nFeatures, (i + 1) * nFeatures), {
            score: (rows, n) => batcher.score(rows, n),
            width: nOutputs,
            output: codes[i],
            featureNames: part.featureNames,
            background,
            budgetMs: SERVE_LIMITS.explainMsMax / nRows,
          }),
        )
      }
      return explained
    },
    dispose: session.close,
  })
}
