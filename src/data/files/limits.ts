/** Limits of sets of files. Units are in the names. */
export const FILE_LIMITS = {
  /** Chunks of a file, cut by its content. The average is a power of two. */
  chunk: { bytesMin: 32 * 1024, bytesAverage: 64 * 1024, bytesMax: 128 * 1024 },
  /** Chunks of one pack, before compression. */
  packBytes: 32 * 1024 * 1024,
  /** A pack at least this large is written anew by a collection when less than this share of it is needed: more is freed than is written. */
  rewrite: { bytesMin: 64 * 1024, shareNeededMax: 0.5 },
  /** Packs that wait for the disk before reading goes on. */
  packsInFlight: 2,
  /** Small chunks that are compressed together. */
  frameBytes: 128 * 1024,
  /** A frame of a pack, as it is read: what claims more is refused. */
  frameBytesMax: 16 * 1024 * 1024,
  /** What is read of a file at once. */
  readBytes: 4 * 1024 * 1024,
  /** Chunks of a file that its line in the tree names itself; more are a list of their own. */
  inlineChunksMax: 16,
  /** Chunks, or lists, that one list names: about so many, and at most. */
  list: { items: 256, itemsMax: 2048 },
  /** Files, or nodes, that one node of a tree names: about so many, and at most. */
  node: { items: 256, itemsMax: 4096 },
  /** Times a file that changes while it is read is read again. */
  readTries: 3,
  /** Packs whose tables are kept while reading. */
  openPacksMax: 64,
  /** Frames kept while reading. */
  openFramesBytes: 32 * 1024 * 1024,
  /** Bytes of the name of a path within a set. */
  pathBytesMax: 4_000,
  /** Runs of the index up to this size are held in memory. */
  indexRunBytesInMemory: 8 * 1024 * 1024,
  /** Runs of about one size before they are merged. */
  indexRunsOfSize: 4,
  /** How long files are walked before the event loop gets its turn. */
  turnMs: 40,
  /** Paths that one error names. */
  namedMax: 10,
} as const
