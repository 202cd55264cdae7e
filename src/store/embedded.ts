import type { Clock } from '../core/clock.ts'
import type { Limits } from '../core/limits.ts'
import { LIMITS } from '../core/limits.ts'
import { prepareLayout } from './disk/layout.ts'
import { openScratch } from './disk/scratch.ts'
import { openSegmentLog, repairSegmentLog } from './log/segments.ts'
import { openLibsql } from './meta/libsql.ts'
import { openMeta } from './meta/meta.ts'
import { migrate } from './meta/migrations.ts'
import { openFileObjects } from './objects/files.ts'
import type { Store } from './ports.ts'
import { openRecords } from './records.ts'

/**
 * Opens the store of one folder: objects as files, refs and journal on SQLite, the log as segments. Any
 * number of processes may have it open.
 */
export async function openEmbedded(
  dir: string,
  options: { clock: Clock; limits?: Partial<Limits> },
): Promise<Store> {
  const layout = await prepareLayout(dir)
  const db = await openLibsql(layout.meta)
  try {
    await migrate(db, layout.meta, options.clock.now())
    const torn = await repairSegmentLog(layout.log)
    const scratch = await openScratch(layout.scratch)
    const objects = openFileObjects(layout.objects, scratch.dir)
    const log = openSegmentLog(layout.log, { ...LIMITS, ...options.limits })
    const meta = openMeta(db, options.clock)
    let closing: Promise<void> | undefined
    const closeAll = async () => {
      await log.close()
      await meta.close()
      await scratch.close()
    }
    return {
      objects,
      meta,
      log,
      ...openRecords(objects),
      scratch: scratch.dir,
      cache: layout.cache,
      repaired: [...scratch.repaired, ...torn],
      close() {
        closing ??= closeAll()
        return closing
      },
    }
  } catch (thrown) {
    await db.destroy()
    throw thrown
  }
}
