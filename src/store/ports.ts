/**
 * The three kinds of storage and the log, as ports. Adapters are chosen by URL in `open.ts` and each passes
 * the contract suite in `test/contract/`. Every method is safe to call from several processes at once.
 */
import type { Json } from '../core/canonical.ts'
import type { Digest, JournalEvent } from '../core/records.ts'

/**
 * Immutable bytes by digest. A digest never gets other bytes; a write is whole or absent, also after
 * `kill -9`.
 */
export interface Objects {
  /** Stores bytes and resolves when they are durable. Idempotent. The caller keeps its buffer. */
  put(bytes: Uint8Array): Promise<Digest>
  /** Stores many at once with one wait for the disk; digests in the order given. */
  putAll(items: Uint8Array[]): Promise<Digest[]>
  /**
   * Stores pieces, one after another, as one object and resolves when it is durable. For large objects: nothing
   * is copied, so the caller must not change the pieces before.
   */
  putPieces(pieces: readonly Uint8Array[]): Promise<Digest>
  /**
   * Takes over a finished local file (moves it if it can) and resolves when durable. The file is gone
   * afterwards, also on a duplicate.
   */
  putFile(path: string): Promise<{ digest: Digest; bytes: number }>
  /**
   * Bytes, verified against the digest. Throws MR_OBJECT_MISSING or MR_OBJECT_CORRUPT (which names the file).
   */
  get(digest: Digest): Promise<Uint8Array>
  /** A local path to read from (engines map it); throws MR_OBJECT_MISSING. The file must not be written. */
  path(digest: Digest): Promise<string>
  has(digest: Digest): Promise<boolean>
  /** Like `has`, for whoever will name an object that it need not put: from now on it counts as put now, so that no collection takes it away before it is named. */
  keep(digest: Digest): Promise<boolean>
  /** All digests with their sizes and when they were last put, in no order. */
  list(): AsyncIterable<{ digest: Digest; bytes: number; putAt: number }>
  /** Rehashes one object. `missing` and `corrupt` are values, not errors. */
  verify(digest: Digest): Promise<'ok' | 'missing' | 'corrupt'>
  /** Removes an object; absent is fine. Only repair and erasure call it. */
  remove(digest: Digest): Promise<void>
  /** Begins to take away what is not needed, one process at a time. Throws MR_GC_RUNNING. */
  sweep(): Promise<Sweep>
}

/**
 * Takes objects away in two steps, so that nothing which is asked for or put meanwhile is lost: what is set
 * aside is still found by every reader, which brings it back. After `kill -9` the next sweep begins by
 * putting back what the last one had set aside.
 */
export interface Sweep {
  /** Sets an object aside unless it was put at `before` (epoch milliseconds) or later; false when it was, or is absent. */
  setAside(digest: Digest, before: number): Promise<boolean>
  /** Brings one back; false when it is not aside. */
  putBack(digest: Digest): Promise<boolean>
  /** Removes what is still aside for good, and ends. */
  finish(): Promise<void>
  /** Brings back all that is aside, and ends. */
  abandon(): Promise<void>
}

/** A named pointer to a digest. */
export interface Ref {
  name: string
  digest: Digest
  /** Sequence number of the journal event that moved it here. */
  seq: number
  movedAt: number
}

export interface RefMove {
  name: string
  /** What the ref must hold now; `null` for "does not exist"; `undefined` for whatever it holds. */
  from?: Digest | null
  /** The event that must have moved it there last: that it was moved to the same again is a conflict too. */
  seq?: number
  /** `null` deletes the ref. Its history stays. */
  to: Digest | null
}

export interface NewEvent {
  type: string
  subject: string
  actor: string
  reason: string
  data: Json
}

export type CommitResult =
  | { ok: true; event: JournalEvent }
  | { ok: false; conflict: { name: string; holds: Digest | null } }

/** Refs and journal: one transaction moves refs and says why. */
export interface Meta {
  ref(name: string): Promise<Ref | undefined>
  /** Refs whose name starts with `prefix`, by name. */
  refs(prefix: string): Promise<Ref[]>
  /** Where a ref has pointed, newest first, at most `limit`. */
  history(name: string, limit?: number): Promise<{ digest: Digest | null; seq: number; movedAt: number }[]>
  /**
   * Moves all refs and appends one event, or does nothing. A lost compare-and-set is a value. Durable when it
   * resolves.
   */
  commit(change: { moves?: RefMove[]; event: NewEvent }): Promise<CommitResult>
  /**
   * Events after `after` (default 0), oldest first unless `newest`; at most `limit` (default and cap:
   * limits.journalPageMax).
   */
  events(query?: {
    after?: number
    before?: number
    subject?: string
    subjectPrefix?: string
    types?: string[]
    newest?: boolean
    limit?: number
  }): Promise<JournalEvent[]>
  /** Number of the newest event, 0 before the first: a look that is cheap enough to take many times a second. */
  newestSeq(): Promise<number>
  /** Recomputes the hash chain; the first broken `seq`, or undefined when whole. */
  verifyJournal(): Promise<number | undefined>
  jobs: JobTable
  hosts: HostTable
  close(): Promise<void>
}

/** A host that serves, as it told of itself. */
export interface ServingHost {
  /** `name:port`, as others reach it. */
  address: string
  /** Its share beside the others, above 0. */
  weight: number
  /** What models may take on it. */
  memoryMb: number
}

/**
 * Hosts that serve. Each renews its row; one whose `beat` stands still for the time of a lease is gone. That is told by the clock of whoever looks, which counts how long it stood still: clocks of
 * hosts need not agree.
 */
