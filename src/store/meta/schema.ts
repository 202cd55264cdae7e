/**
 * Tables of the metadata database as Kysely sees them. Portable: ids and JSON as text, times as bigint
 * milliseconds, no arrays.
 */
export interface Schema {
  migrations: { id: string; applied_at: number }
  refs: { name: string; digest: string; seq: number; moved_at: number }
  ref_history: { name: string; seq: number; digest: string | null; moved_at: number }
  journal: {
    seq: number
    at: number
    type: string
    subject: string
    actor: string
    reason: string
    data: string
    previous: string
    hash: string
  }
  jobs: {
    id: string
    task: string
    state: string
    priority: number
    tries: number
    worker: string | null
    lease_until: number | null
    fence: number
    error: string | null
    progress_done: number | null
    progress_note: string | null
    queued_at: number
    /** Place in the call that enqueued it: breaks ties of `queued_at`. */
    ordinal: number
    ended_at: number | null
  }
  job_needs: { job_id: string; needs_id: string }
  hosts: { address: string; weight: number; memory_mb: number; beat: number }
}
