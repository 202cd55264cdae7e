import type { Kysely } from 'kysely'
import { MillraceError } from '../../core/errors.ts'
import type { Schema } from './schema.ts'

/**
 * One step of the schema. A step never changes after a release; what it got wrong is put right by a later
 * one.
 */
interface Migration {
  id: string
  up(db: Kysely<Schema>): Promise<void>
}

const MIGRATIONS: Migration[] = [
  {
    id: '0001-refs-journal-jobs',
    async up(db) {
      await createRefs(db)
      await createJournal(db)
      await createJobs(db)
    },
  },
  { id: '0002-hosts', up: createHosts },
]

async function createHosts(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('hosts')
    .addColumn('address', 'text', (c) => c.primaryKey())
    .addColumn('weight', 'double precision', (c) => c.notNull())
    .addColumn('memory_mb', 'double precision', (c) => c.notNull())
    .addColumn('beat', 'bigint', (c) => c.notNull())
    .execute()
}

async function createRefs(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('refs')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('digest', 'text', (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('moved_at', 'bigint', (c) => c.notNull())
    .execute()
  await db.schema
    .createTable('ref_history')
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('digest', 'text')
    .addColumn('moved_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('ref_history_key', ['name', 'seq'])
    .execute()
  await db.schema.createIndex('ref_history_by_seq').on('ref_history').column('seq').execute()
}

async function createJournal(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('journal')
    .addColumn('seq', 'bigint', (c) => c.primaryKey())
    .addColumn('at', 'bigint', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('reason', 'text', (c) => c.notNull())
    .addColumn('data', 'text', (c) => c.notNull())
    .addColumn('previous', 'text', (c) => c.notNull())
    .addColumn('hash', 'text', (c) => c.notNull())
    .execute()
  await db.schema.createIndex('journal_by_subject').on('journal').columns(['subject', 'seq']).execute()
  await db.schema.createIndex('journal_by_type').on('journal').columns(['type', 'seq']).execute()
}

async function createJobs(db: Kysely<Schema>): Promise<void> {
  await db.schema
    .createTable('jobs')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('task', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('priority', 'double precision', (c) => c.notNull())
    .addColumn('tries', 'integer', (c) => c.notNull())
    .addColumn('worker', 'text')
    .addColumn('lease_until', 'bigint')
    .addColumn('fence', 'bigint', (c) => c.notNull())
    .addColumn('error', 'text')
    .addColumn('progress_done', 'double precision')
    .addColumn('progress_note', 'text')
    .addColumn('queued_at', 'bigint', (c) => c.notNull())
    .addColumn('ordinal', 'integer', (c) => c.notNull())
    .addColumn('ended_at', 'bigint')
    .execute()
  await db.schema
    .createIndex('jobs_by_urgency')
    .on('jobs')
    .columns(['state', 'priority desc', 'queued_at', 'ordinal'])
    .execute()
  await db.schema.createIndex('jobs_by_lease').on('jobs').columns(['state', 'lease_until']).execute()
  await db.schema.createIndex('jobs_by_worker').on('jobs').columns(['worker', 'state']).execute()
  await db.schema
    .createTable('job_needs')
    .addColumn('job_id', 'text', (c) => c.notNull())
    .addColumn('needs_id', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('job_needs_key', ['job_id', 'needs_id'])
    .execute()
  await db.schema.createIndex('job_needs_by_need').on('job_needs').column('needs_id').execute()
}

/**
 * Brings a database to this version in one transaction; several processes may open a new one at once. Throws
 * MR_STORE_NEWER when it holds steps that this version does not know.
 */
export async function migrate(db: Kysely<Schema>, path: string, now: number): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await tx.schema
      .createTable('migrations')
      .ifNotExists()
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('applied_at', 'bigint', (c) => c.notNull())
      .execute()
    const applied = (await tx.selectFrom('migrations').select('id').orderBy('id').execute()).map(
      ({ id }) => id,
    )
    refuseUnknown(applied, path)
    for (const migration of MIGRATIONS.filter(({ id }) => !applied.includes(id))) {
      await migration.up(tx)
      await tx.insertInto('migrations').values({ id: migration.id, applied_at: now }).execute()
    }
  })
}

function refuseUnknown(applied: string[], path: string): void {
  const unknown = applied.filter((id) => MIGRATIONS.every((known) => known.id !== id))
  if (unknown.length === 0) return
  throw new MillraceError('MR_STORE_NEWER', { path, format: unknown.at(-1)!, known: MIGRATIONS.at(-1)!.id })
}
