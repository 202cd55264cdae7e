/** What the journal says of imports. */
import { subjects } from '../core/names.ts'
import type { Digest, JournalEvent } from '../core/records.ts'
import type { Store } from '../store/ports.ts'

export interface ImportEventData {
  run: Digest
  delivery: Digest
  version: Digest
  /** Digests of the delivered files, and which of their rows were taken. */
  files: Digest[]
  /** What each file delivered, as `contentOf` names it; absent from events of before folders could say something. */
  contents?: Digest[]
  selection: Digest
  /** Branch that took the rows; absent for `main`. */
  branch?: string
}

/** Events of a dataset, newest first, page by page. */
export async function* importEvents(
  store: Store,
  dataset: string,
  types: string | readonly string[],
): AsyncIterable<JournalEvent> {
  let before: number | undefined
  for (;;) {
    const page = await store.meta.events({
      subject: subjects.dataset(dataset),
      types: [types].flat(),
      newest: true,
      before,
    })
    if (page.length === 0) return
    yield* page
    before = page.at(-1)!.seq
  }
}
