/** A worker thread that reads model files, one after the other, so that a long one keeps no request waiting. */
import { parentPort } from 'node:worker_threads'
import { assert, isMillraceError, toError } from '../../core/errors.ts'
import { buffersOf, type ReadModel, readModel } from './read-model.ts'

export interface ToReader {
  seq: number
  path: string
}

export type FromReader =
  | { seq: number; read: ReadModel }
  | { seq: number; code: string; data: unknown }
  | { seq: number; message: string }

assert(parentPort, 'this module runs in a worker thread')
const port = parentPort

port.on('message', ({ seq, path }: ToReader) => {
  const answer = answerOf(seq, path)
  port.postMessage(answer, 'read' in answer ? buffersOf(answer.read) : [])
})

function answerOf(seq: number, path: string): FromReader {
  try {
    return { seq, read: readModel(path) }
  } catch (thrown) {
    if (isMillraceError(thrown)) return { seq, code: thrown.code, data: thrown.data }
    return { seq, message: toError(thrown).message }
  }
}
