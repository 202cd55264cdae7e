/**
 * Every named limit: how much of something Millrace takes before it refuses. Units are in the names.
 * A config may change them under `limits`; the code reads them from here or from what is passed in, never as a bare number.
 */
export const LIMITS = {
  /** Largest HTTP request body. */
  bodyBytesMax: 32 * 1024 * 1024,
  /** Rows in one prediction request. */
  requestRowsMax: 100_000,
  /** Nesting of a JSON request. */
  jsonDepthMax: 32,
  /** Bodies of requests under way, over all of a server's HTTP requests, before 429. */
  inFlightBytesMax: 512 * 1024 * 1024,
  /** Tensors in one inference request. */
  requestTensorsMax: 256,
  /** Elements of one tensor: a body of bytes is as large. */
  tensorElementsMax: 32 * 1024 * 1024,
  /** Bytes of tensors waiting in one model's batch queue before 429. */
  batchQueueBytesMax: 256 * 1024 * 1024,
  /** Requests waiting in one model's batch queue before 429. */
  batchQueueRowsMax: 200_000,
  /** Rows scored in one batch. */
  batchRowsMax: 8_192,
  /** Models held ready for serving, over all names. */
  modelCacheBytesMax: 512 * 1024 * 1024,
  /** One log segment before the next is begun. */
  logSegmentBytesMax: 64 * 1024 * 1024,
  /** One record of the log. */
  logRecordBytesMax: 1024 * 1024,
  /** Memory of the child process that reads a user's files. */
  importMemoryMb: 1536,
  /** Time the child process that reads a user's files may take without progress. */
  importStallMs: 120_000,
  /** Distinct values a category feature keeps; the rest share one code. */
  categoriesMax: 1024,
  /** Classes that a model tells apart. */
  classesMax: 1000,
  /** Members trained in one family. */
  membersMax: 10_000,
  /** Events in one answer of the journal. */
  journalPageMax: 500,
  /** Columns that a frame's `pivot` makes of values. */
  pivotColumnsMax: 2_000,
  /** DuckDB queries at once; each holds a thread of libuv's pool. */
  queriesMax: 4,
  /** Times a failed job is tried again. */
  jobTriesMax: 3,
  /** How long a job's lease lasts without a heartbeat. */
  leaseMs: 15_000,
} as const

export type Limits = { -readonly [K in keyof typeof LIMITS]: number }

/** Numbers beyond it have cubes that are none, so that moments of data leave them out, as they do infinities. */
export const MOMENTS_MAX = 1e100
