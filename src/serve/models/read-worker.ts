/** A worker thread that reads model files, one after the other, so that a long one keeps no request waiting. */
import { parentPort } from 'node:worker_threads'
import { assert, isMillraceError, toError } from '../../core/errors.ts'
import { QuietCollector } from './quiet-collector.ts'
import { buffersOf, type ReadAs, type ReadModel, readModel } from './read-model.ts'

export interface ToReader {
  seq: number
  path: string
  bytes: number
  as: ReadAs
}

export type FromReader =
  | { seq: number; read: ReadModel }
  | { seq: number; code: string; data: unknown }
  | { seq: number; message: string }

assert(parentPort, 'this module runs in a worker thread')
const port = parentPort
const collector = new QuietCollector()
/** What reading a file leaves behind, about, in times of it. */
const LEFT_PER_BYTE = 5

port.on('message', ({ seq, path, bytes, as }: ToReader) => {
  const answer = answerOf(seq, path, as)
  port.postMessage(answer, 'read' in answer ? buffersOf(answer.read) : [])
  collector.add(LEFT_PER_BYTE * bytes)
})

function answerOf(seq: number, path: string, as: ReadAs): FromReader {
  try {
    return { seq, read: readModel(path, as) }
  } catch (thrown) {
    if (isMillraceError(thrown)) return { seq, code: thrown.code, data: thrown.data }
    return { seq, message: toError(thrown).message }
  }
}
