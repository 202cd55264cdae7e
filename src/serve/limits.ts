/** Limits of the serving station that are not a user's business to tune; those that are live in `core/limits.ts`. */
export const SERVE_LIMITS = {
  /** Requests being answered at once, over all models, before 429. */
  requestsInFlightMax: 4096,
  /** Open connections of a server, HTTP and gRPC each; those beyond are answered 429, those beyond twice as many are not taken. */
  connectionsMax: 10_000,
  /** How long a client may take for the handshake of TLS. */
  handshakeMsMax: 10_000,
  /** How often a session of gRPC must answer a ping: one that does not by the next is cut, as is one that spoke wrongly and is no longer listened to. */
  pingEveryMs: 30_000,
  /** Bytes of all header fields of a request, also of the metadata of a gRPC call. */
  headerBytesMax: 16 * 1024,
  /** Characters of a name in a path: a family and a member, URL-encoded. */
  paramCharsMax: 1024,
  /** How long the head and body of a request may take to come. */
  requestMsMax: 60_000,
  /** Rows waiting to be scored by shadows; beyond it shadow rows are dropped and counted. */
  shadowRowsMax: 20_000,
  /** Appends under way for models whose log is relaxed, before they wait like durable ones. */
  relaxedAppendsMax: 64,
  /** Characters of relaxed records that wait to be written together. */
  relaxedCharsMax: 1024 * 1024,
  /** Ids of recent predictions kept in memory to tell known from unknown feedback. */
  recentIdsMax: 100_000,
  /** Label sets kept by the metrics; the least recently used goes first. */
  metricSeriesMax: 2_000,
  /** Models described in one OpenAPI document. */
  openApiModelsMax: 200,
  /** Characters of an id, a sticky key or a trace header. */
  idCharsMax: 200,
  /** Versions of one model that are loaded when it is loaded by name. */
  versionsLoadedMax: 8,
  /** Models that wait to be loaded, over all tenants, before 429. */
  loadsWaitingMax: 4096,
  /** Days after which a model that nobody asked for is told of as one that could be retired. */
  unusedDays: 30,
  /** How long a model waits for room where what is in its way is in use, before 503. */
  roomMsMax: 2_000,
  /** Models of a folder that are all loaded at its start; where there are more, each is loaded when it is first asked for. */
  eagerModelsMax: 64,
  /** Models named in one readiness answer. */
  readinessListMax: 50,
  /** How long a closing server waits for requests under way before it cuts their connections. */
  drainMsMax: 5_000,
  /** Graphs kept for explanations, besides the models that score. */
  explainersMax: 16,
  /** Rows kept by a graph that is explained by sampling, to stand for what is not known; below the least there is no explanation. */
  recentRowsMax: 64,
  recentRowsMin: 10,
  /** Rows of one piece of a streamed answer. */
  streamRows: 64,
  /** Rows of a model of others that one request explains. */
  explainedRowsMax: 10_000,
  /** What a sampled explanation of one row may take; beyond it, less is told apart. */
  explainMsMax: 500,
} as const
