import type { Kysely, Selectable } from 'kysely'
import { canonicalJson } from '../../core/canonical.ts'
import type { Clock } from '../../core/clock.ts'
import { assert, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { CommitResult, Meta, NewEvent, Ref, RefMove } from '../ports.ts'
import { openHostTable } from './hosts.ts'
import { openJobTable } from './jobs.ts'
import {
  AFTER_PREFIX,
  chainEvent,
  findBreak,
  type Head,
  insertEvent,
  readEvents,
  readHead,
} from './journal.ts'
import type { Schema } from './schema.ts'

interface Change {
  moves?: RefMove[]
  event: NewEvent
}

interface Waiting {
  change: Change
  resolve(result: CommitResult): void
  reject(error: unknown): void
}

/**
 * Refs, journal and jobs on one database. Commits that arrive while one is under way share the next
 * transaction.
 */
export function openMeta(db: Kysely<Schema>, clock: Clock): Meta {
  let waiting: Waiting[] = []
  let committing: Promise<void> | undefined
  let closed = false
  // made into a text once: building it costs several times what it takes to run
  const newest = db.selectFrom('journal').select('seq').orderBy('seq', 'desc').limit(1).compile()

  const drain = async () => {
    while (waiting.length > 0) {
      const group = waiting.slice(0, STORE_LIMITS.commitGroupMax)
      waiting = waiting.slice(group.length)
      await commitGroup(db, clock, group)
    }
    committing = undefined
  }

  return {
    async ref(name) {
      const row = await db.selectFrom('refs').selectAll().where('name', '=', name).executeTakeFirst()
      return row && toRef(row)
    },
    async refs(prefix) {
      const rows = db
        .selectFrom('refs')
        .selectAll()
        .where('name', '>=', prefix)
        .where('name', '<', prefix + AFTER_PREFIX)
      return (await rows.orderBy('name').execute()).map(toRef)
    },
    async history(name, limit = 100) {
      const rows = db
        .selectFrom('ref_history')
        .selectAll()
        .where('name', '=', name)
        .orderBy('seq', 'desc')
        .limit(limit)
      return (await rows.execute()).map((row) => ({
        digest: row.digest as Digest | null,
        seq: row.seq,
        movedAt: row.moved_at,
      }))
    },
    async commit(change) {
      if (closed) throw new MillraceError('MR_STORE_CLOSED', { what: 'the journal' })
      checkChange(change)
      return new Promise<CommitResult>((resolve, reject) => {
        waiting.push({ change, resolve, reject })
        committing ??= drain()
      })
    },
    events: (query = {}) => readEvents(db, query),
    newestSeq: async () => (await db.executeQuery(newest)).rows[0]?.seq ?? 0,
    verifyJournal: () => findBreak(db),
    jobs: openJobTable(db),
    hosts: openHostTable(db),
    async close() {
      closed = true
      await committing
      await db.destroy()
    },
  }
}

function toRef(row: Selectable<Schema['refs']>): Ref {
  return { name: row.name, digest: row.digest as Digest, seq: row.seq, movedAt: row.moved_at }
}

function checkChange({ moves = [], event }: Change): void {
  const names = moves.map(({ name }) => name)
  assert(new Set(names).size === names.length, `one commit moves a ref once, got ${names.join(', ')}`)
  assert(
    names.every(isRefName),
    `a ref has a name of well-formed text without control characters, got ${names.join(', ')}`,
  )
  canonicalJson(event.data)
}

function isRefName(name: string): boolean {
  return name !== '' && !/[\p{Cc}\p{Cs}\u{10ffff}]/u.test(name)
}

/**
 * Answers are given only after the transaction is durable; a failure fails the whole group, of which nothing
 * was kept.
 */
async function commitGroup(db: Kysely<Schema>, clock: Clock, group: Waiting[]): Promise<void> {
  try {
    const results = await db.transaction().execute(async (tx) => {
      let head = await readHead(tx)
      const answers: CommitResult[] = []
      for (const { change } of group) {
        const answer = await apply(tx, head, clock.now(), change)
        if (answer.ok) head = answer.event
        answers.push(answer)
      }
      return answers
    })
    for (const [i, { resolve }] of group.entries()) resolve(results[i])
  } catch (thrown) {
    for (const { reject } of group) reject(thrown)
  }
}

async function apply(
  tx: Kysely<Schema>,
  head: Head,
  at: number,
  { moves = [], event: wish }: Change,
): Promise<CommitResult> {
  for (const { name, from, seq } of moves) {
    if (from === undefined) continue
    const row = await tx
      .selectFrom('refs')
      .select(['digest', 'seq'])
      .where('name', '=', name)
      .executeTakeFirst()
    const holds = (row?.digest ?? null) as Digest | null
    if (holds !== from || (seq !== undefined && row?.seq !== seq))
      return { ok: false, conflict: { name, holds } }
  }
  const event = chainEvent(head, at, wish)
  await insertEvent(tx, event)
  for (const move of moves) await moveRef(tx, move, event.seq, at)
  return { ok: true, event }
}

async function moveRef(tx: Kysely<Schema>, { name, to }: RefMove, seq: number, at: number): Promise<void> {
  await tx.insertInto('ref_history').values({ name, seq, digest: to, moved_at: at }).execute()
  if (to === null) {
    await tx.deleteFrom('refs').where('name', '=', name).execute()
    return
  }
  const values = { digest: to, seq, moved_at: at }
  await tx
    .insertInto('refs')
    .values({ name, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute()
}
