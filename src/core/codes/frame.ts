/** Error texts of the area `frame`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const frame = {
  MR_FRAME_COLUMN: {
    what: (d: { verb: string; column: string; close: string[]; columns: string[] }) =>
      `${d.verb}: the frame has no column "${d.column}"; it has ${listed(d.columns)}`,
    fix: (d: { verb: string; column: string; close: string[]; columns: string[] }) =>
      d.close.length > 0
        ? `did you mean ${d.close.map((name) => `"${name}"`).join(' or ')}?`
        : 'see what the frame has at this point: `await frame.schema()`',
    retryable: false,
    status: 400,
  },
  MR_FRAME_TWICE: {
    what: (d: { verb: string; column: string; other: string }) =>
      d.column === d.other
        ? `${d.verb}: two columns would be called "${d.column}"`
        : `${d.verb}: the columns "${d.other}" and "${d.column}" differ in capitals alone, which the engine does not tell apart`,
    fix: (d: { verb: string; column: string; other: string }) =>
      `give one of them another name: .rename({ "${d.other}": … }), or a suffix in a join`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_EMPTY: {
    what: (d: { verb: string }) => `${d.verb}: a frame has at least one column, and none would be left`,
    fix: (_: { verb: string }) => 'keep a column, or give rows that have one',
    retryable: false,
    status: 400,
  },
  MR_FRAME_TYPE: {
    what: (d: { verb: string; expected: string[]; got: string }) =>
      `${d.verb} takes ${d.expected.join(' or ')}, got ${d.got}`,
    fix: (d: { verb: string; expected: string[]; got: string }) =>
      `change the column's type first: .cast({ column: '${d.expected[0]}' })`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_OPTION: {
    what: (d: { verb: string; option: string; expected: string; got: string }) =>
      `${d.verb}: ${d.option} must be ${d.expected}, got ${d.got}`,
    fix: (d: { verb: string; option: string; expected: string; got: string }) =>
      `give ${d.option}: ${d.expected}`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_FORMAT: {
    what: (d: { path: string; formats: string[] }) => `the format of ${d.path} cannot be told from its name`,
    fix: (d: { path: string; formats: string[] }) =>
      `say it: { format: '…' }, one of ${d.formats.join(', ')}`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_LENGTH: {
    what: (d: { column: string; expected: number; got: number }) =>
      `the column "${d.column}" has ${d.got} values where others have ${d.expected}`,
    fix: (d: { column: string; expected: number; got: number }) =>
      `give ${d.expected} values for "${d.column}"`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_VALUES: {
    what: (d: { column: string; types: string[] }) =>
      `the column "${d.column}" has values of several types: ${d.types.join(', ')}`,
    fix: (d: { column: string; types: string[] }) =>
      `make them one type, or say which: { types: { "${d.column}": 'string' } }`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_STORE: {
    what: (d: { dataset: string }) =>
      `the rows of "${d.dataset}" are in a store, and the frame was given none`,
    fix: (d: { dataset: string }) =>
      `give the store of an open runtime: frame(${d.dataset}, { store: runtime.store })`,
    retryable: false,
    status: 400,
  },
  MR_FRAME_WIDE: {
    what: (d: { column: string; max: number }) =>
      `pivot: "${d.column}" has more than ${d.max} values, each of which would be a column`,
    fix: (d: { column: string; max: number }) =>
      `filter or bucket "${d.column}" first, or name the columns that you want: { columns: […] }`,
    retryable: false,
    status: 400,
  },
} as const

const SHOWN = 12

function listed(names: readonly string[]): string {
  const more = names.length - SHOWN
  const shown = names.slice(0, SHOWN).map((name) => `"${name}"`)
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}
