/** A version of a dataset as a frame: parts that its conditions rule out are not opened. */
import { digestOf } from '../../core/digest.ts'
import { MillraceError } from '../../core/errors.ts'
import type { DatasetVersion, Part } from '../../core/records.ts'
import type { NamedVersion } from '../../data/index.ts'
import { relationOf } from '../../engine/relation.ts'
import type { Store } from '../../store/ports.ts'
import type { Condition } from '../condition-types.ts'
import { canHold } from '../conditions.ts'
import type { Step } from '../step.ts'
import { entered } from './enter.ts'

/** `version`: a record, or a name such as `flights@main~1`, which is resolved when the frame is asked for. */
export function versionStep(version: DatasetVersion | string, given?: Store): Step {
  return {
    verb: 'version',
    async write(scope, conditions) {
      const store = given ?? scope.store
      if (!store) throw new MillraceError('MR_FRAME_STORE', { dataset: nameOf(version) })
      const { version: record, digest } =
        typeof version === 'string' ? await named(store, version) : { version, digest: digestOf(version) }
      const parts = record.parts.filter((part) => canHoldAll(part, record, conditions))
      const relation = await relationOf(store, { ...record, parts })
      scope.sources.push({
        name: nameOf(version),
        digest,
        kind: 'parquet',
        files: await Promise.all(parts.map((part) => store.objects.path(part.digest))),
        parts: record.parts.length,
        partsSkipped: record.parts.length - parts.length,
        conditions,
      })
      return await entered(scope, relation, { isClean: true })
    },
  }
}

async function named(store: Store, name: string): Promise<NamedVersion> {
  const { resolveVersion } = await import('../../data/index.ts')
  return await resolveVersion(store, name)
}

const nameOf = (version: DatasetVersion | string): string =>
  typeof version === 'string' ? version : version.dataset

function canHoldAll(part: Part, { schema }: DatasetVersion, conditions: readonly Condition[]): boolean {
  return conditions.every((condition) => {
    const column = schema.columns.find(({ name }) => name === condition.column)
    const stats = part.stats[condition.column]
    return !column || !stats || canHold(condition, { type: column.type, min: stats.min, max: stats.max })
  })
}
