import type { Digest } from '../core/records.ts'
import type { TaskContext } from '../engine/ports.ts'
import type { Checkpoints } from './learner.ts'

/** Rows below which a training is over before a checkpoint would pay. */
const CHECKPOINT_ROWS_MIN = 100_000

type Owner = Pick<TaskContext, 'store' | 'specDigest'>

/** Name of the ref that holds the checkpoint of a run. */
export function checkpointRef(spec: Digest): string {
  return `checkpoints/${spec.slice(spec.indexOf(':') + 1)}`
}

/** Checkpoints of a run, as objects under a ref of its spec; `undefined` for few rows. */
export function checkpointsOf(owner: Owner, nRows: number): Checkpoints | undefined {
  if (nRows < CHECKPOINT_ROWS_MIN) return undefined
  const { objects, meta } = owner.store
  const name = checkpointRef(owner.specDigest)
  return {
    load: async () => {
      const ref = await meta.ref(name)
      return ref && (await objects.has(ref.digest)) ? objects.get(ref.digest) : undefined
    },
    save: async (bytes) =>
      move(owner, await objects.put(bytes), 'train.checkpointed', 'so that a killed fit goes on from here'),
  }
}

/** Forgets the checkpoint of a run that has ended. */
export async function dropCheckpoint(owner: Owner): Promise<void> {
  if (!(await owner.store.meta.ref(checkpointRef(owner.specDigest)))) return
  await move(owner, null, 'train.checkpoint-dropped', 'the fit has ended')
}

async function move(
  { store, specDigest }: Owner,
  to: Digest | null,
  type: string,
  reason: string,
): Promise<void> {
  const name = checkpointRef(specDigest)
  await store.meta.commit({
    moves: [{ name, to }],
    event: { type, subject: name, actor: 'train', reason, data: { run: specDigest } },
  })
}
