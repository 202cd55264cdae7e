/** The protocol over models that take rows: columns of the signature are tensors of one element a row. */
import { MillraceError } from '../../core/errors.ts'
import type { ModelTask, SignatureField } from '../../core/records.ts'
import { LABEL_THRESHOLD } from '../../model/measures/binary.ts'
import { answerKind, type OutputTensor } from '../answers.ts'
import { cacheText, plainAnswers } from '../http/plain-routes.ts'
import { SERVE_LIMITS } from '../limits.ts'
import { groupByMember } from '../member-groups.ts'
import { parseAddress, routeFor, versionsOf } from '../router.ts'
import type { Answers, PredictRequest, Station } from '../station.ts'
import {
  type AnswerTensor,
  EXPLANATION_OUTPUT,
  type Explained,
  type InferAnswer,
  type InferAsk,
  type ModelDescription,
  type ModelMetadata,
  type OipBackend,
  type TensorSpec,
} from './backend.ts'
import { datatypeOf } from './datatypes.ts'
import { rowsOf } from './rows.ts'
import { checkTensors } from './tensor-limits.ts'

/** An output tensor that may look at the whole of the answers. */
type Output = Omit<OutputTensor, 'data'> & { data: (answers: Answers) => (number | boolean | string)[] }

/** Comes where explanations are asked for, by parameter or by this name. Metadata do not list it: clients that ask for all they find would pay for it unasked. */
const EXPLANATION: Output = {
  name: EXPLANATION_OUTPUT,
  datatype: 'BYTES',
  data: ({ explanations = [] }) => explanations.map((explanation) => JSON.stringify(explanation)),
}

const ON_REQUEST: readonly Output[] = [
  { name: 'id', datatype: 'BYTES', data: (a) => [...a.ids] },
  { name: 'member', datatype: 'BYTES', data: (a) => [...a.members] },
]

export class RowBackend implements OipBackend {
  readonly extensions = ['binary_tensor_data', 'explain', 'feedback']
  readonly isByRow = true
  readonly #station: Station

  constructor(station: Station) {
    this.#station = station
  }

  /** Ready means: asked now, it would answer. So the model is loaded here when it is not. */
  async modelReady(model: string, version?: string): Promise<void> {
    const { family, member } = parseAddress(model)
    const live = await this.#station.router.release(family)
    const route = routeFor(live, family, '', version)
    const [group] = groupByMember(route.record, [{}], member)
    await this.#station.cache.with(group.digest, () => undefined)
  }

