/** Error texts of the area `store`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const store = {
  MR_OBJECT_MISSING: {
    what: (d: { digest: string; path: string }) =>
      `object ${d.digest} is not in the store (looked for ${d.path})`,
    fix: (_: { digest: string; path: string }) =>
      'run "millrace verify --repair", which brings it from a remote or makes it again from its source; of a model: run "millrace train <model>"; or restore the file from a backup',
    retryable: false,
    status: 404,
  },
  MR_OBJECT_CORRUPT: {
    what: (d: { digest: string; path: string; found: string }) =>
      `object file ${d.path} is damaged: its bytes have the digest ${d.found}, expected ${d.digest}`,
    fix: (_: { digest: string; path: string; found: string }) =>
      'run "millrace verify --repair", which brings it from a remote or makes it again from its source; of a model: delete the file and run "millrace train <model>"; or restore the file from a backup',
    retryable: false,
    status: 500,
  },
  MR_RECORD_KIND: {
    what: (d: { digest: string; expected: string; got: string }) =>
      `object ${d.digest} should be a record of kind ${d.expected}, got ${d.got}`,
    fix: (_: { digest: string; expected: string; got: string }) =>
      'check the digest or the ref it came from; "millrace status" lists what each name points at',
    retryable: false,
    status: 400,
  },
  MR_STORE_NEWER: {
    what: (d: { path: string; format: string; known: string }) =>
      `the store at ${d.path} was written by a newer Millrace: its format is ${d.format}, this one knows up to ${d.known}`,
    fix: (_: { path: string; format: string; known: string }) =>
      'update Millrace to the version that wrote it (npm install millrace@latest), or use --state <another folder>',
    retryable: false,
    status: 500,
  },
  MR_STORE_FOREIGN: {
    what: (d: { path: string; found: string }) => `${d.path} is not a Millrace store: it holds ${d.found}`,
    fix: (_: { path: string; found: string }) => 'choose an empty or a new folder with --state <folder>',
    retryable: false,
    status: 500,
  },
  MR_STORE_DAMAGED: {
    what: (d: { path: string; detail: string }) => `${d.path} is damaged: ${d.detail}`,
    fix: (d: { path: string; detail: string }) =>
      `restore ${d.path} from a backup, or use --state <new folder> and run again; the objects beside it are checked by digest and stay usable`,
    retryable: false,
    status: 500,
  },
  MR_STORE_SCHEME: {
    what: (d: { url: string; known: string[] }) =>
      `no store adapter for "${d.url}": expected a folder or a URL that begins with ${d.known.join(' or ')}`,
    fix: (_: { url: string; known: string[] }) => 'set the store to a folder, for example file:.millrace',
    retryable: false,
    status: 500,
  },
  MR_STORE_BUSY: {
    what: (d: { path: string; waitedMs: number }) =>
      `${d.path} was locked by another process for more than ${d.waitedMs} ms`,
    fix: (d: { path: string; waitedMs: number }) =>
      `try again; if it stays so, find the process that holds it: lsof ${d.path}`,
    retryable: true,
    status: 503,
  },
  MR_STORE_CLOSED: {
    what: (d: { what: string }) => `${d.what} was used after the store was closed`,
    fix: (_: { what: string }) =>
      'open the store again with openStore, and close it only when all work has ended',
    retryable: false,
    status: 503,
  },
  MR_LOG_WRITER: {
    what: (d: { stream: string; path: string; pid: number }) =>
      `the log stream "${d.stream}" is being written by ${d.pid > 0 ? `process ${d.pid}` : 'another process'}; one process writes a stream at a time`,
    fix: (d: { stream: string; path: string; pid: number }) =>
      d.pid > 0
        ? `stop process ${d.pid}, or write through it`
        : 'stop the other process, or write through it',
    retryable: true,
    status: 503,
  },
  MR_LOG_DAMAGED: {
    what: (d: { path: string; offset: number; stream: string }) =>
      `log segment ${d.path} of "${d.stream}" is damaged from byte ${d.offset} on: a batch does not match its checksum`,
    fix: (d: { path: string; offset: number; stream: string }) =>
      `restore ${d.path} from a backup, or move it away to read on after it`,
    retryable: false,
    status: 500,
  },
  MR_LOG_BUSY: {
    what: (d: { stream: string; pendingBytes: number; max: number }) =>
      `the log stream "${d.stream}" has ${d.pendingBytes} bytes waiting for the disk, at most ${d.max}`,
    fix: (_: { stream: string; pendingBytes: number; max: number }) =>
      'wait for earlier appends before sending more, or use a faster disk',
    retryable: true,
    status: 429,
  },
  MR_LOG_SEGMENT_OPEN: {
    what: (d: { stream: string; segment: number }) =>
      `segment ${d.segment} of "${d.stream}" is still being written and cannot be dropped`,
    fix: (_: { stream: string; segment: number }) =>
      'seal the stream first, then drop the segments that seal returned',
    retryable: false,
    status: 409,
  },
}
