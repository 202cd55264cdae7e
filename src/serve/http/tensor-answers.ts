/** Answers of the Open Inference Protocol V2. Strict out: every field the protocol names, data flat, binary only where asked. */
import { MillraceError } from '../../core/errors.ts'
import type { ModelTask, SignatureField } from '../../core/records.ts'
import { answerKind, type OutputTensor } from '../answers.ts'
import type { Answers } from '../station.ts'
import type { InferRequest, WantedOutput } from './tensor-rows.ts'
import { datatypeOf, encodeBinary } from './tensor-types.ts'

/** Outputs of a task: those that come unasked first, then those on request. */
function outputsOf(task: ModelTask): { usual: OutputTensor[]; onRequest: Output[] } {
  const id: Output = { name: 'id', datatype: 'BYTES', data: (a) => [...a.ids] }
  const member: Output = { name: 'member', datatype: 'BYTES', data: (a) => [...a.members] }
  return { usual: answerKind(task).tensors, onRequest: [id, member] }
}

/** An output tensor that may look at the whole of the answers. */
type Output = Omit<OutputTensor, 'data'> & { data: (answers: Answers) => (number | boolean | string)[] }

export interface TensorInfo {
  name: string
  datatype: string
  shape: number[]
}

/** What `GET /v2/models/:m` says of inputs and outputs; -1 is any number of rows. */
export function tensorInfo(
  task: ModelTask,
  fields: readonly SignatureField[],
  classes: readonly string[] = [],
): { inputs: TensorInfo[]; outputs: TensorInfo[] } {
  const { usual, onRequest } = outputsOf(task)
  const outputs = [...usual, ...onRequest].map(({ name, datatype, perClass }) => ({
    name,
    datatype,
    shape: perClass ? [-1, classes.length] : [-1],
  }))
  const inputs = fields.map(({ name, type }) => ({ name, datatype: datatypeOf(type), shape: [-1] }))
  return { inputs, outputs }
}

/** Refuses outputs that the model does not have, before anything is scored. Errors: MR_SERVE_TENSOR. */
export function checkOutputs(task: ModelTask, wanted: readonly WantedOutput[] | undefined): void {
  const { usual, onRequest } = outputsOf(task)
  const names = [...usual, ...onRequest].map((output) => output.name)
  for (const { name } of wanted ?? []) {
    if (names.includes(name)) continue
    throw new MillraceError('MR_SERVE_TENSOR', {
      tensor: name.slice(0, 64),
      need: `one of the outputs ${names.join(', ')}`,
      got: 'this name',
    })
  }
}

export interface InferAnswer {
  contentType: string
  /** Length of the JSON before the binary tensors; undefined when there are none. */
  headerLength?: number
  body: string | Buffer
}

/** The answer to a request: JSON, or JSON and binary tensors behind it. `model` is the name as it was asked for. */
export function inferAnswer(answers: Answers, request: InferRequest, model: string): InferAnswer {
  const blobs: Uint8Array[] = []
  const outputs = chosen(answers.task, request).map(({ output, binary }) => {
    const { name, datatype, perClass } = output
    const data = output.data(answers)
    const rows = answers.ids.length
    const head = { name, datatype, shape: perClass ? [rows, data.length / rows] : [rows] }
    if (!binary) return { ...head, data }
    const blob = encodeBinary(datatype, data)
    blobs.push(blob)
    return { ...head, parameters: { binary_data_size: blob.length } }
  })
  const { version, route, requestId } = answers
  const json = JSON.stringify({
    model_name: model,
    model_version: String(version),
    id: request.id ?? requestId,
    parameters: { version, route },
    outputs,
  })
  if (blobs.length === 0) return { contentType: 'application/json; charset=utf-8', body: json }
  const head = Buffer.from(json, 'utf8')
  return {
    contentType: 'application/octet-stream',
    headerLength: head.length,
    body: Buffer.concat([head, ...blobs]),
  }
}

function chosen(task: ModelTask, request: InferRequest): { output: Output; binary: boolean }[] {
  const { usual, onRequest } = outputsOf(task)
  if (!request.outputs) return usual.map((output) => ({ output, binary: request.binaryOutput }))
  const all = new Map<string, Output>([...usual, ...onRequest].map((output) => [output.name, output]))
  return request.outputs.map(({ name, binary }) => ({
    output: all.get(name) as Output,
    binary: binary ?? request.binaryOutput,
  }))
}
