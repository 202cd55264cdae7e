/** The stream of a dataset in the log: batches, each a head and its rows as lines. */
import { refs } from '../../core/names.ts'
import type { LogPosition, Store } from '../../store/ports.ts'
import type { BatchHead } from './types.ts'

/** Stream of the log that has the rows of a dataset. */
export const rowStream = (dataset: string): string => refs.rows(dataset)

export interface LoggedBatch {
  head: BatchHead
  lines: string[]
}

/** Batches after a place, as many at a time as the log reads at once; `next` is the place after them. Errors: MR_LOG_DAMAGED. */
export async function* batchesIn(
  store: Pick<Store, 'log'>,
  stream: string,
  after: LogPosition | null,
): AsyncIterable<{ batches: LoggedBatch[]; next: LogPosition }> {
  for await (const { records, next } of store.log.read(stream, after ?? undefined)) {
    const batches: LoggedBatch[] = []
    for (let i = 0; i < records.length; ) {
      const head = JSON.parse(records[i]!) as BatchHead
      batches.push({ head, lines: records.slice(i + 1, i + 1 + head.rows) })
      i += 1 + head.rows
    }
    yield { batches, next }
  }
}
