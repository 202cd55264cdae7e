/** Limits of the store alone, beside `core/limits.ts`. Units are in the names. */
export const STORE_LIMITS = {
  /** Appends of one stream that wait for the disk before MR_LOG_BUSY. */
  logPendingBytesMax: 64 * 1024 * 1024,
  /** What one group commit of the log writes before it waits for the disk. */
  logGroupBytesMax: 8 * 1024 * 1024,
  /** Records of one answer of `Log.read`, in bytes on disk; one batch may be larger. */
  logReadBytesMax: 1024 * 1024,
  /** How long a first append waits for the stream's writer lock. */
  logLockWaitMs: 3_000,
  /** Parsed records kept, by the length of their canonical JSON. */
  recordCacheBytesMax: 32 * 1024 * 1024,
  /** Object files written at once by one `putAll`. */
  objectWritesAtOnce: 16,
  /** Objects read at once while what refers to what is followed. */
  objectReadsAtOnce: 16,
  /** Objects hashed at once by a verification. */
  verifiesAtOnce: 4,
  /** Bytes of a file that are read at once to be hashed on the thread pool; larger files are read in pieces. */
  hashWholeBytesMax: 32 * 1024 * 1024,
  /** Longest object that is looked into for the digests it names; a record is shorter. */
  recordBytesMax: 256 * 1024 * 1024,
  /** Objects that go to or come from a remote at once. */
  transfersAtOnce: 8,
  /** Bytes that are read, hashed and written at a time. */
  copyBytes: 1024 * 1024,
  /** Versions before a cut of history that a ref of a remote names, so that copies which have one of them know that they are behind. */
  goneNamedMax: 10_000,
  /** Names of a push or pull from which all refs of a remote are read, not those of each name. */
  refPrefixesMax: 16,
  /** Bytes of an object that go to an S3 API in one request; more go in parts of this size. */
  pieceBytes: 8 * 1024 * 1024,
  /** Tries of one request to a remote. */
  requestTriesMax: 5,
  /** Wait before the second try, doubled before each further one. */
  requestPauseMs: 100,
  /** How long one request to a remote may take, body and all. */
  requestMsMax: 300_000,
  /** How often who is at work on a remote says so anew. */
  leaseKeepMs: 60_000,
  /** Age from which a lease is that of a process which ended. */
  leaseMsMax: 900_000,
  /** Age of its own lease from which a process no longer counts on others seeing it. */
  leaseTrustMsMax: 300_000,
  /** Bytes hashed on the calling thread; more go to the thread pool. */
  hashInlineBytesMax: 1024 * 1024,
  /** Commits that share one transaction. */
  commitGroupMax: 256,
  /** Prepared statements kept by one connection. */
  statementsMax: 200,
  /** How long statements may follow one another before the event loop gets its turn. */
  statementsMsMax: 4,
  /** How long a statement waits for another process before MR_STORE_BUSY. */
  busyWaitMsMax: 20_000,
  /** Rows of one multi-row insert. */
  insertRowsMax: 500,
} as const
