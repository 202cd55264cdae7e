/** A remote: objects by digest and refs that move by compare-and-set, in a folder or behind an S3 API. */
import type { Digest } from '../../core/records.ts'

/** What a ref holds on a remote. */
export interface RemoteRef {
  name: string
  digest: Digest
  /** Versions that the remote is without by intention, since history was cut where they were pushed from. */
  gone: Digest[]
  movedAt: number
  /** Who moved it. */
  actor: string
}

export type RemoteMove = { ok: true } | { ok: false; holds: RemoteRef | undefined }

/**
 * What push, pull and verify ask of a remote. Objects are whole or absent, also after a transfer that was cut off; all methods may be called again. Errors of all:
 * MR_REMOTE_UNREACHABLE, MR_REMOTE_DENIED, MR_REMOTE_ANSWER, MR_CANCELLED.
 */
export interface Remote {
  /** As the config names it, or its URL. */
  name: string
  /** Where it is, without secrets. */
  url: string
  /** How refs are kept from being overwritten: `exact` where the other side compares and sets, `checked` where it can only be looked at before. */
  compareAndSet: 'exact' | 'checked'
  /** Those that are there, with their sizes. Cost: a request each, or a listing of all where that is cheaper. */
  present(digests: readonly Digest[]): Promise<Map<Digest, number>>
  /** Sends a local file that has this digest; goes on from what an interrupted call left. Throws MR_OBJECT_CORRUPT when its bytes have another. */
  send(digest: Digest, path: string, bytes: number, options?: TransferOptions): Promise<void>
  /** Writes an object to a local file that does not exist, and holds its bytes to the digest. Throws MR_REMOTE_MISSING, MR_REMOTE_CORRUPT. */
  receive(digest: Digest, path: string, options?: TransferOptions): Promise<{ bytes: number }>
  /** All objects with their sizes and when they were written, by the clock of the other side, in no order. */
  list(): AsyncIterable<RemoteObject>
  /** The first bytes of an object, at most `bytes`. Throws MR_REMOTE_MISSING. */
  head(digest: Digest, bytes: number): Promise<Uint8Array>
  /** Removes an object; absent is fine. Only a collection calls it. */
  remove(digest: Digest): Promise<void>
  /** What says that somebody is at work, by name: see `lease.ts`. */
  leases: {
    /** Writes one, or makes it new. */
    put(name: string, text: string): Promise<void>
    list(): Promise<{ name: string; putAt: number }[]>
    remove(name: string): Promise<void>
  }
  /** Now by the clock that stamps objects and leases, in epoch milliseconds. */
  now(): Promise<number>
  /** Refs whose name begins with `prefix`. */
  refs(prefix: string): Promise<RemoteRef[]>
  /** Moves a ref if it still holds `from`; `null` for "is not there". */
  moveRef(from: Digest | null, to: RemoteRef): Promise<RemoteMove>
  /** Takes a ref away; absent is fine. Only a collection calls it. */
  dropRef(name: string): Promise<void>
  close(): Promise<void>
}

export interface RemoteObject {
  digest: Digest
  bytes: number
  putAt: number
}

export interface TransferOptions {
  signal?: AbortSignal
  /** Bytes that went over since the last call. */
  onBytes?: (bytes: number) => void
}
