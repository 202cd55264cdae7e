/** Task `model.explain`: a model explained over its test rows, on a worker, so that whoever serves goes on serving; once for each version and question. */
import type { Digest, RunSpec } from '../core/records.ts'
import type { Task } from '../engine/ports.ts'
import { explainVersion, type ModelExplanation } from './explain.ts'
import { type ExplainRequest, locate } from './explain-opened.ts'
import type { Runtime } from './runtime.ts'

const TASK = 'model.explain'
const CODE = '1'

interface Asked {
  model: string
  member: string | null
  class: string | null
  feature: string | null
  rows: number
  curves: number
}

export const explainTask: Task = {
  name: TASK,
  code: CODE,
  async run({ store, spec, progress }) {
    const { model, member, class: className, feature, rows, curves } = spec.params as unknown as Asked
    const report = await explainVersion(store, spec.inputs.model, {
      ...{ model, rows, curves },
      member: member ?? undefined,
      class: className ?? undefined,
      feature: feature ?? undefined,
      onProgress: progress,
    })
    return { outputs: { report: await store.putRecord(report) } }
  },
}

/** `explainModel` on a worker; null for graphs that only a runtime of their own scores. Errors: those of `explainModel`. */
export async function explainOnWorker(
  rt: Pick<Runtime, 'store' | 'project' | 'jobs'>,
  request: ExplainRequest & { feature?: string; rows: number; curves: number },
): Promise<ModelExplanation | null> {
  const { digest, version, member } = await locate(rt, request)
  if (version.format === 'onnx') return null
  const params: Asked = {
    model: request.model,
    member: member ?? null,
    class: request.class ?? null,
    feature: request.feature ?? null,
    rows: request.rows,
    curves: request.curves,
  }
  const [run] = await rt.jobs.run([specOf(digest, params)])
  return await rt.store.getRecord<ModelExplanation>(run.record.outputs.report, 'ModelExplanation')
}

function specOf(model: Digest, params: Asked): RunSpec {
  return { kind: 'RunSpec', task: TASK, code: CODE, inputs: { model }, params: { ...params }, seed: 0 }
}
