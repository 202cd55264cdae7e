/** Error texts of rows that are added as they happen (`src/data/rows`). Rows are counted from 1. */
export const rows = {
  MR_ROWS_OFF: {
    what: (d: { dataset: string; open: string[] }) =>
      `dataset "${d.dataset}" takes no rows over HTTP${d.open.length > 0 ? `; these do: ${d.open.join(', ')}` : ''}`,
    fix: (d: { dataset: string; open: string[] }) =>
      `let it: dataset('${d.dataset}', { stream: true, … }) in millrace.config.ts, then start millrace up again`,
    retryable: false,
    status: 404,
  },
  MR_ROWS_BODY: {
    what: (d: { format: string; why: string }) => `the body is not ${d.format}: ${d.why}`,
    fix: (_: { format: string; why: string }) =>
      'send a JSON array of objects (application/json), one object a line (application/x-ndjson), or an Arrow IPC stream (application/vnd.apache.arrow.stream)',
    retryable: false,
    status: 400,
  },
  MR_ROWS_FIELD: {
    what: (d: { row: number; field: string; expected: string; got: string }) =>
      `row ${d.row}, field "${d.field}": expected ${d.expected}, got ${d.got}`,
    fix: (d: { row: number; field: string; expected: string; got: string }) =>
      `put row ${d.row} right and send the whole request again: none of its rows was taken`,
    retryable: false,
    status: 422,
  },
  MR_ROWS_UNKNOWN_FIELD: {
    what: (d: { row: number; field: string; dataset: string; near: string[] }) =>
      `row ${d.row} has a field "${d.field}" that dataset "${d.dataset}" has no column for${d.near.length > 0 ? `; did you mean ${d.near.join(' or ')}?` : ''}`,
    fix: (_: { row: number; field: string; dataset: string; near: string[] }) =>
      "leave it out, or take new columns: stream: { newColumns: 'take' } of the dataset; none of the rows was taken",
    retryable: false,
    status: 422,
  },
  MR_ROWS_BATCH: {
    what: (d: { got: string }) =>
      `the header Idempotency-Key should be 1 to 200 visible characters, got ${d.got}`,
    fix: (_: { got: string }) => 'name each request by a UUID and send the same one when it is repeated',
    retryable: false,
    status: 400,
  },
  MR_ROWS_BATCH_REUSED: {
    what: (d: { batch: string }) => `the batch "${d.batch}" was taken before with other rows`,
    fix: (_: { batch: string }) =>
      'give other rows another Idempotency-Key, and repeat a request with the same bytes',
    retryable: false,
    status: 409,
  },
  MR_ROWS_BACKLOG: {
    what: (d: { dataset: string; waiting: number; max: number; unit: string; retryAfterS: number }) =>
      `${d.waiting} ${d.unit} of dataset "${d.dataset}" wait to become a version, at most ${d.max} may`,
    fix: (d: { dataset: string; waiting: number; max: number; unit: string; retryAfterS: number }) =>
      `send again after ${d.retryAfterS} s; see what holds it up: millrace data stream ${d.dataset}`,
    retryable: true,
    status: 429,
  },
} as const
