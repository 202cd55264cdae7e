/** Error texts of the area `cli`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const cli = {
  MR_CLI_USAGE: {
    what: (d: { why: string; help: string }) => d.why,
    fix: (d: { why: string; help: string }) => `see \`${d.help}\``,
    retryable: false,
    status: 400,
  },
  MR_CLI_FAULT: {
    what: (d: { why: string }) => `something went wrong that Millrace has no words for: ${d.why}`,
    fix: (_: { why: string }) =>
      'run the command again with --verbose to see where, and report it; finished work is kept',
    retryable: false,
    status: 500,
  },
  MR_CLI_NO_FILE: {
    what: (d: { path: string; why: string }) => `${d.path} ${d.why}`,
    fix: (_: { path: string; why: string }) =>
      'name files of rows, e.g. `millrace init data/customers.csv` or `millrace init data/*.parquet`',
    retryable: false,
    status: 404,
  },
  MR_CLI_EXISTS: {
    what: (d: { path: string }) => `${d.path} is there already`,
    fix: (_: { path: string }) => 'choose another name or folder, or write it anew with --force',
    retryable: false,
    status: 409,
  },
  MR_CLI_TARGET_UNKNOWN: {
    what: (d: { option: string; column: string; known: string[] }) =>
      `${d.option} names column "${d.column.slice(0, 64)}", which the file does not have`,
    fix: (d: { option: string; column: string; known: string[] }) =>
      `use one of: ${d.known.slice(0, 40).join(', ')}`,
    retryable: false,
    status: 400,
  },
  MR_CLI_TARGET_NONE: {
    what: (d: { columns: string[] }) =>
      `no column of ${d.columns.slice(0, 30).join(', ')} has two values or numbers that could be predicted`,
    fix: (_: { columns: string[] }) =>
      'name what is to be predicted: --target <column>, with --positive <value> where it has more than two values',
    retryable: false,
    status: 422,
  },
  MR_CLI_TARGET_VALUES: {
    what: (d: { column: string; distinct: number; examples: string[]; yes: string }) =>
      `column "${d.column}" has ${d.distinct === 1 ? 'only one value' : `${d.distinct} different values`} (${d.examples.slice(0, 5).join(', ')})${d.distinct < 2 ? '' : ', and a yes or no has two'}`,
    fix: (d: { column: string; distinct: number; examples: string[]; yes: string }) =>
      d.distinct < 2
        ? 'choose a column that differs between rows: --target <column>'
        : `say which value is the yes: --target ${shellWord(d.column)} --positive ${shellWord(d.yes)}, or tell them apart: --task multiclass`,
    retryable: false,
    status: 422,
  },
  MR_CLI_CLASSES: {
    what: (d: { column: string; distinct: number; max: number }) =>
      `column "${d.column}" has ${d.distinct} different values, at most ${d.max} can be told apart as classes`,
    fix: (d: { column: string; distinct: number; max: number }) =>
      `choose a coarser column, or name the value that is the yes: --target ${shellWord(d.column)} --positive <value>`,
    retryable: false,
    status: 422,
  },
  MR_CLI_TASK: {
    what: (d: { column: string; type: string; task: string }) =>
      `column "${d.column}" (${d.type}) cannot be the target of a ${d.task} model`,
    fix: (d: { column: string; type: string; task: string }) =>
      d.task === 'regression'
        ? 'choose a column of numbers: --target <column>, or --task binary'
        : 'leave --task away, or name the value that is the yes: --positive <value>',
    retryable: false,
    status: 422,
  },
  MR_CLI_POSITIVE: {
    what: (d: { column: string; value: string; known: string[] }) =>
      `column "${d.column}" has no value "${d.value.slice(0, 64)}"`,
    fix: (d: { column: string; value: string; known: string[] }) =>
      `use one of: ${d.known.slice(0, 20).join(', ')}`,
    retryable: false,
    status: 400,
  },
  MR_CLI_TIME: {
    what: (d: { column: string; known: string[] }) =>
      `column "${d.column}" cannot order the rows in time: it is not a time or has gaps`,
    fix: (d: { column: string; known: string[] }) =>
      d.known.length > 0 ? `use --time ${d.known.join(' or --time ')}, or --time none` : 'leave --time away',
    retryable: false,
    status: 422,
  },
  MR_CLI_COLUMNS: {
    what: (d: { file: string; expected: number; got: number }) =>
      `--columns gives ${d.got} names, but ${d.file} has ${d.expected} columns`,
    fix: (d: { file: string; expected: number; got: number }) =>
      `give ${d.expected} names with commas between, in the order of the file`,
    retryable: false,
    status: 400,
  },
  MR_CLI_HEADER: {
    what: (d: { file: string }) => `${d.file} has a line of column names already, so --columns has no place`,
    fix: (_: { file: string }) => 'leave --columns away',
    retryable: false,
    status: 400,
  },
  MR_CLI_CONFIG_EDIT: {
    what: (d: { path: string; dataset: string; why: string; lines: string[] }) =>
      `checks cannot be written for dataset "${d.dataset}" of ${d.path}: ${d.why}`,
    fix: (d: { path: string; dataset: string; why: string; lines: string[] }) =>
      `add by hand to its checks: ${d.lines.join(', ')}`,
    retryable: false,
    status: 422,
  },
  MR_CLI_VALUE: {
    what: (d: { option: string; expected: string; got: string }) =>
      `${d.option} must be ${d.expected}, got "${d.got.slice(0, 64)}"`,
    fix: (d: { option: string; expected: string; got: string }) => `give ${d.option} as ${d.expected}`,
    retryable: false,
    status: 400,
  },
}

const shellWord = (text: string): string =>
  /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
