/** Error texts of the area `define`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const define = {
  MR_DEFINE_VALUE: {
    what: (d: { place: string; expected: string; got: string }) =>
      `${d.place} must be ${d.expected}, got ${d.got}`,
    fix: (d: { place: string; expected: string; got: string }) => `set ${d.place} to ${d.expected}`,
    retryable: false,
    status: 400,
  },
  MR_DEFINE_DURATION: {
    what: (d: { place: string; got: string }) => `${d.place} must be a duration, got "${d.got}"`,
    fix: (_: { place: string; got: string }) =>
      "write a number and one of ms, s, m, h, d, w: '5ms', '1h', '7d'",
    retryable: false,
    status: 400,
  },
  MR_DEFINE_GROUP: {
    what: (d: { place: string; task: string }) =>
      d.task === 'ranking'
        ? `${d.place} ranks, and no column says which rows are ordered against one another`
        : `${d.place}.group names rows that are ordered against one another, but the task is "${d.task}"`,
    fix: (d: { place: string; task: string }) =>
      d.task === 'ranking'
        ? "name the column of the query: group: 'query_id'"
        : "leave the group away, or set task: 'ranking'",
    retryable: false,
    status: 400,
  },
  MR_DEFINE_DUPLICATE: {
    what: (d: { place: string; name: string }) => `${d.place}: the name "${d.name}" is given twice`,
    fix: (d: { place: string; name: string }) => `give one of the two another name than "${d.name}"`,
    retryable: false,
    status: 400,
  },
  MR_DEFINE_UNKNOWN: {
    what: (d: { place: string; kind: string; name: string; known: string[] }) =>
      `${d.place}: there is no ${d.kind} "${d.name}"; there ${d.known.length === 1 ? 'is' : 'are'} ${d.known.join(', ') || 'none'}`,
    fix: (d: { place: string; kind: string; name: string; known: string[] }) =>
      d.known.length > 0 ? `use ${d.known.join(' or ')}` : `add a ${d.kind} "${d.name}" to the project`,
    retryable: false,
    status: 400,
  },
  MR_DEFINE_OBJECTIVE: {
    what: (d: { place: string; objective: string; param: string; takes: string[]; takenBy: string[] }) =>
      `${d.place} "${d.objective}" takes ${d.takes.join(', ') || 'no parameters'}; ${d.param} is a parameter of ${d.takenBy.join(', ') || 'none'}`,
    fix: (d: { place: string; objective: string; param: string; takes: string[]; takenBy: string[] }) =>
      d.takenBy.length > 0
        ? `leave out ${d.param}, or set the objective to ${d.takenBy.join(' or ')}`
        : `leave out ${d.param}`,
    retryable: false,
    status: 400,
  },
  MR_DEFINE_EXPRESSION: {
    what: (d: { place: string; expected: string; got: string }) =>
      `${d.place} must be ${d.expected}, got ${d.got}`,
    fix: (_: { place: string; expected: string; got: string }) => "build it with col('name') and its methods",
    retryable: false,
    status: 400,
  },
  MR_DEFINE_NO_CONFIG: {
    what: (d: { folder: string; names: string[] }) =>
      `no project in ${d.folder}: none of ${d.names.join(', ')} is there`,
    fix: (_: { folder: string; names: string[] }) =>
      'run `millrace init <file.csv>` to make one, or go to the folder of your project',
    retryable: false,
    status: 404,
  },
  MR_DEFINE_SYNTAX: {
    what: (d: { file: string; line?: number; column?: number; why: string }) =>
      `${d.file}${d.line === undefined ? '' : `:${d.line}:${d.column ?? 1}`} cannot be read: ${d.why}`,
    fix: (d: { file: string; line?: number; column?: number; why: string }) =>
      d.line === undefined ? `correct ${d.file}` : `correct line ${d.line} of ${d.file}`,
    retryable: false,
    status: 400,
  },
  MR_DEFINE_CONFIG: {
    what: (d: { file: string; why: string }) => `${d.file} stopped while it ran: ${d.why}`,
    fix: (d: { file: string; why: string }) => `correct ${d.file}`,
    retryable: false,
    status: 400,
  },
  MR_DEFINE_NO_PROJECT: {
    what: (d: { file: string; got: string }) =>
      `the default export of ${d.file} must be a project, got ${d.got}`,
    fix: (_: { file: string; got: string }) =>
      "end the file with `export default project('name', { datasets: […], models: […] })`",
    retryable: false,
    status: 400,
  },
  MR_DEFINE_IMPORT: {
    what: (d: { what: string; why: string }) => `${d.what} was expected, but ${d.why}`,
    fix: (_: { what: string; why: string }) =>
      'give a suite of Great Expectations as JSON (0.x or 1.x), or a DQDL ruleset as text: Rules = [ … ]',
    retryable: false,
    status: 422,
  },
}
