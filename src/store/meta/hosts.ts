import { type Kysely, sql } from 'kysely'
import type { HostTable } from '../ports.ts'
import type { Schema } from './schema.ts'

/** Hosts on the metadata database: a row each, which its host renews. */
export function openHostTable(db: Kysely<Schema>): HostTable {
  return {
    async beat({ address, weight, memoryMb }) {
      await db
        .insertInto('hosts')
        .values({ address, weight, memory_mb: memoryMb, beat: 1 })
        .onConflict((conflict) =>
          conflict.column('address').doUpdateSet({ weight, memory_mb: memoryMb, beat: sql`hosts.beat + 1` }),
        )
        .execute()
    },
    async list() {
      const rows = await db.selectFrom('hosts').selectAll().orderBy('address').execute()
      return rows.map(({ address, weight, memory_mb: memoryMb, beat }) => ({
        address,
        weight,
        memoryMb,
        beat,
      }))
    },
    async remove(address, beat) {
      const rows = db.deleteFrom('hosts').where('address', '=', address)
      await (beat === undefined ? rows : rows.where('beat', '=', beat)).execute()
    },
  }
}
