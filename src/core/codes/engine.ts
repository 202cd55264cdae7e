/** Error texts of the area `engine`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const engine = {
  MR_ENGINE_SCHEME: {
    what: (d: { url: string; known: string[] }) =>
      `no query engine answers "${d.url}"; the schemes are ${d.known.join(', ')}`,
    fix: (d: { url: string; known: string[] }) => `write the engine's URL with one of ${d.known.join(', ')}`,
    retryable: false,
    status: 422,
  },
  MR_QUERY_FAILED: {
    what: (d: { kind: string; message: string; sql: string }) => `${d.kind}: ${d.message} in SQL: ${d.sql}`,
    fix: (_: { kind: string; message: string; sql: string }) =>
      'correct the expression or the SQL that the message names; `millrace plan` prints what was inferred',
    retryable: false,
    status: 422,
  },
  MR_QUERY_FILE: {
    what: (d: { file: string; message: string; sql: string }) =>
      `the file ${d.file} cannot be read: ${d.message} in SQL: ${d.sql}`,
    fix: (d: { file: string; message: string; sql: string }) =>
      `check that ${d.file} exists, is whole and is of the format its name says`,
    retryable: false,
    status: 422,
  },
  MR_QUERY_MEMORY: {
    what: (d: { memoryMb: number; sql: string }) =>
      `a query needs more than its ${d.memoryMb} MB and could not spill the rest: ${d.sql}`,
    fix: (d: { memoryMb: number; sql: string }) =>
      `give the engine more memory (memoryMb: ${d.memoryMb * 2}), or ask for fewer rows or groups at once`,
    retryable: false,
    status: 507,
  },
  MR_QUERY_DENIED: {
    what: (d: { message: string; sql: string }) =>
      `SQL from outside may not do this: ${d.message} in SQL: ${d.sql}`,
    fix: (_: { message: string; sql: string }) =>
      'read only the files that were passed with the request; settings and other paths are locked',
    retryable: false,
    status: 403,
  },
  MR_QUERY_ENGINE_LOST: {
    what: (d: { message: string; sql: string }) =>
      `the query engine broke on this query and was opened anew, without the views and tables made in it: ${d.message} in SQL: ${d.sql}`,
    fix: (_: { message: string; sql: string }) =>
      'run the work again; if the same query breaks it again, leave out the file it reads, which is damaged or uses a feature the engine mishandles',
    retryable: true,
    status: 500,
  },
  MR_QUERY_SESSION: {
    what: (d: { statement: string }) =>
      `"${d.statement}" belongs to one connection, and a Query uses several; nothing would be left of it`,
    fix: (_: { statement: string }) =>
      'use CREATE OR REPLACE TABLE or VIEW without TEMP (the memory is this Query’s own), and one statement without BEGIN',
    retryable: false,
    status: 422,
  },
  MR_QUERY_PARAM: {
    what: (d: { index: number; type: string }) =>
      `parameter ${d.index} must be null, a boolean, a number, a bigint, a string or a valid date, got ${d.type}`,
    fix: (d: { index: number; type: string }) => `convert parameter ${d.index} before it is passed`,
    retryable: false,
    status: 422,
  },
  MR_DIST_MISSING: {
    what: (d: { file: string }) => `the compiled worker ${d.file} is missing`,
    fix: (_: { file: string }) => 'run: npm run build',
    retryable: false,
    status: 500,
  },
  MR_TASK_UNKNOWN: {
    what: (d: { task: string; known: string[] }) =>
      `no task is called "${d.task}"; known tasks are ${d.known.join(', ') || 'none'}`,
    fix: (_: { task: string; known: string[] }) =>
      'correct the task in the RunSpec, or register it in the module that lists the tasks',
    retryable: false,
    status: 422,
  },
  MR_TASK_CODE: {
    what: (d: { task: string; want: string; have: string }) =>
      `the spec asks for version "${d.want}" of task "${d.task}", this program has "${d.have}"`,
    fix: (d: { task: string; want: string; have: string }) =>
      `plan the work again with this program, or run the spec with the program whose "${d.task}" is "${d.want}"`,
    retryable: false,
    status: 409,
  },
  MR_RUN_FAILED: {
    what: (d: { task: string; spec: string; cause: string; message: string }) =>
      `task "${d.task}" (run ${d.spec}) failed with ${d.cause}: ${d.message}`,
    fix: (_: { task: string; spec: string; cause: string; message: string }) =>
      'remove the cause that the message names and run the same command again; runs that are done are kept',
    retryable: true,
    status: 500,
  },
  MR_WORKER_DIED: {
    what: (d: { task: string; spec: string; tries: number; message: string }) =>
      `the worker died ${d.tries} times on task "${d.task}" (run ${d.spec}): ${d.message}`,
    fix: (_: { task: string; spec: string; tries: number; message: string }) =>
      'give workers more memory or use fewer of them; if it dies again with the same input, that input is the cause',
    retryable: true,
    status: 500,
  },
  MR_JOBS_CLOSED: {
    what: (d: { what: string }) => `${d.what} was asked of a worker pool that is closing`,
    fix: (_: { what: string }) => 'start the program again; finished work is kept',
    retryable: true,
    status: 503,
  },
  MR_ONNX_ABSENT: {
    what: (_: { reason: string }) => 'ONNX models need the package onnxruntime-node, which is not installed',
    fix: (_: { reason: string }) => 'npm install onnxruntime-node@1.30.0 --onnxruntime-node-install=skip',
    retryable: false,
    status: 501,
  },
  MR_ONNX_LOAD: {
    what: (d: { id: string; message: string }) =>
      `model "${d.id}" is not an ONNX model this runtime can load: ${d.message}`,
    fix: (_: { id: string; message: string }) =>
      'export it again with an opset between 7 and 26; models of older opsets need an upgrade first (onnx.version_converter)',
    retryable: false,
    status: 422,
  },
  MR_ONNX_INPUT: {
    what: (d: { id: string; input: string; message: string }) =>
      `input "${d.input}" of model "${d.id}": ${d.message}`,
    fix: (d: { id: string; input: string; message: string }) =>
      `send "${d.input}" with the type and shape that the model declares`,
    retryable: false,
    status: 422,
  },
  MR_ONNX_RUN: {
    what: (d: { id: string; message: string }) => `model "${d.id}" failed while it ran: ${d.message}`,
    fix: (_: { id: string; message: string }) =>
      'check the values and shapes of the inputs against the signature of the model',
    retryable: false,
    status: 422,
  },
  MR_ONNX_UNKNOWN: {
    what: (d: { id: string }) => `model "${d.id}" is not loaded`,
    fix: (_: { id: string }) => 'load the model before it is run',
    retryable: false,
    status: 404,
  },
  MR_ONNX_WORKER: {
    what: (d: { id: string; reason: string; mayAskAgain: boolean }) =>
      `the worker that ran model "${d.id}" ${d.reason} and was replaced`,
    fix: (_: { id: string; reason: string; mayAskAgain: boolean }) =>
      'send the request again; if the same input does it again, send smaller batches or allow the model more time',
    retryable: true,
    status: 503,
  },
  MR_ONNX_BUSY: {
    what: (d: { id: string; max: number }) =>
      `model "${d.id}" has ${d.max} requests waiting on its thread, which is as many as it takes`,
    fix: (_: { id: string; max: number }) =>
      'send again in a moment, put more rows into one request, or load the model on more threads',
    retryable: true,
    status: 429,
  },
  MR_ONNX_STUCK: {
    what: (d: { threads: number }) => `${d.threads} threads are stuck in ONNX models, so no more are started`,
    fix: (_: { threads: number }) => 'remove the model that does not end, then restart the server',
    retryable: true,
    status: 503,
  },
  MR_ONNX_MEMORY: {
    what: (d: { id: string; needMb: number; maxMb: number }) =>
      `model "${d.id}" needs about ${d.needMb} MB, the ONNX workers have ${d.maxMb} MB left`,
    fix: (_: { id: string; needMb: number; maxMb: number }) =>
      'unload other models, or raise memoryMb of the ONNX workers',
    retryable: true,
    status: 507,
  },
}
