/** Error texts of the area `data`. Each: what (subject, expected, got), fix (an act), retryable, HTTP status. */
export const data = {
  MR_DATA_NO_FILES: {
    what: (d: { dataset: string; folder: string; tried: string[] }) =>
      `dataset "${d.dataset}" has no source files: nothing in ${d.folder} matches ${d.tried.join(', ')}`,
    fix: (d: { dataset: string; folder: string; tried: string[] }) =>
      `put files there, or change source of dataset "${d.dataset}"; paths are relative to the folder of the config`,
    retryable: false,
    status: 422,
  },
  MR_DATA_FORMAT: {
    what: (d: { file: string }) => `the format of ${d.file} is not known by its name or its first bytes`,
    fix: (_: { file: string }) =>
      "say it in the dataset: read: { format: 'parquet' }, 'orc', 'arrow', 'csv', 'json', 'sheet' or 'sqlite' (gzip is fine for csv and json)",
    retryable: false,
    status: 415,
  },
  MR_DATA_NOT_PARQUET: {
    what: (d: { file: string; begins: string }) =>
      `${d.file} is not Parquet: it should begin and end with "PAR1", it begins with "${d.begins}"`,
    fix: (_: { file: string; begins: string }) =>
      "give the file again as Parquet, or name its real format in the dataset: read: { format: 'csv' }",
    retryable: false,
    status: 422,
  },
  MR_DATA_TRUNCATED: {
    what: (d: { file: string; bytes: number }) =>
      `${d.file} begins as Parquet but has no end: "PAR1" is missing after ${d.bytes} bytes, so it was cut off`,
    fix: (d: { file: string; bytes: number }) =>
      `copy ${d.file} again and compare sizes (here ${d.bytes} bytes)`,
    retryable: false,
    status: 422,
  },
  MR_DATA_EXPORT_FORMAT: {
    what: (d: { path: string; formats: string[] }) =>
      `the format of ${d.path} cannot be told from its name, which should end in .parquet, .orc, .csv, .json or .jsonl`,
    fix: (d: { path: string; formats: string[] }) => `say it: --format ${d.formats.join(', ')}`,
    retryable: false,
    status: 400,
  },
  MR_DATA_EXPORT_COLUMN: {
    what: (d: { dataset: string; column: string; near: string[] }) =>
      `dataset "${d.dataset}" has no column "${d.column}"`,
    fix: (d: { dataset: string; column: string; near: string[] }) =>
      d.near.length > 0
        ? `did you mean ${d.near.join(' or ')}?`
        : `see them: millrace data show ${d.dataset}`,
    retryable: false,
    status: 400,
  },
  MR_DATA_ORC_WRITE: {
    what: (d: { compression: string; node: string }) =>
      `ORC cannot be packed by ${d.compression} here: Node ${d.node} does not have it`,
    fix: (_: { compression: string; node: string }) => 'use zlib, or Node 22.15 or newer',
    retryable: false,
    status: 501,
  },
  MR_DATA_FETCH: {
    what: (d: { url: string; why: string }) => `${d.url} cannot be fetched: ${d.why}`,
    fix: (_: { url: string; why: string }) =>
      'open the address by hand (curl -I), and put it right in the source of the dataset',
    retryable: false,
    status: 422,
  },
  MR_DATA_FETCH_LATER: {
    what: (d: { url: string; why: string }) => `${d.url} cannot be fetched now: ${d.why}`,
    fix: (_: { url: string; why: string }) =>
      'import again later; what was imported before is used meanwhile',
    retryable: true,
    status: 503,
  },
  MR_CROISSANT_FORMAT: {
    what: (d: { file: string; why: string }) => `${d.file} is no Croissant document that is read: ${d.why}`,
    fix: (_: { file: string; why: string }) =>
      'name the JSON-LD of a dataset of Croissant 1.0 or 1.1: croissant:<path or address>',
    retryable: false,
    status: 422,
  },
  MR_CROISSANT_RECORDS: {
    what: (d: { file: string; wanted: string; known: string[] }) =>
      d.wanted === ''
        ? `${d.file} has ${d.known.length} record sets: ${d.known.join(', ') || 'none'}`
        : `${d.file} has no record set "${d.wanted}", it has ${d.known.join(', ') || 'none'}`,
    fix: (d: { file: string; wanted: string; known: string[] }) =>
      d.known.length > 0
        ? `say which: croissant:${d.file}#${d.known[0]}`
        : 'name its files themselves in the source of the dataset',
    retryable: false,
    status: 422,
  },
  MR_CROISSANT_FIELD: {
    what: (d: { file: string; what: string; why: string }) =>
      `${d.file}: "${d.what}" is not read, since ${d.why}`,
    fix: (_: { file: string; what: string; why: string }) =>
      'take another record set, or name the files themselves in the source of the dataset: CSV, JSON, Parquet, Arrow and sheets, in folders and zip files',
    retryable: false,
    status: 422,
  },
  MR_CROISSANT_HASH: {
    what: (d: { file: string; what: string; algorithm: string; said: string; got: string }) =>
      `"${d.what}" of ${d.file} has the ${d.algorithm} ${d.got}, and the document says ${d.said}`,
    fix: (_: { file: string; what: string; algorithm: string; said: string; got: string }) =>
      'bring the file that the document is of, or a document that is of the file',
    retryable: false,
    status: 422,
  },
  MR_DATA_TABLE: {
    what: (d: { file: string; what: 'sheet' | 'table'; asked: string; known: string[] }) =>
      d.asked === ''
        ? `${d.file} has ${d.known.length} ${d.what}s: ${d.known.join(', ')}`
        : `${d.file} has no ${d.what} "${d.asked}", it has ${d.known.join(', ') || 'none'}`,
    fix: (d: { file: string; what: 'sheet' | 'table'; asked: string; known: string[] }) =>
      `say which one: read: { ${d.what}: '${d.known[0] ?? ''}' }`,
    retryable: false,
    status: 422,
  },
  MR_DATA_HEADER_ROWS: {
    what: (d: { file: string; from: number; to: number }) =>
      `the columns of ${d.file} are named over several lines (${d.from} to ${d.to})`,
    fix: (d: { file: string; from: number; to: number }) =>
      `put the names into one line, or say which line has them: read: { header: ${d.to} }, or read: { header: false } for none; lines above it are left out`,
    retryable: false,
    status: 422,
  },
  MR_DATA_RAGGED: {
    what: (d: { file: string; line: number; cells: number; expected: number; rows: number }) =>
      `line ${d.line} of ${d.file} has ${d.cells} cells, rows have ${d.expected}; ${d.rows} ${d.rows === 1 ? 'row is' : 'rows are'} so`,
    fix: (d: { file: string; line: number; cells: number; expected: number; rows: number }) =>
      d.cells < d.expected
        ? "put the lines right, or take what is missing for empty: read: { ragged: 'pad' }"
        : "quote cells that have the delimiter in them, or say another one: read: { delimiter: ';' }; cells too many that are empty are left out by read: { ragged: 'pad' }",
    retryable: false,
    status: 422,
  },
  MR_DATA_ENCODING: {
    what: (d: { file: string; encoding: string }) => `${d.file} cannot be read in "${d.encoding}"`,
    fix: (_: { file: string; encoding: string }) =>
      'name one that TextDecoder knows: utf-8, utf-16le, latin-1, windows-1252, shift_jis, big5, …; or leave it to be guessed',
    retryable: false,
    status: 422,
  },
  MR_DATA_EMPTY_FILE: {
    what: (d: { file: string }) => `${d.file} is empty: it has no bytes at all`,
    fix: (d: { file: string }) => `deliver ${d.file} again, or take it out of the source`,
    retryable: false,
    status: 422,
  },
  MR_DATA_NOT_UNUSUAL: {
    what: (d: { dataset: string; metric: string; times: string[] }) =>
      `no delivery of "${d.dataset}" has an unusual ${d.metric} to accept`,
    fix: (d: { dataset: string; metric: string; times: string[] }) =>
      d.times.length === 0
        ? `see \`millrace data history ${d.dataset} "${d.metric}"\`: every value is usual or accepted`
        : `name one of these by --at: ${d.times.slice(-10).join(', ')}`,
    retryable: false,
    status: 404,
  },
  MR_DATA_NO_ROWS: {
    what: (d: { dataset: string; files: string[]; why: string }) =>
      `nothing to import into dataset "${d.dataset}" from ${d.files.join(', ')}: ${d.why}`,
    fix: (_: { dataset: string; files: string[]; why: string }) =>
      'deliver a file that has rows, or widen the window of time that is selected',
    retryable: false,
    status: 422,
  },
  MR_DATA_UNREADABLE: {
    what: (d: { file: string; format: string; why: string }) =>
      `${d.file} cannot be read as ${d.format}: ${d.why}`,
    fix: (d: { file: string; format: string; why: string }) =>
      d.format === 'csv'
        ? "state how it is written in the dataset: read: { format: 'csv', delimiter: ';', missing: ['?'] }, or repair the line named above"
        : `write ${d.file} again with the tool that made it, and look at it with \`millrace init <file> --dry-run\``,
    retryable: false,
    status: 422,
  },
  MR_DATA_COLUMN_TYPE: {
    what: (d: { dataset: string; column: string; expected: string; got: string; file: string }) =>
      `column "${d.column}" of dataset "${d.dataset}" is ${d.expected}, but ${d.file} has ${d.got}`,
    fix: (d: { dataset: string; column: string; expected: string; got: string; file: string }) =>
      `write "${d.column}" as ${d.expected} in ${d.file}, or import it under a new column name or into a new dataset`,
    retryable: false,
    status: 422,
  },
  MR_DATA_COLUMN_MISSING: {
    what: (d: { dataset: string; column: string; role: string; file: string; columns: string[] }) =>
      `dataset "${d.dataset}" needs ${d.role} "${d.column}", but ${d.file} has only ${d.columns.slice(0, 30).join(', ')}`,
    fix: (d: { dataset: string; column: string; role: string; file: string; columns: string[] }) =>
      `add "${d.column}" to the file, or change the ${d.role} of dataset "${d.dataset}"`,
    retryable: false,
    status: 422,
  },
  MR_DATA_NO_TIME: {
    what: (d: { dataset: string }) =>
      `a window of time is asked of dataset "${d.dataset}", which has no time column`,
    fix: (d: { dataset: string }) =>
      `name the column: dataset('${d.dataset}', { time: '…' }), or import without a window`,
    retryable: false,
    status: 422,
  },
  MR_DATA_NO_KEY: {
    what: (d: { dataset: string; what: string }) => `dataset "${d.dataset}" has no key, so ${d.what}`,
    fix: (d: { dataset: string }) =>
      `name the columns that identify a row: dataset('${d.dataset}', { key: ['…'] })`,
    retryable: false,
    status: 422,
  },
  MR_DATA_MERGE_COLUMN: {
    what: (d: { dataset: string; column: string; columns: string[] }) =>
      `a rule of the merge is about column "${d.column}", which dataset "${d.dataset}" has not`,
    fix: (d: { columns: string[] }) => `the columns are ${d.columns.slice(0, 12).join(', ')}`,
    retryable: false,
    status: 422,
  },
  MR_DATA_MERGE_CUT: {
    what: (d: { version: string }) =>
      `what both branches came from is not kept any more: history was cut at ${d.version}, so that a row that one has and the other has not may be new or deleted`,
    fix: (_: { version: string }) =>
      'bring the history back (`millrace data pull` from a remote that has it), or take one side whole: `millrace data checkout` it and import it with `--mode replace`',
    retryable: false,
    status: 409,
  },
  MR_DATA_MERGE_OPEN: {
    what: (d: { dataset: string; open: Record<string, number>; sample: string[] }) =>
      `the merge of dataset "${d.dataset}" has ${Object.values(d.open).reduce((a, b) => a + b)} open conflicts: ${d.sample.join('; ')}`,
    fix: (_: { dataset: string }) =>
      'decide them: `--resolve ours`, `theirs` or `base` for all, `--column <name>=<expression>` for a column, `--picks <file>` by hand; `--conflicts <file>` writes them all, `--wait` leaves them to the console',
    retryable: false,
    status: 409,
  },
  MR_DATA_MERGE_VALUE: {
    what: (d: { column: string; type: string; got: string }) =>
      d.column === ''
        ? `a value of one's own or an expression is for one column, got ${d.got.slice(0, 160)}`
        : `column "${d.column}" takes ${d.type}, which "${d.got.slice(0, 64)}" is not`,
    fix: (d: { column: string; type: string }) =>
      d.column === '' ? 'name the column' : `give a value of type ${d.type}, or leave it missing`,
    retryable: false,
    status: 422,
  },
  MR_DATA_MERGE_ABSENT: {
    what: (d: { dataset: string; branch: string; into: string }) =>
      `no merge of branch "${d.branch}" into "${d.into}" of dataset "${d.dataset}" waits to be decided`,
    fix: (d: { dataset: string; branch: string }) =>
      `begin one: \`millrace data merge ${d.dataset} ${d.branch}\`, or Merge beside the branch in the console`,
    retryable: false,
    status: 404,
  },
  MR_DATA_MERGE_DECIDED: {
    what: (d: { n: number; by: string }) =>
      `${d.n} of these conflicts ${d.n === 1 ? 'was' : 'were'} decided by ${d.by} since you looked; nothing was changed`,
    fix: (_: { n: number; by: string }) =>
      'look at what was decided, and decide again where you still want to',
    retryable: true,
    status: 409,
  },
  MR_DATA_MERGE_STALE: {
    what: (d: { dataset: string; branch: string; moved: string }) =>
      `"${d.moved}" of dataset "${d.dataset}" moved since the merge of "${d.branch}" was begun: its conflicts may be others now`,
    fix: (_: { dataset: string }) =>
      'begin again: decisions about cells that are as they were are kept, and the others are open',
    retryable: true,
    status: 409,
  },
  MR_DATA_MERGE_STEP: {
    what: (d: { step: number; why: string }) => `step ${d.step} of the merge cannot be taken back: ${d.why}`,
    fix: (_: { step: number }) => 'choose one of the steps that the merge shows as standing',
    retryable: false,
    status: 409,
  },
  MR_DATA_MERGE_CHECKS: {
    what: (d: { dataset: string; from: string; checks: string[]; broken: string[] }) =>
      `the merge of branch "${d.from}" of dataset "${d.dataset}" breaks ${d.checks.length === 1 ? 'a check' : `${d.checks.length} checks`}: ${d.broken.slice(0, 5).join('; ')}`,
    fix: (d: { dataset: string; from: string; checks: string[]; broken: string[] }) =>
      `change one of the branches so that ${d.checks[0]} holds over the rows of both, or loosen it (atLeast, its bounds, or warn()); nothing has moved`,
    retryable: false,
    status: 422,
  },
  MR_DATA_KEY_COLUMN: {
    what: (d: { dataset: string; column: string; columns: string[] }) =>
      `column "${d.column}" of the key is not in both versions of dataset "${d.dataset}"`,
    fix: (d: { columns: string[] }) =>
      `name columns that both have, such as ${d.columns.slice(0, 6).join(', ')}`,
    retryable: false,
    status: 422,
  },
  MR_DATA_COLUMN_NAME: {
    what: (d: { column: string; file: string }) =>
      `column "${d.column}" of ${d.file} has a name that Millrace keeps for itself`,
    fix: (d: { column: string; file: string }) =>
      `rename "${d.column}" in ${d.file}; names beginning with "_mr_", "_reasons" and "__proto__" are taken`,
    retryable: false,
    status: 422,
  },
  MR_DATA_MEMORY: {
    what: (d: { what: string; limitMb: number }) =>
      `${d.what} needs more memory than the ${d.limitMb} MB an import may use`,
    fix: (d: { what: string; limitMb: number }) =>
      `split the file, or raise limits.importMemoryMb above ${d.limitMb} in the config`,
    retryable: false,
    status: 413,
  },
  MR_DATA_STALLED: {
    what: (d: { what: string; limitMs: number; note: string }) =>
      `${d.what} made no progress for ${d.limitMs} ms (last step: ${d.note || 'start'}) and was stopped`,
    fix: (_: { what: string; limitMs: number; note: string }) =>
      'run it again on a quieter machine, split the file, or raise limits.importStallMs in the config',
    retryable: true,
    status: 504,
  },
  MR_DATA_CRASHED: {
    what: (d: { what: string; why: string }) => `the process that read ${d.what} died: ${d.why}`,
    fix: (_: { what: string; why: string }) =>
      'nothing was changed; look at the file with `millrace init <file> --dry-run`; it may be built to break readers',
    retryable: false,
    status: 422,
  },
  MR_DATA_REFUSED: {
    what: (d: { dataset: string; checks: string[]; findings: { message: string }[] }) =>
      `the delivery for dataset "${d.dataset}" was refused by ${d.checks.join(', ')}: ${d.findings.map((f) => f.message).join('; ')}`,
    fix: (d: { dataset: string; checks: string[]; findings: { message: string }[] }) =>
      `repair the delivery, or loosen ${d.checks[0]} (atLeast, or onFail: 'quarantine'); the version before is still in use`,
    retryable: false,
    status: 422,
  },
  MR_DATA_OTHER_EMPTY: {
    what: (d: { dataset: string }) =>
      `dataset "${d.dataset}", in which a check looks keys up, has no version yet`,
    fix: (d: { dataset: string }) => `import it first: \`millrace data import ${d.dataset}\``,
    retryable: false,
    status: 409,
  },
  MR_DATA_MOVED: {
    what: (d: { dataset: string; expected: string; holds: string }) =>
      `dataset "${d.dataset}" moved during the import: it was planned on ${d.expected}, but ${d.holds} is current now`,
    fix: (_: { dataset: string; expected: string; holds: string }) =>
      'run the import again; it will build on the current version',
    retryable: true,
    status: 409,
  },
  MR_DATA_EDIT_MOVED: {
    what: (d: { dataset: string; branch: string; expected: string; holds: string }) =>
      `${d.dataset}@${d.branch} moved meanwhile: the rows were chosen of ${d.expected}, but ${d.holds} is current now`,
    fix: (d: { dataset: string; branch: string; expected: string; holds: string }) =>
      `look again, \`millrace data quarantine ${d.dataset}@${d.branch} list\`, and choose anew`,
    retryable: true,
    status: 409,
  },
  MR_DATA_SELECTION: {
    what: (d: { what: string; need: string }) => `${d.what} needs to know which rows`,
    fix: (d: { what: string; need: string }) => `choose them: ${d.need}`,
    retryable: false,
    status: 400,
  },
  MR_DATA_SELECTION_MAX: {
    what: (d: { rows: number; max: number }) => `${d.rows} rows are chosen, at most ${d.max} can be at once`,
    fix: (_: { rows: number; max: number }) =>
      'narrow the choice with a reason or a filter, and do it in turns',
    retryable: false,
    status: 413,
  },
  MR_DATA_SELECTION_ROWS: {
    what: (d: { version: string; row: number; rows: number }) =>
      `row ${d.row} is chosen, but ${d.version} has rows 0 to ${d.rows - 1}`,
    fix: (_: { version: string; row: number; rows: number }) =>
      'rows are numbered within one version: look at that version again for the numbers',
    retryable: false,
    status: 400,
  },
  MR_DATA_FIX_COLUMN: {
    what: (d: { dataset: string; column: string; columns: string[] }) =>
      `dataset "${d.dataset}" has no column "${d.column}" to set; columns are ${d.columns.slice(0, 40).join(', ')}`,
    fix: (_: { dataset: string; column: string; columns: string[] }) =>
      'name a column of the dataset: --set "delay = delay / 60", --set "state = \'NY\'"',
    retryable: false,
    status: 400,
  },
  MR_DATA_FIX_VALUE: {
    what: (d: { dataset: string; column: string; rows: number }) =>
      `${d.rows} new values of column "${d.column}" of dataset "${d.dataset}" are no whole numbers of 64 bits, which the column holds`,
    fix: (d: { dataset: string; column: string; rows: number }) =>
      `round them: --set "${d.column} = round(…, 0)"; what is too large for the column cannot be set`,
    retryable: false,
    status: 422,
  },
  MR_DATA_BRANCH: {
    what: (d: { dataset: string; branch: string; known: string[] }) =>
      `dataset "${d.dataset}" has no branch "${d.branch}"; branches: ${d.known.length === 0 ? 'none' : d.known.slice(0, 20).join(', ')}`,
    fix: (d: { dataset: string; branch: string; known: string[] }) =>
      d.known.length === 0 ? `use ${d.dataset}@main` : `use ${d.dataset}@main, or one of the branches`,
    retryable: false,
    status: 404,
  },
  MR_DATA_TAG: {
    what: (d: { dataset: string; tag: string; known: string[] }) =>
      `dataset "${d.dataset}" has no tag "${d.tag}"; tags: ${d.known.length === 0 ? 'none' : d.known.slice(0, 20).join(', ')}`,
    fix: (d: { dataset: string }) => `millrace data tag ${d.dataset}`,
    retryable: false,
    status: 404,
  },
  MR_DATA_BRANCH_MAIN: {
    what: (d: { dataset: string }) =>
      `"main" of dataset "${d.dataset}" is what models train on, not a branch to be tried`,
    fix: (_: { dataset: string }) => 'give the branch another name, such as "cleaned"',
    retryable: false,
    status: 400,
  },
  MR_DATA_BRANCH_EDITED: {
    what: (d: { dataset: string; branch: string; version: string }) =>
      `branch "${d.branch}" of dataset "${d.dataset}" cannot take more rows of ${d.version}: it was made of another version, or edited since`,
    fix: (_: { dataset: string; branch: string; version: string }) =>
      'use another name for the branch, or merge or drop this one first',
    retryable: false,
    status: 409,
  },
  MR_DATA_VERSION: {
    what: (d: { name: string; known: string[] }) =>
      `no dataset version is called "${d.name}"; known: ${d.known.length === 0 ? 'none' : d.known.slice(0, 12).join(', ')}`,
    fix: (_: { name: string; known: string[] }) =>
      'name a version as flights@main, flights@main~1 (one before) or by at least 6 digits of its digest; see `millrace data log`',
    retryable: false,
    status: 404,
  },
  MR_DATA_VERSION_AMBIGUOUS: {
    what: (d: { name: string; matches: string[] }) => `"${d.name}" could be any of ${d.matches.join(', ')}`,
    fix: (_: { name: string; matches: string[] }) => 'give more digits of the digest',
    retryable: false,
    status: 409,
  },
}
