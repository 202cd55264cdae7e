/** Error texts of the area `client`, which also runs in browsers: nothing is imported here. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const client = {
  MR_CLIENT_NETWORK: {
    what: (d: { url: string; tries: number; why: string }) =>
      `${d.url} gave no answer after ${d.tries} ${d.tries === 1 ? 'try' : 'tries'}: ${d.why}`,
    fix: (_: { url: string; tries: number; why: string }) =>
      'see whether the server runs and the address is right; a page of another site needs a proxy in front of the server',
    retryable: true,
    status: 503,
  },
  MR_CLIENT_TIMEOUT: {
    what: (d: { url: string; tries: number; timeoutMs: number }) =>
      `${d.url} gave no answer within ${d.timeoutMs} ms, after ${d.tries} ${d.tries === 1 ? 'try' : 'tries'}`,
    fix: (_: { url: string; tries: number; timeoutMs: number }) =>
      'give it more time (timeoutMs), or send fewer rows in one request',
    retryable: true,
    status: 504,
  },
  MR_CLIENT_CANCELLED: {
    what: (d: { url: string }) => `the request to ${d.url} was cancelled by its signal`,
    fix: (_: { url: string }) => 'ask again when the answer is wanted',
    retryable: true,
    status: 499,
  },
  MR_CLIENT_ANSWER: {
    what: (d: { url: string; status: number; why: string }) =>
      `${d.url} answered ${d.status} with what is no answer of this protocol: ${d.why}`,
    fix: (_: { url: string; status: number; why: string }) =>
      'see whether the address is that of a Millrace server, and what a proxy in front of it answers',
    retryable: false,
    status: 502,
  },
  MR_CLIENT_TENSOR: {
    what: (d: { tensor: string; need: string; got: string }) =>
      `tensor "${d.tensor.slice(0, 64)}" must have ${d.need}, got ${d.got}`,
    fix: (d: { tensor: string; need: string; got: string }) => `send ${d.need}`,
    retryable: false,
    status: 400,
  },
}
