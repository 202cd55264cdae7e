/** Limits of rows that are added as they happen. Units are in the names. */
export const ROWS_LIMITS = {
  /** Rows of one request. */
  requestRowsMax: 200_000,
  /** Rows of a dataset that may wait to become a version before more are refused. */
  backlogRowsMax: 20_000_000,
  /** Bytes of those rows in the log. */
  backlogBytesMax: 8 * 1024 * 1024 * 1024,
  /** Rows that become one version at most. */
  sealRowsMax: 4_000_000,
  /** How long a batch that was taken is known again. */
  batchKeptMs: 24 * 3_600_000,
  /** Batches that are known again, the newest first. */
  batchesMax: 1_000_000,
  /** Characters of the name of a batch. */
  batchCharsMax: 200,
  /** Columns that rows may have. */
  columnsMax: 10_000,
  /** Nesting of a value. */
  depthMax: 32,
  /** How often it is looked whether rows are to be sealed. */
  lookMs: 500,
  /** What a client that sends too much is told to wait. */
  retryAfterS: 5,
} as const
