const list = (names: string[], max = 40): string =>
  names.length === 0
    ? '(none)'
    : names.slice(0, max).join(', ') + (names.length > max ? `, … (${names.length} in all)` : '')

/** Error texts of the area `expr`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const expr = {
  MR_EXPR_UNKNOWN_COLUMN: {
    what: (d: { column: string; close: string[]; columns: string[]; place?: string }) =>
      `${d.place ? `${d.place} uses` : 'the expression uses'} column "${d.column}", which the data do not have; columns are ${list(d.columns)}`,
    fix: (d: { column: string; close: string[]; columns: string[]; place?: string }) =>
      d.close.length > 0
        ? `write ${d.close.map((c) => `"${c}"`).join(' or ')} instead of "${d.column}"`
        : `choose one of the columns, or add "${d.column}" to the data`,
    retryable: false,
    status: 400,
  },
  MR_EXPR_TYPE: {
    what: (d: { expr: string; expected: string; got: string; place?: string }) =>
      `${d.place ? `${d.place}: ` : ''}${d.expr} must be ${d.expected}, got ${d.got}`,
    fix: (d: { expr: string; expected: string; got: string; place?: string }) => castHint(d.expected, d.got),
    retryable: false,
    status: 400,
  },
  MR_EXPR_UNKNOWN_FUNCTION: {
    what: (d: { fn: string; close: string[] }) => `there is no expression function "${d.fn}"`,
    fix: (d: { fn: string; close: string[] }) =>
      d.close.length > 0 ? `use ${d.close.join(' or ')}` : 'build expressions with col(…) and its methods',
    retryable: false,
    status: 400,
  },
  MR_EXPR_ARGS: {
    what: (d: { fn: string; expected: string; got: number }) => `${d.fn} takes ${d.expected}, got ${d.got}`,
    fix: (d: { fn: string; expected: string; got: number }) => `give ${d.fn} ${d.expected}`,
    retryable: false,
    status: 400,
  },
  MR_EXPR_LITERAL: {
    what: (d: { fn: string; arg: string; expected: string; got: string }) =>
      `the argument "${d.arg}" of ${d.fn} must be ${d.expected}, got ${d.got}`,
    fix: (d: { fn: string; arg: string; expected: string; got: string }) =>
      `give ${d.expected} for "${d.arg}"`,
    retryable: false,
    status: 400,
  },
  MR_EXPR_REGEX: {
    what: (d: { pattern: string; at: number; why: string }) =>
      `the regular expression ${JSON.stringify(d.pattern)} cannot be used: ${d.why} (at character ${d.at})`,
    fix: (_: { pattern: string; at: number; why: string }) =>
      'use literals, classes [a-z], \\d \\w \\s \\b, groups ( ), |, anchors ^ $ and the counts * + ? {n,m}',
    retryable: false,
    status: 400,
  },
  MR_EXPR_ZONE: {
    what: (d: { zone: string }) => `"${d.zone}" is not an IANA time zone that this system knows`,
    fix: (_: { zone: string }) => 'use a name such as America/New_York, Europe/Berlin or UTC',
    retryable: false,
    status: 400,
  },
  MR_EXPR_FIT: {
    what: (d: { expr: string; fn: string }) =>
      `${d.expr} uses .${d.fn}() inside another expression; a learned step must be the whole feature`,
    fix: (d: { expr: string; fn: string }) => `make .${d.fn}() the last call of the feature`,
    retryable: false,
    status: 400,
  },
  MR_EXPR_SIZE: {
    what: (d: { what: string; max: number }) => `an expression has at most ${d.max} ${d.what}`,
    fix: (_: { what: string; max: number }) =>
      'split it into several features, or compute a column before the import',
    retryable: false,
    status: 400,
  },
  MR_EXPR_VALUE: {
    what: (d: { column: string; expected: string; got: string }) =>
      `column "${d.column}" must be ${d.expected}, got ${d.got}`,
    fix: (d: { column: string; expected: string; got: string }) =>
      `send ${d.expected} or null for "${d.column}"`,
    retryable: false,
    status: 400,
  },
  MR_EXPR_SYNTAX: {
    what: (d: { text: string; at: number; expected: string; got: string }) =>
      `"${d.text}" cannot be read: at character ${d.at} ${d.expected} is expected, got ${d.got}`,
    fix: (_: { text: string; at: number; expected: string; got: string }) =>
      "write it as delay > 120 and origin = 'ATL': texts in quotes, names with blanks in backticks",
    retryable: false,
    status: 400,
  },
  MR_EXPR_FIT_EMPTY: {
    what: (d: { feature: string }) =>
      `the rate of feature "${d.feature}" has no training row with a target to learn from`,
    fix: (_: { feature: string }) => 'widen the training window, or correct the target expression',
    retryable: false,
    status: 400,
  },
  MR_EXPR_STATE: {
    what: (d: { feature: string; why: string }) =>
      `the fitted state of feature "${d.feature}" cannot be used: ${d.why}`,
    fix: (_: { feature: string; why: string }) => 'train the model again with this version of Millrace',
    retryable: false,
    status: 500,
  },
}

function castHint(expected: string, got: string): string {
  if (expected === 'number' && got === 'string')
    return 'add .tryNumber() to read text as a number, or .category() to use it as a category'
  if (expected === 'number' && got === 'bool') return 'add .number()'
  if (expected === 'string')
    return got === 'time' ? 'take a part of the time, such as .month()' : 'add .string()'
  if (expected === 'bool') return 'compare it with something, such as .gt(0)'
  if (expected === 'time') return "use a time column, or time('2001-04-01') for an instant"
  return `use ${expected} there`
}
