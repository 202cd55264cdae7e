/** The journal, newest first. */
import type { JournalEvent } from '../../core/records.ts'
import type { Project } from './model-state.ts'

export interface EventsAsk {
  /** Events older than this sequence number. */
  before?: number
  subjectPrefix?: string
  limit?: number
}

const EVENTS_DEFAULT = 50

export async function eventsView(
  { store }: Pick<Project, 'store'>,
  ask: EventsAsk = {},
): Promise<JournalEvent[]> {
  const { before, subjectPrefix, limit = EVENTS_DEFAULT } = ask
  return await store.meta.events({ before, subjectPrefix, newest: true, limit })
}