  async metadata(model: string, version?: string): Promise<ModelMetadata> {
    const live = await this.#station.router.release(parseAddress(model).family)
    if (version) routeFor(live, model, '', version)
    const info = await this.#station.describe(model, ({ task, format, inputs, classes }) => ({
      platform: `millrace_${format}`,
      inputs: inputSpecs(inputs),
      outputs: outputSpecs(task, classes),
      ...(classes && { parameters: { classes: [...classes] } }),
    }))
    return { name: model, versions: versionsOf(live).map(String), ...info }
  }

  async describe(model: string, version?: string): Promise<ModelDescription> {
    const rows = await this.#station.describe(model, ({ task, inputs, classes }) => ({
      task,
      inputs,
      classes,
    }))
    return { metadata: await this.metadata(model, version), isExplained: true, rows }
  }

  async infer(ask: InferAsk): Promise<InferAnswer> {
    const beganMs = performance.now()
    const request = await this.rowsAsked(ask)
      .then((rows) => {
        checkAwaited(ask, beganMs)
        return rows
      })
      .catch((error) => {
        this.failed(ask.model, error)
        throw error
      })
    return inferAnswer(await this.#station.predict(request), ask)
  }

  async *stream(ask: InferAsk): AsyncGenerator<InferAnswer> {
    const request = await this.rowsAsked(ask).catch((error) => {
      this.failed(ask.model, error)
      throw error
    })
    for await (const answers of this.#station.pieces(request, SERVE_LIMITS.streamRows)) {
      if (ask.signal?.aborted) return
      yield inferAnswer(answers, ask)
    }
  }

  /** Tensors as a request for rows. Errors: MR_SERVE_TENSOR, also for outputs that the model does not have, before anything is scored. */
  async rowsAsked(ask: InferAsk): Promise<PredictRequest> {
    const { task, inputs } = await this.#station.describe(ask.model, ({ task, inputs }) => ({ task, inputs }))
    checkTensors(ask.inputs, this.#station.limits)
    checkOutputs(task, ask.outputs)
    const { model, version, key, trace, tenant, span, attempt, explainClass, threshold } = ask
    const rows = rowsOf(ask.inputs, inputs, this.#station.limits)
    const explain = ask.explain === true || ask.outputs?.includes(EXPLANATION_OUTPUT) === true
    const asked = { model, version, key, trace, tenant, span, attempt, explain, explainClass, threshold }
    return { ...asked, rows, requestId: ask.id ?? ask.requestId }
  }

  /** Nothing is logged: it is a question about the model, not a prediction. */
  async explain(ask: InferAsk): Promise<Explained> {
    const request = await this.rowsAsked({ ...ask, outputs: undefined }).catch((error) => {
      this.failed(ask.model, error)
      throw error
    })
    return explained(await this.#station.explain(request), ask.model)
  }

  names(): string[] {
    return this.#station.router.models()
  }

  failed(model: string, error: unknown): void {
    this.#station.countError(parseAddress(model).family, error)
  }
}

function inferAnswer(answers: Answers, ask: InferAsk): InferAnswer {
  const { version, requestId } = answers
  return {
    model: ask.model,
    version: String(version),
    id: ask.id ?? requestId,
    parameters: parametersOf(answers),
    outputs: tensorsOf(answers, ask.outputs),
  }
}

/** What is said of a request as a whole: who answered, where a yes begins, and what was kept from before. */
function parametersOf({ version, route, task, threshold = LABEL_THRESHOLD, cached }: Answers) {
  return {
    version,
    route,
    ...(task === 'binary' && { threshold }),
    ...(cached && { cache: cacheText(cached) }),
  }
}

/** Answers with their explanations, row by row. */
export function explained(answers: Answers, model: string): Explained {
  const { version, requestId } = answers
  return { model, version: String(version), id: requestId, explanations: plainAnswers(answers) }
}

/** What nobody waits for any more is neither computed nor logged. Errors: MR_CANCELLED, MR_SERVE_DEADLINE. */
function checkAwaited({ model, signal, deadlineMs }: InferAsk, beganMs: number): void {
  if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the request' })
  const now = performance.now()
  if (deadlineMs !== undefined && now > deadlineMs)
    throw new MillraceError('MR_SERVE_DEADLINE', { model, waitedMs: Math.round(now - beganMs) })
}

function inputSpecs(fields: readonly SignatureField[]): TensorSpec[] {
  return fields.map(({ name, type }) => ({ name, datatype: datatypeOf(type), shape: [-1] }))
}

function outputSpecs(task: ModelTask, classes: readonly string[] = []): TensorSpec[] {
  return listedOf(task).map(({ name, datatype, perClass }) => ({
    name,
    datatype,
    shape: perClass ? [-1, classes.length] : [-1],
  }))
}

/** Outputs that metadata list: those that come unasked first, then those on request. */
function listedOf(task: ModelTask): readonly Output[] {
  return [...answerKind(task).tensors, ...ON_REQUEST]
}

const outputsOf = (task: ModelTask): readonly Output[] => [...listedOf(task), EXPLANATION]

function checkOutputs(task: ModelTask, wanted: readonly string[] | undefined): void {
  const names = outputsOf(task).map(({ name }) => name)
  for (const name of wanted ?? []) {
    if (names.includes(name)) continue
    throw new MillraceError('MR_SERVE_TENSOR', {
      tensor: name.slice(0, 64),
      need: `one of the outputs ${names.join(', ')}`,
      got: 'this name',
    })
  }
}

function tensorsOf(answers: Answers, wanted: readonly string[] | undefined): AnswerTensor[] {
  const all = outputsOf(answers.task)
  const usual: readonly Output[] = answerKind(answers.task).tensors
  const named = wanted?.map((name) => all.find((output) => output.name === name) as Output) ?? usual
  const isAdded = answers.explanations !== undefined && !named.includes(EXPLANATION)
  const asked = isAdded ? [...named, EXPLANATION] : named
  const rows = answers.ids.length
  return asked.map(({ name, datatype, perClass, data: dataOf }) => {
    const data = dataOf(answers)
    return { name, datatype, shape: perClass ? [rows, data.length / rows] : [rows], data }
  })
}
