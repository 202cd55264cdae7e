/** Named limits of the API. */
export const API_LIMITS = {
  /** Body of an action. */
  bodyBytesMax: 64 * 1024,
  /** Nesting of that body. */
  jsonDepthMax: 8,
  /** Characters of a reason, a search or a name. */
  textCharsMax: 500,
  /** Rows of a triage in one answer. */
  triageRowsMax: 500,
  /** Rows of a merge in one answer. */
  mergeRowsMax: 200,
  /** Cells of a merge that one decision may name; more are named by a column or a filter. */
  mergeCellsMax: 2_000,
  /** Rows that one action may name by their numbers; more are named by a filter. */
  rowNumbersMax: 10_000,
  /** Readers of the stream at once. */
  streamsMax: 64,
  /** Bytes that may wait for a reader who does not read before its connection is ended. */
  streamBacklogBytesMax: 1024 * 1024,
  /** Events that a reader who comes back is told of those it missed; what is older it asks /api/events for. */
  resumeEventsMax: 5_000,
  /** How often the journal is looked at while somebody listens. */
  journalPollMs: 500,
  /** How often the pulse is sent. */
  pulseMs: 1_000,
  /** Bytes of the console's files that are held in memory, compressed and not. */
  consoleBytesMax: 32 * 1024 * 1024,
} as const
