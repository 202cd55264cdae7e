/** Answers of the Open Inference Protocol V2 over HTTP. Strict out: every field the protocol names, data flat, binary only where asked. */
import type { AnswerTensor, InferAnswer } from './backend.ts'
import { encodeBinary, jsonOf } from './datatypes.ts'
import type { InferRequest } from './request.ts'

export interface AnswerBody {
  contentType: string
  /** Length of the JSON before the binary tensors; undefined when there are none. */
  headerLength?: number
  body: string | Buffer
}

/** The answer to a request: JSON, or JSON and binary tensors behind it. */
export function answerBody(
  { model, version, id, parameters, outputs }: InferAnswer,
  request: InferRequest,
): AnswerBody {
  const blobs: Uint8Array[] = []
  const tensors = outputs.map((output) => {
    if (!isBinary(output, request))
      return tensorJson(output, `"data":${jsonOf(output.datatype, output.data)}`)
    const blob = encodeBinary(output.datatype, output.data)
    blobs.push(blob)
    return tensorJson(output, `"parameters":{"binary_data_size":${blob.length}}`)
  })
  const head = `"model_name":${JSON.stringify(model)},"model_version":${JSON.stringify(version)},"id":${JSON.stringify(id)}`
  const more = parameters ? `,"parameters":${JSON.stringify(parameters)}` : ''
  const json = `{${head}${more},"outputs":[${tensors.join(',')}]}`
  if (blobs.length === 0) return { contentType: 'application/json; charset=utf-8', body: json }
  const bytes = Buffer.from(json, 'utf8')
  return {
    contentType: 'application/octet-stream',
    headerLength: bytes.length,
    body: Buffer.concat([bytes, ...blobs]),
  }
}

function tensorJson({ name, datatype, shape }: AnswerTensor, rest: string): string {
  return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape}],${rest}}`
}

function isBinary({ name }: AnswerTensor, { outputs, binaryOutput }: InferRequest): boolean {
  return outputs?.find((output) => output.name === name)?.binary ?? binaryOutput
}
