/** Error texts of the area `serve`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
const listed = (names: readonly (string | number)[], none: string) =>
  names.length === 0 ? none : `${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`

const megabytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MB`

export const serve = {
  MR_SERVE_MODEL_UNKNOWN: {
    what: (d: { model: string; known: string[] }) => `no model "${d.model}" is released here`,
    fix: (d: { model: string; known: string[] }) =>
      `ask for one of: ${listed(d.known, 'none yet (run `millrace run` first)')}`,
    retryable: false,
    status: 404,
  },
  MR_SERVE_MEMBER_UNKNOWN: {
    what: (d: { model: string; member: string; each: string }) =>
      d.each === ''
        ? `model "${d.model}" has no members, got member "${d.member}"`
        : `family "${d.model}" has no member "${d.member}" of column "${d.each}"`,
    fix: (d: { model: string; member: string; each: string }) =>
      `send to "${d.model}" itself: it picks the member by the row and answers other keys with the parent`,
    retryable: false,
    status: 404,
  },
  MR_SERVE_VERSION_UNKNOWN: {
    what: (d: { model: string; version: string; versions: number[] }) =>
      `version "${d.version}" of model "${d.model}" is not in its release`,
    fix: (d: { model: string; version: string; versions: number[] }) =>
      `leave the version out, or ask for one of: ${listed(d.versions, 'none')}`,
    retryable: false,
    status: 404,
  },
  MR_SERVE_NO_ROUTE: {
    what: (d: { model: string; state: string }) =>
      `the release of model "${d.model}" is "${d.state}" and none of its routes answers`,
    fix: (d: { model: string; state: string }) =>
      `promote it (millrace release ${d.model}) or go back (millrace rollback ${d.model})`,
    retryable: true,
    status: 503,
  },
  MR_SERVE_PATH: {
    what: (d: { method: string; path: string }) => `nothing answers ${d.method} ${d.path}`,
    fix: (_: { method: string; path: string }) => 'see GET /openapi.json for the paths of this server',
    retryable: false,
    status: 404,
  },
  MR_SERVE_HTTP: {
    what: (d: { why: string }) => `the bytes that came must be a request of HTTP/1.1, got ${d.why}`,
    fix: (_: { why: string }) =>
      'send the request with a client of HTTP; a length that is stated must be the length that is sent',
    retryable: false,
    status: 400,
  },
  MR_SERVE_HEADERS: {
    what: (d: { bytesMax: number }) => `the headers of a request are at most ${d.bytesMax} bytes, got more`,
    fix: (_: { bytesMax: number }) => 'send fewer or shorter headers; what is long belongs in the body',
    retryable: false,
    status: 431,
  },
  MR_SERVE_SLOW: {
    what: (d: { withinMs: number }) => `a request must come whole within ${d.withinMs} ms, got a part of one`,
    fix: (_: { withinMs: number }) => 'send the request again at once, in smaller parts over a slow line',
    retryable: true,
    status: 408,
  },
  MR_SERVE_JSON: {
    what: (d: { why: string }) => `the body must be JSON, got text that is not: ${d.why}`,
    fix: (_: { why: string }) =>
      'send UTF-8 JSON; a missing number is null (NaN and Infinity do not exist in JSON)',
    retryable: false,
    status: 400,
  },
  MR_SERVE_BODY: {
    what: (d: { where: string; need: string; got: string }) => `${d.where} must be ${d.need}, got ${d.got}`,
    fix: (d: { where: string; need: string; got: string }) => `send ${d.where} as ${d.need}`,
    retryable: false,
    status: 400,
  },
  MR_SERVE_CLASS: {
    what: (d: { model: string; label: string; known: string[] }) =>
      d.known.length === 0
        ? `model "${d.model}" has no classes, so none of them can be explained`
        : `model "${d.model}" has no class "${d.label.slice(0, 64)}"`,
    fix: (d: { model: string; label: string; known: string[] }) =>
      d.known.length === 0
        ? 'leave ?class= away'
        : `use one of: ${d.known.slice(0, 20).join(', ')}; or leave ?class= away for the likeliest one`,
    retryable: false,
    status: 400,
  },
  MR_SERVE_RANK: {
    what: (d: { model: string; task: string }) =>
      `model "${d.model}" is ${d.task}: it names a class, and rows of several classes have no order`,
    fix: (d: { model: string; task: string }) => `ask POST /predict/${d.model}`,
    retryable: false,
    status: 400,
  },
  MR_SERVE_FIELD: {
    what: (d: { row: number; field: string; need: string; got: string }) =>
      `row ${d.row}, field "${d.field}": must be ${d.need}, got ${d.got}`,
    fix: (d: { row: number; field: string; need: string; got: string }) =>
      `send "${d.field}" of row ${d.row} as ${d.need}; the signature is at GET /v2/models/<model>`,
    retryable: false,
    status: 400,
  },
  MR_SERVE_TENSOR: {
    what: (d: { tensor: string; need: string; got: string }) =>
      `tensor "${d.tensor}" must have ${d.need}, got ${d.got}`,
    fix: (d: { tensor: string; need: string; got: string }) =>
      `send tensor "${d.tensor}" with ${d.need}; the signature is at GET /v2/models/<model>`,
    retryable: false,
    status: 400,
  },
  MR_SERVE_UNLOADED: {
    what: (d: { model: string; version: string; why: string }) =>
      `version ${d.version} of model "${d.model}" is not loaded: ${d.why}`,
    fix: (d: { model: string; version: string; why: string }) =>
      `load it: POST /v2/repository/models/${d.model}/load`,
    retryable: false,
    status: 503,
  },
  MR_SERVE_LATENCY: {
    what: (d: { model: string; latencyMs: number; expectedMs: number; waitMs: number }) =>
      `model "${d.model}" is to answer within ${d.latencyMs} ms, and would take ${d.expectedMs} ms now`,
    fix: (d: { model: string; latencyMs: number; expectedMs: number; waitMs: number }) =>
      `ask again in ${d.waitMs} ms or later, less often, or start with a longer --latency`,
    retryable: true,
    status: 429,
  },
  MR_SERVE_TARGET: {
    what: (d: { url: string; need: string; got: string }) =>
      `${d.url} is to be measured and must be ${d.need}, got ${d.got}`,
    fix: (_: { url: string; need: string; got: string }) =>
      'give the address of a running server of the Open Inference Protocol V2 (http://127.0.0.1:8080), or the path of a model that `millrace serve` takes',
    retryable: false,
    status: 502,
  },
  MR_SERVE_TARGET_MODEL: {
    what: (d: { url: string; models: string[] }) =>
      `${d.url} ${d.models.length === 0 ? 'does not list its models' : `has several models: ${d.models.join(', ')}`}`,
    fix: (_: { url: string; models: string[] }) => 'say which one is meant: --model <name>',
    retryable: false,
    status: 400,
  },
  MR_SERVE_DEADLINE: {
    what: (d: { model: string; waitedMs: number }) =>
      `the deadline of a request to model "${d.model}" passed after it had waited ${d.waitedMs} ms`,
    fix: (_: { model: string; waitedMs: number }) => 'ask again with more time, or less often',
    retryable: true,
    status: 504,
  },
  MR_SERVE_GRPC_METHOD: {
    what: (d: { path: string }) => `no gRPC method answers ${d.path}`,
    fix: (_: { path: string }) => 'call a method of inference.GRPCInferenceService or grpc.health.v1.Health',
    retryable: false,
    status: 501,
  },
  MR_SERVE_GRPC_ENCODING: {
    what: (d: { got: string }) => `messages may be compressed by gzip or deflate, got ${d.got}`,
    fix: (_: { got: string }) => 'send messages as they are, or compress them by gzip',
    retryable: false,
    status: 501,
  },
  MR_SERVE_OUTPUT: {
    what: (d: { model: string; row: number; got: number }) =>
      `model "${d.model}" gave ${d.got} for row ${d.row}, which is no answer`,
    fix: (d: { model: string; row: number; got: number }) =>
      `roll back (millrace rollback ${d.model}) and look at the values of that row`,
    retryable: false,
    status: 500,
  },
  MR_SERVE_EXPLAIN: {
    what: (d: { model: string; format: string }) =>
      `model "${d.model}" is ${d.format} and cannot be explained: it has no exact contributions, and too few rows were asked about to sample against`,
    fix: (_: { model: string; format: string }) => 'ask for ten predictions first, or leave ?explain out',
    retryable: false,
    status: 422,
  },
  MR_SERVE_EXPLAIN_GRAPH: {
    what: (d: { model: string }) =>
      `model "${d.model}" is a graph that ONNX Runtime runs: nothing in it says what each input contributed`,
    fix: (_: { model: string }) =>
      'serve the LightGBM or XGBoost file itself, which is explained exactly; or take the graph into a project with `imported()`, where it is explained by samples',
    retryable: false,
    status: 422,
  },
  MR_SERVE_NO_RUNTIME: {
    what: (d: { model: string }) => `model "${d.model}" is ONNX and this server has no workers that run ONNX`,
    fix: (_: { model: string }) => 'install onnxruntime-node beside millrace and start again',
    retryable: false,
    status: 501,
  },
  MR_SERVE_GRAPH_UNRUN: {
    what: (d: { graph: string; problem: string; fix: string }) =>
      `ONNX graph ${d.graph.slice(-80)} cannot be run: ${d.problem}`,
    fix: (d: { graph: string; problem: string; fix: string }) => d.fix,
    retryable: false,
    status: 422,
  },
  MR_SERVE_GRAPH: {
    what: (d: { graph: string; need: string; got: string }) =>
      `ONNX graph ${d.graph.slice(0, 19)} must have ${d.need}, got ${d.got}`,
    fix: (d: { graph: string; need: string; got: string }) => `export the graph again with ${d.need}`,
    retryable: false,
    status: 422,
  },
  MR_SERVE_MEDIA_TYPE: {
    what: (d: { got: string }) => `the body must be application/json (or binary tensors), got "${d.got}"`,
    fix: (_: { got: string }) => "add the header 'content-type: application/json'",
    retryable: false,
    status: 415,
  },
  MR_SERVE_ENCODING: {
    what: (d: { got: string }) => `bodies in content-encoding "${d.got}" are not read`,
    fix: (_: { got: string }) => 'send the body plain, or in gzip or deflate',
    retryable: false,
    status: 415,
  },
  MR_SERVE_BUSY: {
    what: (d: { what: string; max: number; retryAfterS: number }) =>
      `${d.what} is at its limit of ${d.max}; this request was refused, not queued`,
    fix: (d: { what: string; max: number; retryAfterS: number }) =>
      `try again after ${d.retryAfterS} s, send several rows in one request, or serve from more processes`,
    retryable: true,
    status: 429,
  },
  MR_SERVE_MODEL_TOO_LARGE: {
    what: (d: { model: string; bytes: number; max: number }) =>
      `model "${d.model}" takes ${d.bytes} bytes, the model cache holds at most ${d.max}`,
    fix: (d: { model: string; bytes: number; max: number }) =>
      `give it more: millrace serve --memory ${Math.ceil(d.bytes / 1024 / 1024)}, or limits.modelCacheBytesMax of at least ${d.bytes} in a project; or train a smaller model`,
    retryable: false,
    status: 507,
  },
  MR_SERVE_HOSTS: {
    what: (d: { need: string; got: string }) => `the list of hosts must have ${d.need}, got ${d.got}`,
    fix: (_: { need: string; got: string }) =>
      'write millrace serve models --hosts a:8080,b:8080 --as a:8080, the same list on every host, with a weight behind = where a host is to have more: b:8080=2',
    retryable: false,
    status: 500,
  },
  MR_SERVE_MEMORY: {
    what: (d: {
      model: string
      needBytes: number
      freeBytes: number
      maxBytes: number
      inTheWay: { name: string; bytes: number }[]
    }) =>
      `model "${d.model}" needs ${megabytes(d.needBytes)}, ${megabytes(Math.max(0, d.freeBytes))} of ${megabytes(d.maxBytes)} are free and the rest is in use by ${listed(
        d.inTheWay.map(({ name, bytes }) => `${name} (${megabytes(bytes)})`),
        'nothing that could leave',
      )}`,
    fix: (d: { inTheWay: { name: string }[] }) =>
      d.inTheWay.length === 0
        ? 'give the server more memory (millrace serve --memory), or serve from more hosts'
        : `try again when ${d.inTheWay[0].name} has answered, unload it (POST /v2/repository/models/${d.inTheWay[0].name}/unload), or give the server more memory (millrace serve --memory)`,
    retryable: true,
    status: 503,
  },
  MR_SERVE_READ: {
    what: (d: { path: string; reason: string }) => `"${d.path}" could not be read to its end: ${d.reason}`,
    fix: (_: { path: string; reason: string }) =>
      'load the model again by name; where that ends so too, the file needs more memory than there is for reading it: save it as ONNX',
    retryable: true,
    status: 503,
  },
  MR_SERVE_CLOSING: {
    what: (_: { what: string }) => 'this server is closing and takes no new requests',
    fix: (_: { what: string }) => 'send the request again; another or the next process answers it',
    retryable: true,
    status: 503,
  },
  MR_SERVE_TOKEN: {
    what: (d: { got: 'none' | 'another' }) =>
      `this server needs its token, got ${d.got === 'none' ? 'none' : 'another one'}`,
    fix: (_: { got: 'none' | 'another' }) => "send the header 'authorization: Bearer <token>'",
    retryable: false,
    status: 401,
  },
  MR_SERVE_TOKEN_NEEDED: {
    what: (d: { host: string }) => `host ${d.host} can be reached from other machines, and no token is set`,
    fix: (_: { host: string }) => 'set a token (MILLRACE_TOKEN=… or --token), or listen on 127.0.0.1',
    retryable: false,
    status: 500,
  },
  MR_SERVE_CROSS_SITE: {
    what: (d: { origin: string }) =>
      `a web page of another site (${d.origin}) must not call a server without a token`,
    fix: (_: { origin: string }) => 'set a token (MILLRACE_TOKEN=… or --token) and let the page send it',
    retryable: false,
    status: 403,
  },
  MR_SERVE_HOST: {
    what: (d: { host: string }) => `this server answers to its own names only, got host "${d.host}"`,
    fix: (_: { host: string }) => 'call it as 127.0.0.1 or localhost, or set a token (MILLRACE_TOKEN=…)',
    retryable: false,
    status: 421,
  },
  MR_SERVE_LOAD_FAILED: {
    what: (d: { model: string; why: string; times: number; retryAfterS: number }) =>
      `model "${d.model}" could not be loaded (${d.times === 1 ? 'once' : `${d.times} times`}): ${d.why}`,
    fix: (d: { model: string; why: string; times: number; retryAfterS: number }) =>
      `it is tried again in ${d.retryAfterS} s; once it is put right, load it by name or wait`,
    retryable: true,
    status: 503,
  },
  MR_SERVE_UNFIT: {
    what: (d: { model: string; version: string; why: string }) =>
      `version ${d.version} of model "${d.model}" was asked before it was to answer others, and did not answer: ${d.why}`,
    fix: (_: { model: string; version: string; why: string }) =>
      'look at the model; if it is right, and zeros, ones and numbers between are no input for it, start with --try none',
    retryable: false,
    status: 409,
  },
  MR_SERVE_WORKER: {
    what: (d: { why: string }) => `a worker process of this server cannot answer: ${d.why}`,
    fix: (_: { why: string }) => 'ask again in a second; GET /readyz says which worker it is',
    retryable: true,
    status: 503,
  },
  MR_SERVE_INTERNAL: {
    what: (d: { request: string }) => `request ${d.request} met a fault of the server itself`,
    fix: (d: { request: string }) =>
      `look for ${d.request} in the server's output, and report it with the stack that is there`,
    retryable: true,
    status: 500,
  },
}
