import { createHash } from 'node:crypto'
import type { Kysely, Selectable } from 'kysely'
import { canonicalJson, type Json } from '../../core/canonical.ts'
import { LIMITS } from '../../core/limits.ts'
import type { JournalEvent } from '../../core/records.ts'
import type { Meta, NewEvent } from '../ports.ts'
import type { Schema } from './schema.ts'

/** `previous` of the first event. */
export const GENESIS = `sha256:${'0'.repeat(64)}`

/** Above every name that has a prefix: the last code point, which no name may hold. */
export const AFTER_PREFIX = '\u{10ffff}'

export interface Head {
  seq: number
  hash: string
}

/** The last event, or the place before the first. */
export async function readHead(db: Kysely<Schema>): Promise<Head> {
  const row = await db
    .selectFrom('journal')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ?? { seq: 0, hash: GENESIS }
}

/**
 * The event that comes after `head`: its hash covers everything else in it, and through `previous` all before
 * it.
 */
export function chainEvent(head: Head, at: number, event: NewEvent): JournalEvent {
  const [type, subject, actor, reason] = [event.type, event.subject, event.actor, event.reason].map(asStored)
  const data = JSON.parse(canonicalJson(event.data)) as Json
  const body = { seq: head.seq + 1, at, type, subject, actor, reason, data, previous: head.hash }
  return { ...body, hash: hashOf(body) }
}

/**
 * Text as the database gives it back: what UTF-8 cannot say (half a surrogate pair) and U+0000 become U+FFFD
 * before they are hashed.
 */
function asStored(text: string): string {
  return Buffer.from(text).toString().replaceAll('\0', '\ufffd')
}

function hashOf(body: Omit<JournalEvent, 'hash'>): string {
  return `sha256:${createHash('sha256').update(canonicalJson(body)).digest('hex')}`
}

export async function insertEvent(db: Kysely<Schema>, event: JournalEvent): Promise<void> {
  await db
    .insertInto('journal')
    .values({ ...event, data: canonicalJson(event.data) })
    .execute()
}

function toEvent(row: Selectable<Schema['journal']>): JournalEvent {
  const { seq, at, type, subject, actor, reason, previous, hash } = row
  return { seq, at, type, subject, actor, reason, data: JSON.parse(row.data) as Json, previous, hash }
}

export async function readEvents(
  db: Kysely<Schema>,
  query: NonNullable<Parameters<Meta['events']>[0]>,
): Promise<JournalEvent[]> {
  const { after, before, subject, subjectPrefix, types, newest } = query
  if (types?.length === 0) return []
  const limit = Math.max(0, Math.min(query.limit ?? LIMITS.journalPageMax, LIMITS.journalPageMax))
  let rows = db.selectFrom('journal').selectAll()
  if (after !== undefined) rows = rows.where('seq', '>', after)
  if (before !== undefined) rows = rows.where('seq', '<', before)
  if (subject !== undefined) rows = rows.where('subject', '=', subject)
  if (subjectPrefix !== undefined) {
    rows = rows.where('subject', '>=', subjectPrefix).where('subject', '<', subjectPrefix + AFTER_PREFIX)
  }
  if (types !== undefined) rows = rows.where('type', 'in', types)
  return (
    await rows
      .orderBy('seq', newest ? 'desc' : 'asc')
      .limit(limit)
      .execute()
  ).map(toEvent)
}

/**
 * Recomputes the chain from the first event. Finds edited, inserted, removed and reordered events, and a cut
 * tail as far as a ref was moved in it; events cut from the end that moved nothing leave no trace.
 */
export async function findBreak(db: Kysely<Schema>): Promise<number | undefined> {
  let head: Head = { seq: 0, hash: GENESIS }
  for (;;) {
    const rows = await pageAfter(db, head.seq)
    for (const row of rows) {
      if (!follows(head, row)) return head.seq + 1
      head = row
    }
    if (rows.length === 0) break
  }
  const last = await db
    .selectFrom('ref_history')
    .select('seq')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return last !== undefined && last.seq > head.seq ? head.seq + 1 : undefined
}

function pageAfter(db: Kysely<Schema>, seq: number) {
  return db
    .selectFrom('journal')
    .selectAll()
    .where('seq', '>', seq)
    .orderBy('seq')
    .limit(LIMITS.journalPageMax)
    .execute()
}

function follows(head: Head, row: Selectable<Schema['journal']>): boolean {
  if (row.seq !== head.seq + 1 || row.previous !== head.hash) return false
  try {
    const { hash, ...body } = toEvent(row)
    return hash === hashOf(body)
  } catch {
    return false
  }
}
