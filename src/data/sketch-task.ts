/** The task `data.sketch`: sketches of a part that came without, made once and found by the digest of its spec from then on. */
import type { Json } from '../core/canonical.ts'
import { LIMITS } from '../core/limits.ts'
import type { Column, Digest, Part, RunSpec } from '../core/records.ts'
import { hasColumn } from '../engine/parts.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import { type ChildOptions, runChild } from './child.ts'
import type { ImportLimits } from './import-task.ts'
import { inJobFolder } from './job-folder.ts'
import type { SketchJob, SketchResult } from './types.ts'

export const SKETCH_TASK = 'data.sketch'
/** Raised when the same rows would get other sketches. */
const SKETCH_CODE = '1'

type NamedType = Pick<Column, 'name' | 'type'>
export type SketchRows = (job: SketchJob, options: ChildOptions) => Promise<SketchResult>

/** Pure. Columns that the part does not have are left out. */
export function planSketch(part: Part, columns: readonly NamedType[]): RunSpec {
  const has = columns.filter(({ name }) => hasColumn(part, name)).map(({ name, type }) => ({ name, type }))
  return {
    kind: 'RunSpec',
    task: SKETCH_TASK,
    code: SKETCH_CODE,
    inputs: { part: part.digest, ...(part.gone && { gone: part.gone.digest }) },
    params: { columns: has as unknown as Json },
    seed: 0,
  }
}

export function createSketchTask(limits: ImportLimits = LIMITS, sketch: SketchRows = runChild): Task {
  return { name: SKETCH_TASK, code: SKETCH_CODE, run: (context) => runTask(context, limits, sketch) }
}

export const sketchTask: Task = createSketchTask()

async function runTask(
  { store, spec, signal, progress }: TaskContext,
  limits: ImportLimits,
  sketch: SketchRows,
): Promise<{ outputs: Record<string, Digest> }> {
  return await inJobFolder({ name: 'sketch', scratch: store.scratch }, async (folder) => {
    const [part, gone] = [spec.inputs.part!, spec.inputs.gone]
    const { columns } = spec.params as unknown as { columns: NamedType[] }
    const file = {
      path: await store.objects.path(part),
      ...(gone && { gonePath: await store.objects.path(gone) }),
      name: 'a part',
      format: 'parquet' as const,
      gzip: false,
    }
    const { path } = await sketch(
      { op: 'sketch', files: [file], columns, folder, memoryMb: limits.importMemoryMb },
      { signal, stallMs: limits.importStallMs, onProgress: progress },
    )
    return { outputs: { sketches: (await store.objects.putFile(path)).digest } }
  })
}
