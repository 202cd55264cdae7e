/** Error texts of the area `stats`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const stats = {
  MR_STATS_NAN: {
    what: (d: { what: string; index: number; got: number }) =>
      `${d.what} must hold numbers only, got ${d.got} at index ${d.index}`,
    fix: (d: { what: string; index: number; got: number }) =>
      `drop or impute the rows whose ${d.what} is missing or not finite before measuring`,
    retryable: false,
    status: 422,
  },
  MR_STATS_LENGTH: {
    what: (d: { what: string; need: number; got: number }) =>
      `${d.what} must have ${d.need} values, as many as its partner, got ${d.got}`,
    fix: (d: { what: string; need: number; got: number }) => `pass ${d.need} ${d.what}, one a row`,
    retryable: false,
    status: 422,
  },
  MR_STATS_EMPTY: {
    what: (d: { what: string; need: number; got: number }) =>
      `${d.what} needs at least ${d.need} values, got ${d.got}`,
    fix: (d: { what: string; need: number; got: number }) =>
      `gather ${d.need - d.got} more, or widen the window or slice that is measured`,
    retryable: false,
    status: 422,
  },
  MR_STATS_ONE_CLASS: {
    what: (d: { what: string; label: number; n: number }) =>
      `${d.what} needs rows of both classes, got ${d.n} rows that are all ${d.label}`,
    fix: (_: { what: string; label: number; n: number }) =>
      'measure over a longer window or a wider slice, so that both outcomes occur in it',
    retryable: false,
    status: 422,
  },
  MR_STATS_RANGE: {
    what: (d: { what: string; need: string; got: number }) => `${d.what} must be ${d.need}, got ${d.got}`,
    fix: (d: { what: string; need: string; got: number }) => `pass ${d.what} that is ${d.need}`,
    retryable: false,
    status: 422,
  },
  MR_STATS_BINS: {
    what: (d: { what: string; a: string; b: string }) =>
      `${d.what} needs the same bins on both sides, got ${d.a} and ${d.b}`,
    fix: (_: { what: string; a: string; b: string }) =>
      'build both with the bins of the reference (its edges or categories)',
    retryable: false,
    status: 422,
  },
  MR_STATS_DECODE: {
    what: (d: { what: string; why: string }) => `${d.what} cannot be read back: ${d.why}`,
    fix: (d: { what: string; why: string }) => `build the ${d.what} again from the rows it summarised`,
    retryable: false,
    status: 500,
  },
}