export interface HostTable {
  /** Puts a host, or says that it is there still: its beat grows by one. */
  beat(host: ServingHost): Promise<void>
  /** By address, gone ones included until somebody takes them away. */
  list(): Promise<(ServingHost & { beat: number })[]>
  /** Takes a host away; with `beat` only if that is its beat still. Absent is fine. */
  remove(address: string, beat?: number): Promise<void>
}

export type JobState = 'queued' | 'leased' | 'done' | 'failed' | 'cancelled'

export interface Job {
  /** Digest of the RunSpec: a spec is queued at most once. */
  id: Digest
  task: string
  state: JobState
  /** Job ids that must be done first. */
  needs: Digest[]
  priority: number
  tries: number
  worker?: string
  leaseUntil?: number
  /** Grows with each lease; a worker that lost its lease cannot complete. */
  fence: number
  error?: string
  /** 0 to 1 and a short text, from the last heartbeat. */
  progress?: { done: number; note: string }
  queuedAt: number
  endedAt?: number
}

/** Leased work on the metadata database. All times are passed in: no clock inside. */
export interface JobTable {
  /**
   * Adds jobs that are not there yet (or requeues failed and cancelled ones, with `again` done ones too);
   * returns how many were added. A job waits for all its needs, also for one that is enqueued only later;
   * when one of them fails or is cancelled, so does the job, with the reason.
   */
  enqueue(
    jobs: { id: Digest; task: string; needs?: Digest[]; priority?: number; again?: boolean }[],
    now: number,
  ): Promise<number>
  /**
   * Leases a job whose lease has expired, or else the most urgent one (highest priority, then oldest) whose
   * needs are done. Counts a try.
   */
  claim(worker: string, now: number, leaseMs: number): Promise<Job | undefined>
  /**
   * Puts back what a worker holds, without counting a try: for an orderly stop, or when its process is known
   * to be dead.
   */
  release(worker: string): Promise<number>
  /** Extends the lease; false when it was lost. */
  heartbeat(
    id: Digest,
    fence: number,
    now: number,
    leaseMs: number,
    progress?: { done: number; note: string },
  ): Promise<boolean>
  /**
   * Ends a job; false when the lease was lost and someone else has it. `failed` below `triesMax` is queued
   * again.
   */
  finish(
    id: Digest,
    fence: number,
    outcome: { state: 'done' | 'failed' | 'cancelled'; error?: string },
    now: number,
    triesMax: number,
  ): Promise<boolean>
  get(ids: Digest[]): Promise<Job[]>
  list(query?: { state?: JobState; limit?: number }): Promise<Job[]>
  /** Cancels queued jobs and asks for leased ones to stop (their next heartbeat returns false). */
  cancel(ids: Digest[], now: number): Promise<void>
}

/**
 * A place in a stream after some append: segment number and byte offset in it. Compare as a pair. Positions
 * come from `append` and `read` alone.
 */
export interface LogPosition {
  segment: number
  offset: number
}

/**
 * High-rate observations: streams of JSON records in append-only segments. Appends of one moment share one
 * wait for the disk. Torn tails (a crash in the middle of a write) are cut at the next open; nothing
 * acknowledged is in them.
 */
export interface Log {
  /**
   * Appends and resolves when durable, with the position after the last record: reading after it yields later
   * appends only. The records of one call are kept all or not at all. Records are JSON texts without
   * newlines, as `JSON.stringify` prints them. One process writes a stream at a time: MR_LOG_WRITER names the
   * other. MR_LOG_BUSY when too much waits for the disk.
   */
  append(stream: string, records: string[]): Promise<LogPosition>
  /**
   * Records after a position, in order, in batches; ends at the tail as it was when called. Only durable
   * records are seen. Throws MR_LOG_DAMAGED.
   */
  read(stream: string, after?: LogPosition): AsyncIterable<{ records: string[]; next: LogPosition }>
  /** The segment that is written, or was written last; undefined where nothing was. Reads no record. */
  newestSegment(stream: string): Promise<number | undefined>
  /** Closes the current segment, so that it can be compacted; returns the closed segments that exist. */
  seal(stream: string): Promise<{ segment: number; path: string; bytes: number; records: number }[]>
  /**
   * All segments as newline-delimited JSON files. Engines read the sealed ones; the open one may end in half
   * a line while it is written.
   */
  segments(
    stream: string,
  ): Promise<{ segment: number; path: string; bytes: number; records: number; sealed: boolean }[]>
  /**
   * Drops a closed segment after it was compacted; absent is fine. Throws MR_LOG_SEGMENT_OPEN for the one
   * being written.
   */
  drop(stream: string, segment: number): Promise<void>
  close(): Promise<void>
}

/** Something that a crash left half done and that opening the store put right. */
export interface Repair {
  what: 'scratch' | 'log-tail'
  path: string
  detail: string
}

/** What `openStore` gives. */
export interface Store {
  objects: Objects
  meta: Meta
  log: Log
  /** Puts a record as canonical JSON. */
  putRecord(record: object): Promise<Digest>
  putRecords(records: object[]): Promise<Digest[]>
  /**
   * Reads a record; throws MR_RECORD_KIND when its `kind` is another. Recently read records are cached and
   * shared, so what is returned is frozen: copy it to change it.
   */
  getRecord<R extends { kind: string }>(digest: Digest, kind: R['kind']): Promise<R>
  /**
   * Folder of this open store for scratch files, on the same file system as the objects; removed at close, or
   * at a later open after a crash.
   */
  scratch: string
  /** Folder for what can be made again from the rest: whoever deletes it loses time and nothing else. */
  cache: string
  /** What opening put right; empty after an orderly close. */
  repaired: Repair[]
  close(): Promise<void>
}
